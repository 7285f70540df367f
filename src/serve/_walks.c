/* Evaluates a forest to the very bits that XGBoost computes, by walking down its trees.
 *
 * A step is `node += node->first + (key < node->key)`, without a branch. Keys are whole
 * numbers in the order of the floats, since whether one is below another is then a
 * carry, which the addition takes in. A row has each feature twice: in one column a
 * missing value is above all numbers, in the other it is below all, and a node looks at
 * the column that sends missing values its way. A leaf looks at a column that is above
 * all, and is its own first child, so further steps stay there.
 *
 * A step has to wait for the one before, so 16 walks take their steps together: for one
 * row, those of 16 trees; for many rows, those of 16 rows down one tree. Where many
 * rows meet a small tree, they don't walk at all (_bit_vectors.c).
 *
 * Sums of floats depend on their order: leaves are added in the order of the trees.
 * Softmax is computed as XGBoost does it (common/math.h).
 */

#include "_forest.h"

#include <math.h>

/* The keys of several rows are held column by column, `stride` numbers apart: rows that
 * look at the same column find it in a cache line or two. */
#define STEP(node, keys, stride)                                                       \
    (node) += first_of(node) + ((keys)[column_of(node) * (stride)] < (node)->key)

/* Written out, because at -O2 the compiler keeps a loop, whatever a pragma says, and
 * that takes a quarter longer. */
#define FOUR_LANES(DO, j) DO(j) DO(j + 1) DO(j + 2) DO(j + 3)
#define EACH_LANE(DO)                                                                  \
    FOUR_LANES(DO, 0) FOUR_LANES(DO, 4) FOUR_LANES(DO, 8) FOUR_LANES(DO, 12)

/* Writes a row's keys for all columns, each `stride` numbers after the one before. */
static void write_all_keys(const Forest *forest, const float *values, size_t stride,
                           uint32_t *keys) {
    size_t n_features = forest->n_features;
    uint32_t *keys_below = keys + n_features * stride;

    for (size_t i = 0; i < n_features; i++) {
        uint32_t key = key_of(values[i]);
        keys[i * stride] = key;
        keys_below[i * stride] = missing_below(key);
    }
    keys[2 * n_features * stride] = ABOVE_ALL;
}

/* The same for the columns that a cut forest looks at. */
static void write_some_keys(const Forest *forest, const float *values, size_t stride,
                            uint32_t *keys) {
    size_t n_features = forest->n_features;

    for (size_t i = 0; i < forest->n_columns; i++) {
        size_t column = forest->columns[i];
        uint32_t *key = keys + i * stride;
        if (column < n_features)
            *key = key_of(values[column]);
        else if (column < 2 * n_features)
            *key = missing_below(key_of(values[column - n_features]));
        else
            *key = ABOVE_ALL;
    }
}

static void write_keys(const Forest *forest, const float *values, size_t stride,
                       uint32_t *keys) {
    if (forest->columns == NULL)
        write_all_keys(forest, values, stride, keys);
    else
        write_some_keys(forest, values, stride, keys);
}

/* Makes probabilities of a row's margins. */
static void softmax(uint32_t n_groups, float *margins) {
    float greatest = margins[0];
    for (uint32_t k = 1; k < n_groups; k++)
        greatest = fmaxf(margins[k], greatest);

    double sum = 0;
    for (uint32_t k = 0; k < n_groups; k++) {
        margins[k] = expf(margins[k] - greatest);
        sum += margins[k];
    }
    for (uint32_t k = 0; k < n_groups; k++)
        margins[k] /= (float)sum;
}

/* Loads the first levels of a tree that is walked next: two cache lines. */
static void prefetch(const Node *root) {
    __builtin_prefetch(root);
    __builtin_prefetch((const void *)((uintptr_t)root + 64));
}

/* Adds a leaf, and the leaves in its place in the trees that are alike. */
static inline void add_leaf(const Walk *walk, const Node *leaf, float *margins) {
    margins += walk->group;
    for (uint32_t k = 0; k < walk->n_copies; k++)
        margins[k] += value_of(leaf + (size_t)k * walk->n_nodes);
}

/* Walks one row down LANES trees. `n_next` walks follow them. */
static void walk_lanes_of_trees(const Node *nodes, const Walk *walks, size_t n_next,
                                const uint32_t *keys, float *margins) {
    const Node *at[LANES];
    uint32_t depth = 0;

    for (size_t j = 0; j < LANES; j++) {
        at[j] = nodes + walks[j].root;
        if (j < n_next)
            prefetch(nodes + walks[LANES + j].root);
        if (walks[j].depth > depth)
            depth = walks[j].depth;
    }
    while (depth--) {
#define STEP_TREE(j) STEP(at[j], keys, 1);
        EACH_LANE(STEP_TREE)
    }
    for (size_t j = 0; j < LANES; j++)
        add_leaf(walks + j, at[j], margins);
}

/* Adds to a row's margins the leaves in which it ends. */
static void add_row(const Forest *forest, const uint32_t *keys, float *margins) {
    const Walk *walk = forest->walks;
    const Walk *end = walk + forest->n_walks;

    for (; end - walk >= LANES; walk += LANES) {
        size_t n_next = (size_t)(end - walk) - LANES;
        walk_lanes_of_trees(forest->nodes, walk, n_next, keys, margins);
    }
    for (; walk < end; walk++) {
        const Node *at = forest->nodes + walk->root;
        for (uint32_t depth = walk->depth; depth--;)
            STEP(at, keys, 1);
        add_leaf(walk, at, margins);
    }
}

/* Walks LANES rows down one tree, or trees that are alike. */
static void walk_lanes_of_rows(const Walk *walk, const Node *root, const uint32_t *keys,
                               float *sums) {
    const Node *at[LANES];
    uint32_t depth = walk->depth;

    for (size_t j = 0; j < LANES; j++)
        at[j] = root;
    while (depth--) {
#define STEP_ROW(j) STEP(at[j], keys + (j), BLOCK_ROWS);
        EACH_LANE(STEP_ROW)
    }
    for (uint32_t k = 0; k < walk->n_copies; k++) {
        for (size_t j = 0; j < LANES; j++)
            sums[j] += value_of(at[j] + (size_t)k * walk->n_nodes);
        sums += BLOCK_ROWS;
    }
}

/* Adds to the sums of a block, BLOCK_ROWS a group, the leaves in which its rows end. */
static void add_block(const Forest *forest, const uint32_t *keys, float *sums) {
    const WordRange *ranges = forest->vectors.ranges;

    for (uint32_t i = 0; i < forest->n_walks; i++) {
        const Walk *walk = forest->walks + i;
        const Node *root = forest->nodes + walk->root;
        float *walk_sums = sums + (size_t)walk->group * BLOCK_ROWS;

        if (ranges != NULL && ranges[i].first < ranges[i].end) {
            forest->unit.add_leaves(forest, ranges + i, keys, walk_sums);
            continue;
        }
        for (size_t row = 0; row < BLOCK_ROWS; row += LANES)
            walk_lanes_of_rows(walk, root, keys + row, walk_sums + row);
    }
}

/* Predicts the margins of up to BLOCK_ROWS rows together. */
static void predict_block(const Forest *forest, const float *values, size_t n_rows,
                          uint32_t *keys, float *sums, float *margins) {
    size_t n_groups = forest->n_groups;

    for (size_t j = 0; j < BLOCK_ROWS; j++) {
        size_t row = j < n_rows ? j : n_rows - 1; /* the last row fills the block up */
        const float *row_values = values + row * forest->n_features;

        write_keys(forest, row_values, BLOCK_ROWS, keys + j);
        for (size_t k = 0; k < n_groups; k++)
            sums[k * BLOCK_ROWS + j] = forest->base_margins[k];
    }

    add_block(forest, keys, sums);

    for (size_t row = 0; row < n_rows; row++) {
        float *row_margins = margins + row * n_groups;
        for (size_t k = 0; k < n_groups; k++)
            row_margins[k] = sums[k * BLOCK_ROWS + row];
    }
}

static void predict_single(const Forest *forest, const float *values, uint32_t *keys,
                           float *margins) {
    memcpy(margins, forest->base_margins, forest->n_groups * sizeof *margins);
    write_keys(forest, values, 1, keys);
    add_row(forest, keys, margins);
}

/* Measured on an AMD EPYC (Zen 4) with the default model: 32 rows together walk in the
 * time of 19 rows one by one. _avx.c has what bit vectors take. */
#define MAX_SINGLE_ROWS_WALKED 19

static size_t max_single_rows(const Forest *forest) {
    int all_walk = forest->vectors.ranges == NULL;
    return all_walk ? MAX_SINGLE_ROWS_WALKED : forest->unit.max_single_rows;
}

size_t rows_at_once(const Forest *forest, size_t n_rows) {
    return n_rows > max_single_rows(forest) ? BLOCK_ROWS : 1;
}

void predict(const Forest *forest, const float *values, size_t n_rows, int finished,
             uint32_t *keys, float *sums, float *answers) {
    size_t n_groups = forest->n_groups;
    size_t n_left = n_rows;
    float *margins = answers;

    while (rows_at_once(forest, n_left) == BLOCK_ROWS) {
        size_t n = n_left < BLOCK_ROWS ? n_left : BLOCK_ROWS;
        predict_block(forest, values, n, keys, sums, margins);
        values += n * forest->n_features;
        margins += n * n_groups;
        n_left -= n;
    }
    for (; n_left > 0; n_left--) {
        predict_single(forest, values, keys, margins);
        values += forest->n_features;
        margins += n_groups;
    }

    if (!finished || !forest->softmax)
        return;
    for (size_t row = 0; row < n_rows; row++)
        softmax(forest->n_groups, answers + row * n_groups);
}
