/* The kernel of near level: the classes of the user's ratings whose level is near that
 * of the row. See `near_level.py` and `_kernels.c`. */

#include "_level.h"

#include <math.h>

typedef struct {
    Level level;
    Table prior;
    Table lift;
    Table grid;
    Table width;
    Table always;
    Table recent_rank;
    Table recent_seconds;
    Table user_weight;
    Table prior_weight;
    Table shrinkage;
} NearLevel;

/* Four ratings of a user, all of one class. If there are fewer than four, the rest of
 * the quad weighs nothing, since its level is infinite. */
typedef struct {
    Four level;
    Four rest;
    Four weight; /* by how recent the rating is */
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
    add_column(columns, "near_level_rest");
    add_column(columns, "near_level_weight");
    for (size_t k = 0; k < shared->class_values.length; k++) {
        add_column(columns, "near_level_share_%zu", k + 1);
    }
}

/* The weight of one of the user's ratings by how recent it is. */
static float recency_of(const SharedTables *shared, const NearLevel *t, const Row *row,
                        size_t place) {
    float always = number(&t->always);
    if (place < row->earliest || place >= row->end) {
        return always;
    }
    float rank = (float)(row->end - 1 - place);
    float seconds = seconds_since(shared, row, place);
    float by_rank = nearness(rank / number(&t->recent_rank));
    return always + by_rank + nearness(seconds / number(&t->recent_seconds));
}

static void fill_quads(const SharedTables *shared, const NearLevel *t, const Row *row,
                       Quads *quads) {
    size_t n_classes = shared->class_values.length;
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
        quad->level[lane] = level_at(shared, &t->level, place);
        quad->rest[lane] = rest_at(&t->level, place);
        quad->weight[lane] = recency_of(shared, t, row, place);
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

/* What the ratings add up to. */
typedef struct {
    float counts[MOST_CLASSES]; /* weights of each class */
    float total;                /* weights of all */
    float rest;
} Sums;

static void sum_ratings(const Quads *quads, size_t n_classes, float level,
                        float per_width, Sums *sums) {
    Four rest = {0};
    float total = 0;
    for (size_t k = 0; k < n_classes; k++) {
        Four sum = {0};
        for (size_t at = quads->first[k]; at < quads->first[k + 1]; at++) {
            const Quad *quad = quads->quads + at;
            Four apart = absolute_of_four(quad->level - level);
            Four weight = nearness_of_four(apart * per_width) * quad->weight;
            sum += weight;
            rest += weight * quad->rest;
        }
        sums->counts[k] = sum_of(sum);
        total += sums->counts[k];
    }
    sums->total = total;
    sums->rest = sum_of(rest);
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

    float prior_weight = number(&t->prior_weight);
    out[0] = sums.rest / (sums.total + number(&t->shrinkage));
    out[1] = sums.total;
    for (size_t k = 0; k < n_classes; k++) {
        float from_prior = prior_weight * expected[k];
        out[2 + k] = (sums.counts[k] + from_prior) / (sums.total + prior_weight);
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
            {"always", 'f', "1"},
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
