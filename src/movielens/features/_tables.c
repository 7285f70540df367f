/* See `_tables.h`. */

#include "_tables.h"

#include <stdio.h>
#include <string.h>

const char *type_name(char type) {
    switch (type) {
    case 'f':
        return "float32";
    case 'd':
        return "float64";
    case 'i':
        return "int32";
    case 'q':
        return "int64";
    default:
        return "uint8";
    }
}

int is_of_type(const Py_buffer *view, char type) {
    const char *format = view->format;
    if (format == NULL || !format[0] || format[1]) {
        return 0;
    }
    /* Where a long has 8 bytes, NumPy calls int64 "l". */
    int is_long = format[0] == 'l' && view->itemsize == 8;
    return format[0] == type || (type == 'q' && is_long);
}

/* Shapes */

/* A dimension of a shape: an extent and a number, "users+1", or one of the two. */
typedef struct {
    char name[MOST_EXTENT_NAME + 1]; /* empty if there is only a number */
    size_t plus;
} Dimension;

static Dimension parse_dimension(const char *text) {
    Dimension dimension = {"", 0};
    if (sscanf(text, " %15[a-z]+%zu", dimension.name, &dimension.plus) < 1) {
        sscanf(text, " %zu", &dimension.plus);
    }
    return dimension;
}

/* The dimensions of a shape, at most two; returns how many. */
static int parse_shape(const char *shape, Dimension dimensions[2]) {
    dimensions[0] = parse_dimension(shape);
    const char *comma = strchr(shape, ',');
    if (comma == NULL) {
        return 1;
    }
    dimensions[1] = parse_dimension(comma + 1);
    return 2;
}

static const Extent *find_extent(const Extents *extents, const char *name) {
    for (size_t i = 0; i < extents->n; i++) {
        if (!strcmp(extents->extent[i].name, name)) {
            return extents->extent + i;
        }
    }
    return NULL;
}

/* Whether a table may have no row for it. */
static int may_be_none(const char *name) {
    return !strcmp(name, "users") || !strcmp(name, "movies") ||
           !strcmp(name, "ratings");
}

/* Whether a length is what the dimension says. The first table that has an extent
 * decides how long it is. */
static int fits_dimension(Extents *extents, const Dimension *dimension, size_t length) {
    if (!dimension->name[0]) {
        return length == dimension->plus;
    }
    if (length < dimension->plus) {
        return 0;
    }

    size_t found = length - dimension->plus;
    if (length == 0 && !may_be_none(dimension->name)) {
        return 0;
    }
    const Extent *known = find_extent(extents, dimension->name);
    if (known != NULL) {
        return found == known->length;
    }
    if (extents->n == MOST_EXTENTS) {
        return 0;
    }
    Extent *added = extents->extent + extents->n++;
    memcpy(added->name, dimension->name, sizeof added->name);
    added->length = found;
    return 1;
}

static int fits(Extents *extents, const char *shape, const Py_buffer *view) {
    Dimension dimensions[2];
    int n_dimensions = parse_shape(shape, dimensions);
    if (view->ndim != n_dimensions) {
        return 0;
    }
    for (int i = 0; i < n_dimensions; i++) {
        if (!fits_dimension(extents, dimensions + i, (size_t)view->shape[i])) {
            return 0;
        }
    }
    return 1;
}

/* The shape in numbers, as far as the extents are known. */
static void write_shape(const Extents *extents, const char *shape, char *text,
                        size_t room) {
    Dimension dimensions[2];
    int n_dimensions = parse_shape(shape, dimensions);
    size_t used = 0;
    for (int i = 0; i < n_dimensions; i++) {
        const Dimension *dimension = dimensions + i;
        const Extent *known = find_extent(extents, dimension->name);
        const char *separator = i ? ", " : "";
        int n;
        if (dimension->name[0] && known == NULL) {
            n = snprintf(text + used, room - used, "%sany", separator);
        } else {
            n = snprintf(text + used, room - used, "%s%zu", separator,
                         (known ? known->length : 0) + dimension->plus);
        }
        used += (size_t)n;
    }
}

/* Arrays */

static void refuse(const char *owner, const TableKind *kind, const Extents *extents) {
    char shape[96];
    write_shape(extents, kind->shape, shape, sizeof shape);
    PyErr_Format(PyExc_ValueError,
                 "%s.%s must be an aligned, C-contiguous array of %s of shape (%s), "
                 "here (%s)",
                 owner, kind->name, type_name(kind->type), kind->shape, shape);
}

static int is_aligned(const Py_buffer *view) {
    return !view->len || (uintptr_t)view->buf % (size_t)view->itemsize == 0;
}

int bind_tables(const char *owner, const TableKind *kinds, PyObject *arrays,
                int writable, Extents *extents, Buffers *buffers, Table *tables) {
    int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);
    Py_ssize_t n_kinds = 0;
    for (; n_kinds < MOST_TABLES && kinds[n_kinds].name; n_kinds++) {
        const TableKind *kind = kinds + n_kinds;
        PyObject *array = PyDict_GetItemString(arrays, kind->name);
        Py_buffer *view = buffers->view + buffers->n;
        if (array == NULL || PyObject_GetBuffer(array, view, flags) < 0) {
            PyErr_Clear();
            refuse(owner, kind, extents);
            return -1;
        }
        buffers->n++;
        if (!is_of_type(view, kind->type) || !fits(extents, kind->shape, view) ||
            !is_aligned(view)) {
            refuse(owner, kind, extents);
            return -1;
        }
        tables[n_kinds] = (Table){
            .data = view->buf,
            .length = (size_t)view->shape[0],
            .width = view->ndim > 1 ? (size_t)view->shape[1] : 1,
        };
    }
    if (PyDict_Size(arrays) != n_kinds) {
        PyErr_Format(PyExc_ValueError, "%s has %zd tables, its kernel reads %zd", owner,
                     PyDict_Size(arrays), n_kinds);
        return -1;
    }
    return 0;
}

void release_buffers(Buffers *buffers) {
    while (buffers->n) {
        PyBuffer_Release(buffers->view + --buffers->n);
    }
}

/* Indexes */

int rises_to(const Table *start, size_t end) {
    for (size_t i = 0; i + 1 < start->length; i++) {
        const int64_t *bounds = int64(start, i);
        if (bounds[1] < bounds[0]) {
            return 0;
        }
    }
    int64_t first = *int64(start, 0);
    int64_t last = *int64(start, start->length - 1);
    return first == 0 && (uint64_t)last == end;
}

int are_rows_below(const Table *index, Range rows, size_t end) {
    for (size_t i = rows.first; i < rows.end; i++) {
        int32_t value = *int32(index, i);
        if (value < 0 || (size_t)value >= end) {
            return 0;
        }
    }
    return 1;
}

int are_below(const Table *index, size_t end) {
    return are_rows_below(index, (Range){0, index->length}, end);
}

int is_within(Range range, size_t length) {
    if (range.first > range.end || range.end > length) {
        PyErr_Format(PyExc_ValueError, "rows %zu to %zu of %zu", range.first, range.end,
                     length);
        return 0;
    }
    return 1;
}

PyObject *done(int are_in_bounds) {
    if (!are_in_bounds) {
        return PyErr_Format(PyExc_ValueError,
                            "ratings: a start or an index is out of bounds");
    }
    return Py_NewRef(Py_None);
}
