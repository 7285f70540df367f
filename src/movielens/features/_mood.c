/* The kernel of mood: a Gaussian process on what the level leaves of the user's latest
 * ratings. See `mood.py` and `_kernels.c`.
 *
 * The matrix of covariances depends on the user and the time alone. It is decomposed
 * into L D L' once for all rows of a moment; a row then takes one solve with L. */

#include "_level.h"

#include <math.h>
#include <string.h>

typedef struct {
    Level level;
    Table by_rank;
    Table seconds;
    Table variance;
    Table genre_years;
    Table per_root;
    Table unknown_year;
    Table liking;
    Table noise;
} Mood;

/* The order of the tables `variance` and `seconds`. */
enum { ANY, GENRE_PAGE, GENRE_SEASON, GENRE_ALWAYS, LIKING_SEASON };
enum { MOMENT, PAGE, SEASON };

#define MOST_WINDOW 32
#define MOST_QUADS (MOST_WINDOW / 4)
#define MOST_GENRES 32

/* Four of the latest ratings, the latest first. What is left over of the last four has
 * zeros. */
typedef struct {
    Four seconds; /* before the latest one */
    Four year;
    Four per_root; /* 1 over the root of the number of genres */
    Four liking;   /* standardised */
    FourBits genres;
} Quad;

/* The latest ratings at a moment, and their covariances, decomposed. */
typedef struct {
    size_t n;
    Quad quads[MOST_QUADS];
    Four lower[MOST_WINDOW][MOST_QUADS]; /* columns of L, without its diagonal of 1 */
    float per_pivot[MOST_WINDOW];        /* 1 over D */
    float solved[MOST_WINDOW];           /* the solution of L x = rests, over D */
    float by_rank[2 * MOST_WINDOW + 4];  /* covariance by rank, mirrored: see below */
} Moment;

/* A rating, or the row. */
typedef struct {
    float seconds;
    float year;
    float per_root;
    float liking;
    uint32_t genres;
} Point;

/* One over each width, so that it is divided by once. */
typedef struct {
    float per_second[3];
    float per_year;
    const float *variance;
} Widths;

static size_t window_of(const Mood *t) {
    return t->by_rank.length - 1;
}

static size_t mood_scratch(const SharedTables *shared, size_t most_rated) {
    (void)shared, (void)most_rated;
    return sizeof(Moment);
}

static const char *mood_fault(const SharedTables *shared, const void *tables,
                              size_t n_before) {
    (void)n_before;
    const Mood *t = tables;
    if (window_of(t) > MOST_WINDOW) {
        return "by_rank has a window of more than 32";
    }
    if (shared->genre_flags.width > MOST_GENRES) {
        return "there are more than 32 genres";
    }
    return NULL;
}

static void mood_columns(const SharedTables *shared, const void *tables,
                         Columns *columns) {
    (void)shared, (void)tables;
    add_column(columns, "level_explained");
    add_column(columns, "level");
    add_column(columns, "level_spread");
    add_column(columns, "mood");
    add_column(columns, "mood_variance");
}

static Widths widths_of(const Mood *t) {
    const float *seconds = float32(&t->seconds, 0);
    Widths widths = {
        .per_year = 1 / number(&t->genre_years),
        .variance = float32(&t->variance, 0),
    };
    for (int i = 0; i < 3; i++) {
        widths.per_second[i] = 1 / seconds[i];
    }
    return widths;
}

static Point point_of(const SharedTables *shared, const Mood *t, size_t movie,
                      float seconds) {
    const float *flags = float32(&shared->genre_flags, movie);
    const float *liking = float32(&t->liking, 0);
    float year = *float32(&shared->year, movie);
    Point point = {
        .seconds = seconds,
        .year = isnan(year) ? number(&t->unknown_year) : year,
        .liking = (*float32(&t->level.liking, movie) - liking[0]) / liking[1],
    };
    size_t n_genres = 0;
    for (size_t g = 0; g < shared->genre_flags.width; g++) {
        uint32_t is_set = flags[g] == 1; /* not NaN */
        point.genres |= is_set << g;
        n_genres += is_set;
    }
    point.per_root = *float32(&t->per_root, n_genres);
    return point;
}

/* The covariances of four ratings with a point, given those by rank. */
static Four covariances(const Quad *quad, const Point *point, const Widths *widths,
                        Four by_rank) {
    const float *variance = widths->variance;
    Four seconds = absolute_of_four(quad->seconds - point->seconds);
    Four years = absolute_of_four(quad->year - point->year);
    Four common = count_bits_of_four(quad->genres & point->genres);
    Four alike = common * (quad->per_root * point->per_root);
    alike *= nearness_of_four(years * widths->per_year);
    Four moment = nearness_of_four(seconds * widths->per_second[MOMENT]);
    Four page = nearness_of_four(seconds * widths->per_second[PAGE]);
    Four season = nearness_of_four(seconds * widths->per_second[SEASON]);

    Four of_genres = variance[GENRE_PAGE] * page + variance[GENRE_SEASON] * season +
                     variance[GENRE_ALWAYS];
    Four of_liking = quad->liking * point->liking * season;
    return by_rank + variance[ANY] * moment + alike * of_genres +
           variance[LIKING_SEASON] * of_liking;
}

/* The variance of the function at a point. */
static float variance_at(const Mood *t, const Point *point, const Widths *widths) {
    const float *variance = widths->variance;
    float of_genres = point->genres ? variance[GENRE_PAGE] + variance[GENRE_SEASON] +
                                          variance[GENRE_ALWAYS]
                                    : 0;
    float of_liking = variance[LIKING_SEASON] * point->liking * point->liking;
    return *float32(&t->by_rank, 0) + variance[ANY] + of_genres + of_liking;
}

/* Puts the latest ratings into `moment`, and their points into `points`. */
static void look_back(const SharedTables *shared, const Mood *t, const Row *row,
                      Moment *moment, Point points[MOST_WINDOW]) {
    size_t n_earlier = row->end - row->earliest;
    size_t window = window_of(t);
    moment->n = n_earlier < window ? n_earlier : window;
    memset(moment->quads, 0, sizeof moment->quads);
    for (size_t i = 0; i < moment->n; i++) {
        size_t place = row->end - 1 - i;
        double latest = (double)*int64(&shared->rated_time, row->end - 1);
        double rated = (double)*int64(&shared->rated_time, place);
        size_t movie = (size_t)*int32(&shared->rated_movie, place);
        Point point = point_of(shared, t, movie, (float)(latest - rated));
        Quad *quad = moment->quads + i / 4;
        quad->seconds[i % 4] = point.seconds;
        quad->year[i % 4] = point.year;
        quad->per_root[i % 4] = point.per_root;
        quad->liking[i % 4] = point.liking;
        quad->genres[i % 4] = point.genres;
        points[i] = point;
    }
}

/* Covariance by rank from -MOST_WINDOW to MOST_WINDOW, so that four ratings in a row
 * can be read at once. */
static void mirror_ranks(const Mood *t, float mirrored[2 * MOST_WINDOW + 4]) {
    const float *by_rank = float32(&t->by_rank, 0);
    memset(mirrored, 0, (2 * MOST_WINDOW + 4) * sizeof(float));
    for (size_t rank = 0; rank < t->by_rank.length; rank++) {
        mirrored[MOST_WINDOW - rank] = by_rank[rank];
        mirrored[MOST_WINDOW + rank] = by_rank[rank];
    }
}

/* Those of ratings 4 q to 4 q + 3 with the rating `i`. */
static Four four_ranks(const Moment *moment, size_t q, size_t i) {
    Four ranks;
    memcpy(&ranks, moment->by_rank + MOST_WINDOW + 4 * q - i, sizeof ranks);
    return ranks;
}

/* The covariances of all ratings, with their noise, as columns from the diagonal on. */
static void covary(const SharedTables *shared, const Mood *t, const Row *row,
                   const Widths *widths, const Point points[MOST_WINDOW],
                   Moment *moment) {
    const float *noise = float32(&t->noise, 0);
    size_t n_quads = (moment->n + 3) / 4;
    for (size_t i = 0; i < moment->n; i++) {
        for (size_t q = i / 4; q < n_quads; q++) {
            Four ranks = four_ranks(moment, q, i);
            moment->lower[i][q] =
                covariances(moment->quads + q, points + i, widths, ranks);
        }
        size_t movie = (size_t)*int32(&shared->rated_movie, row->end - 1 - i);
        float raters = *float32(&t->level.raters, movie);
        moment->lower[i][i / 4][i % 4] += noise[0] + noise[1] / (raters + 2);
    }
}

/* Decomposes the columns in their place: L D L'. */
static void decompose(Moment *moment) {
    size_t n_quads = (moment->n + 3) / 4;
    for (size_t k = 0; k < moment->n; k++) {
        Four *column = moment->lower[k];
        float per_pivot = 1 / column[k / 4][k % 4];
        moment->per_pivot[k] = per_pivot;
        for (size_t j = k + 1; j < moment->n; j++) {
            float factor = column[j / 4][j % 4] * per_pivot;
            for (size_t q = j / 4; q < n_quads; q++) {
                moment->lower[j][q] -= factor * column[q];
            }
        }
        for (size_t q = k / 4; q < n_quads; q++) {
            column[q] *= per_pivot;
        }
        /* Only what is below the diagonal is left. */
        for (size_t lane = 0; lane <= k % 4; lane++) {
            column[k / 4][lane] = 0;
        }
    }
}

/* Turns x into the solution of L y = x. */
static void solve(const Moment *moment, Four x[MOST_QUADS]) {
    size_t n_quads = (moment->n + 3) / 4;
    for (size_t k = 0; k < moment->n; k++) {
        const Four *column = moment->lower[k];
        float known = x[k / 4][k % 4];
        for (size_t q = k / 4; q < n_quads; q++) {
            x[q] -= known * column[q];
        }
    }
}

static void begin_moment(const SharedTables *shared, const Mood *t, const Row *row,
                         const Widths *widths, Moment *moment) {
    Point points[MOST_WINDOW];
    Four rests[MOST_QUADS] = {{0}};
    look_back(shared, t, row, moment, points);
    mirror_ranks(t, moment->by_rank);
    covary(shared, t, row, widths, points, moment);
    decompose(moment);
    for (size_t i = 0; i < moment->n; i++) {
        rests[i / 4][i % 4] = rest_at(&t->level, row->end - 1 - i);
    }
    solve(moment, rests);
    for (size_t i = 0; i < moment->n; i++) {
        moment->solved[i] = rests[i / 4][i % 4] * moment->per_pivot[i];
    }
}

/* What the function is at the row, and how uncertain that is. */
static void write_mood(const SharedTables *shared, const Mood *t, const Row *row,
                       const Widths *widths, const Moment *moment, float *out) {
    float since_latest = moment->n ? seconds_since(shared, row, row->end - 1) : 0;
    Point point = point_of(shared, t, row->movie, -since_latest);
    size_t n_quads = (moment->n + 3) / 4;
    Four x[MOST_QUADS] = {{0}};
    for (size_t q = 0; q < n_quads; q++) {
        /* The row comes before the latest rating, of rank 0. */
        Four ranks;
        memcpy(&ranks, moment->by_rank + MOST_WINDOW + 4 * q + 1, sizeof ranks);
        x[q] = covariances(moment->quads + q, &point, widths, ranks);
    }
    solve(moment, x);

    float mean = 0;
    float known = 0;
    for (size_t i = 0; i < moment->n; i++) {
        float value = x[i / 4][i % 4];
        mean += value * moment->solved[i];
        known += value * value * moment->per_pivot[i];
    }
    out[0] = mean;
    out[1] = variance_at(t, &point, widths) - known;
}

static void mood_write(const SharedTables *shared, const void *tables, const Row *row,
                       float *out) {
    const Mood *t = tables;
    Moment *moment = row->scratch;
    Widths widths = widths_of(t);
    if (row->row_before == NULL) {
        begin_moment(shared, t, row, &widths, moment);
    }

    out[0] = explained_of(&t->level, row);
    out[1] = expected_of(&t->level, row) + out[0];
    out[2] = *float32(&t->level.spread, row->user);
    write_mood(shared, t, row, &widths, moment, out + 3);
    if (isnan(row->time)) {
        out[3] = out[4] = NAN;
    }
}

const Kernel MOOD = {
    .name = "mood",
    .tables =
        {
            LEVEL_TABLES,
            {"by_rank", 'f', "window+1"},
            {"seconds", 'f', "3"},
            {"variance", 'f', "5"},
            {"genre_years", 'f', "1"},
            {"per_root", 'f', "genres+1"},
            {"unknown_year", 'f', "1"},
            {"liking", 'f', "2"},
            {"noise", 'f', "2"},
        },
    .lookback = ALSO_EARLIER,
    .name_columns = mood_columns,
    .write = mood_write,
    .find_fault = mood_fault,
    .scratch_size = mood_scratch,
};
