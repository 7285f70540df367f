/* Features of rows in one call: looks ids up, finds what the user rated before, and
 * lets each group's kernel
 * (`_kernels.c`) write its columns.
 *
 * A plan holds the tables of a fitted spec. Their types and shapes, and whatever is
 * used as an index, are checked once, when the plan is made, so that no file, however
 * broken, and no row can make a kernel leave its tables. The tables may be read-only
 * and mapped from a file; nothing is written but the features, so threads share a plan.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <string.h>

#include "_plan.h"
#include "_tables.h"

#define N_KNOWN (sizeof(Known) / sizeof(Table))
/* Fewer rows than this are done before another thread would have taken over. */
#define RELEASE_ROWS 16
#define ALIGNMENT 64

typedef struct {
    PyObject_HEAD Plan plan;
    Views views;
} PlanObject;

static const Kernel *kernel_of(const char *name) {
    for (const Kernel *const *kernel = KERNELS; *kernel; kernel++)
        if (!strcmp((*kernel)->name, name))
            return *kernel;
    return NULL;
}

static size_t aligned(size_t n_bytes) {
    return (n_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static int add_group(Plan *plan, Views *views, PyObject *item,
                     const Extents *known_extents) {
    const char *name;
    Py_ssize_t n_columns;
    PyObject *arrays;
    if (!PyArg_ParseTuple(item, "snO!:group", &name, &n_columns, &PyDict_Type, &arrays))
        return -1;
    Group *group = plan->groups + plan->n_groups;
    group->kernel = kernel_of(name);
    if (group->kernel == NULL) {
        PyErr_Format(PyExc_ValueError, "there is no kernel %s", name);
        return -1;
    }
    Extents extents = *known_extents;
    if (hold(name, group->kernel->kinds, arrays, 0, &extents, views, group->tables) < 0)
        return -1;
    plan->looks_back |= group->kernel->past != NO_PAST;
    group->column = plan->n_columns;
    group->n_columns =
        group->kernel->n_columns(&plan->known, group->tables, plan->n_columns);
    if (group->n_columns == 0 || n_columns < 0 ||
        (size_t)n_columns != group->n_columns) {
        PyErr_Format(PyExc_ValueError, "%s writes %zu columns, %zd are named", name,
                     group->n_columns, n_columns);
        return -1;
    }
    group->scratch = plan->n_scratch;
    if (group->kernel->n_scratch != NULL)
        plan->n_scratch +=
            aligned(group->kernel->n_scratch(&plan->known, plan->most_rated));
    plan->n_columns += group->n_columns;
    plan->n_groups++;
    return 0;
}

static int fill(Plan *plan, Views *views, PyObject *known, PyObject *groups) {
    Py_ssize_t n_groups = PyTuple_Size(groups);
    plan->groups = PyMem_Calloc((size_t)n_groups + 1, sizeof *plan->groups);
    views->view =
        PyMem_Calloc(N_KNOWN + (size_t)n_groups * MOST_TABLES, sizeof(Py_buffer));
    if (plan->groups == NULL || views->view == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    Extents extents = no_extents();
    if (hold("known", KNOWN, known, 0, &extents, views, (Table *)&plan->known) < 0)
        return -1;
    const char *fault = take_in(plan);
    if (fault != NULL) {
        PyErr_SetString(PyExc_ValueError, fault);
        return -1;
    }
    for (Py_ssize_t i = 0; i < n_groups; i++)
        if (add_group(plan, views, PyTuple_GetItem(groups, i), &extents) < 0)
            return -1;
    return 0;
}

static PyObject *plan_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"known", "groups", NULL};
    PyObject *known, *groups;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!:Plan", names, &PyDict_Type,
                                     &known, &PyTuple_Type, &groups))
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PlanObject *self = (PlanObject *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    if (fill(&self->plan, &self->views, known, groups) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void plan_dealloc(PyObject *object) {
    PlanObject *self = (PlanObject *)object;
    PyTypeObject *type = Py_TYPE(object);
    let_go(&self->views);
    PyMem_Free(self->views.view);
    PyMem_Free(self->plan.groups);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

/* Calls */

static PyObject *run(const Plan *plan, const Queries *queries, PyObject *features) {
    Py_buffer out;
    if (PyObject_GetBuffer(features, &out,
                           PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | PyBUF_WRITABLE) < 0)
        return NULL;
    PyObject *result = NULL;
    char *held = PyMem_Malloc(plan->n_scratch + ALIGNMENT);
    if (out.ndim != 2 || !is_of_type(&out, 'f') ||
        (size_t)out.shape[0] != queries->length ||
        (size_t)out.shape[1] != plan->n_columns ||
        (out.len && (uintptr_t)out.buf % sizeof(float))) {
        PyErr_Format(PyExc_ValueError, "out isn't an aligned float32 (%zu, %zu)",
                     queries->length, plan->n_columns);
    } else if (held == NULL) {
        PyErr_NoMemory();
    } else {
        char *scratch = held + (ALIGNMENT - (uintptr_t)held % ALIGNMENT);
        if (queries->length < RELEASE_ROWS) {
            transform(plan, queries, scratch, out.buf);
        } else {
            Py_BEGIN_ALLOW_THREADS transform(plan, queries, scratch, out.buf);
            Py_END_ALLOW_THREADS
        }
        result = Py_NewRef(Py_None);
    }
    PyMem_Free(held);
    PyBuffer_Release(&out);
    return result;
}

static PyObject *run_columns(const Plan *plan, const Py_buffer *columns,
                             PyObject *features) {
    static const char *const names[] = {"user_id", "movie_id", "timestamp"};
    for (int i = 0; i < 3; i++)
        if (columns[i].ndim != 1 || columns[i].shape[0] != columns[0].shape[0] ||
            !is_of_type(columns + i, "qqd"[i]) ||
            (columns[i].len &&
             ((uintptr_t)columns[i].buf | (uintptr_t)columns[i].strides[0]) % 8))
            return PyErr_Format(PyExc_ValueError, "%s isn't an aligned %s (n_rows,)",
                                names[i], type_name("qqd"[i]));
    Queries queries = {columns[0].buf,
                       columns[1].buf,
                       columns[2].buf,
                       columns[0].strides[0],
                       columns[1].strides[0],
                       columns[2].strides[0],
                       (size_t)columns[0].shape[0]};
    return run(plan, &queries, features);
}

static PyObject *plan_transform(PyObject *self, PyObject *args) {
    PyObject *arrays[3], *features, *result = NULL;
    if (!PyArg_ParseTuple(args, "OOOO:transform_into", arrays, arrays + 1, arrays + 2,
                          &features))
        return NULL;
    Py_buffer columns[3];
    int n_held = 0;
    while (n_held < 3 && PyObject_GetBuffer(arrays[n_held], columns + n_held,
                                            PyBUF_STRIDES | PyBUF_FORMAT) == 0)
        n_held++;
    if (n_held == 3)
        result = run_columns(&((PlanObject *)self)->plan, columns, features);
    while (n_held--)
        PyBuffer_Release(columns + n_held);
    return result;
}

static PyObject *plan_transform_row(PyObject *self, PyObject *args) {
    long long user_id, movie_id;
    double timestamp;
    PyObject *features;
    if (!PyArg_ParseTuple(args, "LLdO:transform_row", &user_id, &movie_id, &timestamp,
                          &features))
        return NULL;
    int64_t ids[] = {user_id, movie_id};
    Queries queries = {(char *)ids, (char *)(ids + 1), (char *)&timestamp, 0, 0, 0, 1};
    return run(&((PlanObject *)self)->plan, &queries, features);
}

static PyMethodDef plan_methods[] = {
    {"transform_into", plan_transform, METH_VARARGS,
     "transform_into(user_id, movie_id, timestamp, out, /)\n--\n\n"
     "Fill float32 (n_rows, n_columns), in C order, from int64, int64 and float64 "
     "(n_rows,)."},
    {"transform_row", plan_transform_row, METH_VARARGS,
     "transform_row(user_id, movie_id, timestamp, out, /)\n--\n\n"
     "Fill float32 (1, n_columns), in C order, from numbers: an array a number costs "
     "more than the row."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot plan_slots[] = {
    {Py_tp_doc, "Plan(known, groups)\n--\n\n"
                "The tables of a fitted spec, by name: those that all kernels look at, "
                "and a tuple of groups, each\n"
                "the name of its kernel, how many columns it has, and its own. "
                "ValueError where one isn't what its\n"
                "kernel reads."},
    {Py_tp_new, plan_new},
    {Py_tp_dealloc, plan_dealloc},
    {Py_tp_methods, plan_methods},
    {0, NULL},
};

static PyType_Spec plan_spec = {"movielens.features._rows.Plan", sizeof(PlanObject), 0,
                                Py_TPFLAGS_DEFAULT, plan_slots};

static int module_exec(PyObject *module) {
    PyObject *type = PyType_FromSpec(&plan_spec);
    if (type == NULL)
        return -1;
    int failed = PyModule_AddObjectRef(module, "Plan", type);
    Py_DECREF(type);
    return failed;
}

static PyMethodDef module_methods[] = {
    {"find_likest", find_likest, METH_VARARGS,
     "find_likest(ratings, likest, /)\n--\n\n"
     "Fill the tables of ``likest``, a row an item, likest first; see `_likeness.c`."},
    {"find_vectors", find_vectors, METH_VARARGS,
     "find_vectors(given, found, /)\n--\n\n"
     "Fill the tables of ``found``, a row a user or movie, from the vectors of the "
     "other side; see `_factors.c`."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    "movielens.features._rows",
    "Features of rows; see the head of its source.",
    0,
    module_methods,
    module_slots,
    NULL,
    NULL,
    NULL,
};

PyMODINIT_FUNC PyInit__rows(void) {
    return PyModuleDef_Init(&module);
}
