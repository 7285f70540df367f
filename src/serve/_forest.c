/* Evaluates the trees of a flat forest (movielens/flat.py writes it) to the very bits that XGBoost computes.
 *
 * A step down a tree is `node += node->first + (row[node->column] < node->key)`, without a branch. Keys are numbers of
 * 32 bits in the order of the floats, since comparing and adding those takes one instruction. A row has each feature
 * twice: missing is above all in one and below all in the other, and a node looks at the one that goes its way. A leaf
 * looks at what is always above all and has itself as its first child. Walking is bound by latency as much as by work,
 * so 16 walks go on at once: 16 trees where there is one row, 16 rows of a tree where there are many. Leaves are added
 * in the order of the trees, since floating point sums depend on it, and softmax is the one of XGBoost (common/math.h).
 *
 * Where there are many rows, trees are first cut down to where these rows part: a node that all of them leave by the same
 * side, as those of one user do wherever the user is looked at, is left out. Each row still ends in the same leaf.
 *
 * A forest is checked whole when it is opened, so that no file, however broken, can make a walk leave it.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC "HALFTREE"
#define VERSION 3
#define LANES 16
#define MOST_FEATURES 2047
#define MOST_GROUPS 256
#define MOST_DEPTH 4096

enum { IDENTITY = 0, SOFTMAX = 1 };

typedef struct {
    char magic[8];
    uint32_t version, n_features, n_groups, n_trees, n_nodes, transform;
} Header;

typedef struct {
    uint32_t root, group_and_depth; /* group in the lower 16 bits */
} Tree;

typedef struct {
    uint32_t key;           /* of a leaf: the bits of its value */
    uint16_t column, first; /* distance to the first child */
} Node;

typedef struct {
    Header header;
    const float *base;
    const Tree *trees;
    const Node *nodes;
} Parts;

typedef struct {
    PyObject_HEAD
    Py_buffer buffer;
    Parts parts;
} Forest;

/* Unsigned, or each step would extend a sign. */
static uint32_t column_of(const Node *node) { return node->column; }
static uint32_t first_of(const Node *node) { return node->first; }
static uint32_t group_of(const Tree *tree) { return tree->group_and_depth & 0xFFFF; }
static uint32_t depth_of(const Tree *tree) { return tree->group_and_depth >> 16; }
static size_t width_of(const Header *header) { return 2 * (size_t)header->n_features + 1; }
static float value_of(const Node *leaf) {
    float value;
    memcpy(&value, &leaf->key, sizeof value);
    return value;
}

#define ABOVE UINT32_MAX
#define BELOW 0

/* The key of a number, or ABOVE, which no number has, as none has BELOW. */
static uint32_t key_of(float value) {
    uint32_t bits, sign = UINT32_C(1) << 31;
    if (value != value)
        return ABOVE;
    value += 0.0f; /* -0 becomes 0, which equals it */
    memcpy(&bits, &value, sizeof bits);
    return bits & sign ? ~bits : bits | sign;
}

static uint32_t other_key(uint32_t key) { return key == ABOVE ? BELOW : key; }

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

/* `rows` has room for LANES rows of width_of(), or for one where there are fewer. */
static void predict(const Parts *forest, const float *values, size_t n_rows, int finished, uint32_t *rows,
                    float *margins) {
    const Header *header = &forest->header;
    size_t n_features = header->n_features, n_groups = header->n_groups, i = 0;
    Lanes sums[MOST_GROUPS];
    for (; n_rows - i >= LANES; i += LANES) {
        for (size_t j = 0; j < LANES; j++)
            spread(rows + j, LANES, values + (i + j) * n_features, n_features);
        for (size_t k = 0; k < n_groups; k++)
            fill(sums + k, forest->base[k]);
        walk_rows(forest, (const KeyLanes *)rows, sums);
        for (size_t j = 0; j < LANES; j++)
            for (size_t k = 0; k < n_groups; k++)
                margins[(i + j) * n_groups + k] = ((const float *)(sums + k))[j];
    }
    for (; i < n_rows; i++) {
        memcpy(margins + i * n_groups, forest->base, n_groups * sizeof(float));
        spread(rows, 1, values + i * n_features, n_features);
        walk_trees(forest, rows, margins + i * n_groups);
    }
    for (i = 0; finished && i < n_rows; i++)
        finish(header, margins + i * n_groups);
}

/* Of the keys of a column over all rows. */
typedef struct {
    uint32_t low, high;
} Range;

static void widen(Range *range, uint32_t key) {
    range->low = key < range->low ? key : range->low;
    range->high = key > range->high ? key : range->high;
}

static void find_ranges(const float *values, size_t n_rows, size_t n_features, Range *ranges) {
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

/* Writes the tree without the nodes that rows within the ranges leave by one side, and returns how many are left. */
static uint32_t cut_tree(const Node *root, const Range *ranges, Node *left, const Node **source, uint16_t *level) {
    uint32_t n = 1;
    source[0] = root;
    level[0] = 0;
    for (uint32_t i = 0; i < n; i++) {
        const Node *node = source[i];
        for (; first_of(node); ) {
            const Range *range = ranges + column_of(node);
            if (range->high < node->key)
                node += first_of(node) + 1;
            else if (range->low >= node->key)
                node += first_of(node);
            else
                break;
        }
        left[i] = *node;
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

/* The forest as these rows need it, in memory that the caller frees by `*memory`; the forest itself if there is none. */
static Parts cut(const Parts *forest, const float *values, size_t n_rows, void **memory) {
    const Header *header = &forest->header;
    Parts parts = *forest;
    size_t most = 0, n_trees = header->n_trees;
    for (size_t i = 0; i < n_trees; i++) {
        size_t end = i + 1 < n_trees ? forest->trees[i + 1].root : header->n_nodes;
        most = end - forest->trees[i].root > most ? end - forest->trees[i].root : most;
    }
    if (most > UINT16_MAX) /* a child might be too far away in the other order */
        return parts;
    size_t node_size = sizeof(Node *) + sizeof(uint16_t);
    char *room = malloc(most * node_size + n_trees * sizeof(Tree) + header->n_nodes * sizeof(Node) +
                        width_of(header) * sizeof(Range));
    if ((*memory = room) == NULL)
        return parts;
    const Node **source = (const Node **)room;
    Node *nodes = (Node *)(source + most);
    Range *ranges = (Range *)(nodes + header->n_nodes);
    Tree *trees = (Tree *)(ranges + width_of(header));
    uint16_t *level = (uint16_t *)(trees + n_trees);
    find_ranges(values, n_rows, header->n_features, ranges);
    uint32_t root = 0;
    for (size_t i = 0; i < n_trees; i++) {
        uint32_t n = cut_tree(forest->nodes + forest->trees[i].root, ranges, nodes + root, source, level);
        /* Levels rise from node to node. */
        trees[i] = (Tree){root, (uint32_t)level[n - 1] << 16 | group_of(forest->trees + i)};
        root += n;
    }
    parts.header.n_nodes = root;
    parts.trees = trees;
    parts.nodes = nodes;
    return parts;
}

/* Why the parts don't make a forest, or NULL. A child lies behind its parent, so a walk of `depth` steps ends; that the
 * steps suffice to reach a leaf is checked by following the deepest level of each node. */
static const char *fault_of_tree(const Parts *forest, uint32_t root, uint32_t end, uint32_t depth, uint16_t *level) {
    uint32_t n_features = forest->header.n_features;
    memset(level, 0, (end - root) * sizeof(uint16_t));
    for (uint32_t i = root; i < end; i++) {
        const Node *node = forest->nodes + i;
        uint32_t first = first_of(node), column = column_of(node), place = i - root;
        if (first == 0) {
            if (column != 2 * n_features)
                return "a leaf looks at a feature";
            continue;
        }
        if (column >= 2 * n_features)
            return "a node looks at no feature";
        if (first + 1 >= end - i)
            return "a node's children lie outside its tree";
        if (level[place] >= depth)
            return "a tree is deeper than it says";
        for (uint32_t child = place + first; child <= place + first + 1; child++)
            if (level[child] < level[place] + 1)
                level[child] = level[place] + 1;
    }
    return NULL;
}

static const char *fault_of(Parts *forest, const Py_buffer *buffer) {
    const Header *header = &forest->header;
    if (buffer->len < (Py_ssize_t)sizeof(Header))
        return "it is too short";
    memcpy(&forest->header, buffer->buf, sizeof(Header));
    if (memcmp(header->magic, MAGIC, sizeof header->magic) || header->version != VERSION)
        return "it has another form";
    if (!header->n_features || header->n_features > MOST_FEATURES || !header->n_groups ||
        header->n_groups > MOST_GROUPS || header->transform > SOFTMAX)
        return "its header is out of bounds";
    uint64_t base = sizeof(Header), trees = base + (header->n_groups + header->n_groups % 2) * sizeof(float);
    uint64_t nodes = trees + (uint64_t)header->n_trees * sizeof(Tree);
    if (nodes + (uint64_t)header->n_nodes * sizeof(Node) != (uint64_t)buffer->len)
        return "its length isn't what its header says";
    const char *start = buffer->buf;
    if ((uintptr_t)start % sizeof(Node))
        return "it isn't aligned";
    forest->base = (const float *)(start + base);
    forest->trees = (const Tree *)(start + trees);
    forest->nodes = (const Node *)(start + nodes);
    uint16_t *level = PyMem_Malloc(((size_t)header->n_nodes + 1) * sizeof *level);
    if (level == NULL)
        return "there is no memory to check it";
    const char *fault = header->n_trees || !header->n_nodes ? NULL : "it has nodes without trees";
    uint32_t expected = 0;
    for (uint32_t i = 0; i < header->n_trees && fault == NULL; i++) {
        const Tree *tree = forest->trees + i;
        uint32_t end = i + 1 < header->n_trees ? tree[1].root : header->n_nodes;
        if (tree->root != expected || end <= tree->root || end > header->n_nodes)
            fault = "its trees don't follow each other";
        else if (group_of(tree) >= header->n_groups || depth_of(tree) > MOST_DEPTH)
            fault = "a tree is out of bounds";
        else
            fault = fault_of_tree(forest, tree->root, end, depth_of(tree), level);
        expected = end;
    }
    PyMem_Free(level);
    return fault;
}

static PyObject *forest_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"data", NULL};
    PyObject *data;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Forest", names, &data))
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Forest *self = (Forest *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    if (PyObject_GetBuffer(data, &self->buffer, PyBUF_SIMPLE) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    const char *fault = fault_of(&self->parts, &self->buffer);
    if (fault != NULL) {
        PyErr_Format(PyExc_ValueError, "not a flat forest: %s", fault);
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void forest_dealloc(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    PyBuffer_Release(&((Forest *)object)->buffer);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

/* Fewer rows than this are done before another thread would have taken over. */
#define RELEASE_ROWS 8
/* Cutting takes as long as some thirty rows do, and gains nothing where all of them differ in everything. */
#define CUT_ROWS 256

static PyObject *run(const Parts *forest, const Py_buffer *values, int finished, Py_buffer *out) {
    const Header *header = &forest->header;
    size_t row = header->n_features * sizeof(float), n_rows = (size_t)values->len / row;
    if ((size_t)values->len % row || (size_t)out->len != n_rows * header->n_groups * sizeof(float))
        return PyErr_Format(PyExc_ValueError, "%zd bytes of features and %zd of answers aren't rows of %u and %u float32",
                            values->len, out->len, header->n_features, header->n_groups);
    size_t room = n_rows < LANES ? 1 : LANES;
    uint32_t *rows = PyMem_Malloc(room * width_of(header) * sizeof *rows);
    if (rows == NULL)
        return PyErr_NoMemory();
    if (n_rows < RELEASE_ROWS) {
        predict(forest, values->buf, n_rows, finished, rows, out->buf);
    } else {
        Py_BEGIN_ALLOW_THREADS
        void *memory = NULL;
        Parts parts = n_rows < CUT_ROWS ? *forest : cut(forest, values->buf, n_rows, &memory);
        predict(&parts, values->buf, n_rows, finished, rows, out->buf);
        free(memory);
        Py_END_ALLOW_THREADS
    }
    PyMem_Free(rows);
    Py_RETURN_NONE;
}

static PyObject *forest_predict(PyObject *self, PyObject *args) {
    PyObject *features, *answers;
    int margins = 0;
    if (!PyArg_ParseTuple(args, "OO|p:predict_into", &features, &answers, &margins))
        return NULL;
    Py_buffer values, out;
    if (PyObject_GetBuffer(features, &values, PyBUF_SIMPLE) < 0)
        return NULL;
    PyObject *result = NULL;
    if (PyObject_GetBuffer(answers, &out, PyBUF_WRITABLE) == 0) {
        result = run(&((Forest *)self)->parts, &values, !margins, &out);
        PyBuffer_Release(&out);
    }
    PyBuffer_Release(&values);
    return result;
}

static PyObject *get_n_features(PyObject *self, void *closure) {
    (void)closure;
    return PyLong_FromUnsignedLong(((Forest *)self)->parts.header.n_features);
}

static PyObject *get_n_groups(PyObject *self, void *closure) {
    (void)closure;
    return PyLong_FromUnsignedLong(((Forest *)self)->parts.header.n_groups);
}

static PyMethodDef forest_methods[] = {
    {"predict_into", forest_predict, METH_VARARGS,
     "predict_into(features, answers, margins=False, /)\n--\n\n"
     "Fill float32 (n_rows, n_groups) from float32 (n_rows, n_features), both in C order."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef forest_properties[] = {
    {"n_features", get_n_features, NULL, "Columns of the features.", NULL},
    {"n_groups", get_n_groups, NULL, "Columns of the answers.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot forest_slots[] = {
    {Py_tp_doc, "Forest(data)\n--\n\nA flat forest over a buffer, which it keeps; ValueError if it is none."},
    {Py_tp_new, forest_new},
    {Py_tp_dealloc, forest_dealloc},
    {Py_tp_methods, forest_methods},
    {Py_tp_getset, forest_properties},
    {0, NULL},
};

static PyType_Spec forest_spec = {"serve._forest.Forest", sizeof(Forest), 0, Py_TPFLAGS_DEFAULT, forest_slots};

static int module_exec(PyObject *module) {
    PyObject *type = PyType_FromSpec(&forest_spec);
    if (type == NULL)
        return -1;
    int failed = PyModule_AddObjectRef(module, "Forest", type);
    Py_DECREF(type);
    return failed;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "serve._forest", "Trees, evaluated quickly; see the head of its source.", 0, NULL, module_slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__forest(void) { return PyModuleDef_Init(&module); }
