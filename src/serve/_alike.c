/* Finds trees that differ in their leaves alone, so that one walk serves them all.
 *
 * A tree along an axis stands once for each class in a model (train/axes.py). Such
 * copies follow each other in the order of the groups. A row ends in the same leaf of
 * each, and the same node of the next copy is `n_nodes` further on.
 */

#include "_forest.h"

static uint32_t n_nodes_of(const Forest *forest, uint32_t tree) {
    return end_of_tree(forest, tree) - forest->trees[tree].root;
}

/* Whether a row ends in the same place of both trees, whatever the row. */
static int are_alike(const Forest *forest, uint32_t tree, uint32_t other) {
    const Node *node = forest->nodes + forest->trees[tree].root;
    const Node *other_node = forest->nodes + forest->trees[other].root;
    uint32_t n_nodes = n_nodes_of(forest, tree);

    if (n_nodes != n_nodes_of(forest, other))
        return 0;
    for (const Node *end = node + n_nodes; node < end; node++, other_node++) {
        if (node->column != other_node->column || node->first != other_node->first)
            return 0;
        if (first_of(node) && node->key != other_node->key)
            return 0;
    }
    return 1;
}

/* How many trees, from this one on, are copies for all groups; or 1. */
static uint32_t n_copies_of(const Forest *forest, uint32_t tree) {
    uint32_t n_groups = forest->n_groups;

    if (forest->n_trees - tree < n_groups)
        return 1;
    for (uint32_t k = 0; k < n_groups; k++) {
        if (forest->trees[tree + k].group != k)
            return 1;
    }
    for (uint32_t k = 1; k < n_groups; k++) {
        if (!are_alike(forest, tree, tree + k))
            return 1;
    }
    return n_groups;
}

uint32_t find_walks(const Forest *forest, Walk *walks) {
    uint32_t n_walks = 0;
    uint32_t n_copies;

    for (uint32_t i = 0; i < forest->n_trees; i += n_copies) {
        const Tree *tree = forest->trees + i;
        uint16_t depth = 0;

        n_copies = n_copies_of(forest, i);
        /* A copy may say that it is deeper than it is. */
        for (uint32_t k = 0; k < n_copies; k++)
            depth = tree[k].depth > depth ? tree[k].depth : depth;
        walks[n_walks++] =
            (Walk){tree->root, n_nodes_of(forest, i), n_copies, tree->group, depth};
    }
    return n_walks;
}
