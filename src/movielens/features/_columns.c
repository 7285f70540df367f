/* Names of columns: those that Python gives and those that a kernel writes. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "_kernel.h"

static int is_named(const char *name, const char *written) {
    size_t length = strlen(written);
    if (length && written[length - 1] == '*') {
        return strncmp(name, written, length - 1) == 0;
    }
    return strcmp(name, written) == 0;
}

void add_column(Columns *columns, const char *format, ...) {
    char written[80];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(written, sizeof written, format, arguments);
    va_end(arguments);

    size_t place = columns->n_written++;
    if (columns->fault[0] || place >= columns->n_names) {
        return;
    }
    const char *name = columns->names[place];
    if (!is_named(name, written)) {
        snprintf(columns->fault, sizeof columns->fault,
                 "column %zu is named %.80s, but the kernel writes %s there", place,
                 name, written);
    }
}

NumberText text_of(float number) {
    NumberText result = {""};
    char *text = PyOS_double_to_string((double)number, 'g', 6, 0, NULL);
    if (text != NULL) {
        snprintf(result.text, sizeof result.text, "%s", text);
    } else {
        PyErr_Clear();
    }
    PyMem_Free(text);
    return result;
}
