/* Python's arrays as tables, which are checked to have the types and shapes that their
 * kinds ask for. */

#ifndef TABLES_H
#define TABLES_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "_kernel.h"

#define MOST_EXTENTS 16
#define MOST_EXTENT_NAME 15

/* A number that tables agree on, as "users" in a shape. */
typedef struct {
    char name[MOST_EXTENT_NAME + 1];
    size_t length;
} Extent;

/* The extents that the tables bound so far have shown. */
typedef struct {
    Extent extent[MOST_EXTENTS];
    size_t n;
} Extents;

/* The arrays that are held; `view` has room for all that will be. */
typedef struct {
    Py_buffer *view;
    size_t n;
} Buffers;

/* Whether an array has elements of a type, by its letter in `TableKind`. */
int is_of_type(const Py_buffer *view, char type);
const char *type_name(char type);

/* Makes `tables` of the arrays in a dict, which must have exactly the names of `kinds`.
 * Returns -1 and sets ValueError, which begins with `owner`, if an array is missing,
 * too much or not of its kind. The arrays are held in `buffers`, in any case. */
int bind_tables(const char *owner, const TableKind *kinds, PyObject *arrays,
                int writable, Extents *extents, Buffers *buffers, Table *tables);

void release_buffers(Buffers *buffers);

/* Rows from one index to before another: threads share them by ranges. */
typedef struct {
    size_t first, end;
} Range;

/* Whether a range is within so many; sets ValueError if it isn't. */
int is_within(Range range, size_t length);

/* Whether int32 indexes are all from 0 to below an end. */
int are_below(const Table *index, size_t end);

/* Whether the indexes of some rows are. */
int are_rows_below(const Table *index, Range rows, size_t end);

/* The result of a function that works on ratings: None; or NULL and ValueError if the
 * ratings are out of bounds. Functions check that without Python's lock, because it
 * takes a while, and only then raise the error. */
PyObject *done(int are_in_bounds);

/* Functions of the module: see `_similarity.c`, `_factors.c` and `_regressions.c`. */
PyObject *find_most_similar(PyObject *self, PyObject *args);
PyObject *square_vectors(PyObject *self, PyObject *args);
PyObject *find_vectors(PyObject *self, PyObject *args);
PyObject *sum_moments(PyObject *self, PyObject *args);
PyObject *find_weights(PyObject *self, PyObject *args);
PyObject *find_fits(PyObject *self, PyObject *args);

#endif
