/* Evaluates the trees of a flat forest (movielens/flat.py writes it) to the very bits that XGBoost computes.
 *
 * A step down a tree is `node += node->first + (row[node->column] < node->key)`, without a branch. Keys are numbers of
 * 32 bits in the order of the floats: whether one is below another is a carry, which an addition takes in at once. A
 * row has each feature twice: missing is above all in one and below all in the other, and a node looks at the one that
 * goes its way. A leaf looks at what is always above all and has itself as its first child. Walking is bound by latency
 * as much as by work, so 16 walks go on at once: 16 trees where there is one row, 16 rows of a tree where there are
 * many. Leaves are added in the order of the trees, since floating point sums depend on it, and softmax is the one of
 * XGBoost (common/math.h).
 */

#include "_trees.h"

#include <math.h>

/* `row` holds LANES rows column by column, so that lanes that look at the same column find it in one cache line. */
#define STEP(node, row, stride) (node) += first_of(node) + ((row)[column_of(node) * (stride)] < (node)->key)

/* Written out: at -O2 a loop stays a loop, whatever a pragma says, and takes a quarter longer. */
#define EACH_LANE(DO) \
    DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11) DO(12) DO(13) DO(14) DO(15)

/* The columns of a row, each `stride` apart. */
static void spread(uint32_t *row, size_t stride, const float *values, size_t n_features) {
    for (size_t i = 0; i < n_features; i++) {
        row[i * stride] = key_of(values[i]);
        row[(n_features + i) * stride] = other_key(row[i * stride]);
    }
    row[2 * n_features * stride] = ABOVE;
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

/* As many numbers as every 64-bit processor works on at once, and the LANES of a column or sum in as many of these. */
typedef float Four __attribute__((vector_size(16), aligned(16), may_alias));
typedef int32_t FourMasks __attribute__((vector_size(16), aligned(16), may_alias));
typedef uint32_t FourKeys __attribute__((vector_size(16), aligned(16), may_alias));
typedef struct {
    Four part[LANES / 4];
} Lanes;
typedef struct {
    FourKeys part[LANES / 4];
} KeyLanes;

static void fill(Lanes *lanes, float value) {
    for (int k = 0; k < LANES / 4; k++)
        lanes->part[k] = (Four){value, value, value, value};
}

static void begin(Lanes *lanes, const float *margins, size_t stride) {
    for (size_t j = 0; j < LANES; j++)
        ((float *)lanes)[j] = margins[j * stride];
}

/* Walks go one after the other; from the leaves to the root all lanes go at once, but by every node. */
#define FEW_NODES 128
static int is_quicker_from_leaves(uint32_t n_nodes, uint32_t depth) {
    return n_nodes < FEW_NODES && n_nodes <= 6 * depth + 1;
}

static void climb_rows(const Node *root, uint32_t n_nodes, const KeyLanes *rows, Lanes *sum) {
    Lanes values[FEW_NODES];
    for (uint32_t i = n_nodes; i--;) {
        const Node *node = root + i;
        if (!first_of(node)) {
            fill(values + i, value_of(node));
            continue;
        }
        const KeyLanes *row = rows + column_of(node);
        const Lanes *first = values + i + first_of(node), *second = first + 1;
        FourKeys key = {node->key, node->key, node->key, node->key};
#pragma GCC unroll 4
        for (int k = 0; k < LANES / 4; k++) {
            FourMasks is_second = row->part[k] < key;
            values[i].part[k] = (Four)((is_second & (FourMasks)second->part[k]) | (~is_second & (FourMasks)first->part[k]));
        }
    }
    for (int k = 0; k < LANES / 4; k++)
        sum->part[k] += values->part[k];
}

static void walk_rows(const Parts *forest, const KeyLanes *rows, Lanes *sums) {
    uint32_t n_trees = forest->header.n_trees;
    for (uint32_t i = 0; i < n_trees; i++) {
        const Tree *tree = forest->trees + i;
        const Node *root = forest->nodes + tree->root;
        uint32_t end = i + 1 < n_trees ? tree[1].root : forest->header.n_nodes;
        if (is_quicker_from_leaves(end - tree->root, depth_of(tree))) {
            climb_rows(root, end - tree->root, rows, sums + group_of(tree));
            continue;
        }
        const uint32_t *row = (const uint32_t *)rows;
        const Node *at[LANES];
        for (int j = 0; j < LANES; j++)
            at[j] = root;
        for (uint32_t depth = depth_of(tree); depth--;) {
#define STEP_ROW(j) STEP(at[j], row + (j), LANES);
            EACH_LANE(STEP_ROW)
        }
        float *sum = (float *)(sums + group_of(tree));
        for (int j = 0; j < LANES; j++)
            sum[j] += value_of(at[j]);
    }
}

void predict(const Parts *forest, const float *values, size_t n_rows, int finished, uint32_t *rows, float *margins) {
    const Header *header = &forest->header;
    size_t n_features = header->n_features, n_groups = header->n_groups, i = 0;
    Lanes sums[MOST_GROUPS];
    for (; n_rows - i >= LANES; i += LANES) {
        for (size_t j = 0; j < LANES; j++)
            spread(rows + j, LANES, values + (i + j) * n_features, n_features);
        for (size_t k = 0; k < n_groups; k++)
            begin(sums + k, forest->base ? forest->base + k : margins + i * n_groups + k, forest->base ? 0 : n_groups);
        walk_rows(forest, (const KeyLanes *)rows, sums);
        for (size_t j = 0; j < LANES; j++)
            for (size_t k = 0; k < n_groups; k++)
                margins[(i + j) * n_groups + k] = ((const float *)(sums + k))[j];
    }
    for (; i < n_rows; i++) {
        if (forest->base)
            memcpy(margins + i * n_groups, forest->base, n_groups * sizeof(float));
        spread(rows, 1, values + i * n_features, n_features);
        walk_trees(forest, rows, margins + i * n_groups);
    }
    for (i = 0; finished && i < n_rows; i++)
        finish(header, margins + i * n_groups);
}
