/* The features of a row, a function a group: gathered from fitted tables, with the little arithmetic that is left.
 *
 * Nothing is fitted here. A group's Python module says what its tables and its columns are, this how the one comes of
 * the other. Only what IEEE 754 defines to the last bit is used, an operation at a time and sums in the order of their
 * terms, so that a row has the same features on any machine, alone or among others; logarithms and roots are taken when
 * fitted. What isn't known has the last row of its table, and is NaN where there is no number for it.
 *
 * A new group is a function, the number of its columns, and an entry of KERNELS that names its tables.
 */

#include "_rows.h"

#include <math.h>
#include <string.h>

/* Whether the user is known, and the time of that user; the time; and what the catalogue says of the movie. */

static size_t base_columns(const Known *known, const void *tables, size_t before) {
    (void)tables, (void)before;
    return 3 + known->genre_flags.width + 1;
}

static void base(const Known *known, const void *tables, const Row *row, float *out) {
    (void)tables;
    size_t n_genres = known->genre_flags.width;
    out[0] = row->user < known->user_id.length ? 1 : NAN;
    out[1] = isnan(row->time) ? NAN : out[0];
    out[2] = (float)row->time;
    memcpy(out + 3, float32(&known->genre_flags, row->movie), n_genres * sizeof(float));
    out[3 + n_genres] = *float32(&known->year, row->movie);
}

typedef struct {
    Table user, movie, overall;
} Statistics;

static size_t statistics_columns(const Known *known, const void *tables, size_t before) {
    (void)known, (void)before;
    const Statistics *t = tables;
    return t->user.width + t->movie.width + 1;
}

static void statistics(const Known *known, const void *tables, const Row *row, float *out) {
    (void)known;
    const Statistics *t = tables;
    const float *user = float32(&t->user, row->user), *movie = float32(&t->movie, row->movie);
    memcpy(out, user, 5 * sizeof(float));
    memcpy(out + 5, movie, 5 * sizeof(float));
    out[10] = (float)*float64(&t->overall, 0) + user[3] + movie[3];
}

typedef struct {
    Table user, movie, lift, quantile, halves;
} Histograms;

static size_t histograms_columns(const Known *known, const void *tables, size_t before) {
    (void)tables, (void)before;
    return 3 * known->class_values.length + 5;
}

static void histograms(const Known *known, const void *tables, const Row *row, float *out) {
    const Histograms *t = tables;
    size_t n = known->class_values.length, mode = 0, reached = 0;
    const float *stars = float32(&known->class_values, 0), *halves = float32(&t->halves, 0);
    const float *user = float32(&t->user, row->user), *movie = float32(&t->movie, row->movie);
    const float *lift = float32(&t->lift, row->movie);
    float *joint = out + 2 * n, *rest = out + 3 * n;
    float quantile = *float32(&t->quantile, row->movie), total = 0, mean = 0, half_share = 0, below = 0;
    memcpy(out, user, n * sizeof(float));
    memcpy(out + n, movie, n * sizeof(float));
    for (size_t k = 0; k < n; k++)
        total += joint[k] = user[k] * lift[k];
    for (size_t k = 0; k < n; k++) {
        joint[k] /= total;
        mean += joint[k] * stars[k];
        half_share += user[k] * halves[k];
        mode = user[k] > user[mode] ? k : mode;
        below += user[k];
        reached += below < quantile;
    }
    rest[0] = mean;
    rest[1] = stars[mode];
    rest[2] = half_share;
    rest[3] = quantile;
    rest[4] = stars[reached < n ? reached : n - 1];
}

/* Keeps a genre of which the user rated little from standing out. */
#define AFFINITY_SHRINKAGE 8.0f

typedef struct {
    Table residual, count, log_count;
} Affinity;

static size_t affinity_columns(const Known *known, const void *tables, size_t before) {
    (void)known, (void)tables, (void)before;
    return 5;
}

static void affinity(const Known *known, const void *tables, const Row *row, float *out) {
    const Affinity *t = tables;
    const float *flags = float32(&known->genre_flags, row->movie), *residual = float32(&t->residual, row->user);
    const float *count = float32(&t->count, row->user), *log_count = float32(&t->log_count, row->user);
    float of_affinity = 0, of_log_count = 0, of_residual = 0, of_count = 0, n = 0, most = -INFINITY, least = INFINITY;
    for (size_t g = 0; g < known->genre_flags.width; g++) {
        if (flags[g] == 0)
            continue;
        float value = residual[g] / (count[g] + AFFINITY_SHRINKAGE);
        of_affinity += value * flags[g];
        of_log_count += log_count[g] * flags[g];
        of_residual += residual[g] * flags[g];
        of_count += count[g] * flags[g];
        n += flags[g];
        most = value > most ? value : most;
        least = value < least ? value : least;
    }
    /* Where the genres aren't known their flags are NaN, and so are the sums. */
    out[0] = of_affinity / n;
    out[1] = n > 0 ? most : NAN;
    out[2] = n > 0 ? least : NAN;
    out[3] = of_log_count / n;
    out[4] = of_residual / (of_count + AFFINITY_SHRINKAGE);
}

typedef struct {
    Table movie, centre, slope;
} Slopes;

static size_t slopes_columns(const Known *known, const void *tables, size_t before) {
    (void)known, (void)before;
    return 4 * ((const Slopes *)tables)->movie.width;
}

static void slopes(const Known *known, const void *tables, const Row *row, float *out) {
    (void)known;
    const Slopes *t = tables;
    size_t n = t->movie.width;
    const float *movie = float32(&t->movie, row->movie), *centre = float32(&t->centre, row->user);
    const float *slope = float32(&t->slope, row->user);
    for (size_t i = 0; i < n; i++) {
        float away = movie[i] - centre[i];
        out[i] = slope[i];
        out[n + i] = slope[i] * away;
        out[2 * n + i] = centre[i];
        out[3 * n + i] = away;
    }
}

typedef struct {
    Table user, movie;
} Factors;

static size_t factors_columns(const Known *known, const void *tables, size_t before) {
    (void)known, (void)tables, (void)before;
    return 3;
}

static void factors(const Known *known, const void *tables, const Row *row, float *out) {
    (void)known;
    const Factors *t = tables;
    size_t rank = t->user.width - 1;
    const float *user = float32(&t->user, row->user), *movie = float32(&t->movie, row->movie);
    float product = 0;
    for (size_t i = 0; i < rank; i++)
        product += user[i] * movie[i];
    out[0] = product + user[rank] + movie[rank];
    out[1] = user[rank];
    out[2] = movie[rank];
}

#define NEIGHBOURS_SHRINKAGE 0.3
#define NEIGHBOURS_PRIOR 0.5f

typedef struct {
    Table start, neighbour, likeness, prior, best, seconds;
} Neighbours;

/* Neighbours that are looked up at once. */
#define CHUNK 64

/* From each movie to where it stands among the user's ratings, if it does. Entries of movies that the user hasn't rated
 * are whatever they were; they show by pointing at another movie (Briggs and Torczon 1993), so that none need be
 * cleared. */
static size_t neighbours_scratch(const Known *known, size_t most_rated) {
    (void)most_rated;
    return (known->movie_id.length + 1) * sizeof(uint32_t);
}

typedef struct {
    const uint32_t *places;
    const int32_t *rated;
    size_t n_movies, n_rated;
} Places;

/* Which of `n` neighbours the user has rated, without a branch: their places, and how alike they are; returns how
 * many. */
static size_t find_rated(const Places *at, size_t n, const int32_t *neighbour, const float *likeness, uint32_t *place,
                         float *alike) {
    size_t n_found = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t movie = (uint32_t)neighbour[i], found = at->places[movie < at->n_movies ? movie : 0];
        place[n_found] = found;
        alike[n_found] = likeness[i];
        n_found += (found < at->n_rated) & (at->rated[found < at->n_rated ? found : 0] == neighbour[i]);
    }
    return n_found;
}

static size_t neighbours_columns(const Known *known, const void *tables, size_t before) {
    (void)before;
    const Neighbours *t = tables;
    return rises_to(&t->start, t->neighbour.length - 1) ? 5 + known->class_values.length : 0;
}

static void neighbours(const Known *known, const void *tables, const Row *row, float *out) {
    const Neighbours *t = tables;
    size_t n_classes = known->class_values.length, n = 0, first = row->first;
    const int64_t *bounds = int64(&t->start, row->movie), *rated_time = int64(&known->rated_time, first);
    const float *prior = float32(&t->prior, 0), *rated_residual = float32(&known->rated_residual, first);
    const uint8_t *rated_class = uint8(&known->rated_class, first);
    const int64_t best = *int64(&t->best, 0);
    const double seconds = *float64(&t->seconds, 0);
    const Places at = {row->scratch, int32(&known->rated_movie, first), known->movie_id.length, row->last - first};
    double weight = 0, liked = 0, recent_weight = 0, recent_liked = 0, counts[MOST_CLASSES] = {0};
    for (size_t i = 0; i < at.n_rated && !row->is_same_user; i++)
        ((uint32_t *)row->scratch)[at.rated[i]] = (uint32_t)i;
    for (size_t i = (size_t)bounds[0], end = (size_t)bounds[1]; i < end && at.n_rated; i += CHUNK) {
        uint32_t place[CHUNK];
        float alike[CHUNK];
        size_t n_found = find_rated(&at, end - i < CHUNK ? end - i : CHUNK, int32(&t->neighbour, i),
                                    float32(&t->likeness, i), place, alike);
        for (size_t j = 0; j < n_found; j++) {
            double one = alike[j], residual = rated_residual[place[j]];
            double gap = row->time - (double)rated_time[place[j]];
            if (gap > 0 && rated_time[place[j]] >= 0) {
                double distance = 1 + gap / seconds, recent = one / (distance * distance);
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
        out[5 + k] = (float)((counts[k] + (double)(NEIGHBOURS_PRIOR * prior[k])) / (weight + (double)NEIGHBOURS_PRIOR));
}

#define SECONDS_PER_HOUR 3600.0
#define SECONDS_PER_DAY 86400.0
#define SECONDS_PER_YEAR 31556952.0

typedef struct {
    Table user, movie, log_span;
} Clock;

static size_t clock_columns(const Known *known, const void *tables, size_t before) {
    (void)known, (void)tables, (void)before;
    return 6;
}

static double modulo(double value, double by) { return value - by * floor(value / by); }

static void clock_of(const Known *known, const void *tables, const Row *row, float *out) {
    const Clock *t = tables;
    double time = row->time;
    out[0] = (float)(1970 + time / SECONDS_PER_YEAR - (double)*float32(&known->year, row->movie));
    out[1] = (float)modulo(floor(time / SECONDS_PER_HOUR), 24);
    out[2] = (float)modulo(floor(time / SECONDS_PER_DAY), 7);
    out[3] = (float)((time - *float64(&t->user, row->user)) / SECONDS_PER_DAY);
    out[4] = (float)((time - *float64(&t->movie, row->movie)) / SECONDS_PER_DAY);
    out[5] = (float)*float64(&t->log_span, row->user);
}

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
    return 2 * t->seconds.length + 3 * (size_t)latest + 1 + n_histograms * known->class_values.length;
}

/* Falls from 1 at no distance to a quarter at 1. */
static float near(float distance) {
    float root = 1 / (1 + distance);
    return root * root;
}

static float gap_of(const Known *known, const Row *row, size_t place) {
    return (float)(row->time - (double)*int64(&known->rated_time, place));
}

/* Four numbers, each treated as if it were alone: the order of no sum depends on how many there are. */
typedef float Four __attribute__((vector_size(16)));

/* For each of some widths in seconds, or in ranks, the sum of the values of the `n` latest ratings before the row, each
 * weighted by how near it is, and the sum of the weights. `values` are in the order of the users' ratings. */
static void sums_lately(const Known *known, const Row *row, size_t n, const float *values, const Table *widths,
                        int by_rank, float *sum, float *weight) {
    for (size_t k = 0; k < widths->length; k += 4) {
        size_t n_lanes = widths->length - k < 4 ? widths->length - k : 4;
        Four width = {1, 1, 1, 1}, sums = {0}, weights = {0};
        memcpy(&width, float32(widths, k), n_lanes * sizeof(float));
        for (size_t i = 0; i < n; i++) {
            size_t place = row->end - 1 - i;
            Four root = 1 / (1 + (by_rank ? (float)i : gap_of(known, row, place)) / width), one = root * root;
            weights += one;
            sums += one * values[place];
        }
        memcpy(sum + k, &sums, n_lanes * sizeof(float));
        memcpy(weight + k, &weights, n_lanes * sizeof(float));
    }
}

/* Class shares of the `n` latest ratings before the row, weighted by `weight`, or by time where that is NULL. */
static void shares(const Known *known, const Row *row, size_t n, const float *weight, float seconds, float *out) {
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

static void recency(const Known *known, const void *tables, const Row *row, float *out) {
    const Recency *t = tables;
    size_t n_kernels = t->seconds.length, n_classes = known->class_values.length, window = t->rank_weight.width;
    size_t n_latest = (size_t)*int64(&t->latest, 0), n_columns = recency_columns(known, tables, 0);
    const float *stars = float32(&known->class_values, 0), *residual = float32(&known->rated_residual, 0);
    float *sum = out, *weight = out + n_kernels, *latest = weight + n_kernels, *share = latest + 3 * n_latest + 1;
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
        shares(known, row, n, float32(&t->rank_weight, k), 0, share + (k + 1) * n_classes);
}

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
        while (recent < n && gap_of(known, row, row->end - 1 - recent) < *float32(seconds, i))
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

typedef struct {
    Table movie, user, level, liking, genres, beyond, prior, seconds, ranks, window;
} Taste;

/* Ratings of what kinds of alike movies are looked at, which of them by their classes too, and how. */
enum { LEVEL, LEVEL_RECENT, KIND, N_SHARES, GENRE = N_SHARES, GENRE_RECENT, N_ALIKE };

#define MOST_WIDTHS 64

/* Stars at which two expected ratings are half as alike, squared. */
#define TASTE_LEVEL_WIDTH 0.0625f
#define TASTE_RANK 30.0f
#define TASTE_GENRE_YEARS 15.0f
#define TASTE_KIND_YEARS 10.0f
#define TASTE_UNKNOWN_YEARS 30.0f

/* Four ratings of a user at once, all of one class, since a user may have a thousand and be asked about all movies.
 * What is left over of four weighs nothing. */
typedef int32_t FourInts __attribute__((vector_size(16)));

typedef struct {
    Four expected, beyond, year, per_genre; /* per_genre: 1 over the number of genres */
    Four by_rank, by_time;                  /* how near the rating is to the row, 0 where it isn't earlier */
    FourInts genres;
} Quad;

typedef struct {
    size_t first[MOST_CLASSES + 1]; /* of the quads of each class */
    Quad quads[];
} Quads;

static size_t taste_scratch(const Known *known, size_t most_rated) {
    return sizeof(Quads) + (most_rated / 4 + known->class_values.length) * sizeof(Quad);
}

static size_t taste_columns(const Known *known, const void *tables, size_t before) {
    (void)before;
    const Taste *t = tables;
    if (t->seconds.length + t->ranks.length > MOST_WIDTHS)
        return 0;
    return 1 + t->seconds.length + t->ranks.length + 2 * N_ALIKE + N_SHARES * known->class_values.length;
}

static float product_of(const float *left, const float *right, size_t n) {
    float sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += left[i] * right[i];
    return sum;
}

static float n_bits(uint32_t bits) {
    float n = 0;
    for (; bits; bits &= bits - 1)
        n += 1;
    return n;
}

/* Means of what taste leaves unexplained of the latest ratings, by time and by rank; NaN where the row has no time. */
static void beyond_lately(const Known *known, const Taste *t, const Row *row, float *out) {
    size_t n_seconds = t->seconds.length, n = row->end - row->begin, window = (size_t)*int64(&t->window, 0);
    float *sum = out, weight[MOST_WIDTHS];
    n = n < window ? n : window;
    sums_lately(known, row, n, float32(&t->beyond, 0), &t->seconds, 0, sum, weight);
    sums_lately(known, row, n, float32(&t->beyond, 0), &t->ranks, 1, sum + n_seconds, weight + n_seconds);
    for (size_t k = 0; k < n_seconds + t->ranks.length; k++)
        sum[k] = isnan(row->time) ? NAN : sum[k] / (weight[k] + 1);
}

static void fill_quads(const Known *known, const Taste *t, const Row *row, Quads *quads) {
    size_t n_classes = known->class_values.length, next[MOST_CLASSES] = {0};
    const uint8_t *rated = uint8(&known->rated_class, 0);
    for (size_t place = row->first; place < row->last; place++)
        next[rated[place]]++;
    quads->first[0] = 0;
    for (size_t k = 0; k < n_classes; k++) {
        quads->first[k + 1] = quads->first[k] + (next[k] + 3) / 4;
        next[k] = 4 * quads->first[k];
        if (quads->first[k + 1] > quads->first[k])
            quads->quads[quads->first[k + 1] - 1] = (Quad){.expected = {INFINITY, INFINITY, INFINITY, INFINITY}};
    }
    for (size_t place = row->first; place < row->last; place++) {
        size_t movie = (size_t)*int32(&known->rated_movie, place), at = next[rated[place]]++, lane = at % 4;
        Quad *quad = quads->quads + at / 4;
        int is_earlier = place >= row->begin && place < row->end;
        int32_t genres = *int32(&t->genres, movie);
        quad->beyond[lane] = *float32(&t->beyond, place);
        quad->expected[lane] = float32(&known->class_values, 0)[rated[place]] - quad->beyond[lane];
        quad->year[lane] = *float32(&known->year, movie);
        quad->genres[lane] = genres;
        quad->per_genre[lane] = genres ? 1 / n_bits((uint32_t)genres) : 0;
        quad->by_rank[lane] = is_earlier ? near((float)(row->end - 1 - place) / TASTE_RANK) : 0;
        quad->by_time[lane] = is_earlier ? near(gap_of(known, row, place) / (float)SECONDS_PER_DAY) : 0;
    }
}

static Four four_bits(FourInts bits) {
    bits -= bits >> 1 & 0x55555555;
    bits = (bits & 0x33333333) + (bits >> 2 & 0x33333333);
    bits = (bits + (bits >> 4)) & 0x0F0F0F0F;
    bits += bits >> 8;
    return __builtin_convertvector((bits + (bits >> 16)) & 0x3F, Four);
}

static float sum_of(Four four) { return (four[0] + four[1]) + (four[2] + four[3]); }

typedef struct {
    float expected, year, per_genre;
    int32_t genres;
} Asked;

/* How alike four movies are to the one that is asked, in each way. */
static void weigh(const Quad *quad, const Asked *asked, Four weight[N_ALIKE]) {
    Four apart = asked->expected - quad->expected, level = 1 / (1 + apart * apart * (1 / TASTE_LEVEL_WIDTH));
    Four common = four_bits(quad->genres & asked->genres);
    Four cosine = common * common * (quad->per_genre * asked->per_genre);
    Four years = asked->year - quad->year;
    FourInts is_known = years == years;
    years = (Four)((FourInts)years & 0x7FFFFFFF & is_known);
    years += (Four)(~is_known & (FourInts)(TASTE_UNKNOWN_YEARS + (Four){0}));
    /* Both kernels of years by one division. */
    Four genre_years = 1 + years * (1 / TASTE_GENRE_YEARS), kind_years = 1 + years * (1 / TASTE_KIND_YEARS);
    Four over_both = 1 / (genre_years * kind_years);
    Four by_genre = over_both * kind_years, by_kind = over_both * genre_years;
    weight[LEVEL] = level * level;
    weight[LEVEL_RECENT] = weight[LEVEL] * quad->by_rank;
    weight[KIND] = cosine * cosine * cosine * (by_kind * by_kind);
    weight[GENRE] = cosine * (by_genre * by_genre);
    weight[GENRE_RECENT] = weight[GENRE] * quad->by_time;
}

static void taste(const Known *known, const void *tables, const Row *row, float *out) {
    const Taste *t = tables;
    size_t n_classes = known->class_values.length, n_lately = t->seconds.length + t->ranks.length;
    const float *prior = float32(&t->prior, 0);
    float residual = product_of(float32(&t->user, row->user), float32(&t->movie, row->movie), t->movie.width);
    Asked asked = {*float32(&t->level, row->user) + *float32(&t->liking, row->movie) + residual,
                   *float32(&known->year, row->movie), 0, *int32(&t->genres, row->movie)};
    asked.per_genre = asked.genres ? 1 / n_bits((uint32_t)asked.genres) : 0;
    Quads *quads = row->scratch;
    out[0] = residual;
    if (row->before == NULL) {
        fill_quads(known, t, row, quads);
        beyond_lately(known, t, row, out + 1);
    } else {
        memcpy(out + 1, row->before + 1, n_lately * sizeof(float));
    }
    out += 1 + n_lately;
    Four beyond[N_ALIKE] = {{0}};
    float counts[N_ALIKE][MOST_CLASSES], total[N_ALIKE] = {0};
    for (size_t k = 0; k < n_classes; k++) {
        Four sum[N_ALIKE] = {{0}}, weight[N_ALIKE];
        for (size_t at = quads->first[k]; at < quads->first[k + 1]; at++) {
            const Quad *quad = quads->quads + at;
            weigh(quad, &asked, weight);
            for (int i = 0; i < N_ALIKE; i++) {
                sum[i] += weight[i];
                beyond[i] += weight[i] * quad->beyond;
            }
        }
        for (int i = 0; i < N_ALIKE; i++)
            total[i] += counts[i][k] = sum_of(sum[i]);
    }
    static const int order[N_ALIKE] = {LEVEL, LEVEL_RECENT, GENRE, KIND, GENRE_RECENT};
    static const float shrinkage[N_ALIKE] = {1, 1, 2, 3, 1}, prior_weight[N_SHARES] = {1, 0.5f, 0.5f};
    for (int i = 0; i < N_ALIKE; i++) {
        *out++ = sum_of(beyond[order[i]]) / (total[order[i]] + shrinkage[order[i]]);
        *out++ = total[order[i]];
    }
    for (int i = 0; i < N_SHARES; i++)
        for (size_t k = 0; k < n_classes; k++)
            *out++ = (counts[i][k] + prior_weight[i] * prior[k]) / (total[i] + prior_weight[i]);
}

static size_t ids_columns(const Known *known, const void *tables, size_t before) {
    (void)known, (void)tables, (void)before;
    return 2;
}

static void ids(const Known *known, const void *tables, const Row *row, float *out) {
    (void)tables;
    out[0] = row->user < known->user_id.length ? (float)row->user_id : NAN;
    out[1] = row->movie < known->movie_id.length ? (float)row->movie_id : NAN;
}

typedef struct {
    Table columns, weights;
} Blend;

static size_t blend_columns(const Known *known, const void *tables, size_t before) {
    (void)known;
    const Blend *t = tables;
    for (size_t i = 0; i < t->columns.length; i++)
        if (*int64(&t->columns, i) < 0 || (uint64_t)*int64(&t->columns, i) >= before)
            return 0;
    return 1;
}

/* What is missing counts 0. */
static void blend(const Known *known, const void *tables, const Row *row, float *out) {
    (void)known;
    const Blend *t = tables;
    const int64_t *columns = int64(&t->columns, 0);
    const float *weights = float32(&t->weights, 0);
    float sum = 0;
    for (size_t i = 0; i < t->columns.length; i++) {
        float value = row->features[columns[i]];
        sum += (isnan(value) ? 0 : value) * weights[i];
    }
    *out = sum;
}

const TableKind KNOWN[] = {
    {"user_id", 'q', "u"},      {"movie_id", 'q', "m"},    {"genre_flags", 'f', "MG"},    {"year", 'f', "M"},
    {"class_values", 'f', "C"}, {"start", 'q', "v"},       {"rated_movie", 'i', "R"},     {"rated_class", 'B', "R"},
    {"rated_residual", 'f', "R"}, {"rated_time", 'q', "R"}, {NULL, 0, NULL},
};

const Kernel KERNELS[] = {
    {"base", base_columns, base, 0, {{NULL, 0, NULL}}},
    {"statistics", statistics_columns, statistics, 0,
     {{"user", 'f', "U5"}, {"movie", 'f', "M5"}, {"overall", 'd', "3"}}},
    {"histograms", histograms_columns, histograms, 0,
     {{"user", 'f', "UC"}, {"movie", 'f', "MC"}, {"lift", 'f', "MC"}, {"quantile", 'f', "M"}, {"halves", 'f', "C"}}},
    {"affinity", affinity_columns, affinity, 0,
     {{"residual", 'f', "UG"}, {"count", 'f', "UG"}, {"log_count", 'f', "UG"}}},
    {"slopes", slopes_columns, slopes, 0, {{"movie", 'f', "Ma"}, {"centre", 'f', "Ua"}, {"slope", 'f', "Ua"}}},
    {"factors", factors_columns, factors, 0, {{"user", 'f', "Ua"}, {"movie", 'f', "Ma"}}},
    {"neighbours", neighbours_columns, neighbours, 0,
     {{"start", 'q', "n"}, {"neighbour", 'i', "a"}, {"likeness", 'f', "a"}, {"prior", 'f', "C"},
      {"best", 'q', "1"}, {"seconds", 'd', "1"}},
     neighbours_scratch},
    {"clock", clock_columns, clock_of, 0, {{"user", 'd', "U"}, {"movie", 'd', "M"}, {"log_span", 'd', "U"}}},
    {"recency", recency_columns, recency, 1,
     {{"seconds", 'f', "a"}, {"rank_weight", 'f', "bc"}, {"latest", 'q', "1"}, {"nearest", 'q', "1"}}},
    {"pace", pace_columns, pace, 1, {{"seconds", 'f', "a"}}},
    {"taste", taste_columns, taste, 0,
     {{"movie", 'f', "Ma"}, {"user", 'f', "Ua"}, {"level", 'f', "U"}, {"liking", 'f', "M"}, {"genres", 'i', "M"},
      {"beyond", 'f', "R"}, {"prior", 'f', "C"}, {"seconds", 'f', "b"}, {"ranks", 'f', "c"}, {"window", 'q', "1"}},
     taste_scratch},
    {"ids", ids_columns, ids, 0, {{NULL, 0, NULL}}},
    {"blend", blend_columns, blend, 0, {{"columns", 'q', "a"}, {"weights", 'f', "a"}}},
    {NULL, NULL, NULL, 0, {{NULL, 0, NULL}}},
};
