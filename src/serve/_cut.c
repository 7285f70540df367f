/* Copies a forest without the nodes that the given rows don't need.
 *
 * Where all rows leave a node by the same side, the node is left out. The rows of one
 * user, for instance, agree wherever a feature of the user is asked. Each row still
 * ends in the same leaf. A tree of which only a leaf of 0 remains is left out
 * altogether: adding 0 could only change a sum of -0, and no base margin is -0.
 *
 * What remains looks at few columns, so their keys fit in the first cache.
 */

#include "_forest.h"

#include <stdlib.h>

/* The least and the greatest key of a column over all rows. */
typedef struct {
    uint32_t low;
    uint32_t high;
} Range;

/* Without branches: it runs for each value of each row. */
static void widen(Range *range, uint32_t key) {
    range->low = key < range->low ? key : range->low;
    range->high = key > range->high ? key : range->high;
}

static void find_ranges(const Forest *forest, const float *values, size_t n_rows,
                        Range *ranges) {
    size_t n_features = forest->n_features;
    Range *ranges_below = ranges + n_features;

    for (size_t i = 0; i < 2 * n_features; i++)
        ranges[i] = (Range){ABOVE_ALL, BELOW_ALL};
    for (size_t row = 0; row < n_rows; row++) {
        for (size_t i = 0; i < n_features; i++) {
            uint32_t key = key_of(values[row * n_features + i]);
            widen(ranges + i, key);
            widen(ranges_below + i, missing_below(key));
        }
    }
    ranges[2 * n_features] = (Range){ABOVE_ALL, ABOVE_ALL};
}

/* The columns that the remaining nodes look at, numbered as they turn up. */
#define NO_NUMBER UINT16_MAX
typedef struct {
    uint16_t *number;  /* of each column, or NO_NUMBER */
    uint16_t *columns; /* the column of each number */
    size_t n;
} UsedColumns;

static uint16_t number_of(UsedColumns *used, uint32_t column) {
    if (used->number[column] == NO_NUMBER) {
        used->number[column] = (uint16_t)used->n;
        used->columns[used->n++] = (uint16_t)column;
    }
    return used->number[column];
}

/* The first node, from this one on, at which rows part; a leaf if they end together. */
static const Node *find_parting(const Node *node, const Range *ranges) {
    while (first_of(node)) {
        const Range *range = ranges + column_of(node);
        if (range->high < node->key)
            node += first_of(node) + 1; /* all rows go to the second child */
        else if (range->low >= node->key)
            node += first_of(node); /* all rows go to the first */
        else
            break;
    }
    return node;
}

/* A place of the new tree. */
typedef struct {
    const Node *source; /* the old node that stands there */
    uint32_t level;
} Place;

/* Writes what remains of a tree, level by level, and returns how many nodes that is. */
static uint32_t cut_tree(const Node *root, const Range *ranges, UsedColumns *used,
                         Place *places, Node *nodes) {
    uint32_t n_nodes = 1;

    places[0] = (Place){root, 0};
    for (uint32_t i = 0; i < n_nodes; i++) {
        const Node *node = find_parting(places[i].source, ranges);
        places[i].source = node;
        nodes[i].key = node->key;
        nodes[i].column = number_of(used, column_of(node));
        nodes[i].first = 0;
        if (!first_of(node))
            continue;

        const Node *first_child = node + first_of(node);
        uint32_t level = places[i].level + 1;
        nodes[i].first = (uint16_t)(n_nodes - i);
        places[n_nodes++] = (Place){first_child, level};
        places[n_nodes++] = (Place){first_child + 1, level};
    }
    return n_nodes;
}

/* Writes what remains of a tree that is like one of which `n_nodes` nodes remain.
 * `distance` is how far the old one is from that one. */
static void cut_copy(const Node *like, uint32_t n_nodes, const Place *places,
                     size_t distance, Node *nodes) {
    for (uint32_t i = 0; i < n_nodes; i++) {
        nodes[i] = like[i];
        if (!first_of(like + i))
            nodes[i].key = places[i].source[distance].key;
    }
}

/* Whether nothing but leaves of 0 remains of some trees. */
static int are_nothing(const Node *nodes, uint32_t n_nodes, uint32_t n_copies) {
    if (n_nodes > 1)
        return 0;
    for (uint32_t k = 0; k < n_copies; k++) {
        if (value_of(nodes + k) != 0)
            return 0;
    }
    return 1;
}

static uint32_t largest_tree(const Forest *forest) {
    uint32_t largest = 0;
    for (uint32_t i = 0; i < forest->n_walks; i++) {
        uint32_t n_nodes = forest->walks[i].n_nodes;
        if (n_nodes > largest)
            largest = n_nodes;
    }
    return largest;
}

Forest cut(const Forest *forest, const float *values, size_t n_rows, void **memory) {
    *memory = NULL;
    uint32_t largest = largest_tree(forest);
    if (largest > UINT16_MAX) /* a first child might be too far away in the new order */
        return *forest;

    size_t width = width_of(forest);
    size_t places_size = largest * sizeof(Place);
    size_t nodes_size = forest->n_nodes * sizeof(Node);
    size_t walks_size = forest->n_walks * sizeof(Walk);
    size_t ranges_size = width * sizeof(Range);
    size_t columns_size = width * sizeof(uint16_t);
    char *room =
        malloc(places_size + nodes_size + walks_size + ranges_size + 2 * columns_size);
    if (room == NULL)
        return *forest;
    *memory = room;

    Place *places = (Place *)room;
    Node *nodes = (Node *)(room + places_size);
    Walk *walks = (Walk *)(room + places_size + nodes_size);
    Range *ranges = (Range *)(walks + forest->n_walks);
    uint16_t *number = (uint16_t *)(ranges + width);
    UsedColumns used = {number, number + width, 0};
    memset(number, 0xFF, columns_size); /* NO_NUMBER */
    find_ranges(forest, values, n_rows, ranges);

    uint32_t root = 0;
    uint32_t n_walks = 0;
    for (uint32_t i = 0; i < forest->n_walks; i++) {
        const Walk *old = forest->walks + i;
        Node *new_root = nodes + root;
        uint32_t n_nodes =
            cut_tree(forest->nodes + old->root, ranges, &used, places, new_root);
        for (uint32_t k = 1; k < old->n_copies; k++)
            cut_copy(new_root, n_nodes, places, (size_t)k * old->n_nodes,
                     new_root + (size_t)k * n_nodes);
        if (are_nothing(new_root, n_nodes, old->n_copies))
            continue;
        uint16_t depth = (uint16_t)places[n_nodes - 1].level; /* the last is deepest */
        walks[n_walks++] = (Walk){root, n_nodes, old->n_copies, old->group, depth};
        root += n_nodes * old->n_copies;
    }

    Forest parts = *forest;
    parts.n_trees = 0;
    parts.n_walks = n_walks;
    parts.n_nodes = root;
    parts.trees = NULL;
    parts.walks = walks;
    parts.nodes = nodes;
    parts.columns = used.columns;
    parts.n_columns = used.n;
    return parts;
}
