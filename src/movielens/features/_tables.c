/* See `_tables.h`. */

#include "_tables.h"

#include <stdio.h>
#include <string.h>

#define UNBOUND SIZE_MAX

Extents no_extents(void) {
    Extents extents;
    for (size_t i = 0; i < 128; i++)
        extents.of[i] = i >= '0' && i <= '9' ? i - '0' : UNBOUND;
    return extents;
}

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
    char found =
        view->format && view->format[0] && !view->format[1] ? view->format[0] : 0;
    return found == type || (type == 'q' && found == 'l' && view->itemsize == 8);
}

/* What a letter stands for is kept as the number of its plain form: of U and M, u and
 * m. */
static size_t *extent_of(Extents *extents, char letter, size_t *more) {
    *more = letter == 'v' || letter == 'n' ? 2 : letter == 'U' || letter == 'M' ? 1 : 0;
    return extents->of + (letter == 'v' || letter == 'U'   ? 'u'
                          : letter == 'n' || letter == 'M' ? 'm'
                                                           : letter);
}

static int fits(Extents *extents, const char *shape, const Py_buffer *view) {
    if ((size_t)view->ndim != strlen(shape))
        return 0;
    for (int i = 0; shape[i]; i++) {
        size_t more, *extent = extent_of(extents, shape[i], &more),
                     length = (size_t)view->shape[i];
        size_t least = strchr("ume", shape[i]) ? 0 : more ? more : 1;
        if (length < least)
            return 0;
        if (*extent == UNBOUND)
            *extent = length - more;
        if (*extent != length - more)
            return 0;
    }
    return 1;
}

static void refuse(const char *group, const TableKind *kind, Extents *extents) {
    char text[96] = "";
    for (int i = 0; kind->shape[i]; i++) {
        size_t more, length = *extent_of(extents, kind->shape[i], &more),
                     used = strlen(text);
        if (length == UNBOUND)
            snprintf(text + used, sizeof text - used, "%sany", i ? ", " : "");
        else
            snprintf(text + used, sizeof text - used, "%s%zu", i ? ", " : "",
                     length + more);
    }
    PyErr_Format(PyExc_ValueError, "%s.%s isn't an aligned C array of %s (%s)", group,
                 kind->name, type_name(kind->type), text);
}

int hold(const char *group, const TableKind *kinds, PyObject *arrays, int writable,
         Extents *extents, Views *views, Table *tables) {
    Py_ssize_t n_kinds = 0;
    int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);
    for (const TableKind *kind = kinds; n_kinds < MOST_TABLES && kind->name;
         kind++, n_kinds++) {
        PyObject *array = PyDict_GetItemString(arrays, kind->name);
        Py_buffer *view = views->view + views->n;
        if (array == NULL || PyObject_GetBuffer(array, view, flags) < 0) {
            PyErr_Clear();
            refuse(group, kind, extents);
            return -1;
        }
        views->n++;
        if (!is_of_type(view, kind->type) || !fits(extents, kind->shape, view) ||
            (view->len && (uintptr_t)view->buf % (size_t)view->itemsize)) {
            refuse(group, kind, extents);
            return -1;
        }
        *tables++ = (Table){view->buf, (size_t)view->shape[0],
                            view->ndim > 1 ? (size_t)view->shape[1] : 1};
    }
    if (PyDict_Size(arrays) != n_kinds) {
        PyErr_Format(PyExc_ValueError, "%s has %zd tables, its kernel reads %zd", group,
                     PyDict_Size(arrays), n_kinds);
        return -1;
    }
    return 0;
}

void let_go(Views *views) {
    while (views->n)
        PyBuffer_Release(views->view + --views->n);
}

int rises_to(const Table *start, size_t end) {
    for (size_t i = 0; i + 1 < start->length; i++)
        if (*int64(start, i + 1) < *int64(start, i))
            return 0;
    return *int64(start, 0) == 0 && (uint64_t)*int64(start, start->length - 1) == end;
}

int are_below(const Table *index, size_t end) {
    for (size_t i = 0; i < index->length; i++)
        if (*int32(index, i) < 0 || (size_t)*int32(index, i) >= end)
            return 0;
    return 1;
}
