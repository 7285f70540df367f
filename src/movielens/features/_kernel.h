/* What a kernel is: the C function of a feature group, and what it works with. Kernels
 * know nothing of Python. */

#ifndef KERNEL_H
#define KERNEL_H

#include <stddef.h>
#include <stdint.h>

#define MOST_TABLES 24
#define MOST_CLASSES 64

/* A fitted array, of the type and shape that its `TableKind` asks for. */
typedef struct {
    const void *data;
    size_t length;
    size_t width; /* elements of a row; 1 if there is one dimension */
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

/* The number in a table that has only one. */
static inline float number(const Table *table) {
    return *float32(table, 0);
}
static inline int64_t whole_number(const Table *table) {
    return *int64(table, 0);
}

/* The type and shape that a table must have.
 *
 * `shape` lists one or two extents, separated by a comma: "users+1, 5". A word stands
 * for a number that all tables agree on: `users`, `movies`, `ratings`, `classes` and
 * `genres` mean the same in every group, any other word is the group's own. No table
 * is empty, except that there may be no users, movies or ratings. */
typedef struct {
    const char *name;
    char type; /* f float32, d float64, i int32, q int64, B uint8 */
    const char *shape;
} TableKind;

/* The tables that every kernel may read, in the order of SHARED_TABLES. In tables with
 * a row a user or a movie, one more row at the end stands for the unknown ones. The
 * `rated_` tables are the users' own ratings, ordered by user, time and movie
 * (profiles.py). */
typedef struct {
    Table user_id;
    Table movie_id;
    Table genre_flags;
    Table year;
    Table class_values;
    Table rated_start; /* where each user's ratings begin */
    Table rated_movie;
    Table rated_class;
    Table rated_residual;
    Table rated_time;
} SharedTables;

/* The row whose features are wanted. */
typedef struct {
    int64_t user_id, movie_id;
    size_t user, movie;      /* their rows in the tables */
    double time;             /* seconds since 1970, NaN if not given */
    size_t first, last;      /* the user's own ratings: from first, before last */
    size_t earliest, end;    /* those strictly before `time`: earliest to end */
    int is_same_user;        /* as in the row before */
    const float *features;   /* this row's columns, as far as they are written */
    const float *row_before; /* this kernel's columns of the row before; NULL unless
                                that row has the same user and the same time */
    void *scratch;           /* the kernel's own memory, as it was left at the row
                                before */
} Row;

/* The names of a group's columns as Python gives them, compared with the names of the
 * columns that the kernel writes. */
typedef struct {
    const char *const *names;
    size_t n_names;
    size_t n_written;
    char fault[256]; /* the first difference, or empty */
} Columns;

/* Says that the kernel writes a column of this name next. The format may use %s and
 * %zu; a name that ends in * stands for all names that begin so. */
__attribute__((format(printf, 2, 3))) void add_column(Columns *columns,
                                                      const char *format, ...);

typedef struct {
    char text[32];
} NumberText;

/* A number as Python's format "g" writes it, whatever the locale. */
NumberText text_of(float number);

/* Which of the user's earlier ratings a kernel looks at. */
typedef enum {
    NOT_EARLIER,  /* none: it doesn't read `earliest` and `end` */
    ALSO_EARLIER, /* those before the row, and other things */
    ONLY_EARLIER, /* nothing but those, so that rows of one user and one time have the
                     same columns, which are then copied */
} Lookback;

/* How the columns of a group are made. Its functions are given the group's tables in
 * the order of `tables`. */
typedef struct {
    const char *name;
    TableKind tables[MOST_TABLES];
    Lookback lookback;

    /* Names the columns, in the order in which `write` writes them. */
    void (*name_columns)(const SharedTables *shared, const void *tables,
                         Columns *columns);

    /* Writes the columns of a row. */
    void (*write)(const SharedTables *shared, const void *tables, const Row *row,
                  float *out);

    /* What is wrong with numbers that the kernel uses as indexes or counts, or NULL.
     * `n_before` columns come before the group's. Optional. */
    const char *(*find_fault)(const SharedTables *shared, const void *tables,
                              size_t n_before);

    /* How many bytes of scratch the kernel wants if no user has more than `most_rated`
     * ratings. Optional. */
    size_t (*scratch_size)(const SharedTables *shared, size_t most_rated);
} Kernel;

extern const TableKind SHARED_TABLES[]; /* the last one has no name */
extern const Kernel *const KERNELS[];   /* the last one is NULL */

/* Whether starts begin with 0, never fall and end with `end`. */
int rises_to(const Table *start, size_t end);

#endif
