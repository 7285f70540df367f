/* The kernel of taste: what the user's regression says of the movie, and how the user's
 * ratings of alike movies differed from what it says of those. See `_kernels.c`. */

#include "_kernels.h"

#include <math.h>
#include <string.h>

typedef struct {
    Table movie;
    Table user;
    Table genres;
    Table beyond;
    Table prior;
    Table seconds;
    Table ranks;
    Table window;
    Table shrinkage;
    Table recent_seconds;
    Table genre_years;
    Table kind_years;
    Table unknown_years;
    Table alike_shrinkage;
    Table prior_weight;
} Taste;

/* The ways in which movies are alike, in the order of their columns. */
enum { GENRE, KIND, GENRE_RECENT, N_ALIKE };
static const char *const NAMES[N_ALIKE] = {"genre", "kind", "genre_recent"};

#define MOST_WIDTHS 64

/* Ratings are handled four at a time, since a user may have a thousand of them and ask
 * about every movie. The four are all of one class. If there are fewer than four, the
 * rest of the quad weighs nothing, since it has no genres. */
typedef struct {
    Four beyond;
    Four year;
    Four per_genre;  /* 1 over the number of the movie's genres, 0 if it has none */
    Four by_time;    /* how near the rating is to the row, 0 unless it is earlier */
    FourBits genres; /* a bit a genre */
} Quad;

typedef struct {
    size_t first[MOST_CLASSES + 1]; /* where the quads of each class begin */
    Quad quads[];
} Quads;

static size_t taste_scratch(const SharedTables *shared, size_t most_rated) {
    size_t most_quads = most_rated / 4 + shared->class_values.length;
    return sizeof(Quads) + most_quads * sizeof(Quad);
}

static const char *taste_fault(const SharedTables *shared, const void *tables,
                               size_t n_before) {
    (void)shared, (void)n_before;
    const Taste *t = tables;
    if (t->seconds.length + t->ranks.length > MOST_WIDTHS) {
        return "seconds and ranks are more than 64";
    }
    return NULL;
}

static void taste_columns(const SharedTables *shared, const void *tables,
                          Columns *columns) {
    const Taste *t = tables;
    size_t n_classes = shared->class_values.length;

    add_column(columns, "taste_residual");
    for (size_t k = 0; k < t->seconds.length; k++) {
        NumberText seconds = text_of(*float32(&t->seconds, k));
        add_column(columns, "beyond_taste_%ss", seconds.text);
    }
    for (size_t k = 0; k < t->ranks.length; k++) {
        NumberText rank = text_of(*float32(&t->ranks, k));
        add_column(columns, "beyond_taste_rank_%s", rank.text);
    }
    for (int way = 0; way < N_ALIKE; way++) {
        add_column(columns, "alike_%s_beyond", NAMES[way]);
        add_column(columns, "alike_%s_weight", NAMES[way]);
    }
    for (size_t k = 0; k < n_classes; k++) {
        add_column(columns, "alike_kind_share_%zu", k + 1);
    }
}

/* How many bits are set. Without a loop, whose end processors can't foresee. */
static float count_bits(uint32_t bits) {
    uint32_t pairs = bits - (bits >> 1 & 0x55555555);
    uint32_t nibbles = (pairs & 0x33333333) + (pairs >> 2 & 0x33333333);
    uint32_t bytes = (nibbles + (nibbles >> 4)) & 0x0F0F0F0F;
    return (float)(bytes * 0x01010101 >> 24);
}

static float per_genre(uint32_t genres) {
    return genres ? 1 / count_bits(genres) : 0;
}

/* Means of what taste leaves unexplained of the latest ratings, weighted by time and by
 * rank; NaN if the row has no time. */
static void write_beyond_latest(const SharedTables *shared, const Taste *t,
                                const Row *row, float *out) {
    const float *beyond = float32(&t->beyond, 0);
    size_t n_seconds = t->seconds.length;
    size_t window = (size_t)whole_number(&t->window);
    float shrinkage = number(&t->shrinkage);

    size_t n_earlier = row->end - row->earliest;
    size_t n = n_earlier < window ? n_earlier : window;
    float weight[MOST_WIDTHS];
    sum_latest(shared, row, n, beyond, &t->seconds, 0, out, weight);
    sum_latest(shared, row, n, beyond, &t->ranks, 1, out + n_seconds,
               weight + n_seconds);
    for (size_t k = 0; k < n_seconds + t->ranks.length; k++) {
        float mean = out[k] / (weight[k] + shrinkage);
        out[k] = isnan(row->time) ? NAN : mean;
    }
}

/* Finds where the quads of each class begin, and makes the last quad of each weigh
 * nothing, until ratings are put into it. `next` is where the first rating of each
 * class goes, counted in ratings. */
static void lay_out_quads(const SharedTables *shared, const Row *row, Quads *quads,
                          size_t next[MOST_CLASSES]) {
    const uint8_t *rated_class = uint8(&shared->rated_class, 0);
    size_t count[MOST_CLASSES] = {0};
    for (size_t place = row->first; place < row->last; place++) {
        count[rated_class[place]]++;
    }

    quads->first[0] = 0;
    for (size_t k = 0; k < shared->class_values.length; k++) {
        size_t first = quads->first[k];
        size_t end = first + (count[k] + 3) / 4;
        quads->first[k + 1] = end;
        next[k] = 4 * first;
        if (end > first) {
            quads->quads[end - 1] = (Quad){.genres = {0}};
        }
    }
}

static void fill_quads(const SharedTables *shared, const Taste *t, const Row *row,
                       Quads *quads) {
    const uint8_t *rated_class = uint8(&shared->rated_class, 0);
    float recent_seconds = number(&t->recent_seconds);

    size_t next[MOST_CLASSES];
    lay_out_quads(shared, row, quads, next);
    for (size_t place = row->first; place < row->last; place++) {
        size_t at = next[rated_class[place]]++;
        size_t lane = at % 4;
        Quad *quad = quads->quads + at / 4;

        size_t movie = (size_t)*int32(&shared->rated_movie, place);
        uint32_t genres = (uint32_t)*int32(&t->genres, movie);
        quad->beyond[lane] = *float32(&t->beyond, place);
        quad->year[lane] = *float32(&shared->year, movie);
        quad->genres[lane] = genres;
        quad->per_genre[lane] = per_genre(genres);

        int is_earlier = place >= row->earliest && place < row->end;
        float seconds = seconds_since(shared, row, place);
        quad->by_time[lane] = is_earlier ? nearness(seconds / recent_seconds) : 0;
    }
}

/* The movie in question, and one over each width by which it is compared. */
typedef struct {
    float year;
    float per_genre;
    uint32_t genres;
    float per_genre_year;
    float per_kind_year;
    float unknown_years;
} Asked;

/* How many years apart the movies are, `unknown_years` if one has none. */
static Four years_apart(const Quad *quad, const Asked *asked) {
    Four years = asked->year - quad->year;
    FourInts is_known = years == years;
    FourInts absolute = (FourInts)absolute_of_four(years);
    FourInts otherwise = (FourInts)(asked->unknown_years + (Four){0});
    /* Added, not chosen: one of the two is 0. */
    return (Four)(absolute & is_known) + (Four)(otherwise & ~is_known);
}

/* How alike four movies are to the one in question, in each way. */
static void weigh(const Quad *quad, const Asked *asked, Four weight[N_ALIKE]) {
    Four common = count_bits_of_four(quad->genres & asked->genres);
    Four cosine = common * common * (quad->per_genre * asked->per_genre);

    /* by_genre is 1 / genre_years and by_kind 1 / kind_years, at one division. */
    Four years = years_apart(quad, asked);
    Four genre_years = 1 + years * asked->per_genre_year;
    Four kind_years = 1 + years * asked->per_kind_year;
    Four over_both = 1 / (genre_years * kind_years);
    Four by_genre = over_both * kind_years;
    Four by_kind = over_both * genre_years;

    weight[KIND] = cosine * cosine * cosine * (by_kind * by_kind);
    weight[GENRE] = cosine * (by_genre * by_genre);
    weight[GENRE_RECENT] = weight[GENRE] * quad->by_time;
}

static float sum_of(Four four) {
    return (four[0] + four[1]) + (four[2] + four[3]);
}

/* What the user's ratings of alike movies add up to, for each way of being alike. */
typedef struct {
    float beyond[N_ALIKE];
    float weight[N_ALIKE];
    float counts[MOST_CLASSES]; /* weights of each class, of those alike in kind */
} AlikeSums;

static void sum_alike(const Quads *quads, size_t n_classes, const Asked *asked,
                      AlikeSums *sums) {
    Four beyond[N_ALIKE] = {{0}};
    Four total[N_ALIKE] = {{0}};
    for (size_t k = 0; k < n_classes; k++) {
        Four count = {0};
        for (size_t at = quads->first[k]; at < quads->first[k + 1]; at++) {
            const Quad *quad = quads->quads + at;
            Four weight[N_ALIKE];
            weigh(quad, asked, weight);
            count += weight[KIND];
#pragma GCC unroll 8
            for (int way = 0; way < N_ALIKE; way++) {
                total[way] += weight[way];
                beyond[way] += weight[way] * quad->beyond;
            }
        }
        sums->counts[k] = sum_of(count);
    }
    for (int way = 0; way < N_ALIKE; way++) {
        sums->beyond[way] = sum_of(beyond[way]);
        sums->weight[way] = sum_of(total[way]);
    }
}

static void taste_write(const SharedTables *shared, const void *tables, const Row *row,
                        float *out) {
    const Taste *t = tables;
    size_t n_classes = shared->class_values.length;
    size_t n_latest = t->seconds.length + t->ranks.length;

    const float *user = float32(&t->user, row->user);
    const float *movie = float32(&t->movie, row->movie);
    out[0] = dot(user, movie, t->movie.width);

    Quads *quads = row->scratch;
    float *beyond_latest = out + 1;
    if (row->row_before == NULL) {
        fill_quads(shared, t, row, quads);
        write_beyond_latest(shared, t, row, beyond_latest);
    } else {
        memcpy(beyond_latest, row->row_before + 1, n_latest * sizeof(float));
    }

    uint32_t genres = (uint32_t)*int32(&t->genres, row->movie);
    Asked asked = {
        .year = *float32(&shared->year, row->movie),
        .per_genre = per_genre(genres),
        .genres = genres,
        .per_genre_year = 1 / number(&t->genre_years),
        .per_kind_year = 1 / number(&t->kind_years),
        .unknown_years = number(&t->unknown_years),
    };
    AlikeSums sums;
    sum_alike(quads, n_classes, &asked, &sums);

    const float *shrinkage = float32(&t->alike_shrinkage, 0);
    float *alike = beyond_latest + n_latest;
    for (int way = 0; way < N_ALIKE; way++) {
        *alike++ = sums.beyond[way] / (sums.weight[way] + shrinkage[way]);
        *alike++ = sums.weight[way];
    }

    const float *prior = float32(&t->prior, 0);
    float prior_weight = number(&t->prior_weight);
    float total = sums.weight[KIND] + prior_weight;
    for (size_t k = 0; k < n_classes; k++) {
        alike[k] = (sums.counts[k] + prior_weight * prior[k]) / total;
    }
}

const Kernel TASTE = {
    .name = "taste",
    .tables =
        {
            {"movie", 'f', "movies+1, terms"},
            {"user", 'f', "users+1, terms"},
            {"genres", 'i', "movies+1"},
            {"beyond", 'f', "ratings+1"},
            {"prior", 'f', "classes"},
            {"seconds", 'f', "spans"},
            {"ranks", 'f', "ranks"},
            {"window", 'q', "1"},
            {"shrinkage", 'f', "1"},
            {"recent_seconds", 'f', "1"},
            {"genre_years", 'f', "1"},
            {"kind_years", 'f', "1"},
            {"unknown_years", 'f', "1"},
            {"alike_shrinkage", 'f', "3"},
            {"prior_weight", 'f', "1"},
        },
    .lookback = ALSO_EARLIER,
    .name_columns = taste_columns,
    .write = taste_write,
    .find_fault = taste_fault,
    .scratch_size = taste_scratch,
};
