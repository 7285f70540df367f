/* Records the requests of one worker: counts them in cells that all processes see, and
 * writes lines of the log.
 *
 * This happens with each request, beside work of a tenth of a millisecond. In Python it
 * would take several percent of that.
 *
 * Whatever is used as an index is checked when a recorder is made, or when a request is
 * counted. A recorder belongs to one thread.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "_line.h"

#define MOST_BOUNDS 64
#define MOST_ROUTES 16
#define END_OF_STATUSES 600
#define NO_PLACE (-1)

/* What is counted of a request is added to the first cells, in this order. */
enum {
    SECONDS,
    PREDICTIONS,
    QUESTIONS,
    BAD_ROWS,
    UNKNOWN_ROWS,
    UNKNOWN_USERS,
    UNKNOWN_MOVIES,
    N_SUMS
};

/* The first route is the one whose durations and rows are counted. */
#define INVOCATIONS 0

#define OK 200
#define GONE 499

typedef struct {
    PyObject_HEAD double began, ended;
    int status;
    int refused; /* the status of an answer in the application's place, or 0 */
    long long rows[N_SUMS];
} Counts;

typedef struct {
    PyObject *headers_key, *id_key; /* where a scope has the id that a client gave */
    PyObject *id_of;                /* makes JSON of it, or None */
    char prefix[32];                /* of other ids */
    size_t prefix_length;
    unsigned long long n_ids;
    int quiet_route; /* which isn't logged if it went well */
    Moment moment;
    char *text; /* lines that nobody has taken yet */
    size_t length, room;
} Log;

typedef struct {
    PyObject_HEAD Py_buffer cells;
    size_t first_bucket, first_request, n_statuses, n_routes;
    double bounds[MOST_BOUNDS];
    size_t n_bounds;
    int place_of[END_OF_STATUSES]; /* of each status, or NO_PLACE */
    PyObject *counts_type;         /* a class derived from `Counts` */
    allocfunc allocate;            /* makes one */
    PyObject *path_key;            /* where a scope has the path */
    PyObject *paths;               /* from a path to a route */
    PyObject *route_of;            /* the same for paths that aren't listed */
    char routes[MOST_ROUTES][32];  /* their names as JSON */
    int is_logged;
    Log log;
} Recorder;

typedef struct {
    PyObject *counts;
} State;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* Counts of a request */

static PyObject *counts_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *names[] = {
        "began",    "ended",        "status",        "predictions",    "questions",
        "bad_rows", "unknown_rows", "unknown_users", "unknown_movies", NULL};
    double began = 0;
    double ended = 0;
    int status = GONE;
    long long rows[N_SUMS] = {0};
    if (!PyArg_ParseTupleAndKeywords(
            args, kwargs, "|ddiLLLLLL:Counts", names, &began, &ended, &status,
            rows + PREDICTIONS, rows + QUESTIONS, rows + BAD_ROWS, rows + UNKNOWN_ROWS,
            rows + UNKNOWN_USERS, rows + UNKNOWN_MOVIES)) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Counts *self = (Counts *)allocate(type, 0);
    if (self != NULL) {
        self->began = began;
        self->ended = ended;
        self->status = status;
        memcpy(self->rows, rows, sizeof rows);
    }
    return (PyObject *)self;
}

static void counts_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

/* A sum beyond 64 bits starts again, as Python may set a count to any number. */
static void add(Counts *counts, int place, long long number) {
    unsigned long long sum = (unsigned long long)counts->rows[place];
    counts->rows[place] = (long long)(sum + (unsigned long long)number);
}

static PyObject *count_predicted(PyObject *object, PyObject *const *args,
                                 Py_ssize_t n_args) {
    Counts *self = (Counts *)object;
    if (n_args != 2 || (args[1] != Py_None && !PyTuple_Check(args[1]))) {
        PyErr_SetString(PyExc_TypeError,
                        "count_predicted: expected a number of rows and a tuple");
        return NULL;
    }
    long long n_rows = PyLong_AsLongLong(args[0]);
    if (PyErr_Occurred()) {
        return NULL;
    }
    Py_ssize_t unknown_rows = 0;
    Py_ssize_t unknown_users = 0;
    Py_ssize_t unknown_movies = 0;
    if (args[1] != Py_None &&
        !PyArg_ParseTuple(args[1], "nnn:count_predicted", &unknown_rows, &unknown_users,
                          &unknown_movies)) {
        return NULL;
    }
    add(self, PREDICTIONS, n_rows);
    add(self, UNKNOWN_ROWS, unknown_rows);
    add(self, UNKNOWN_USERS, unknown_users);
    add(self, UNKNOWN_MOVIES, unknown_movies);
    Py_RETURN_NONE;
}

static PyMethodDef counts_methods[] = {
    {"count_predicted", (PyCFunction)(void (*)(void))count_predicted, METH_FASTCALL,
     "count_predicted(n_rows, unknown, /)\n--\n\n"
     "Count rows that were predicted, and those of them that are unknown."},
    {NULL, NULL, 0, NULL},
};

#define ROWS(name, place)                                                              \
    {name, T_LONGLONG, offsetof(Counts, rows) + (place) * sizeof(long long), 0, NULL}

static PyMemberDef counts_members[] = {
    {"began", T_DOUBLE, offsetof(Counts, began), 0, NULL},
    {"ended", T_DOUBLE, offsetof(Counts, ended), 0, NULL},
    {"status", T_INT, offsetof(Counts, status), 0, NULL},
    {"refused", T_INT, offsetof(Counts, refused), 0, NULL},
    ROWS("predictions", PREDICTIONS),
    ROWS("questions", QUESTIONS),
    ROWS("bad_rows", BAD_ROWS),
    ROWS("unknown_rows", UNKNOWN_ROWS),
    ROWS("unknown_users", UNKNOWN_USERS),
    ROWS("unknown_movies", UNKNOWN_MOVIES),
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot counts_slots[] = {
    {Py_tp_doc, "Counts of one request; see serve.operations.tally.Tally."},
    {Py_tp_new, counts_new},
    {Py_tp_dealloc, counts_dealloc},
    {Py_tp_methods, counts_methods},
    {Py_tp_members, counts_members},
    {0, NULL},
};

static PyType_Spec counts_spec = {
    .name = "serve.operations._recorder.Counts",
    .basicsize = sizeof(Counts),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = counts_slots,
};

/* Making a recorder */

static int take_cells(Recorder *self, PyObject *cells) {
    int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | PyBUF_WRITABLE;
    if (PyObject_GetBuffer(cells, &self->cells, flags) < 0) {
        return -1;
    }
    const char *format = self->cells.format;
    if (format == NULL || strcmp(format, "d") ||
        (uintptr_t)self->cells.buf % sizeof(double)) {
        PyErr_SetString(PyExc_ValueError, "cells: expected aligned numbers of type d");
        return -1;
    }
    return 0;
}

static int take_bounds(Recorder *self, PyObject *bounds) {
    Py_ssize_t n_bounds = PyTuple_Size(bounds);
    if (n_bounds > MOST_BOUNDS) {
        PyErr_Format(PyExc_ValueError, "bounds: %zd, expected at most %d", n_bounds,
                     MOST_BOUNDS);
        return -1;
    }
    for (Py_ssize_t i = 0; i < n_bounds; i++) {
        self->bounds[i] = PyFloat_AsDouble(PyTuple_GetItem(bounds, i));
        if (PyErr_Occurred()) {
            return -1;
        }
    }
    self->n_bounds = (size_t)n_bounds;
    return 0;
}

static int take_statuses(Recorder *self, PyObject *statuses) {
    for (int status = 0; status < END_OF_STATUSES; status++) {
        self->place_of[status] = NO_PLACE;
    }
    self->n_statuses = (size_t)PyTuple_Size(statuses);
    for (size_t i = 0; i < self->n_statuses; i++) {
        long status = PyLong_AsLong(PyTuple_GetItem(statuses, (Py_ssize_t)i));
        if (PyErr_Occurred()) {
            return -1;
        }
        if (status < 0 || status >= END_OF_STATUSES) {
            PyErr_Format(PyExc_ValueError, "statuses: %ld isn't a status", status);
            return -1;
        }
        self->place_of[status] = (int)i;
    }
    return 0;
}

static int take_routes(Recorder *self, PyObject *routes) {
    self->n_routes = (size_t)PyTuple_Size(routes);
    if (self->n_routes > MOST_ROUTES) {
        PyErr_Format(PyExc_ValueError, "routes: %zu, expected at most %d",
                     self->n_routes, MOST_ROUTES);
        return -1;
    }
    for (size_t i = 0; i < self->n_routes; i++) {
        PyObject *route = PyTuple_GetItem(routes, (Py_ssize_t)i);
        const char *name = PyUnicode_AsUTF8AndSize(route, NULL);
        if (name == NULL) {
            return -1;
        }
        if (strlen(name) + 3 > sizeof self->routes[i]) {
            PyErr_Format(PyExc_ValueError, "routes: %s is too long a name", name);
            return -1;
        }
        snprintf(self->routes[i], sizeof self->routes[i], "\"%s\"", name);
    }
    return 0;
}

static int check_layout(const Recorder *self) {
    size_t n_cells = (size_t)self->cells.len / sizeof(double);
    size_t n_requests = self->n_routes * self->n_statuses;
    if (self->first_bucket < N_SUMS || self->first_bucket > n_cells ||
        self->n_bounds + 1 > n_cells - self->first_bucket ||
        self->first_request < N_SUMS || self->first_request > n_cells ||
        n_requests > n_cells - self->first_request) {
        PyErr_SetString(PyExc_ValueError, "cells: there are too few");
        return -1;
    }
    return 0;
}

static int take_log(Recorder *self, PyObject *given) {
    Log *log = &self->log;
    const char *prefix;
    self->is_logged = given != Py_None;
    if (!self->is_logged) {
        return 0;
    }
    if (!PyTuple_Check(given)) {
        PyErr_SetString(PyExc_TypeError, "log: expected a tuple");
        return -1;
    }
    if (!PyArg_ParseTuple(given, "sOOOi:log", &prefix, &log->headers_key, &log->id_key,
                          &log->id_of, &log->quiet_route)) {
        log->headers_key = log->id_key = log->id_of = NULL;
        return -1;
    }
    Py_INCREF(log->headers_key);
    Py_INCREF(log->id_key);
    Py_INCREF(log->id_of);
    log->prefix_length = strlen(prefix);
    if (log->prefix_length > sizeof log->prefix) {
        PyErr_SetString(PyExc_ValueError, "log: the prefix is too long");
        return -1;
    }
    memcpy(log->prefix, prefix, log->prefix_length);
    return 0;
}

static PyObject *recorder_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"cells",    "first_bucket", "bounds", "first_request",
                            "statuses", "routes",       "paths",  "route_of",
                            "log",      "counts_type",  NULL};
    PyObject *cells, *bounds, *statuses, *routes, *paths, *route_of, *log, *counts_type;
    Py_ssize_t first_bucket, first_request;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OnO!nO!O!O!OOO!:Recorder", names,
                                     &cells, &first_bucket, &PyTuple_Type, &bounds,
                                     &first_request, &PyTuple_Type, &statuses,
                                     &PyTuple_Type, &routes, &PyDict_Type, &paths,
                                     &route_of, &log, &PyType_Type, &counts_type)) {
        return NULL;
    }
    State *state = PyType_GetModuleState(type);
    if (!PyType_IsSubtype((PyTypeObject *)counts_type, (PyTypeObject *)state->counts)) {
        PyErr_SetString(PyExc_TypeError, "counts_type: expected a class of Counts");
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Recorder *self = (Recorder *)allocate(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->first_bucket = (size_t)first_bucket;
    self->first_request = (size_t)first_request;
    self->paths = Py_NewRef(paths);
    self->route_of = Py_NewRef(route_of);
    self->counts_type = Py_NewRef(counts_type);
    self->allocate =
        (allocfunc)PyType_GetSlot((PyTypeObject *)counts_type, Py_tp_alloc);
    self->path_key = PyUnicode_InternFromString("path");
    if (self->path_key == NULL || take_cells(self, cells) < 0 ||
        take_bounds(self, bounds) < 0 || take_statuses(self, statuses) < 0 ||
        take_routes(self, routes) < 0 || check_layout(self) < 0 ||
        take_log(self, log) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void recorder_dealloc(PyObject *object) {
    Recorder *self = (Recorder *)object;
    PyTypeObject *type = Py_TYPE(object);
    if (self->cells.obj != NULL) {
        PyBuffer_Release(&self->cells);
    }
    Py_XDECREF(self->counts_type);
    Py_XDECREF(self->path_key);
    Py_XDECREF(self->paths);
    Py_XDECREF(self->route_of);
    Py_XDECREF(self->log.headers_key);
    Py_XDECREF(self->log.id_key);
    Py_XDECREF(self->log.id_of);
    PyMem_Free(self->log.text);

    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

/* Counting */

static PyObject *recorder_begin(PyObject *object, PyObject *Py_UNUSED(nothing)) {
    Recorder *self = (Recorder *)object;
    PyTypeObject *type = (PyTypeObject *)self->counts_type;
    Counts *counts = (Counts *)self->allocate(type, 0);
    if (counts != NULL) {
        counts->began = now();
        counts->status = GONE;
    }
    return (PyObject *)counts;
}

static Counts *counts_of(const Recorder *self, PyObject *object) {
    if (!PyObject_TypeCheck(object, (PyTypeObject *)self->counts_type)) {
        PyErr_SetString(PyExc_TypeError, "expected counts of this recorder");
        return NULL;
    }
    return (Counts *)object;
}

/* Counts a request. Returns -1 and an error for a status or a route that has no cell.
 */
static int count(const Recorder *self, const Counts *counts, size_t route) {
    int status = counts->status;
    int is_status = status >= 0 && status < END_OF_STATUSES;
    int place = is_status ? self->place_of[status] : NO_PLACE;
    if (place == NO_PLACE || route >= self->n_routes) {
        PyErr_Format(PyExc_ValueError, "status %d of route %zu has no cell", status,
                     route);
        return -1;
    }
    double *cells = self->cells.buf;
    cells[self->first_request + route * self->n_statuses + (size_t)place]++;
    if (route != INVOCATIONS || status == GONE) {
        return 0;
    }

    double seconds = counts->ended - counts->began;
    size_t bucket = 0;
    while (bucket < self->n_bounds && seconds > self->bounds[bucket]) {
        bucket++;
    }
    cells[self->first_bucket + bucket]++;
    cells[SECONDS] += seconds;
    for (int i = SECONDS + 1; i < N_SUMS; i++) {
        cells[i] += (double)counts->rows[i];
    }
    return 0;
}

static PyObject *recorder_count(PyObject *object, PyObject *args) {
    Recorder *self = (Recorder *)object;
    PyObject *given;
    Py_ssize_t route;
    if (!PyArg_ParseTuple(args, "On:count", &given, &route)) {
        return NULL;
    }
    Counts *counts = counts_of(self, given);
    if (counts == NULL || count(self, counts, (size_t)route) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Writing lines */

static int make_room(Log *log, size_t n_bytes) {
    if (log->room - log->length >= n_bytes) {
        return 0;
    }
    size_t room = 2 * log->room + n_bytes;
    char *text = PyMem_Realloc(log->text, room);
    if (text == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    log->text = text;
    log->room = room;
    return 0;
}

/* The unknown rows among those that were predicted, as JSON: in `exact`, which the
 * caller frees, if it is neither nothing nor 0. */
static const char *unknown_share(const Counts *counts, char **exact) {
    double n_rows = (double)counts->rows[PREDICTIONS] + (double)counts->rows[QUESTIONS];
    if (n_rows <= 0) {
        return "null";
    }
    if (!counts->rows[UNKNOWN_ROWS]) {
        return "0.0";
    }
    double share = (double)counts->rows[UNKNOWN_ROWS] / n_rows;
    *exact = PyOS_double_to_string(share, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    return *exact;
}

static int add_line(Recorder *self, const Counts *counts, size_t route, const char *id,
                    size_t id_length) {
    Log *log = &self->log;
    char *exact = NULL;
    Line line = {
        .id = id,
        .id_length = id_length,
        .route = self->routes[route],
        .route_length = strlen(self->routes[route]),
        .status = counts->status,
        .seconds = counts->ended - counts->began,
        .predictions = (unsigned long long)counts->rows[PREDICTIONS],
        .questions = (unsigned long long)counts->rows[QUESTIONS],
        .bad_rows = (unsigned long long)counts->rows[BAD_ROWS],
        .unknown_share = unknown_share(counts, &exact),
    };
    int failed = line.unknown_share == NULL ||
                 make_room(log, LINE_BYTES + sizeof self->routes[route] + id_length);
    if (!failed) {
        char *end = write_line(log->text + log->length, &line, &log->moment);
        log->length = (size_t)(end - log->text);
    }
    PyMem_Free(exact);
    return failed ? -1 : 0;
}

static int add_line_of(Recorder *self, const Counts *counts, size_t route,
                       PyObject *scope) {
    Log *log = &self->log;
    PyObject *headers = PyDict_GetItemWithError(scope, log->headers_key);
    if (headers == NULL || !PyDict_Check(headers)) {
        PyErr_SetString(PyExc_TypeError, "scope: expected a dict of headers");
        return -1;
    }
    log->n_ids++;
    PyObject *given = PyDict_GetItemWithError(headers, log->id_key);
    if (given != NULL) {
        PyObject *json = PyObject_CallFunctionObjArgs(log->id_of, given, NULL);
        if (json == NULL) {
            return -1;
        }
        char *id;
        Py_ssize_t length;
        if (json != Py_None) {
            int failed = PyBytes_AsStringAndSize(json, &id, &length) < 0 ||
                         add_line(self, counts, route, id, (size_t)length) < 0;
            Py_DECREF(json);
            return failed ? -1 : 0;
        }
        Py_DECREF(json);
    } else if (PyErr_Occurred()) {
        return -1;
    }

    char id[sizeof log->prefix + 32];
    char *end = id;
    *end++ = '"';
    memcpy(end, log->prefix, log->prefix_length);
    end += log->prefix_length;
    *end++ = '-';
    end = write_number(end, log->n_ids, 1);
    *end++ = '"';
    return add_line(self, counts, route, id, (size_t)(end - id));
}

/* A request that is over */

/* The route of a path; negative and an error if there is none. */
static Py_ssize_t route_of(const Recorder *self, PyObject *path) {
    PyObject *route = PyDict_GetItemWithError(self->paths, path);
    if (route != NULL) {
        return PyLong_AsSsize_t(route);
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    route = PyObject_CallFunctionObjArgs(self->route_of, path, NULL);
    if (route == NULL) {
        return -1;
    }
    Py_ssize_t found = PyLong_AsSsize_t(route);
    Py_DECREF(route);
    return found;
}

static PyObject *recorder_over(PyObject *object, PyObject *const *args,
                               Py_ssize_t n_args) {
    Recorder *self = (Recorder *)object;
    if (n_args != 2 || !PyDict_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError, "over: expected counts and a scope");
        return NULL;
    }
    Counts *counts = counts_of(self, args[0]);
    if (counts == NULL) {
        return NULL;
    }
    PyObject *scope = args[1];
    PyObject *path = PyDict_GetItemWithError(scope, self->path_key);
    if (path == NULL) {
        PyErr_SetString(PyExc_TypeError, "over: the scope has no path");
        return NULL;
    }
    Py_ssize_t route = route_of(self, path);
    if (PyErr_Occurred()) {
        return NULL;
    }

    counts->ended = now();
    if (counts->refused) {
        counts->status = counts->refused;
    }
    if (count(self, counts, (size_t)route) < 0) {
        return NULL;
    }
    int is_quiet = route == self->log.quiet_route && counts->status == OK;
    if (self->is_logged && !is_quiet &&
        add_line_of(self, counts, (size_t)route, scope) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *recorder_take_lines(PyObject *object, PyObject *Py_UNUSED(nothing)) {
    Log *log = &((Recorder *)object)->log;
    PyObject *lines = PyBytes_FromStringAndSize(log->text, (Py_ssize_t)log->length);
    log->length = 0;
    return lines;
}

/* The module */

static PyMethodDef recorder_methods[] = {
    {"begin", recorder_begin, METH_NOARGS,
     "begin()\n--\n\n"
     "The counts of a request whose headers have come."},
    {"over", (PyCFunction)(void (*)(void))recorder_over, METH_FASTCALL,
     "over(counts, scope, /)\n--\n\n"
     "Record a request that is over."},
    {"count", recorder_count, METH_VARARGS,
     "count(counts, route, /)\n--\n\n"
     "Count a request, and nothing else."},
    {"take_lines", recorder_take_lines, METH_NOARGS,
     "take_lines()\n--\n\n"
     "The lines of the log since they were last taken."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot recorder_slots[] = {
    {Py_tp_doc, "Records the requests of one worker; see serve.operations.counters."},
    {Py_tp_new, recorder_new},
    {Py_tp_dealloc, recorder_dealloc},
    {Py_tp_methods, recorder_methods},
    {0, NULL},
};

static PyType_Spec recorder_spec = {
    .name = "serve.operations._recorder.Recorder",
    .basicsize = sizeof(Recorder),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = recorder_slots,
};

static int module_exec(PyObject *module) {
    State *state = PyModule_GetState(module);
    state->counts = PyType_FromModuleAndSpec(module, &counts_spec, NULL);
    if (state->counts == NULL ||
        PyModule_AddObjectRef(module, "Counts", state->counts) < 0) {
        return -1;
    }
    PyObject *recorder = PyType_FromModuleAndSpec(module, &recorder_spec, NULL);
    if (recorder == NULL) {
        return -1;
    }
    int failed = PyModule_AddObjectRef(module, "Recorder", recorder);
    Py_DECREF(recorder);
    return failed;
}

static void module_free(void *module) {
    State *state = PyModule_GetState(module);
    if (state != NULL) {
        Py_CLEAR(state->counts);
    }
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};

static PyModuleDef module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "serve.operations._recorder",
    .m_doc = "Records requests: see _recorder.c.",
    .m_size = sizeof(State),
    .m_slots = module_slots,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__recorder(void) {
    return PyModuleDef_Init(&module);
}
