/* The kernel of near level: the classes of the user's ratings whose level is near that
 * of the row. See `near_level.py` and `_kernels.c`. */

#include "_level.h"

#include <math.h>
#include <string.h>

typedef struct {
    Level level;
    Table prior;
    Table lift;
    Table grid;
    Table width;
    Table recent_rank;
    Table recent_seconds;
    Table user_weight;
    Table prior_weight;
    Table shrinkage;
} NearLevel;

/* How ratings are weighted besides by their level. */
enum { ALWAYS, RECENT, NOW, N_WAYS };
static const char *const NAMES[N_WAYS] = {"near_level", "near_level_recent",
                                          "near_level_now"};

/* Four ratings of a user, all of one class. If there are fewer than four, the rest of
 * the quad weighs nothing, since its level is infinite. */
typedef struct {
    Four level;
    Four rest;
    Four by_rank; /* how near the rating is to the row, 0 unless it is earlier */
    Four by_time;
} Quad;

typedef struct {
    float share[MOST_CLASSES];      /* the user's histogram */
    size_t first[MOST_CLASSES + 1]; /* where the quads of each class begin */
    Quad quads[];
} Quads;

static size_t near_level_scratch(const SharedTables *shared, size_t most_rated) {
    size_t most_quads = most_rated / 4 + shared->class_values.length;
    return sizeof(Quads) + most_quads * sizeof(Quad);
}

static void near_level_columns(const SharedTables *shared, const void *tables,
                               Columns *columns) {
    (void)tables;
    for (int way = 0; way < N_WAYS; way++) {
        add_column(columns, "%s_rest", NAMES[way]);
        add_column(columns, "%s_weight", NAMES[way]);
        for (size_t k = 0; k < shared->class_values.length; k++) {
            add_column(columns, "%s_share_%zu", NAMES[way], k + 1);
        }
    }
}

static void fill_quads(const SharedTables *shared, const NearLevel *t, const Row *row,
                       Quads *quads) {
    size_t n_classes = shared->class_values.length;
    float recent_rank = number(&t->recent_rank);
    float recent_seconds = number(&t->recent_seconds);
    size_t next[MOST_CLASSES];
    lay_out_by_class(shared, row, quads->first, next);
    for (size_t k = 0; k < n_classes; k++) {
        if (quads->first[k + 1] > quads->first[k]) {
            quads->quads[quads->first[k + 1] - 1] =
                (Quad){.level = {INFINITY, INFINITY, INFINITY, INFINITY}};
        }
    }

    for (size_t place = row->first; place < row->last; place++) {
        size_t at = next[class_at(shared, place)]++;
        size_t lane = at % 4;
        Quad *quad = quads->quads + at / 4;
        int is_earlier = place >= row->earliest && place < row->end;
        float rank = (float)(row->end - 1 - place);
        float seconds = seconds_since(shared, row, place);
        quad->level[lane] = level_at(shared, &t->level, place);
        quad->rest[lane] = rest_at(&t->level, place);
        quad->by_rank[lane] = is_earlier ? nearness(rank / recent_rank) : 0;
        quad->by_time[lane] = is_earlier ? nearness(seconds / recent_seconds) : 0;
    }

    float user_weight = number(&t->user_weight);
    float total = (float)(row->last - row->first) + user_weight;
    for (size_t k = 0; k < n_classes; k++) {
        float count = (float)(next[k] - 4 * quads->first[k]);
        float prior = *float32(&t->prior, k);
        quads->share[k] = (count + user_weight * prior) / total;
    }
}

/* The class shares that the user's histogram and the level lead one to expect. */
static void expect(const NearLevel *t, const float *share, float level,
                   float *expected) {
    const float *grid = float32(&t->grid, 0);
    size_t n_classes = t->lift.width;
    size_t last = t->lift.length - 1;
    float place = (level - grid[0]) / grid[1];
    place = place > 0 ? place : 0; /* not NaN */
    place = place < (float)last ? place : (float)last;
    size_t below = (size_t)place < last ? (size_t)place : last - 1;
    float above_share = place - (float)below;

    const float *lift = float32(&t->lift, below);
    const float *lift_above = float32(&t->lift, below + 1);
    float total = 0;
    for (size_t k = 0; k < n_classes; k++) {
        float between = lift[k] + above_share * (lift_above[k] - lift[k]);
        expected[k] = share[k] * between;
        total += expected[k];
    }
    for (size_t k = 0; k < n_classes; k++) {
        expected[k] /= total;
    }
}

static float sum_of(Four four) {
    return (four[0] + four[1]) + (four[2] + four[3]);
}

/* What the ratings add up to, in each way. */
typedef struct {
    float counts[N_WAYS][MOST_CLASSES]; /* weights of each class */
    float total[N_WAYS];                /* weights of all */
    Four rest[N_WAYS];
} Sums;

static void sum_ratings(const Quads *quads, size_t n_classes, float level,
                        float per_width, Sums *sums) {
    Four rest[N_WAYS] = {{0}};
    float total[N_WAYS] = {0};
    for (size_t k = 0; k < n_classes; k++) {
        Four sum[N_WAYS] = {{0}};
        for (size_t at = quads->first[k]; at < quads->first[k + 1]; at++) {
            const Quad *quad = quads->quads + at;
            Four apart = absolute_of_four(quad->level - level);
            Four weight[N_WAYS];
            weight[ALWAYS] = nearness_of_four(apart * per_width);
            weight[RECENT] = weight[ALWAYS] * quad->by_rank;
            weight[NOW] = weight[ALWAYS] * quad->by_time;
#pragma GCC unroll 8
            for (int way = 0; way < N_WAYS; way++) {
                sum[way] += weight[way];
                rest[way] += weight[way] * quad->rest;
            }
        }
        for (int way = 0; way < N_WAYS; way++) {
            float count = sum_of(sum[way]);
            sums->counts[way][k] = count;
            total[way] += count;
        }
    }
    memcpy(sums->rest, rest, sizeof rest);
    memcpy(sums->total, total, sizeof total);
}

static void near_level_write(const SharedTables *shared, const void *tables,
                             const Row *row, float *out) {
    const NearLevel *t = tables;
    size_t n_classes = shared->class_values.length;
    Quads *quads = row->scratch;
    if (row->row_before == NULL) {
        fill_quads(shared, t, row, quads);
    }

    float level = level_of(&t->level, row);
    float expected[MOST_CLASSES];
    Sums sums;
    expect(t, quads->share, level, expected);
    sum_ratings(quads, n_classes, level, 1 / number(&t->width), &sums);

    float shrinkage = number(&t->shrinkage);
    float prior_weight = number(&t->prior_weight);
    for (int way = 0; way < N_WAYS; way++) {
        float weight = sums.total[way];
        *out++ = sum_of(sums.rest[way]) / (weight + shrinkage);
        *out++ = weight;
        for (size_t k = 0; k < n_classes; k++) {
            float from_prior = prior_weight * expected[k];
            *out++ = (sums.counts[way][k] + from_prior) / (weight + prior_weight);
        }
    }
}

const Kernel NEAR_LEVEL = {
    .name = "near_level",
    .tables =
        {
            LEVEL_TABLES,
            {"prior", 'f', "classes"},
            {"lift", 'f', "levels+2, classes"},
            {"grid", 'f', "2"},
            {"width", 'f', "1"},
            {"recent_rank", 'f', "1"},
            {"recent_seconds", 'f', "1"},
            {"user_weight", 'f', "1"},
            {"prior_weight", 'f', "1"},
            {"shrinkage", 'f', "1"},
        },
    .lookback = ALSO_EARLIER,
    .name_columns = near_level_columns,
    .write = near_level_write,
    .scratch_size = near_level_scratch,
};
