/* Cuts trees down to where some rows part: a node that all of them leave by the same
 * side, as those of one user do wherever the user is looked at, is left out. Each row
 * still ends in the same leaf. A tree that is nothing but a leaf of 0, as one behind a
 * closed gate, is left out too: only a sum of -0 would notice, and none begins with
 * that. What is left looks at few of the columns, which then fit in the first cache.
 */

#include "_trees.h"

#include <stdlib.h>

/* Of the keys of a column over all rows. */
typedef struct {
    uint32_t low, high;
} Range;

static void widen(Range *range, uint32_t key) {
    range->low = key < range->low ? key : range->low;
    range->high = key > range->high ? key : range->high;
}

static void find_ranges(const float *values, size_t n_rows, size_t n_features,
                        Range *ranges) {
    for (size_t i = 0; i < 2 * n_features; i++)
        ranges[i] = (Range){ABOVE, BELOW};
    for (size_t row = 0; row < n_rows; row++, values += n_features) {
        for (size_t i = 0; i < n_features; i++) {
            uint32_t key = key_of(values[i]);
            widen(ranges + i, key);
            widen(ranges + n_features + i, other_key(key));
        }
    }
    ranges[2 * n_features] = (Range){ABOVE, ABOVE};
}

/* The columns that are looked at, each by its place among them. */
typedef struct {
    uint16_t *place, *columns;
    size_t n;
} Used;

static uint16_t place_of(Used *used, uint32_t column) {
    if (used->place[column] == UINT16_MAX) {
        used->place[column] = (uint16_t)used->n;
        used->columns[used->n++] = (uint16_t)column;
    }
    return used->place[column];
}

/* Writes the tree without the nodes that rows within the ranges leave by one side, and
 * returns how many are left. */
static uint32_t cut_tree(const Node *root, const Range *ranges, Used *used, Node *left,
                         const Node **source, uint16_t *level) {
    uint32_t n = 1;
    source[0] = root;
    level[0] = 0;
    for (uint32_t i = 0; i < n; i++) {
        const Node *node = source[i];
        for (; first_of(node);) {
            const Range *range = ranges + column_of(node);
            if (range->high < node->key)
                node += first_of(node) + 1;
            else if (range->low >= node->key)
                node += first_of(node);
            else
                break;
        }
        left[i] = *node;
        left[i].column = place_of(used, column_of(node));
        if (!first_of(node))
            continue;
        left[i].first = (uint16_t)(n - i);
        for (uint32_t child = 0; child < 2; child++, n++) {
            source[n] = node + first_of(node) + child;
            level[n] = level[i] + 1;
        }
    }
    return n;
}

Parts cut(const Parts *forest, const float *values, size_t n_rows, void **memory) {
    const Header *header = &forest->header;
    Parts parts = *forest;
    size_t most = 0, n_trees = header->n_trees;
    for (size_t i = 0; i < n_trees; i++) {
        size_t end = i + 1 < n_trees ? forest->trees[i + 1].root : header->n_nodes;
        most = end - forest->trees[i].root > most ? end - forest->trees[i].root : most;
    }
    if (most > UINT16_MAX) /* a child might be too far away in the other order */
        return parts;
    size_t node_size = sizeof(Node *) + sizeof(uint16_t), width = width_of(header);
    char *room = malloc(most * node_size + n_trees * sizeof(Tree) +
                        header->n_nodes * sizeof(Node) +
                        width * (sizeof(Range) + 2 * sizeof(uint16_t)));
    if ((*memory = room) == NULL)
        return parts;
    const Node **source = (const Node **)room;
    Node *nodes = (Node *)(source + most);
    Range *ranges = (Range *)(nodes + header->n_nodes);
    Tree *trees = (Tree *)(ranges + width);
    uint16_t *level = (uint16_t *)(trees + n_trees);
    Used used = {level + most, level + most + width, 0};
    memset(used.place, 0xFF, width * sizeof *used.place);
    find_ranges(values, n_rows, header->n_features, ranges);
    uint32_t root = 0, n_left = 0;
    for (size_t i = 0; i < n_trees; i++) {
        uint32_t n = cut_tree(forest->nodes + forest->trees[i].root, ranges, &used,
                              nodes + root, source, level);
        if (n == 1 && value_of(nodes + root) == 0)
            continue;
        /* Levels rise from node to node. */
        trees[n_left++] =
            (Tree){root, (uint32_t)level[n - 1] << 16 | group_of(forest->trees + i)};
        root += n;
    }
    parts.header.n_trees = n_left;
    parts.header.n_nodes = root;
    parts.trees = trees;
    parts.nodes = nodes;
    parts.columns = used.columns;
    parts.n_columns = used.n;
    return parts;
}
