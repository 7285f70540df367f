/* The kernels that look at single ratings of the user: those of the movies most similar
 * to the one in question (neighbours, titles), and the latest before the row (recency,
 * pace). See `_kernels.c`. */

#include "_kernels.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static size_t smaller(size_t one, size_t other) {
    return one < other ? one : other;
}

/* Neighbours */

/* The movies similar to each movie. */
typedef struct {
    Table start;
    Table neighbour;
    Table similarity;
} Similar;

typedef struct {
    Similar similar;
    Table prior;
    Table best;
    Table recent_seconds;
    Table shrinkage;
    Table prior_weight;
} Neighbours;

/* So many neighbours are looked up at once. */
#define CHUNK 64

/* Where each movie is among the user's ratings. Places of movies that the user hasn't
 * rated are left over from other users. They are recognized by pointing at another
 * movie, so that nothing needs to be cleared (Briggs and Torczon 1993). */
typedef struct {
    const uint32_t *place_of;
    const int32_t *rated;
    size_t n_movies, n_rated;
} Places;

static size_t places_scratch(const SharedTables *shared, size_t most_rated) {
    (void)most_rated;
    return (shared->movie_id.length + 1) * sizeof(uint32_t);
}

/* Those of the row's user, in the kernel's scratch. */
static Places places_of(const SharedTables *shared, const Row *row) {
    Places places = {
        .place_of = row->scratch,
        .rated = int32(&shared->rated_movie, row->first),
        .n_movies = shared->movie_id.length,
        .n_rated = row->last - row->first,
    };
    if (!row->is_same_user) {
        uint32_t *place_of = row->scratch;
        for (size_t i = 0; i < places.n_rated; i++) {
            place_of[places.rated[i]] = (uint32_t)i;
        }
    }
    return places;
}

/* Finds those of `n` similar movies that the user has rated: their places among the
 * user's ratings, and how similar they are. Returns how many they are. There is no
 * branch, since it would be mispredicted often. */
static size_t find_rated(const Places *places, const Similar *similar, size_t first,
                         size_t n, uint32_t *found_place, float *found_similarity) {
    const int32_t *neighbour = int32(&similar->neighbour, first);
    const float *similarity = float32(&similar->similarity, first);
    size_t n_found = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t movie = (uint32_t)neighbour[i];
        uint32_t place = places->place_of[movie < places->n_movies ? movie : 0];
        int is_place = place < places->n_rated;
        int is_rated = places->rated[is_place ? place : 0] == neighbour[i];

        found_place[n_found] = place;
        found_similarity[n_found] = similarity[i];
        n_found += is_place & is_rated;
    }
    return n_found;
}

static const char *similar_fault(const SharedTables *shared, const void *tables,
                                 size_t n_before) {
    (void)shared, (void)n_before;
    const Similar *t = tables;
    if (!rises_to(&t->start, t->neighbour.length - 1)) {
        return "start doesn't rise from 0 to the number of neighbours";
    }
    return NULL;
}

static void neighbours_columns(const SharedTables *shared, const void *tables,
                               Columns *columns) {
    (void)tables;
    add_column(columns, "neighbours_residual");
    add_column(columns, "neighbours_weight");
    add_column(columns, "neighbours_count");
    add_column(columns, "neighbours_recent_residual");
    add_column(columns, "neighbours_recent_weight");
    size_t n_classes = shared->class_values.length;
    for (size_t k = 0; k < n_classes; k++) {
        add_column(columns, "neighbours_share_%zu", k + 1);
    }
}

/* What the rated neighbours add up to. */
typedef struct {
    size_t n;
    double weight, residual;
    double recent_weight, recent_residual;
    double counts[MOST_CLASSES];
} NeighbourSums;

static void sum_neighbours(const SharedTables *shared, const Neighbours *t,
                           const Row *row, const Places *places, NeighbourSums *sums) {
    const float *rated_residual = float32(&shared->rated_residual, row->first);
    const int64_t *rated_time = int64(&shared->rated_time, row->first);
    const uint8_t *rated_class = uint8(&shared->rated_class, row->first);
    int64_t best = whole_number(&t->best);
    double recent_seconds = *float64(&t->recent_seconds, 0);

    const int64_t *bounds = int64(&t->similar.start, row->movie);
    size_t end = (size_t)bounds[1];
    for (size_t i = (size_t)bounds[0]; i < end; i += CHUNK) {
        uint32_t found_place[CHUNK];
        float found_similarity[CHUNK];
        size_t n_found = find_rated(places, &t->similar, i, smaller(end - i, CHUNK),
                                    found_place, found_similarity);
        for (size_t j = 0; j < n_found; j++) {
            uint32_t place = found_place[j];
            double similarity = found_similarity[j];
            double residual = rated_residual[place];
            double gap = row->time - (double)rated_time[place];
            if (gap > 0 && rated_time[place] >= 0) {
                double distance = 1 + gap / recent_seconds;
                double recent = similarity / (distance * distance);
                sums->recent_weight += recent;
                sums->recent_residual += recent * residual;
            }
            if ((int64_t)sums->n < best) {
                sums->n++;
                sums->weight += similarity;
                sums->residual += similarity * residual;
                sums->counts[rated_class[place]] += similarity;
            }
        }
    }
}

static void neighbours_write(const SharedTables *shared, const void *tables,
                             const Row *row, float *out) {
    const Neighbours *t = tables;
    Places places = places_of(shared, row);
    NeighbourSums sums = {0};
    if (places.n_rated) {
        sum_neighbours(shared, t, row, &places, &sums);
    }

    double shrinkage = *float64(&t->shrinkage, 0);
    out[0] = (float)(sums.residual / (sums.weight + shrinkage));
    out[1] = (float)sums.weight;
    out[2] = (float)sums.n;
    out[3] = (float)(sums.recent_residual / (sums.recent_weight + shrinkage));
    out[4] = (float)sums.recent_weight;

    const float *prior = float32(&t->prior, 0);
    float prior_weight = number(&t->prior_weight);
    double total = sums.weight + (double)prior_weight;
    for (size_t k = 0; k < shared->class_values.length; k++) {
        double from_prior = (double)(prior_weight * prior[k]);
        out[5 + k] = (float)((sums.counts[k] + from_prior) / total);
    }
}

const Kernel NEIGHBOURS = {
    .name = "neighbours",
    .tables =
        {
            {"start", 'q', "movies+2"},
            {"neighbour", 'i', "pairs+1"},
            {"similarity", 'f', "pairs+1"},
            {"prior", 'f', "classes"},
            {"best", 'q', "1"},
            {"recent_seconds", 'd', "1"},
            {"shrinkage", 'd', "1"},
            {"prior_weight", 'f', "1"},
        },
    .name_columns = neighbours_columns,
    .write = neighbours_write,
    .find_fault = similar_fault,
    .scratch_size = places_scratch,
};

/* Titles */

typedef struct {
    Similar similar;
    Table shrinkage;
} Titles;

static void titles_columns(const SharedTables *shared, const void *tables,
                           Columns *columns) {
    (void)shared, (void)tables;
    add_column(columns, "titles_residual");
    add_column(columns, "titles_weight");
}

static void titles_write(const SharedTables *shared, const void *tables, const Row *row,
                         float *out) {
    const Titles *t = tables;
    Places places = places_of(shared, row);
    const float *rated_residual = float32(&shared->rated_residual, row->first);
    double weight = 0;
    double residual = 0;

    const int64_t *bounds = int64(&t->similar.start, row->movie);
    size_t end = places.n_rated ? (size_t)bounds[1] : 0;
    for (size_t i = (size_t)bounds[0]; i < end; i += CHUNK) {
        uint32_t found_place[CHUNK];
        float found_similarity[CHUNK];
        size_t n_found = find_rated(&places, &t->similar, i, smaller(end - i, CHUNK),
                                    found_place, found_similarity);
        for (size_t j = 0; j < n_found; j++) {
            double similarity = found_similarity[j];
            weight += similarity;
            residual += similarity * (double)rated_residual[found_place[j]];
        }
    }

    out[0] = (float)(residual / (weight + *float64(&t->shrinkage, 0)));
    out[1] = (float)weight;
}

const Kernel TITLES = {
    .name = "titles",
    .tables =
        {
            {"start", 'q', "movies+2"},
            {"neighbour", 'i', "pairs+1"},
            {"similarity", 'f', "pairs+1"},
            {"shrinkage", 'd', "1"},
        },
    .name_columns = titles_columns,
    .write = titles_write,
    .find_fault = similar_fault,
    .scratch_size = places_scratch,
};

/* Recency */

typedef struct {
    Table seconds;
    Table ranks;
    Table rank_weight;
    Table latest;
    Table nearest;
    Table shrinkage;
} Recency;

static const char *recency_fault(const SharedTables *shared, const void *tables,
                                 size_t n_before) {
    (void)shared, (void)n_before;
    const Recency *t = tables;
    int64_t n_latest = whole_number(&t->latest);
    int64_t window = (int64_t)t->rank_weight.width;
    if (n_latest < 0 || n_latest > window) {
        return "latest is negative or more than the window of rank_weight";
    }
    return NULL;
}

static void name_shares(const SharedTables *shared, const char *kind,
                        Columns *columns) {
    for (size_t k = 0; k < shared->class_values.length; k++) {
        NumberText stars = text_of(*float32(&shared->class_values, k));
        add_column(columns, "recent_share_%s_%s", kind, stars.text);
    }
}

static void recency_columns(const SharedTables *shared, const void *tables,
                            Columns *columns) {
    static const char *const sums[] = {"residual", "weight"};
    static const char *const singles[] = {"rating", "residual", "gap"};
    const Recency *t = tables;
    size_t n_latest = (size_t)whole_number(&t->latest);

    for (int sum = 0; sum < 2; sum++) {
        for (size_t k = 0; k < t->seconds.length; k++) {
            NumberText seconds = text_of(*float32(&t->seconds, k));
            add_column(columns, "recent_%s_%ss", sums[sum], seconds.text);
        }
    }
    for (int single = 0; single < 3; single++) {
        for (size_t i = 0; i < n_latest; i++) {
            add_column(columns, "latest_%s_%zu", singles[single], i + 1);
        }
    }
    add_column(columns, "nearest_residual");

    char kind[64];
    NumberText shortest = text_of(*float32(&t->seconds, 0));
    snprintf(kind, sizeof kind, "%ss", shortest.text);
    name_shares(shared, kind, columns);
    for (size_t k = 0; k < t->ranks.length; k++) {
        NumberText rank = text_of(*float32(&t->ranks, k));
        snprintf(kind, sizeof kind, "rank_%s", rank.text);
        name_shares(shared, kind, columns);
    }
}

void sum_latest(const SharedTables *shared, const Row *row, size_t n,
                const float *values, const Table *widths, int by_rank, float *sum,
                float *weight) {
    for (size_t k = 0; k < widths->length; k += 4) {
        size_t n_bytes = smaller(widths->length - k, 4) * sizeof(float);
        Four width = {1, 1, 1, 1};
        memcpy(&width, float32(widths, k), n_bytes);

        Four sums = {0};
        Four weights = {0};
        for (size_t i = 0; i < n; i++) {
            size_t place = row->end - 1 - i;
            float distance = by_rank ? (float)i : seconds_since(shared, row, place);
            Four root = 1 / (1 + distance / width);
            Four near = root * root;
            weights += near;
            sums += near * values[place];
        }
        memcpy(sum + k, &sums, n_bytes);
        memcpy(weight + k, &weights, n_bytes);
    }
}

/* The class shares of weighted ratings. */
static void write_shares(const double *counts, size_t n_classes, float shrinkage,
                         float *out) {
    double total = 0;
    for (size_t k = 0; k < n_classes; k++) {
        total += counts[k];
    }
    for (size_t k = 0; k < n_classes; k++) {
        out[k] = (float)(counts[k] / (total + (double)shrinkage));
    }
}

/* Class shares of the `n` latest ratings before the row, weighted by their time. */
static void write_shares_by_time(const SharedTables *shared, const Row *row, size_t n,
                                 float seconds, float shrinkage, float *out) {
    double counts[MOST_CLASSES] = {0};
    for (size_t i = 0; i < n; i++) {
        size_t place = row->end - 1 - i;
        float weight = nearness(seconds_since(shared, row, place) / seconds);
        counts[class_at(shared, place)] += (double)weight;
    }
    write_shares(counts, shared->class_values.length, shrinkage, out);
}

/* The same, with a weight for each rank. */
static void write_shares_by_rank(const SharedTables *shared, const Row *row, size_t n,
                                 const float *weight, float shrinkage, float *out) {
    double counts[MOST_CLASSES] = {0};
    for (size_t i = 0; i < n; i++) {
        size_t place = row->end - 1 - i;
        counts[class_at(shared, place)] += (double)weight[i];
    }
    write_shares(counts, shared->class_values.length, shrinkage, out);
}

static void fill_with_nan(float *out, size_t n) {
    for (size_t i = 0; i < n; i++) {
        out[i] = NAN;
    }
}

/* The mean residual of the `n` latest ratings before the row. */
static float mean_residual(const SharedTables *shared, const Row *row, size_t n,
                           float shrinkage) {
    const float *residual = float32(&shared->rated_residual, 0);
    float sum = 0;
    float count = 0;
    for (size_t i = 0; i < n; i++) {
        sum += residual[row->end - 1 - i];
        count += 1;
    }
    return sum / (count + shrinkage);
}

static void recency_write(const SharedTables *shared, const void *tables,
                          const Row *row, float *out) {
    const Recency *t = tables;
    size_t n_classes = shared->class_values.length;
    size_t n_spans = t->seconds.length;
    size_t n_ranks = t->ranks.length;
    size_t n_latest = (size_t)whole_number(&t->latest);
    size_t n_columns = 2 * n_spans + 3 * n_latest + 1 + (1 + n_ranks) * n_classes;
    if (isnan(row->time)) {
        fill_with_nan(out, n_columns);
        return;
    }

    const float *stars = float32(&shared->class_values, 0);
    const float *residual = float32(&shared->rated_residual, 0);
    float shrinkage = number(&t->shrinkage);
    float shortest = *float32(&t->seconds, 0);
    size_t window = t->rank_weight.width;
    size_t n = smaller(row->end - row->earliest, window);

    float *mean = out;
    float *weight = mean + n_spans;
    sum_latest(shared, row, n, residual, &t->seconds, 0, mean, weight);
    for (size_t k = 0; k < n_spans; k++) {
        mean[k] /= weight[k] + shrinkage;
    }

    float *latest_rating = weight + n_spans;
    float *latest_residual = latest_rating + n_latest;
    float *latest_gap = latest_residual + n_latest;
    for (size_t i = 0; i < n_latest; i++) {
        size_t place = row->end - 1 - i;
        if (i < n) {
            latest_rating[i] = stars[class_at(shared, place)];
            latest_residual[i] = residual[place];
            latest_gap[i] = seconds_since(shared, row, place);
        } else {
            latest_rating[i] = NAN;
            latest_residual[i] = NAN;
            latest_gap[i] = NAN;
        }
    }

    float *nearest_residual = latest_gap + n_latest;
    int64_t nearest = whole_number(&t->nearest);
    size_t n_nearest = nearest < 0 ? 0 : smaller(n, (size_t)nearest);
    *nearest_residual = mean_residual(shared, row, n_nearest, shrinkage);

    float *share = nearest_residual + 1;
    write_shares_by_time(shared, row, n, shortest, shrinkage, share);
    for (size_t k = 0; k < n_ranks; k++) {
        share += n_classes;
        write_shares_by_rank(shared, row, n, float32(&t->rank_weight, k), shrinkage,
                             share);
    }
}

const Kernel RECENCY = {
    .name = "recency",
    .tables =
        {
            {"seconds", 'f', "spans"},
            {"ranks", 'f', "ranks"},
            {"rank_weight", 'f', "ranks, window"},
            {"latest", 'q', "1"},
            {"nearest", 'q', "1"},
            {"shrinkage", 'f', "1"},
        },
    .lookback = ONLY_EARLIER,
    .name_columns = recency_columns,
    .write = recency_write,
    .find_fault = recency_fault,
};

/* Pace */

typedef struct {
    Table seconds;
    Table latest;
} Pace;

static void pace_columns(const SharedTables *shared, const void *tables,
                         Columns *columns) {
    (void)shared;
    const Pace *t = tables;
    add_column(columns, "pace_before");
    add_column(columns, "pace_share_before");
    for (size_t i = 0; i < t->seconds.length; i++) {
        NumberText seconds = text_of(*float32(&t->seconds, i));
        add_column(columns, "pace_%ss", seconds.text);
    }
    add_column(columns, "pace_run");
    add_column(columns, "pace_classes");
}

/* How many of the `n` latest ratings before the row are like the latest, without
 * another between them. */
static size_t length_of_run(const SharedTables *shared, const Row *row, size_t n) {
    size_t latest = row->end - 1;
    size_t run = 0;
    while (run < n && class_at(shared, latest - run) == class_at(shared, latest)) {
        run++;
    }
    return run;
}

/* How many classes the `n` latest ratings before the row have. */
static size_t count_classes(const SharedTables *shared, const Row *row, size_t n) {
    uint64_t classes = 0; /* a bit a class */
    for (size_t i = 0; i < n; i++) {
        classes |= (uint64_t)1 << class_at(shared, row->end - 1 - i);
    }
    size_t n_classes = 0;
    for (; classes; classes &= classes - 1) {
        n_classes++;
    }
    return n_classes;
}

static void pace_write(const SharedTables *shared, const void *tables, const Row *row,
                       float *out) {
    const Pace *t = tables;
    const float *seconds = float32(&t->seconds, 0);
    size_t n_spans = t->seconds.length;
    if (isnan(row->time)) {
        fill_with_nan(out, 4 + n_spans);
        return;
    }

    size_t n = row->end - row->earliest;
    size_t n_own = row->last - row->first;
    out[0] = (float)n;
    out[1] = (float)n / (float)(n_own + 1);

    float *in_span = out + 2;
    size_t n_in_span = 0;
    for (size_t i = 0; i < n_spans; i++) {
        while (n_in_span < n &&
               seconds_since(shared, row, row->end - 1 - n_in_span) < seconds[i]) {
            n_in_span++;
        }
        in_span[i] = (float)n_in_span;
    }

    float *rest = in_span + n_spans;
    int64_t latest = whole_number(&t->latest);
    size_t n_latest = latest < 0 ? 0 : smaller(n, (size_t)latest);
    rest[0] = (float)length_of_run(shared, row, n);
    rest[1] = (float)count_classes(shared, row, n_latest);
}

const Kernel PACE = {
    .name = "pace",
    .tables =
        {
            {"seconds", 'f', "spans"},
            {"latest", 'q', "1"},
        },
    .lookback = ONLY_EARLIER,
    .name_columns = pace_columns,
    .write = pace_write,
};
