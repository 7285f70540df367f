/* The Python type of a forest, over the tables of a flat form
 * (movielens/flat_forest.py).
 *
 * All tables are checked once, when a forest is made, so no file, however broken, can
 * lead a walk outside of them. Nothing else here checks them again.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdlib.h>

#include "_forest.h"

/* Fewer rows than this take less time than it takes to hand over to another thread. */
#define RELEASE_ROWS 8

/* A column is a number of 16 bits, of which _cut.c needs the greatest for itself. */
#define MAX_FEATURES ((UINT16_MAX - 1) / 2)

typedef struct {
    PyObject head; /* PyObject_HEAD */
    Py_buffer base_margins;
    Py_buffer trees;
    Py_buffer nodes;
    Forest forest; /* points into the buffers */
    Walk *walks;
    void *bit_vectors;
    size_t cut_rows;
} ForestObject;

/* Checks a tree's nodes; returns what is wrong with them, or NULL.
 *
 * Children come after their parent and each node has one parent, so a walk of `depth`
 * steps ends in a leaf, and no copy of the tree has more nodes than the tree. `levels`
 * has room for the nodes' levels; a level of 0 means that no parent was seen. */
static const char *fault_of_tree(const Forest *forest, uint32_t root, uint32_t end,
                                 uint32_t depth, uint16_t *levels) {
    uint32_t leaf_column = 2 * forest->n_features;
    uint32_t n_nodes = end - root;

    memset(levels, 0, n_nodes * sizeof *levels);
    for (uint32_t i = 0; i < n_nodes; i++) {
        const Node *node = forest->nodes + root + i;
        uint32_t first = first_of(node);
        uint32_t column = column_of(node);

        if (i > 0 && !levels[i])
            return "a node has no parent";
        if (first == 0) {
            if (column != leaf_column)
                return "a leaf looks at a feature";
            continue;
        }
        if (column >= leaf_column)
            return "a node looks at no feature";
        if (first + 1 >= n_nodes - i)
            return "a node's children lie outside its tree";
        if (levels[i] >= depth)
            return "it is deeper than its depth says";
        for (uint32_t child = i + first; child <= i + first + 1; child++) {
            if (levels[child])
                return "a node has two parents";
            levels[child] = (uint16_t)(levels[i] + 1);
        }
    }
    return NULL;
}

/* Checks all trees; returns -1 with an exception if something is wrong. */
static int check_trees(const Forest *forest, uint16_t *levels) {
    uint32_t expected_root = 0;

    for (uint32_t i = 0; i < forest->n_trees; i++) {
        const Tree *tree = forest->trees + i;
        uint32_t end = end_of_tree(forest, i);
        const char *fault;

        if (tree->root != expected_root || end <= tree->root || end > forest->n_nodes)
            fault = "it doesn't begin where the one before ends";
        else if (tree->group >= forest->n_groups)
            fault = "it belongs to no group";
        else
            fault = fault_of_tree(forest, tree->root, end, tree->depth, levels);
        if (fault != NULL) {
            PyErr_Format(PyExc_ValueError, "not a flat forest: tree %u: %s", i, fault);
            return -1;
        }
        expected_root = end;
    }
    if (expected_root != forest->n_nodes) {
        PyErr_SetString(PyExc_ValueError, "not a flat forest: it has no trees");
        return -1;
    }
    return 0;
}

/* Takes a table from a NumPy array of the right type. The array has to be read-only,
 * because it is checked once and then trusted. */
static int take_table(PyObject *array, const char *name, const char *format,
                      Py_buffer *table) {
    if (PyObject_GetBuffer(array, table, PyBUF_ND | PyBUF_FORMAT) < 0)
        return -1;
    if (table->format == NULL || strcmp(table->format, format)) {
        PyErr_Format(PyExc_ValueError, "%s: expected an array of the format %s, not %s",
                     name, format, table->format);
        return -1;
    }
    size_t item_size = (size_t)table->itemsize;
    if (!table->readonly || (uintptr_t)table->buf % item_size) {
        PyErr_Format(PyExc_ValueError, "%s: expected a read-only, aligned array", name);
        return -1;
    }
    if ((size_t)table->len / item_size > UINT32_MAX) {
        PyErr_Format(PyExc_ValueError, "%s: the array is too long", name);
        return -1;
    }
    return 0;
}

static uint32_t length_of(const Py_buffer *table) {
    return (uint32_t)(table->len / table->itemsize);
}

/* Takes and checks all tables; returns -1 with an exception if something is wrong. */
static int fill_forest(ForestObject *self, Py_ssize_t n_features, int softmax) {
    Forest *forest = &self->forest;

    if (n_features < 1 || n_features > MAX_FEATURES) {
        PyErr_Format(PyExc_ValueError, "not a flat forest: it has %zd features",
                     n_features);
        return -1;
    }
    forest->n_features = (uint32_t)n_features;
    forest->n_groups = length_of(&self->base_margins);
    forest->n_trees = length_of(&self->trees);
    forest->n_nodes = length_of(&self->nodes);
    forest->softmax = softmax;
    forest->base_margins = self->base_margins.buf;
    forest->trees = self->trees.buf;
    forest->nodes = self->nodes.buf;
    if (!forest->n_groups) {
        PyErr_SetString(PyExc_ValueError, "not a flat forest: it has no groups");
        return -1;
    }

    uint16_t *levels = PyMem_Malloc(forest->n_nodes * sizeof *levels);
    if (levels == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    int result = check_trees(forest, levels);
    PyMem_Free(levels);
    return result;
}

static PyObject *forest_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"base_margins", "trees",    "nodes",       "n_features",
                            "softmax",      "cut_rows", "vector_bits", NULL};
    PyObject *base_margins;
    PyObject *trees;
    PyObject *nodes;
    Py_ssize_t n_features;
    int softmax;
    Py_ssize_t cut_rows;
    int vector_bits;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOnpni:Forest", names,
                                     &base_margins, &trees, &nodes, &n_features,
                                     &softmax, &cut_rows, &vector_bits))
        return NULL;

    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    ForestObject *self = (ForestObject *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    if (take_table(base_margins, "base_margins", "f", &self->base_margins) < 0 ||
        take_table(trees, "trees", TREE_FORMAT, &self->trees) < 0 ||
        take_table(nodes, "nodes", NODE_FORMAT, &self->nodes) < 0 ||
        fill_forest(self, n_features, softmax) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    self->cut_rows = cut_rows < 0 ? 0 : (size_t)cut_rows;
    /* At least one, because no memory at all may be NULL. */
    self->walks = malloc((self->forest.n_trees + (size_t)1) * sizeof *self->walks);
    if (self->walks == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    self->forest.walks = self->walks;
    self->forest.n_walks = find_walks(&self->forest, self->walks);
    self->forest.unit = find_vector_unit(vector_bits);
    self->bit_vectors = prepare_bit_vectors(&self->forest);
    return (PyObject *)self;
}

static void forest_dealloc(PyObject *object) {
    ForestObject *self = (ForestObject *)object;
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    free(self->bit_vectors);
    free(self->walks);
    PyBuffer_Release(&self->nodes);
    PyBuffer_Release(&self->trees);
    PyBuffer_Release(&self->base_margins);
    release(object);
    Py_DECREF(type);
}

/* Predicts rows, which may take long and needs nothing of Python's. Returns -1 if there
 * is no memory for it. */
static int predict_rows(const Forest *forest, size_t cut_rows, const float *values,
                        size_t n_rows, int finished, float *answers) {
    void *cut_memory = NULL;
    void *bit_vectors = NULL;
    Forest parts = *forest;
    if (n_rows >= cut_rows) {
        parts = cut(forest, values, n_rows, &cut_memory);
        if (cut_memory != NULL)
            bit_vectors = prepare_bit_vectors(&parts);
    }

    size_t room = rows_at_once(&parts, n_rows);
    uint32_t *keys = malloc(room * width_of(&parts) * sizeof *keys);
    float *sums = malloc(room * parts.n_groups * sizeof *sums);
    int is_room = keys != NULL && sums != NULL;
    if (is_room)
        predict(&parts, values, n_rows, finished, keys, sums, answers);

    free(sums);
    free(keys);
    free(bit_vectors);
    free(cut_memory);
    return is_room ? 0 : -1;
}

/* Predicts from one buffer into another. */
static PyObject *predict_buffers(const Forest *forest, size_t cut_rows,
                                 const Py_buffer *features, const Py_buffer *answers,
                                 int finished) {
    size_t n_features = forest->n_features;
    size_t n_groups = forest->n_groups;
    size_t row_size = n_features * sizeof(float);
    size_t n_rows = (size_t)features->len / row_size;
    size_t answers_size = n_rows * n_groups * sizeof(float);

    if ((size_t)features->len % row_size || (size_t)answers->len != answers_size)
        return PyErr_Format(PyExc_ValueError,
                            "%zd bytes of features and %zd of answers aren't rows of "
                            "%zu and %zu float32",
                            features->len, answers->len, n_features, n_groups);

    PyThreadState *thread = n_rows < RELEASE_ROWS ? NULL : PyEval_SaveThread();
    int result =
        predict_rows(forest, cut_rows, features->buf, n_rows, finished, answers->buf);
    if (thread != NULL)
        PyEval_RestoreThread(thread);
    if (result < 0)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *forest_predict_into(PyObject *object, PyObject *args) {
    const ForestObject *self = (ForestObject *)object;
    PyObject *features_object;
    PyObject *answers_object;
    int margins = 0;
    if (!PyArg_ParseTuple(args, "OO|p:predict_into", &features_object, &answers_object,
                          &margins))
        return NULL;

    Py_buffer features;
    Py_buffer answers;
    if (PyObject_GetBuffer(features_object, &features, PyBUF_SIMPLE) < 0)
        return NULL;
    PyObject *result = NULL;
    if (PyObject_GetBuffer(answers_object, &answers, PyBUF_WRITABLE) == 0) {
        result = predict_buffers(&self->forest, self->cut_rows, &features, &answers,
                                 !margins);
        PyBuffer_Release(&answers);
    }
    PyBuffer_Release(&features);
    return result;
}

static PyObject *get_n_features(PyObject *self, void *closure) {
    (void)closure;
    return PyLong_FromUnsignedLong(((ForestObject *)self)->forest.n_features);
}

static PyObject *get_n_groups(PyObject *self, void *closure) {
    (void)closure;
    return PyLong_FromUnsignedLong(((ForestObject *)self)->forest.n_groups);
}

static PyObject *get_vector_bits(PyObject *self, void *closure) {
    (void)closure;
    return PyLong_FromLong(((ForestObject *)self)->forest.unit.bits);
}

static PyMethodDef forest_methods[] = {
    {"predict_into", forest_predict_into, METH_VARARGS,
     "predict_into(features, answers, margins=False, /)\n--\n\n"
     "Predict float32 (n_rows, n_features) into float32 (n_rows, n_groups), both in C\n"
     "order."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef forest_properties[] = {
    {"n_features", get_n_features, NULL, "Columns of the features.", NULL},
    {"n_groups", get_n_groups, NULL, "Columns of the answers.", NULL},
    {"vector_bits", get_vector_bits, NULL,
     "Width of the vectors that evaluate small trees; 0 if all trees are walked.",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot forest_slots[] = {
    {Py_tp_doc,
     "Forest(base_margins, trees, nodes, n_features, softmax, cut_rows, vector_bits)\n"
     "--\n\n"
     "A forest over the tables of a flat form, which it keeps. From `cut_rows` rows "
     "on,\n"
     "trees are cut down to what the rows need. `vector_bits` is the widest vector to\n"
     "use: 512 for AVX-512, 256 for AVX2, 0 for none.\n\n"
     "Raises ValueError if the tables aren't a forest."},
    {Py_tp_new, forest_new},
    {Py_tp_dealloc, forest_dealloc},
    {Py_tp_methods, forest_methods},
    {Py_tp_getset, forest_properties},
    {0, NULL},
};

static PyType_Spec forest_spec = {
    "serve._forest.Forest", sizeof(ForestObject), 0, Py_TPFLAGS_DEFAULT, forest_slots,
};

static int module_exec(PyObject *module) {
    PyObject *type = PyType_FromSpec(&forest_spec);
    if (type == NULL)
        return -1;
    int result = PyModule_AddObjectRef(module, "Forest", type);
    Py_DECREF(type);
    return result;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    "serve._forest",
    "Evaluates decision trees quickly; see the top of its source.",
    0,
    NULL,
    module_slots,
    NULL,
    NULL,
    NULL,
};

PyMODINIT_FUNC PyInit__forest(void) {
    return PyModuleDef_Init(&module);
}
