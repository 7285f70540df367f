/* The flat form of a booster's trees (movielens/flat.py writes it), as a Python object
 * over its bytes.
 *
 * A forest is checked whole when it is opened, so that no file, however broken, can
 * make a walk leave it.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdlib.h>

#include "_trees.h"

#define MAGIC "HALFTREE"
#define VERSION 3
#define MOST_FEATURES 2047
#define MOST_DEPTH 4096

typedef struct {
    PyObject_HEAD Py_buffer buffer;
    Parts parts;
    void *exits;
} Forest;

/* Why the parts don't make a forest, or NULL. A child lies behind its only parent, so a
 * walk of `depth` steps ends, and whatever is made of a tree has no more nodes than the
 * tree. `level` is 0 where no parent was seen. */
static const char *fault_of_tree(const Parts *forest, uint32_t root, uint32_t end,
                                 uint32_t depth, uint16_t *level) {
    uint32_t n_features = forest->header.n_features;
    memset(level, 0, (end - root) * sizeof(uint16_t));
    for (uint32_t i = root; i < end; i++) {
        const Node *node = forest->nodes + i;
        uint32_t first = first_of(node), column = column_of(node), place = i - root;
        if (place && !level[place])
            return "a node has no parent";
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
        for (uint32_t child = place + first; child <= place + first + 1; child++) {
            if (level[child])
                return "a node has two parents";
            level[child] = level[place] + 1;
        }
    }
    return NULL;
}

static const char *fault_of(Parts *forest, const Py_buffer *buffer) {
    const Header *header = &forest->header;
    if (buffer->len < (Py_ssize_t)sizeof(Header))
        return "it is too short";
    memcpy(&forest->header, buffer->buf, sizeof(Header));
    if (memcmp(header->magic, MAGIC, sizeof header->magic) ||
        header->version != VERSION)
        return "it has another form";
    if (!header->n_features || header->n_features > MOST_FEATURES ||
        !header->n_groups || header->n_groups > MOST_GROUPS ||
        header->transform > SOFTMAX)
        return "its header is out of bounds";
    uint64_t base = sizeof(Header),
             trees = base + (header->n_groups + header->n_groups % 2) * sizeof(float);
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
    const char *fault =
        header->n_trees || !header->n_nodes ? NULL : "it has nodes without trees";
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
    self->exits = find_exits(&self->parts);
    return (PyObject *)self;
}

static void forest_dealloc(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    PyBuffer_Release(&((Forest *)object)->buffer);
    free(((Forest *)object)->exits);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

/* Fewer rows than this are done before another thread would have taken over. */
#define RELEASE_ROWS 8
/* Cutting takes as long as some thirty rows do, and gains nothing where all of them
 * differ in everything. */
#define CUT_ROWS 256

static PyObject *run(const Parts *forest, const Py_buffer *values, int finished,
                     Py_buffer *out) {
    const Header *header = &forest->header;
    size_t row = header->n_features * sizeof(float), n_rows = (size_t)values->len / row;
    if ((size_t)values->len % row ||
        (size_t)out->len != n_rows * header->n_groups * sizeof(float))
        return PyErr_Format(
            PyExc_ValueError,
            "%zd bytes of features and %zd of answers aren't rows of %u and %u float32",
            values->len, out->len, header->n_features, header->n_groups);
    size_t room = n_rows > FEW_ROWS ? ROWS : 1;
    uint32_t *rows = PyMem_Malloc(room * width_of(header) * sizeof *rows);
    if (rows == NULL)
        return PyErr_NoMemory();
    if (n_rows < RELEASE_ROWS) {
        predict(forest, values->buf, n_rows, finished, rows, out->buf);
    } else {
        Py_BEGIN_ALLOW_THREADS void *memory = NULL, *exits = NULL;
        Parts parts =
            n_rows < CUT_ROWS ? *forest : cut(forest, values->buf, n_rows, &memory);
        if (memory != NULL)
            exits = find_exits(&parts);
        predict(&parts, values->buf, n_rows, finished, rows, out->buf);
        free(exits);
        free(memory);
        Py_END_ALLOW_THREADS
    }
    PyMem_Free(rows);
    Py_RETURN_NONE;
}

/* The trees from `first` up to `end`, which go on from the margins of those before. */
static Parts some_of(const Parts *forest, size_t first, size_t end) {
    Parts some = *forest;
    some.base = first ? NULL : forest->base;
    some.trees += first;
    if (some.add_exits != NULL)
        some.exits += first;
    some.header.n_trees = (uint32_t)(end - first);
    some.header.n_nodes =
        end < forest->header.n_trees ? forest->trees[end].root : forest->header.n_nodes;
    return some;
}

static PyObject *forest_predict(PyObject *self, PyObject *args) {
    const Parts *forest = &((Forest *)self)->parts;
    PyObject *features, *answers;
    int margins = 0;
    Py_ssize_t first = 0, n_trees = forest->header.n_trees, end = n_trees;
    if (!PyArg_ParseTuple(args, "OO|pnn:predict_into", &features, &answers, &margins,
                          &first, &end))
        return NULL;
    if (first < 0 || end < first || n_trees < end)
        return PyErr_Format(PyExc_ValueError,
                            "there are no trees from %zd up to %zd among %zd", first,
                            end, n_trees);
    Parts some = some_of(forest, (size_t)first, (size_t)end);
    Py_buffer values, out;
    if (PyObject_GetBuffer(features, &values, PyBUF_SIMPLE) < 0)
        return NULL;
    PyObject *result = NULL;
    if (PyObject_GetBuffer(answers, &out, PyBUF_WRITABLE) == 0) {
        result = run(&some, &values, !margins, &out);
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
     "predict_into(features, answers, margins=False, first=0, end=n_trees, /)\n--\n\n"
     "Fill float32 (n_rows, n_groups) from float32 (n_rows, n_features), both in C "
     "order, by some of the trees. Those\n"
     "from a later one on go on from the margins that the answers hold."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef forest_properties[] = {
    {"n_features", get_n_features, NULL, "Columns of the features.", NULL},
    {"n_groups", get_n_groups, NULL, "Columns of the answers.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot forest_slots[] = {
    {Py_tp_doc, "Forest(data)\n--\n\nA flat forest over a buffer, which it keeps; "
                "ValueError if it is none."},
    {Py_tp_new, forest_new},
    {Py_tp_dealloc, forest_dealloc},
    {Py_tp_methods, forest_methods},
    {Py_tp_getset, forest_properties},
    {0, NULL},
};

static PyType_Spec forest_spec = {"serve._forest.Forest", sizeof(Forest), 0,
                                  Py_TPFLAGS_DEFAULT, forest_slots};

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
    PyModuleDef_HEAD_INIT,
    "serve._forest",
    "Trees, evaluated quickly; see the head of its source.",
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
