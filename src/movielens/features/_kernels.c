/* The features of a row, a function a group: gathered from fitted tables, with the
 * little arithmetic that is left. Here are the groups for which tables are enough;
 * those that look at the user's single ratings are in `_rated.c` and
 * `_taste.c`.
 *
 * Nothing is fitted here. A group's Python module says what its tables and its columns
 * are, this how the one comes of the other. Only what IEEE 754 defines to the last bit
 * is used, an operation at a time and sums in the order of their terms, so that a row
 * has the same features on any machine, alone or among others; logarithms and roots are
 * taken when fitted. What isn't known has the last row of its table, and is NaN where
 * there is no number for it.
 *
 * A new group is a function, the number of its columns, and a `Kernel` that names its
 * tables, in KERNELS.
 */

#include "_kernels.h"

#include <math.h>
#include <string.h>

/* Whether the user is known, and the time of that user; the time; and what the
 * catalogue says of the movie. */

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

static const Kernel BASE = {
    "base", base_columns, base, NO_PAST, {{NULL, 0, NULL}},
};

typedef struct {
    Table user, movie, overall;
} Statistics;

static size_t statistics_columns(const Known *known, const void *tables,
                                 size_t before) {
    (void)known, (void)before;
    const Statistics *t = tables;
    return t->user.width + t->movie.width + 1;
}

static void statistics(const Known *known, const void *tables, const Row *row,
                       float *out) {
    (void)known;
    const Statistics *t = tables;
    const float *user = float32(&t->user, row->user),
                *movie = float32(&t->movie, row->movie);
    memcpy(out, user, 5 * sizeof(float));
    memcpy(out + 5, movie, 5 * sizeof(float));
    out[10] = (float)*float64(&t->overall, 0) + user[3] + movie[3];
}

static const Kernel STATISTICS = {
    "statistics",
    statistics_columns,
    statistics,
    NO_PAST,
    {{"user", 'f', "U5"}, {"movie", 'f', "M5"}, {"overall", 'd', "3"}},
};

typedef struct {
    Table user, movie, lift, quantile, halves;
} Histograms;

static size_t histograms_columns(const Known *known, const void *tables,
                                 size_t before) {
    (void)tables, (void)before;
    return 3 * known->class_values.length + 5;
}

static void histograms(const Known *known, const void *tables, const Row *row,
                       float *out) {
    const Histograms *t = tables;
    size_t n = known->class_values.length, mode = 0, reached = 0;
    const float *stars = float32(&known->class_values, 0),
                *halves = float32(&t->halves, 0);
    const float *user = float32(&t->user, row->user),
                *movie = float32(&t->movie, row->movie);
    const float *lift = float32(&t->lift, row->movie);
    float *joint = out + 2 * n, *rest = out + 3 * n;
    float quantile = *float32(&t->quantile, row->movie), total = 0, mean = 0,
          half_share = 0, below = 0;
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

static const Kernel HISTOGRAMS = {
    "histograms",
    histograms_columns,
    histograms,
    NO_PAST,
    {{"user", 'f', "UC"},
     {"movie", 'f', "MC"},
     {"lift", 'f', "MC"},
     {"quantile", 'f', "M"},
     {"halves", 'f', "C"}},
};

/* Keeps a genre of which the user rated little from standing out. */
#define AFFINITY_SHRINKAGE 8.0f

typedef struct {
    Table residual, count, log_count;
} Affinity;

static size_t affinity_columns(const Known *known, const void *tables, size_t before) {
    (void)known, (void)tables, (void)before;
    return 5;
}

static void affinity(const Known *known, const void *tables, const Row *row,
                     float *out) {
    const Affinity *t = tables;
    const float *flags = float32(&known->genre_flags, row->movie),
                *residual = float32(&t->residual, row->user);
    const float *count = float32(&t->count, row->user),
                *log_count = float32(&t->log_count, row->user);
    float of_affinity = 0, of_log_count = 0, of_residual = 0, of_count = 0, n = 0,
          most = -INFINITY, least = INFINITY;
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

static const Kernel AFFINITY = {
    "affinity",
    affinity_columns,
    affinity,
    NO_PAST,
    {{"residual", 'f', "UG"}, {"count", 'f', "UG"}, {"log_count", 'f', "UG"}},
};

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
    const float *movie = float32(&t->movie, row->movie),
                *centre = float32(&t->centre, row->user);
    const float *slope = float32(&t->slope, row->user);
    for (size_t i = 0; i < n; i++) {
        float away = movie[i] - centre[i];
        out[i] = slope[i];
        out[n + i] = slope[i] * away;
        out[2 * n + i] = centre[i];
        out[3 * n + i] = away;
    }
}

static const Kernel SLOPES = {
    "slopes",
    slopes_columns,
    slopes,
    NO_PAST,
    {{"movie", 'f', "Ma"}, {"centre", 'f', "Ua"}, {"slope", 'f', "Ua"}},
};

typedef struct {
    Table user, movie;
} Factors;

static size_t factors_columns(const Known *known, const void *tables, size_t before) {
    (void)known, (void)tables, (void)before;
    return 3;
}

static void factors(const Known *known, const void *tables, const Row *row,
                    float *out) {
    (void)known;
    const Factors *t = tables;
    size_t rank = t->user.width - 1;
    const float *user = float32(&t->user, row->user),
                *movie = float32(&t->movie, row->movie);
    float product = 0;
    for (size_t i = 0; i < rank; i++)
        product += user[i] * movie[i];
    out[0] = product + user[rank] + movie[rank];
    out[1] = user[rank];
    out[2] = movie[rank];
}

static const Kernel FACTORS = {
    "factors",
    factors_columns,
    factors,
    NO_PAST,
    {{"user", 'f', "Ua"}, {"movie", 'f', "Ma"}},
};

#define SECONDS_PER_HOUR 3600.0
#define SECONDS_PER_YEAR 31556952.0

typedef struct {
    Table user, movie, log_span;
} Clock;

static size_t clock_columns(const Known *known, const void *tables, size_t before) {
    (void)known, (void)tables, (void)before;
    return 6;
}

static double modulo(double value, double by) {
    return value - by * floor(value / by);
}

static void clock_of(const Known *known, const void *tables, const Row *row,
                     float *out) {
    const Clock *t = tables;
    double time = row->time;
    out[0] = (float)(1970 + time / SECONDS_PER_YEAR -
                     (double)*float32(&known->year, row->movie));
    out[1] = (float)modulo(floor(time / SECONDS_PER_HOUR), 24);
    out[2] = (float)modulo(floor(time / SECONDS_PER_DAY), 7);
    out[3] = (float)((time - *float64(&t->user, row->user)) / SECONDS_PER_DAY);
    out[4] = (float)((time - *float64(&t->movie, row->movie)) / SECONDS_PER_DAY);
    out[5] = (float)*float64(&t->log_span, row->user);
}

static const Kernel CLOCK = {
    "clock",
    clock_columns,
    clock_of,
    NO_PAST,
    {{"user", 'd', "U"}, {"movie", 'd', "M"}, {"log_span", 'd', "U"}},
};

static size_t ids_columns(const Known *known, const void *tables, size_t before) {
    (void)known, (void)tables, (void)before;
    return 2;
}

static void ids(const Known *known, const void *tables, const Row *row, float *out) {
    (void)tables;
    out[0] = row->user < known->user_id.length ? (float)row->user_id : NAN;
    out[1] = row->movie < known->movie_id.length ? (float)row->movie_id : NAN;
}

static const Kernel IDS = {
    "ids", ids_columns, ids, NO_PAST, {{NULL, 0, NULL}},
};

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

static const Kernel BLEND = {
    "blend",
    blend_columns,
    blend,
    NO_PAST,
    {{"columns", 'q', "a"}, {"weights", 'f', "a"}},
};

const TableKind KNOWN[] = {
    {"user_id", 'q', "u"},
    {"movie_id", 'q', "m"},
    {"genre_flags", 'f', "MG"},
    {"year", 'f', "M"},
    {"class_values", 'f', "C"},
    {"start", 'q', "v"},
    {"rated_movie", 'i', "R"},
    {"rated_class", 'B', "R"},
    {"rated_residual", 'f', "R"},
    {"rated_time", 'q', "R"},
    {NULL, 0, NULL},
};

const Kernel *const KERNELS[] = {
    &BASE,  &STATISTICS, &HISTOGRAMS, &AFFINITY, &SLOPES, &FACTORS, &NEIGHBOURS,
    &CLOCK, &RECENCY,    &PACE,       &TASTE,    &IDS,    &BLEND,   NULL,
};
