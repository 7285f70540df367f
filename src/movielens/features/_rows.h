/* What `_plan.c`, which makes rows, and `_kernels.c`, which knows features, have in
 * common. */

#ifndef ROWS_H
#define ROWS_H

#include <stddef.h>
#include <stdint.h>

#define MOST_TABLES 12
#define MOST_CLASSES 64

/* An array that was fitted, of the type and shape that its `TableKind` says. */
typedef struct {
    const void *data;
    size_t length, width; /* width: elements of a row, 1 where there is one dimension */
} Table;

#define ACCESS(name, type)                                                             \
    static inline const type *name(const Table *table, size_t row) {                   \
        return (const type *)table->data + row * table->width;                         \
    }
ACCESS(float32, float)
ACCESS(float64, double)
ACCESS(int32, int32_t)
ACCESS(int64, int64_t)
ACCESS(uint8, uint8_t)

/* Tables that every kernel may look at, in the order of KNOWN. Those of users and
 * movies have a last row that stands for all unknown ones; `start` and `rated_...` are
 * the users' own ratings, by user, time and movie (profiles.py). */
typedef struct {
    Table user_id, movie_id, genre_flags, year, class_values;
    Table start, rated_movie, rated_class, rated_residual, rated_time;
} Known;

/* A row whose features are asked. */
typedef struct {
    int64_t user_id, movie_id;
    size_t user, movie;    /* rows of their tables */
    double time;           /* seconds since 1970, NaN where none was given */
    size_t first, last;    /* the user's own ratings, from and up to */
    size_t begin, end;     /* those that are strictly earlier than this row */
    const float *features; /* of this row, as far as they are made */
    int is_same_user;      /* as that of the row before */
    const float *before; /* the kernel's columns of the row before, if that has the same
                            user and time, or NULL */
    void *scratch;       /* the kernel's own memory, as it left it at the row before */
} Row;

/* How a table must look. `shape` has a character a dimension, at most two: U and M are
 * the users and the movies, and one more; u and m without it, v and n with two more; R
 * the users' ratings, and one more; C the classes; G the genres; any other letter
 * whatever the kernel's tables agree on, at least 1 unless it is e; a digit is itself.
 */
typedef struct {
    const char *name;
    char type; /* f float32, d float64, i int32, q int64, B uint8 */
    const char *shape;
} TableKind;

/* What a kernel asks of the ratings before the row: nothing; `begin` and `end` of the
 * row; or only those, so that rows of one user and one time are given the same columns.
 */
typedef enum { NO_PAST, SOME_PAST, ONLY_PAST } Past;

/* How a group's columns are made. `apply` writes as many values as `n_columns` says,
 * which is told how many columns stand before them, and says 0 where it can't use the
 * tables. Both are given the tables in the order of `kinds`. `n_scratch` says how many
 * bytes of memory the kernel wants, where a user has at most so many ratings, and may
 * be left out. */
typedef struct {
    const char *name;
    size_t (*n_columns)(const Known *known, const void *tables, size_t before);
    void (*apply)(const Known *known, const void *tables, const Row *row, float *out);
    Past past;
    TableKind kinds[MOST_TABLES];
    size_t (*n_scratch)(const Known *known, size_t most_rated);
} Kernel;

extern const TableKind KNOWN[];
extern const Kernel *const KERNELS[]; /* and NULL */

/* Whether starts rise from 0 to an end. */
int rises_to(const Table *start, size_t end);

#endif
