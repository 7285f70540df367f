/* A row maker: the tables of a fitted spec, and how its columns are made from them. */

#ifndef ROW_MAKER_H
#define ROW_MAKER_H

#include "_kernel.h"

#define N_SHELVES 2048

typedef struct {
    const Kernel *kernel;
    size_t first_column, n_columns;
    size_t scratch_offset; /* where the kernel's own scratch begins */
    Table tables[MOST_TABLES];
} Group;

typedef struct {
    SharedTables shared;
    Group *groups;
    size_t n_groups;
    size_t n_columns;
    size_t most_rated; /* the most ratings of one user */
    size_t n_scratch;  /* bytes */
    int looks_back;    /* whether any kernel looks at earlier ratings */

    /* Movies are found by shelves: those whose ids, less the least id, are the same but
     * for the lowest `shelf_shift` bits. A search only looks at one shelf. */
    uint32_t shelf_start[N_SHELVES + 1];
    int shelf_shift;
} RowMaker;

/* The rows that are wanted, as three columns with a number of bytes from row to row. */
typedef struct {
    const char *user_id, *movie_id, *time;
    ptrdiff_t user_step, movie_step, time_step;
    size_t length;
} Queries;

/* Rows whose user or movie isn't known. */
typedef struct {
    size_t n_rows, n_users, n_movies;
} Unknown;

/* Hidden, so that no other library's functions of these names are called instead. */
#pragma GCC visibility push(hidden)

/* Checks the shared tables and prepares the search for ids. Returns what is wrong with
 * numbers that are used as indexes, or NULL. */
const char *prepare(RowMaker *maker);

/* Makes the rows, `n_columns` each. `scratch` has room for `n_scratch` bytes. Returns
 * how many users and movies weren't known. */
Unknown make_rows(const RowMaker *maker, const Queries *queries, char *scratch,
                  float *out);

#pragma GCC visibility pop

#endif
