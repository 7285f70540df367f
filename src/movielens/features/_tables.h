/* Arrays of Python as tables: held, and checked to be of the types and shapes that
 * their kinds say. */

#ifndef TABLES_H
#define TABLES_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "_rows.h"

/* What each letter of a shape stands for, as far as arrays have said. */
typedef struct {
    size_t of[128];
} Extents;

typedef struct {
    Py_buffer *view; /* with room for all that will be held */
    size_t n;
} Views;

Extents no_extents(void);

/* Whether an array's elements are of the type, by its letter in `TableKind`. */
int is_of_type(const Py_buffer *view, char type);
const char *type_name(char type);

/* Takes hold of the arrays that the kinds name, no more and no fewer; -1 and
 * ValueError, which calls them `group`, where one is absent or isn't what its kind
 * says. What is held is in `views` in any case. */
int hold(const char *group, const TableKind *kinds, PyObject *arrays, int writable,
         Extents *extents, Views *views, Table *tables);

void let_go(Views *views);

/* Whether indexes, int32, are from 0 up to an end. */
int are_below(const Table *index, size_t end);

/* See `_likeness.c` and `_factors.c`. */
PyObject *find_likest(PyObject *self, PyObject *args);
PyObject *find_vectors(PyObject *self, PyObject *args);

#endif
