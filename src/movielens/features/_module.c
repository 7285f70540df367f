/* The extension: makes the features of rows in one call, by the kernels of
 * `_kernels.c`.
 *
 * A `RowMaker` holds the tables of a fitted spec. It is the border to Python: types,
 * shapes, the names of columns and whatever is used as an index are checked once, when
 * it is made, so that no file, however broken, and no row can make a kernel leave its
 * tables. The tables may be read-only and mapped from a file. Nothing is written but
 * the features, so threads can share a row maker.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <string.h>

#include "_lanes.h"
#include "_row_maker.h"
#include "_tables.h"

#define N_SHARED (sizeof(SharedTables) / sizeof(Table))
/* Fewer rows than this are made before another thread would have taken over. */
#define RELEASE_ROWS 16
#define ALIGNMENT 64

typedef struct {
    PyObject_HEAD RowMaker maker;
    Buffers buffers;
} RowMakerObject;

/* Making a row maker */

static const Kernel *find_kernel(const char *name) {
    for (const Kernel *const *kernel = KERNELS; *kernel; kernel++) {
        if (!strcmp((*kernel)->name, name)) {
            return *kernel;
        }
    }
    return NULL;
}

static size_t rounded_up(size_t n_bytes) {
    return (n_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* The names in a tuple, which own the text; NULL and an error if one isn't a string. */
static const char **names_of(PyObject *tuple) {
    Py_ssize_t n_names = PyTuple_Size(tuple);
    const char **names = PyMem_Calloc((size_t)n_names + 1, sizeof *names);
    if (names == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n_names; i++) {
        names[i] = PyUnicode_AsUTF8AndSize(PyTuple_GetItem(tuple, i), NULL);
        if (names[i] == NULL) {
            PyMem_Free(names);
            return NULL;
        }
    }
    return names;
}

/* Checks Python's names against the kernel's. Returns how many columns there are, or 0
 * and an error. */
static size_t check_columns(const RowMaker *maker, const Group *group,
                            PyObject *tuple) {
    const char **names = names_of(tuple);
    if (names == NULL) {
        return 0;
    }

    const Kernel *kernel = group->kernel;
    Columns columns = {.names = names, .n_names = (size_t)PyTuple_Size(tuple)};
    kernel->name_columns(&maker->shared, group->tables, &columns);
    PyMem_Free(names);

    if (columns.fault[0]) {
        PyErr_Format(PyExc_ValueError, "%s: %s: name the columns in the kernel's order",
                     kernel->name, columns.fault);
        return 0;
    }
    if (columns.n_written != columns.n_names) {
        PyErr_Format(PyExc_ValueError,
                     "%s: the kernel writes %zu columns, %zu are named", kernel->name,
                     columns.n_written, columns.n_names);
        return 0;
    }
    return columns.n_written;
}

static int add_group(RowMaker *maker, Buffers *buffers, PyObject *item,
                     const Extents *shared_extents) {
    const char *name;
    PyObject *column_names;
    PyObject *arrays;
    if (!PyArg_ParseTuple(item, "sO!O!:group", &name, &PyTuple_Type, &column_names,
                          &PyDict_Type, &arrays)) {
        return -1;
    }

    const Kernel *kernel = find_kernel(name);
    if (kernel == NULL) {
        PyErr_Format(PyExc_ValueError, "there is no kernel %s", name);
        return -1;
    }
    Group *group = maker->groups + maker->n_groups;
    group->kernel = kernel;
    group->first_column = maker->n_columns;
    group->scratch_offset = maker->n_scratch;

    Extents extents = *shared_extents;
    if (bind_tables(name, kernel->tables, arrays, 0, &extents, buffers, group->tables) <
        0) {
        return -1;
    }
    if (kernel->find_fault != NULL) {
        const char *fault =
            kernel->find_fault(&maker->shared, group->tables, maker->n_columns);
        if (fault != NULL) {
            PyErr_Format(PyExc_ValueError, "%s: %s", name, fault);
            return -1;
        }
    }
    group->n_columns = check_columns(maker, group, column_names);
    if (group->n_columns == 0) {
        return -1;
    }

    if (kernel->scratch_size != NULL) {
        size_t n_bytes = kernel->scratch_size(&maker->shared, maker->most_rated);
        maker->n_scratch += rounded_up(n_bytes);
    }
    maker->looks_back |= kernel->lookback != NOT_EARLIER;
    maker->n_columns += group->n_columns;
    maker->n_groups++;
    return 0;
}

static int fill(RowMaker *maker, Buffers *buffers, PyObject *shared, PyObject *groups) {
    Py_ssize_t n_groups = PyTuple_Size(groups);
    size_t most_buffers = N_SHARED + (size_t)n_groups * MOST_TABLES;
    maker->groups = PyMem_Calloc((size_t)n_groups + 1, sizeof *maker->groups);
    buffers->view = PyMem_Calloc(most_buffers, sizeof *buffers->view);
    if (maker->groups == NULL || buffers->view == NULL) {
        PyErr_NoMemory();
        return -1;
    }

    Extents extents = {.n = 0};
    Table *shared_tables = (Table *)&maker->shared;
    if (bind_tables("shared", SHARED_TABLES, shared, 0, &extents, buffers,
                    shared_tables) < 0) {
        return -1;
    }
    const char *fault = prepare(maker);
    if (fault != NULL) {
        PyErr_SetString(PyExc_ValueError, fault);
        return -1;
    }
    for (Py_ssize_t i = 0; i < n_groups; i++) {
        if (add_group(maker, buffers, PyTuple_GetItem(groups, i), &extents) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *row_maker_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"shared", "groups", NULL};
    PyObject *shared;
    PyObject *groups;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!:RowMaker", names, &PyDict_Type,
                                     &shared, &PyTuple_Type, &groups)) {
        return NULL;
    }

    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    RowMakerObject *self = (RowMakerObject *)allocate(type, 0);
    if (self == NULL) {
        return NULL;
    }
    if (fill(&self->maker, &self->buffers, shared, groups) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void row_maker_dealloc(PyObject *object) {
    RowMakerObject *self = (RowMakerObject *)object;
    PyTypeObject *type = Py_TYPE(object);
    release_buffers(&self->buffers);
    PyMem_Free(self->buffers.view);
    PyMem_Free(self->maker.groups);

    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

/* Making rows */

static int is_room_for_rows(const Py_buffer *out, size_t n_rows, size_t n_columns) {
    if (out->ndim != 2 || !is_of_type(out, 'f')) {
        return 0;
    }
    if ((size_t)out->shape[0] != n_rows || (size_t)out->shape[1] != n_columns) {
        return 0;
    }
    return !out->len || (uintptr_t)out->buf % sizeof(float) == 0;
}

/* None if all were known, as they mostly are. */
static PyObject *told(const Unknown *unknown) {
    if (!unknown->n_rows) {
        return Py_NewRef(Py_None);
    }
    return Py_BuildValue("nnn", (Py_ssize_t)unknown->n_rows,
                         (Py_ssize_t)unknown->n_users, (Py_ssize_t)unknown->n_movies);
}

static PyObject *make_rows_into(const RowMaker *maker, const Queries *queries,
                                PyObject *features) {
    Py_buffer out;
    int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | PyBUF_WRITABLE;
    if (PyObject_GetBuffer(features, &out, flags) < 0) {
        return NULL;
    }

    PyObject *result = NULL;
    char *memory = PyMem_Malloc(maker->n_scratch + ALIGNMENT);
    if (!is_room_for_rows(&out, queries->length, maker->n_columns)) {
        PyErr_Format(PyExc_ValueError,
                     "out must be an aligned, C-contiguous array of float32 of shape "
                     "(%zu, %zu)",
                     queries->length, maker->n_columns);
    } else if (memory == NULL) {
        PyErr_NoMemory();
    } else {
        char *scratch = memory + (ALIGNMENT - (uintptr_t)memory % ALIGNMENT);
        Unknown unknown;
        if (queries->length < RELEASE_ROWS) {
            unknown = make_rows(maker, queries, scratch, out.buf);
        } else {
            Py_BEGIN_ALLOW_THREADS;
            unknown = make_rows(maker, queries, scratch, out.buf);
            Py_END_ALLOW_THREADS;
        }
        result = told(&unknown);
    }
    PyMem_Free(memory);
    PyBuffer_Release(&out);
    return result;
}

/* The columns of rows: raw user ids, raw movie ids and times. */
enum { USER_ID, MOVIE_ID, TIME, N_QUERY_COLUMNS };

static int is_query_column(const Py_buffer *column, char type, Py_ssize_t n_rows) {
    if (column->ndim != 1 || column->shape[0] != n_rows || !is_of_type(column, type)) {
        return 0;
    }
    uintptr_t address = (uintptr_t)column->buf;
    uintptr_t step = (uintptr_t)column->strides[0];
    return !column->len || (address | step) % 8 == 0;
}

static PyObject *make_rows_of(const RowMaker *maker, const Py_buffer *columns,
                              PyObject *features) {
    static const char *const names[] = {"user_id", "movie_id", "timestamp"};
    static const char types[] = {'q', 'q', 'd'};
    Py_ssize_t n_rows = columns[0].ndim == 1 ? columns[0].shape[0] : 0;
    for (int i = 0; i < N_QUERY_COLUMNS; i++) {
        if (!is_query_column(columns + i, types[i], n_rows)) {
            return PyErr_Format(PyExc_ValueError,
                                "%s must be an aligned array of %s of shape (n_rows)",
                                names[i], type_name(types[i]));
        }
    }

    Queries queries = {
        .user_id = columns[USER_ID].buf,
        .movie_id = columns[MOVIE_ID].buf,
        .time = columns[TIME].buf,
        .user_step = columns[USER_ID].strides[0],
        .movie_step = columns[MOVIE_ID].strides[0],
        .time_step = columns[TIME].strides[0],
        .length = (size_t)n_rows,
    };
    return make_rows_into(maker, &queries, features);
}

static PyObject *transform_into(PyObject *self, PyObject *args) {
    PyObject *arrays[N_QUERY_COLUMNS];
    PyObject *features;
    if (!PyArg_ParseTuple(args, "OOOO:transform_into", arrays + USER_ID,
                          arrays + MOVIE_ID, arrays + TIME, &features)) {
        return NULL;
    }

    const RowMaker *maker = &((RowMakerObject *)self)->maker;
    Py_buffer columns[N_QUERY_COLUMNS];
    PyObject *result = NULL;
    int n_held = 0;
    while (n_held < N_QUERY_COLUMNS &&
           PyObject_GetBuffer(arrays[n_held], columns + n_held,
                              PyBUF_STRIDES | PyBUF_FORMAT) == 0) {
        n_held++;
    }
    if (n_held == N_QUERY_COLUMNS) {
        result = make_rows_of(maker, columns, features);
    }
    while (n_held--) {
        PyBuffer_Release(columns + n_held);
    }
    return result;
}

/* The module */

static PyMethodDef row_maker_methods[] = {
    {"transform_into", transform_into, METH_VARARGS,
     "transform_into(user_id, movie_id, timestamp, out, /)\n--\n\n"
     "Fill out, float32 (n_rows, n_columns) in C order, from int64, int64 and float64 "
     "(n_rows,). Returns how many rows had a user or a movie that isn't known, how "
     "many\n"
     "such a user and how many such a movie; None if none had."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot row_maker_slots[] = {
    {Py_tp_doc,
     "RowMaker(shared, groups)\n--\n\n"
     "Makes rows of features from the tables of a fitted spec.\n\n"
     "shared has the tables that every kernel may read, by name. groups is a tuple "
     "with\n"
     "the name of a kernel, a tuple of the names of its columns, and its own tables "
     "by\n"
     "name, for each group. Raises ValueError if tables or names aren't the kernel's."},
    {Py_tp_new, row_maker_new},
    {Py_tp_dealloc, row_maker_dealloc},
    {Py_tp_methods, row_maker_methods},
    {0, NULL},
};

static PyType_Spec row_maker_spec = {
    .name = "movielens.features._kernels.RowMaker",
    .basicsize = sizeof(RowMakerObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = row_maker_slots,
};

static int module_exec(PyObject *module) {
    PyObject *type = PyType_FromSpec(&row_maker_spec);
    if (type == NULL) {
        return -1;
    }
    int failed = PyModule_AddObjectRef(module, "RowMaker", type);
    Py_DECREF(type);
    if (failed) {
        return failed;
    }
    return PyModule_AddIntConstant(module, "N_LANES", N_LANES);
}

static PyMethodDef module_methods[] = {
    {"find_most_similar", find_most_similar, METH_VARARGS,
     "find_most_similar(ratings, found, first, end, /)\n--\n\n"
     "Fill rows first to end of the tables of found: a row an item, the most similar "
     "first. See _similarity.c."},
    {"square_vectors", square_vectors, METH_VARARGS,
     "square_vectors(vectors, squares, first, end, /)\n--\n\n"
     "Fill rows first to end of the expected squares of vectors. See _factors.c."},
    {"find_vectors", find_vectors, METH_VARARGS,
     "find_vectors(given, found, first, end, /)\n--\n\n"
     "Fill rows first to end of the tables of found, a row a user or a movie, from the "
     "squares of the other side's vectors. See _factors.c."},
    {"sum_moments", sum_moments, METH_VARARGS,
     "sum_moments(given, moments, /)\n--\n\n"
     "Add up the ratings of the users that are asked for. See _regressions.c."},
    {"find_weights", find_weights, METH_VARARGS,
     "find_weights(moments, variances, found, /)\n--\n\n"
     "Solve the users' regressions. See _regressions.c."},
    {"find_fits", find_fits, METH_VARARGS,
     "find_fits(given, weights, fits, /)\n--\n\n"
     "What regressions make of their users' ratings. See _regressions.c."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};

static PyModuleDef module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "movielens.features._kernels",
    .m_doc = "Features of rows: see _module.c.",
    .m_methods = module_methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__kernels(void) {
    return PyModuleDef_Init(&module);
}
