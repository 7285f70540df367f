/* The features that look at single ratings of the user: of the movies likest to the one
 * that is asked, and of the latest before the row. See `_kernels.c`. */

#include "_kernels.h"

#include <math.h>
#include <string.h>

#define NEIGHBOURS_SHRINKAGE 0.3
#define NEIGHBOURS_PRIOR 0.5f

typedef struct {
    Table start, neighbour, likeness, prior, best, seconds;
} Neighbours;

/* Neighbours that are looked up at once. */
#define CHUNK 64

/* From each movie to where it stands among the user's ratings, if it does. Entries of
 * movies that the user hasn't rated are whatever they were; they show by pointing at
 * another movie (Briggs and Torczon 1993), so that none need be cleared. */
static size_t neighbours_scratch(const Known *known, size_t most_rated) {
    (void)most_rated;
    return (known->movie_id.length + 1) * sizeof(uint32_t);
}

typedef struct {
    const uint32_t *places;
    const int32_t *rated;
    size_t n_movies, n_rated;
} Places;

/* Which of `n` neighbours the user has rated, without a branch: their places, and how
 * alike they are; returns how many. */
static size_t find_rated(const Places *at, size_t n, const int32_t *neighbour,
                         const float *likeness, uint32_t *place, float *alike) {
    size_t n_found = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t movie = (uint32_t)neighbour[i],
                 found = at->places[movie < at->n_movies ? movie : 0];
        place[n_found] = found;
        alike[n_found] = likeness[i];
        n_found += (found < at->n_rated) &
                   (at->rated[found < at->n_rated ? found : 0] == neighbour[i]);
    }
    return n_found;
}

static size_t neighbours_columns(const Known *known, const void *tables,
                                 size_t before) {
    (void)before;
    const Neighbours *t = tables;
    return rises_to(&t->start, t->neighbour.length - 1) ? 5 + known->class_values.length
                                                        : 0;
}

static void neighbours(const Known *known, const void *tables, const Row *row,
                       float *out) {
    const Neighbours *t = tables;
    size_t n_classes = known->class_values.length, n = 0, first = row->first;
    const int64_t *bounds = int64(&t->start, row->movie),
                  *rated_time = int64(&known->rated_time, first);
    const float *prior = float32(&t->prior, 0),
                *rated_residual = float32(&known->rated_residual, first);
    const uint8_t *rated_class = uint8(&known->rated_class, first);
    const int64_t best = *int64(&t->best, 0);
    const double seconds = *float64(&t->seconds, 0);
    const Places at = {row->scratch, int32(&known->rated_movie, first),
                       known->movie_id.length, row->last - first};
    double weight = 0, liked = 0, recent_weight = 0, recent_liked = 0,
           counts[MOST_CLASSES] = {0};
    for (size_t i = 0; i < at.n_rated && !row->is_same_user; i++)
        ((uint32_t *)row->scratch)[at.rated[i]] = (uint32_t)i;
    for (size_t i = (size_t)bounds[0], end = (size_t)bounds[1]; i < end && at.n_rated;
         i += CHUNK) {
        uint32_t place[CHUNK];
        float alike[CHUNK];
        size_t n_found =
            find_rated(&at, end - i < CHUNK ? end - i : CHUNK, int32(&t->neighbour, i),
                       float32(&t->likeness, i), place, alike);
        for (size_t j = 0; j < n_found; j++) {
            double one = alike[j], residual = rated_residual[place[j]];
            double gap = row->time - (double)rated_time[place[j]];
            if (gap > 0 && rated_time[place[j]] >= 0) {
                double distance = 1 + gap / seconds,
                       recent = one / (distance * distance);
                recent_weight += recent;
                recent_liked += recent * residual;
            }
            if ((int64_t)n < best) {
                n++;
                weight += one;
                liked += one * residual;
                counts[rated_class[place[j]]] += one;
            }
        }
    }
    out[0] = (float)(liked / (weight + NEIGHBOURS_SHRINKAGE));
    out[1] = (float)weight;
    out[2] = (float)n;
    out[3] = (float)(recent_liked / (recent_weight + NEIGHBOURS_SHRINKAGE));
    out[4] = (float)recent_weight;
    for (size_t k = 0; k < n_classes; k++)
        out[5 + k] = (float)((counts[k] + (double)(NEIGHBOURS_PRIOR * prior[k])) /
                             (weight + (double)NEIGHBOURS_PRIOR));
}

const Kernel NEIGHBOURS = {
    "neighbours",
    neighbours_columns,
    neighbours,
    NO_PAST,
    {{"start", 'q', "n"},
     {"neighbour", 'i', "a"},
     {"likeness", 'f', "a"},
     {"prior", 'f', "C"},
     {"best", 'q', "1"},
     {"seconds", 'd', "1"}},
    neighbours_scratch,
};

typedef struct {
    Table seconds, rank_weight, latest, nearest;
} Recency;

static size_t recency_columns(const Known *known, const void *tables, size_t before) {
    (void)before;
    const Recency *t = tables;
    int64_t latest = *int64(&t->latest, 0);
    if (latest < 0 || latest > (int64_t)t->rank_weight.width)
        return 0;
    size_t n_histograms = 1 + t->rank_weight.length;
    return 2 * t->seconds.length + 3 * (size_t)latest + 1 +
           n_histograms * known->class_values.length;
}

void sums_lately(const Known *known, const Row *row, size_t n, const float *values,
                 const Table *widths, int by_rank, float *sum, float *weight) {
    for (size_t k = 0; k < widths->length; k += 4) {
        size_t n_lanes = widths->length - k < 4 ? widths->length - k : 4;
        Four width = {1, 1, 1, 1}, sums = {0}, weights = {0};
        memcpy(&width, float32(widths, k), n_lanes * sizeof(float));
        for (size_t i = 0; i < n; i++) {
            size_t place = row->end - 1 - i;
            Four root =
                     1 / (1 + (by_rank ? (float)i : gap_of(known, row, place)) / width),
                 one = root * root;
            weights += one;
            sums += one * values[place];
        }
        memcpy(sum + k, &sums, n_lanes * sizeof(float));
        memcpy(weight + k, &weights, n_lanes * sizeof(float));
    }
}

/* Class shares of the `n` latest ratings before the row, weighted by `weight`, or by
 * time where that is NULL. */
static void shares(const Known *known, const Row *row, size_t n, const float *weight,
                   float seconds, float *out) {
    size_t n_classes = known->class_values.length;
    double counts[MOST_CLASSES] = {0}, total = 0;
    for (size_t i = 0; i < n; i++) {
        size_t place = row->end - 1 - i;
        float one = weight ? weight[i] : near(gap_of(known, row, place) / seconds);
        counts[*uint8(&known->rated_class, place)] += (double)one;
    }
    for (size_t k = 0; k < n_classes; k++)
        total += counts[k];
    for (size_t k = 0; k < n_classes; k++)
        out[k] = (float)(counts[k] / (total + 1));
}

static void recency(const Known *known, const void *tables, const Row *row,
                    float *out) {
    const Recency *t = tables;
    size_t n_kernels = t->seconds.length, n_classes = known->class_values.length,
           window = t->rank_weight.width;
    size_t n_latest = (size_t)*int64(&t->latest, 0),
           n_columns = recency_columns(known, tables, 0);
    const float *stars = float32(&known->class_values, 0),
                *residual = float32(&known->rated_residual, 0);
    float *sum = out, *weight = out + n_kernels, *latest = weight + n_kernels,
          *share = latest + 3 * n_latest + 1;
    if (isnan(row->time)) {
        for (size_t i = 0; i < n_columns; i++)
            out[i] = NAN;
        return;
    }
    size_t n = row->end - row->begin < window ? row->end - row->begin : window;
    float nearest = 0, n_nearest = 0;
    sums_lately(known, row, n, residual, &t->seconds, 0, sum, weight);
    for (size_t k = 0; k < n_kernels; k++)
        sum[k] /= weight[k] + 1;
    for (size_t i = 0; i < n_latest; i++) {
        size_t place = row->end - 1 - i;
        latest[i] = i < n ? stars[*uint8(&known->rated_class, place)] : NAN;
        latest[n_latest + i] = i < n ? residual[place] : NAN;
        latest[2 * n_latest + i] = i < n ? gap_of(known, row, place) : NAN;
    }
    for (size_t i = 0; i < n && (int64_t)i < *int64(&t->nearest, 0); i++) {
        nearest += residual[row->end - 1 - i];
        n_nearest += 1;
    }
    latest[3 * n_latest] = nearest / (n_nearest + 1);
    shares(known, row, n, NULL, *float32(&t->seconds, 0), share);
    for (size_t k = 0; k < t->rank_weight.length; k++)
        shares(known, row, n, float32(&t->rank_weight, k), 0,
               share + (k + 1) * n_classes);
}

const Kernel RECENCY = {
    "recency",
    recency_columns,
    recency,
    ONLY_PAST,
    {{"seconds", 'f', "a"},
     {"rank_weight", 'f', "bc"},
     {"latest", 'q', "1"},
     {"nearest", 'q', "1"}},
};

typedef struct {
    Table seconds;
} Pace;

/* How many of the latest ratings are looked at for how many classes they have. */
#define PACE_LATEST 10

static size_t pace_columns(const Known *known, const void *tables, size_t before) {
    (void)known, (void)before;
    return 4 + ((const Pace *)tables)->seconds.length;
}

static void pace(const Known *known, const void *tables, const Row *row, float *out) {
    const Table *seconds = &((const Pace *)tables)->seconds;
    size_t n = row->end - row->begin, recent = 0, run = 0, n_classes = 0;
    if (isnan(row->time)) {
        for (size_t i = 0; i < 4 + seconds->length; i++)
            out[i] = NAN;
        return;
    }
    out[0] = (float)n;
    out[1] = (float)n / (float)(row->last - row->first + 1);
    for (size_t i = 0; i < seconds->length; i++) {
        while (recent < n &&
               gap_of(known, row, row->end - 1 - recent) < *float32(seconds, i))
            recent++;
        out[2 + i] = (float)recent;
    }
    const uint8_t *rated = uint8(&known->rated_class, 0);
    while (run < n && rated[row->end - 1 - run] == rated[row->end - 1])
        run++;
    uint64_t classes = 0;
    for (size_t i = 0; i < n && i < PACE_LATEST; i++)
        classes |= (uint64_t)1 << rated[row->end - 1 - i];
    for (; classes; classes &= classes - 1)
        n_classes++;
    out[2 + seconds->length] = (float)run;
    out[3 + seconds->length] = (float)n_classes;
}

const Kernel PACE = {
    "pace", pace_columns, pace, ONLY_PAST, {{"seconds", 'f', "a"}},
};
