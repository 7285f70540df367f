/* The features of the user's taste: what a regression says of the movie, and how the
 * user's ratings of alike movies differed from that. See `_kernels.c`. */

#include "_kernels.h"

#include <math.h>
#include <string.h>

typedef struct {
    Table movie, user, level, liking, genres, beyond, prior, seconds, ranks, window;
} Taste;

/* Ratings of what kinds of alike movies are looked at, which of them by their classes
 * too, and how. */
enum { LEVEL, LEVEL_RECENT, KIND, N_SHARES, GENRE = N_SHARES, GENRE_RECENT, N_ALIKE };

#define MOST_WIDTHS 64

/* Stars at which two expected ratings are half as alike, squared. */
#define TASTE_LEVEL_WIDTH 0.0625f
#define TASTE_RANK 30.0f
#define TASTE_GENRE_YEARS 15.0f
#define TASTE_KIND_YEARS 10.0f
#define TASTE_UNKNOWN_YEARS 30.0f

/* Four ratings of a user at once, all of one class, since a user may have a thousand
 * and be asked about all movies. What is left over of four weighs nothing. */
typedef int32_t FourInts __attribute__((vector_size(16)));

typedef struct {
    Four expected, beyond, year, per_genre; /* per_genre: 1 over the number of genres */
    Four by_rank,
        by_time; /* how near the rating is to the row, 0 where it isn't earlier */
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
    return 1 + t->seconds.length + t->ranks.length + 2 * N_ALIKE +
           N_SHARES * known->class_values.length;
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

/* Means of what taste leaves unexplained of the latest ratings, by time and by rank;
 * NaN where the row has no time. */
static void beyond_lately(const Known *known, const Taste *t, const Row *row,
                          float *out) {
    size_t n_seconds = t->seconds.length, n = row->end - row->begin,
           window = (size_t)*int64(&t->window, 0);
    float *sum = out, weight[MOST_WIDTHS];
    n = n < window ? n : window;
    sums_lately(known, row, n, float32(&t->beyond, 0), &t->seconds, 0, sum, weight);
    sums_lately(known, row, n, float32(&t->beyond, 0), &t->ranks, 1, sum + n_seconds,
                weight + n_seconds);
    for (size_t k = 0; k < n_seconds + t->ranks.length; k++)
        sum[k] = isnan(row->time) ? NAN : sum[k] / (weight[k] + 1);
}

static void fill_quads(const Known *known, const Taste *t, const Row *row,
                       Quads *quads) {
    size_t n_classes = known->class_values.length, next[MOST_CLASSES] = {0};
    const uint8_t *rated = uint8(&known->rated_class, 0);
    for (size_t place = row->first; place < row->last; place++)
        next[rated[place]]++;
    quads->first[0] = 0;
    for (size_t k = 0; k < n_classes; k++) {
        quads->first[k + 1] = quads->first[k] + (next[k] + 3) / 4;
        next[k] = 4 * quads->first[k];
        if (quads->first[k + 1] > quads->first[k])
            quads->quads[quads->first[k + 1] - 1] =
                (Quad){.expected = {INFINITY, INFINITY, INFINITY, INFINITY}};
    }
    for (size_t place = row->first; place < row->last; place++) {
        size_t movie = (size_t)*int32(&known->rated_movie, place),
               at = next[rated[place]]++, lane = at % 4;
        Quad *quad = quads->quads + at / 4;
        int is_earlier = place >= row->begin && place < row->end;
        int32_t genres = *int32(&t->genres, movie);
        quad->beyond[lane] = *float32(&t->beyond, place);
        quad->expected[lane] =
            float32(&known->class_values, 0)[rated[place]] - quad->beyond[lane];
        quad->year[lane] = *float32(&known->year, movie);
        quad->genres[lane] = genres;
        quad->per_genre[lane] = genres ? 1 / n_bits((uint32_t)genres) : 0;
        quad->by_rank[lane] =
            is_earlier ? near((float)(row->end - 1 - place) / TASTE_RANK) : 0;
        quad->by_time[lane] =
            is_earlier ? near(gap_of(known, row, place) / (float)SECONDS_PER_DAY) : 0;
    }
}

static Four four_bits(FourInts bits) {
    bits -= bits >> 1 & 0x55555555;
    bits = (bits & 0x33333333) + (bits >> 2 & 0x33333333);
    bits = (bits + (bits >> 4)) & 0x0F0F0F0F;
    bits += bits >> 8;
    return __builtin_convertvector((bits + (bits >> 16)) & 0x3F, Four);
}

static float sum_of(Four four) {
    return (four[0] + four[1]) + (four[2] + four[3]);
}

typedef struct {
    float expected, year, per_genre;
    int32_t genres;
} Asked;

/* How alike four movies are to the one that is asked, in each way. */
static void weigh(const Quad *quad, const Asked *asked, Four weight[N_ALIKE]) {
    Four apart = asked->expected - quad->expected,
         level = 1 / (1 + apart * apart * (1 / TASTE_LEVEL_WIDTH));
    Four common = four_bits(quad->genres & asked->genres);
    Four cosine = common * common * (quad->per_genre * asked->per_genre);
    Four years = asked->year - quad->year;
    FourInts is_known = years == years;
    years = (Four)((FourInts)years & 0x7FFFFFFF & is_known);
    years += (Four)(~is_known & (FourInts)(TASTE_UNKNOWN_YEARS + (Four){0}));
    /* Both kernels of years by one division. */
    Four genre_years = 1 + years * (1 / TASTE_GENRE_YEARS),
         kind_years = 1 + years * (1 / TASTE_KIND_YEARS);
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
    size_t n_classes = known->class_values.length,
           n_lately = t->seconds.length + t->ranks.length;
    const float *prior = float32(&t->prior, 0);
    float residual = product_of(float32(&t->user, row->user),
                                float32(&t->movie, row->movie), t->movie.width);
    Asked asked = {
        *float32(&t->level, row->user) + *float32(&t->liking, row->movie) + residual,
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
    static const float shrinkage[N_ALIKE] = {1, 1, 2, 3, 1},
                       prior_weight[N_SHARES] = {1, 0.5f, 0.5f};
    for (int i = 0; i < N_ALIKE; i++) {
        *out++ = sum_of(beyond[order[i]]) / (total[order[i]] + shrinkage[order[i]]);
        *out++ = total[order[i]];
    }
    for (int i = 0; i < N_SHARES; i++)
        for (size_t k = 0; k < n_classes; k++)
            *out++ = (counts[i][k] + prior_weight[i] * prior[k]) /
                     (total[i] + prior_weight[i]);
}

const Kernel TASTE = {
    "taste",
    taste_columns,
    taste,
    SOME_PAST,
    {{"movie", 'f', "Ma"},
     {"user", 'f', "Ua"},
     {"level", 'f', "U"},
     {"liking", 'f', "M"},
     {"genres", 'i', "M"},
     {"beyond", 'f', "R"},
     {"prior", 'f', "C"},
     {"seconds", 'f', "b"},
     {"ranks", 'f', "c"},
     {"window", 'q', "1"}},
    taste_scratch,
};
