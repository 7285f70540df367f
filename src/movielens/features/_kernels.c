/* The kernels of the feature groups for which fitted tables are enough, and the list of
 * all kernels. Those that look at the user's single ratings are in `_rated.c`,
 * `_taste.c` and `_mood.c`.
 *
 * Nothing is fitted here. A group's Python module says what its tables mean. A kernel
 * names its columns and writes them, in the same order; Python's names are compared
 * with them when a `RowMaker` is made.
 *
 * A row must have the same features on any machine, alone or among others. So a kernel
 * only uses operations that IEEE 754 defines to the last bit, one at a time, and adds
 * in a fixed order; logarithms and roots are taken when the tables are fitted. An
 * unknown user or movie has the last row of its tables. A feature is NaN where there is
 * no number for it.
 *
 * A new group needs a struct of its tables, a function that names its columns, one that
 * writes them, and a `Kernel` in KERNELS.
 */

#include "_kernels.h"

#include <math.h>
#include <string.h>

/* Base: which case the row is, the time, and what the catalogue says of the movie. */

/* As `Case` in cases.py numbers them, by whether the user is known and the time. */
static const int CASES[2][2] = {{1, 0}, {2, 3}};
enum { LAST_CASE = 3 };

static void base_columns(const SharedTables *shared, const void *tables,
                         Columns *columns) {
    (void)tables;
    add_column(columns, "knows");
    add_column(columns, "lacks");
    add_column(columns, "timestamp");
    for (size_t genre = 0; genre < shared->genre_flags.width; genre++) {
        add_column(columns, "genre_*");
    }
    add_column(columns, "year");
}

static void base_write(const SharedTables *shared, const void *tables, const Row *row,
                       float *out) {
    (void)tables;
    const float *genre_flags = float32(&shared->genre_flags, row->movie);
    size_t n_genres = shared->genre_flags.width;
    int is_known = row->user < shared->user_id.length;

    int has_time = !isnan(row->time);
    int number = CASES[is_known][has_time];

    out[0] = (float)number;
    out[1] = (float)(LAST_CASE - number);
    out[2] = (float)row->time;
    memcpy(out + 3, genre_flags, n_genres * sizeof(float));
    out[3 + n_genres] = *float32(&shared->year, row->movie);
}

static const Kernel BASE = {
    .name = "base",
    .name_columns = base_columns,
    .write = base_write,
};

/* Statistics */

typedef struct {
    Table user;
    Table movie;
    Table overall;
} Statistics;

#define N_STATISTICS 5
#define BIAS 3

static void statistics_columns(const SharedTables *shared, const void *tables,
                               Columns *columns) {
    (void)shared, (void)tables;
    static const char *const sides[] = {"user", "movie"};
    static const char *const names[N_STATISTICS] = {"log_count", "mean", "std", "bias",
                                                    "residual_std"};
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < N_STATISTICS; i++) {
            add_column(columns, "%s_%s", sides[side], names[i]);
        }
    }
    add_column(columns, "bias");
}

static void statistics_write(const SharedTables *shared, const void *tables,
                             const Row *row, float *out) {
    (void)shared;
    const Statistics *t = tables;
    const float *user = float32(&t->user, row->user);
    const float *movie = float32(&t->movie, row->movie);
    float overall_mean = (float)*float64(&t->overall, 0);

    memcpy(out, user, N_STATISTICS * sizeof(float));
    memcpy(out + N_STATISTICS, movie, N_STATISTICS * sizeof(float));
    out[2 * N_STATISTICS] = overall_mean + user[BIAS] + movie[BIAS];
}

static const Kernel STATISTICS = {
    .name = "statistics",
    .tables =
        {
            {"user", 'f', "users+1, 5"},
            {"movie", 'f', "movies+1, 5"},
            {"overall", 'd', "3"},
        },
    .name_columns = statistics_columns,
    .write = statistics_write,
};

/* Histograms */

typedef struct {
    Table user;
    Table movie;
    Table lift;
    Table quantile;
    Table halves;
} Histograms;

static void histograms_columns(const SharedTables *shared, const void *tables,
                               Columns *columns) {
    (void)tables;
    static const char *const sides[] = {"user", "movie", "joint"};
    size_t n_classes = shared->class_values.length;
    for (int side = 0; side < 3; side++) {
        for (size_t k = 0; k < n_classes; k++) {
            NumberText stars = text_of(*float32(&shared->class_values, k));
            add_column(columns, "%s_share_%s", sides[side], stars.text);
        }
    }
    add_column(columns, "joint_mean");
    add_column(columns, "user_mode");
    add_column(columns, "user_half_share");
    add_column(columns, "movie_quantile");
    add_column(columns, "movie_quantile_for_user");
}

static void histograms_write(const SharedTables *shared, const void *tables,
                             const Row *row, float *out) {
    const Histograms *t = tables;
    const float *stars = float32(&shared->class_values, 0);
    const float *user = float32(&t->user, row->user);
    const float *movie = float32(&t->movie, row->movie);
    const float *lift = float32(&t->lift, row->movie);
    const float *halves = float32(&t->halves, 0);
    float quantile = *float32(&t->quantile, row->movie);
    size_t n_classes = shared->class_values.length;

    memcpy(out, user, n_classes * sizeof(float));
    memcpy(out + n_classes, movie, n_classes * sizeof(float));

    float *joint = out + 2 * n_classes;
    float joint_total = 0;
    for (size_t k = 0; k < n_classes; k++) {
        joint[k] = user[k] * lift[k];
        joint_total += joint[k];
    }

    size_t mode = 0;
    size_t n_below_quantile = 0;
    float joint_mean = 0;
    float half_share = 0;
    float user_total = 0;
    for (size_t k = 0; k < n_classes; k++) {
        joint[k] /= joint_total;
        joint_mean += joint[k] * stars[k];
        half_share += user[k] * halves[k];
        mode = user[k] > user[mode] ? k : mode;
        user_total += user[k];
        n_below_quantile += user_total < quantile;
    }
    size_t quantile_class =
        n_below_quantile < n_classes ? n_below_quantile : n_classes - 1;

    float *rest = joint + n_classes;
    rest[0] = joint_mean;
    rest[1] = stars[mode];
    rest[2] = half_share;
    rest[3] = quantile;
    rest[4] = stars[quantile_class];
}

static const Kernel HISTOGRAMS = {
    .name = "histograms",
    .tables =
        {
            {"user", 'f', "users+1, classes"},
            {"movie", 'f', "movies+1, classes"},
            {"lift", 'f', "movies+1, classes"},
            {"quantile", 'f', "movies+1"},
            {"halves", 'f', "classes"},
        },
    .name_columns = histograms_columns,
    .write = histograms_write,
};

/* Affinity */

typedef struct {
    Table residual;
    Table count;
    Table log_count;
    Table shrinkage;
} Affinity;

static void affinity_columns(const SharedTables *shared, const void *tables,
                             Columns *columns) {
    (void)shared, (void)tables;
    add_column(columns, "affinity_mean");
    add_column(columns, "affinity_max");
    add_column(columns, "affinity_min");
    add_column(columns, "affinity_log_count");
    add_column(columns, "affinity_pooled");
}

static void affinity_write(const SharedTables *shared, const void *tables,
                           const Row *row, float *out) {
    const Affinity *t = tables;
    const float *flags = float32(&shared->genre_flags, row->movie);
    const float *residual = float32(&t->residual, row->user);
    const float *count = float32(&t->count, row->user);
    const float *log_count = float32(&t->log_count, row->user);
    float shrinkage = number(&t->shrinkage);

    float n_genres = 0;
    float total_affinity = 0;
    float total_log_count = 0;
    float total_residual = 0;
    float total_count = 0;
    float most = -INFINITY;
    float least = INFINITY;
    for (size_t g = 0; g < shared->genre_flags.width; g++) {
        if (flags[g] == 0) {
            continue;
        }
        float affinity = residual[g] / (count[g] + shrinkage);
        total_affinity += affinity * flags[g];
        total_log_count += log_count[g] * flags[g];
        total_residual += residual[g] * flags[g];
        total_count += count[g] * flags[g];
        n_genres += flags[g];
        most = affinity > most ? affinity : most;
        least = affinity < least ? affinity : least;
    }

    /* If nobody listed the movie's genres, the flags are NaN, and so are the sums. */
    out[0] = total_affinity / n_genres;
    out[1] = n_genres > 0 ? most : NAN;
    out[2] = n_genres > 0 ? least : NAN;
    out[3] = total_log_count / n_genres;
    out[4] = total_residual / (total_count + shrinkage);
}

static const Kernel AFFINITY = {
    .name = "affinity",
    .tables =
        {
            {"residual", 'f', "users+1, genres"},
            {"count", 'f', "users+1, genres"},
            {"log_count", 'f', "users+1, genres"},
            {"shrinkage", 'f', "1"},
        },
    .name_columns = affinity_columns,
    .write = affinity_write,
};

/* Slopes */

typedef struct {
    Table movie;
    Table centre;
    Table slope;
} Slopes;

#define N_SLOPES 3

static void slopes_columns(const SharedTables *shared, const void *tables,
                           Columns *columns) {
    (void)shared, (void)tables;
    static const char *const kinds[] = {"slope", "sloped", "centre", "away"};
    static const char *const traits[N_SLOPES] = {"year", "popularity", "liking"};
    for (int kind = 0; kind < 4; kind++) {
        for (int i = 0; i < N_SLOPES; i++) {
            add_column(columns, "%s_%s", kinds[kind], traits[i]);
        }
    }
}

static void slopes_write(const SharedTables *shared, const void *tables, const Row *row,
                         float *out) {
    (void)shared;
    const Slopes *t = tables;
    const float *movie = float32(&t->movie, row->movie);
    const float *centre = float32(&t->centre, row->user);
    const float *slope = float32(&t->slope, row->user);
    for (int i = 0; i < N_SLOPES; i++) {
        float away = movie[i] - centre[i];
        out[i] = slope[i];
        out[N_SLOPES + i] = slope[i] * away;
        out[2 * N_SLOPES + i] = centre[i];
        out[3 * N_SLOPES + i] = away;
    }
}

static const Kernel SLOPES = {
    .name = "slopes",
    .tables =
        {
            {"movie", 'f', "movies+1, 3"},
            {"centre", 'f', "users+1, 3"},
            {"slope", 'f', "users+1, 3"},
        },
    .name_columns = slopes_columns,
    .write = slopes_write,
};

/* Factors */

typedef struct {
    Table user;
    Table movie;
} Factors;

static void factors_columns(const SharedTables *shared, const void *tables,
                            Columns *columns) {
    (void)shared, (void)tables;
    add_column(columns, "factors_residual");
    add_column(columns, "factors_user");
    add_column(columns, "factors_movie");
}

static void factors_write(const SharedTables *shared, const void *tables,
                          const Row *row, float *out) {
    (void)shared;
    const Factors *t = tables;
    const float *user = float32(&t->user, row->user);
    const float *movie = float32(&t->movie, row->movie);
    size_t rank = t->user.width - 1;
    float user_intercept = user[rank];
    float movie_intercept = movie[rank];

    out[0] = dot(user, movie, rank) + user_intercept + movie_intercept;
    out[1] = user_intercept;
    out[2] = movie_intercept;
}

static const Kernel FACTORS = {
    .name = "factors",
    .tables =
        {
            {"user", 'f', "users+1, rank+1"},
            {"movie", 'f', "movies+1, rank+1"},
        },
    .name_columns = factors_columns,
    .write = factors_write,
};

/* Clock */

#define SECONDS_PER_HOUR 3600.0
#define SECONDS_PER_DAY 86400.0
#define SECONDS_PER_YEAR 31556952.0

typedef struct {
    Table user;
    Table movie;
    Table log_span;
} Clock;

static void clock_columns(const SharedTables *shared, const void *tables,
                          Columns *columns) {
    (void)shared, (void)tables;
    add_column(columns, "movie_age");
    add_column(columns, "hour");
    add_column(columns, "weekday");
    add_column(columns, "days_of_user");
    add_column(columns, "days_of_movie");
    add_column(columns, "log_span_of_user");
}

/* The remainder of a division, which is never negative. */
static double modulo(double value, double by) {
    return value - by * floor(value / by);
}

static void clock_write(const SharedTables *shared, const void *tables, const Row *row,
                        float *out) {
    const Clock *t = tables;
    double time = row->time;
    double year = 1970 + time / SECONDS_PER_YEAR;
    double hours = floor(time / SECONDS_PER_HOUR);
    double days = floor(time / SECONDS_PER_DAY);

    double released = (double)*float32(&shared->year, row->movie);
    double since_user = time - *float64(&t->user, row->user);
    double since_movie = time - *float64(&t->movie, row->movie);
    double log_span = *float64(&t->log_span, row->user);

    out[0] = (float)(year - released);
    out[1] = (float)modulo(hours, 24);
    out[2] = (float)modulo(days, 7);
    out[3] = (float)(since_user / SECONDS_PER_DAY);
    out[4] = (float)(since_movie / SECONDS_PER_DAY);
    out[5] = (float)log_span;
}

static const Kernel CLOCK = {
    .name = "clock",
    .tables =
        {
            {"user", 'd', "users+1"},
            {"movie", 'd', "movies+1"},
            {"log_span", 'd', "users+1"},
        },
    .name_columns = clock_columns,
    .write = clock_write,
};

/* Era */

typedef struct {
    Table first_half;
} Era;

static void era_columns(const SharedTables *shared, const void *tables,
                        Columns *columns) {
    (void)shared, (void)tables;
    add_column(columns, "era_half_stars");
}

static void era_write(const SharedTables *shared, const void *tables, const Row *row,
                      float *out) {
    (void)shared;
    const Era *t = tables;
    double first_half = *float64(&t->first_half, 0);
    out[0] = isnan(row->time) ? NAN : (float)(row->time >= first_half);
}

static const Kernel ERA = {
    .name = "era",
    .tables = {{"first_half", 'd', "1"}},
    .name_columns = era_columns,
    .write = era_write,
};

/* Ids */

static void ids_columns(const SharedTables *shared, const void *tables,
                        Columns *columns) {
    (void)shared, (void)tables;
    add_column(columns, "userId");
    add_column(columns, "movieId");
}

static void ids_write(const SharedTables *shared, const void *tables, const Row *row,
                      float *out) {
    (void)tables;
    out[0] = row->user < shared->user_id.length ? (float)row->user_id : NAN;
    out[1] = row->movie < shared->movie_id.length ? (float)row->movie_id : NAN;
}

static const Kernel IDS = {
    .name = "ids",
    .name_columns = ids_columns,
    .write = ids_write,
};

/* Blend: a weighted sum of columns that come before it. */

typedef struct {
    Table columns;
    Table weights;
} Blend;

static const char *blend_fault(const SharedTables *shared, const void *tables,
                               size_t n_before) {
    (void)shared;
    const Blend *t = tables;
    for (size_t i = 0; i < t->columns.length; i++) {
        int64_t column = *int64(&t->columns, i);
        if (column < 0 || (uint64_t)column >= n_before) {
            return "a term isn't among the columns before the blend";
        }
    }
    return NULL;
}

static void blend_columns(const SharedTables *shared, const void *tables,
                          Columns *columns) {
    (void)shared, (void)tables;
    add_column(columns, "blend*");
}

static void blend_write(const SharedTables *shared, const void *tables, const Row *row,
                        float *out) {
    (void)shared;
    const Blend *t = tables;
    const int64_t *columns = int64(&t->columns, 0);
    const float *weights = float32(&t->weights, 0);
    float sum = 0;
    for (size_t i = 0; i < t->columns.length; i++) {
        float value = row->features[columns[i]];
        float known = isnan(value) ? 0 : value;
        sum += known * weights[i];
    }
    *out = sum;
}

static const Kernel BLEND = {
    .name = "blend",
    .tables =
        {
            {"columns", 'q', "terms"},
            {"weights", 'f', "terms"},
        },
    .name_columns = blend_columns,
    .write = blend_write,
    .find_fault = blend_fault,
};

const TableKind SHARED_TABLES[] = {
    {"user_id", 'q', "users"},
    {"movie_id", 'q', "movies"},
    {"genre_flags", 'f', "movies+1, genres"},
    {"year", 'f', "movies+1"},
    {"class_values", 'f', "classes"},
    {"rated_start", 'q', "users+2"},
    {"rated_movie", 'i', "ratings+1"},
    {"rated_class", 'B', "ratings+1"},
    {"rated_residual", 'f', "ratings+1"},
    {"rated_time", 'q', "ratings+1"},
    {NULL, 0, NULL},
};

const Kernel *const KERNELS[] = {
    &BASE,       &STATISTICS, &HISTOGRAMS, &AFFINITY, &SLOPES,  &FACTORS,
    &NEIGHBOURS, &TITLES,     &CLOCK,      &ERA,      &RECENCY, &PACE,
    &TASTE,      &MOOD,       &IDS,        &BLEND,    NULL,
};
