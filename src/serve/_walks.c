/* Evaluates the trees of a flat forest (movielens/flat.py writes it) to the very bits
 * that XGBoost computes.
 *
 * A step down a tree is `node += node->first + (row[node->column] < node->key)`,
 * without a branch. Keys are numbers of 32 bits in the order of the floats: whether one
 * is below another is a carry, which an addition takes in at once. A row has each
 * feature twice: missing is above all in one and below all in the other, and a node
 * looks at the one that goes its way. A leaf looks at what is always above all and has
 * itself as its first child. Walking is bound by latency as much as by work, so 16
 * walks go on at once: 16 trees where there is one row, 16 rows of a tree where there
 * are many. Where there are many rows and a tree is small, they don't walk (_exits.c).
 * Leaves are added in the order of the trees, since floating point sums depend on it,
 * and softmax is the one of XGBoost (common/math.h).
 */

#include "_trees.h"

#include <math.h>

/* Rows are held column by column, each of `stride` numbers: rows that look at the same
 * one find it in a cache line or two. */
#define STEP(node, row, stride)                                                        \
    (node) += first_of(node) + ((row)[column_of(node) * (stride)] < (node)->key)

/* Written out: at -O2 a loop stays a loop, whatever a pragma says, and takes a quarter
 * longer. */
#define EACH_LANE(DO)                                                                  \
    DO(0)                                                                              \
    DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11) DO(12) DO(13)  \
        DO(14) DO(15)

/* The columns that a forest looks at, each `stride` apart. */
static void spread(const Parts *forest, uint32_t *row, size_t stride,
                   const float *values) {
    size_t n_features = forest->header.n_features;
    if (forest->columns == NULL) {
        for (size_t i = 0; i < n_features; i++) {
            row[i * stride] = key_of(values[i]);
            row[(n_features + i) * stride] = other_key(row[i * stride]);
        }
        row[2 * n_features * stride] = ABOVE;
        return;
    }
    for (size_t i = 0; i < forest->n_columns; i++) {
        size_t column = forest->columns[i];
        if (column < n_features)
            row[i * stride] = key_of(values[column]);
        else if (column < 2 * n_features)
            row[i * stride] = other_key(key_of(values[column - n_features]));
        else
            row[i * stride] = ABOVE;
    }
}

static void finish(const Header *header, float *margins) {
    if (header->transform != SOFTMAX)
        return;
    uint32_t n = header->n_groups;
    float most = margins[0];
    for (uint32_t k = 1; k < n; k++)
        most = fmaxf(margins[k], most);
    double sum = 0;
    for (uint32_t k = 0; k < n; k++) {
        margins[k] = expf(margins[k] - most);
        sum += margins[k];
    }
    for (uint32_t k = 0; k < n; k++)
        margins[k] /= (float)sum;
}

/* The first levels of a tree that is walked next: two cache lines. */
static void fetch(const Node *root) {
    __builtin_prefetch(root);
    __builtin_prefetch((const void *)((uintptr_t)root + 64));
}

static void walk_trees(const Parts *forest, const uint32_t *row, float *margins) {
    const Tree *tree = forest->trees, *end = tree + forest->header.n_trees;
    for (; end - tree >= LANES; tree += LANES) {
        const Node *at[LANES];
        uint32_t depth = 0;
        for (int j = 0; j < LANES; j++) {
            at[j] = forest->nodes + tree[j].root;
            if (end - tree > LANES + j)
                fetch(forest->nodes + tree[LANES + j].root);
            depth = depth_of(tree + j) > depth ? depth_of(tree + j) : depth;
        }
        while (depth--) {
#define STEP_TREE(j) STEP(at[j], row, 1);
            EACH_LANE(STEP_TREE)
        }
        for (int j = 0; j < LANES; j++)
            margins[group_of(tree + j)] += value_of(at[j]);
    }
    for (; tree < end; tree++) {
        const Node *at = forest->nodes + tree->root;
        for (uint32_t depth = depth_of(tree); depth--;)
            STEP(at, row, 1);
        margins[group_of(tree)] += value_of(at);
    }
}

static void walk_rows(const Parts *forest, const uint32_t *rows, float sums[][ROWS]) {
    for (uint32_t i = 0; i < forest->header.n_trees; i++) {
        const Tree *tree = forest->trees + i;
        const Node *root = forest->nodes + tree->root;
        float *sum = sums[group_of(tree)];
        if (forest->add_exits != NULL &&
            forest->exits[i].first < forest->exits[i].end) {
            forest->add_exits(forest, forest->exits + i, rows, sum);
            continue;
        }
        for (int place = 0; place < ROWS; place += LANES) {
            const uint32_t *row = rows + place;
            const Node *at[LANES];
            for (int j = 0; j < LANES; j++)
                at[j] = root;
            for (uint32_t depth = depth_of(tree); depth--;) {
#define STEP_ROW(j) STEP(at[j], row + (j), ROWS);
                EACH_LANE(STEP_ROW)
            }
            for (int j = 0; j < LANES; j++)
                sum[place + j] += value_of(at[j]);
        }
    }
}

void predict(const Parts *forest, const float *values, size_t n_rows, int finished,
             uint32_t *rows, float *margins) {
    const Header *header = &forest->header;
    size_t n_features = header->n_features, n_groups = header->n_groups, i = 0;
    _Alignas(16) float sums[MOST_GROUPS][ROWS];
    for (size_t n = ROWS; n_rows - i > FEW_ROWS; i += n) {
        n = n_rows - i < ROWS ? n_rows - i : ROWS;
        const float *begin = forest->base ? forest->base : margins + i * n_groups;
        size_t stride = forest->base ? 0 : n_groups;
        for (size_t j = 0; j < ROWS; j++) {
            size_t row = j < n ? j : n - 1; /* the last one again, for want of others */
            spread(forest, rows + j, ROWS, values + (i + row) * n_features);
            for (size_t k = 0; k < n_groups; k++)
                sums[k][j] = begin[row * stride + k];
        }
        walk_rows(forest, rows, sums);
        for (size_t j = 0; j < n; j++)
            for (size_t k = 0; k < n_groups; k++)
                margins[(i + j) * n_groups + k] = sums[k][j];
    }
    for (; i < n_rows; i++) {
        if (forest->base)
            memcpy(margins + i * n_groups, forest->base, n_groups * sizeof(float));
        spread(forest, rows, 1, values + i * n_features);
        walk_trees(forest, rows, margins + i * n_groups);
    }
    for (i = 0; finished && i < n_rows; i++)
        finish(header, margins + i * n_groups);
}
