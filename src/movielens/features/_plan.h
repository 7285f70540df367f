/* A plan: the tables of a fitted spec, and how its columns are made from them. */

#ifndef PLAN_H
#define PLAN_H

#include "_rows.h"

#define N_SHELVES 2048

typedef struct {
    const Kernel *kernel;
    size_t column, n_columns, scratch; /* scratch: where its own begins */
    Table tables[MOST_TABLES];
} Group;

typedef struct {
    Known known;
    Group *groups;
    /* Movies whose ids are alike but for the lowest `shift` bits, counted from the
     * least: a search looks at one shelf. */
    uint32_t shelf[N_SHELVES + 1];
    int shift;
    size_t n_groups, n_columns, most_rated, n_scratch;
    int looks_back; /* some kernel does */
} Plan;

/* Each column `..._step` bytes from row to row. */
typedef struct {
    const char *user_id, *movie_id, *time;
    ptrdiff_t user_step, movie_step, time_step;
    size_t length;
} Queries;

/* Nobody else's functions of these names shall stand in for them. */
#pragma GCC visibility push(hidden)

/* Takes in what all kernels may look at, once it is there: what is wrong with numbers
 * that are used as indexes, or NULL. */
const char *take_in(Plan *plan);

/* The columns of rows, n_columns each; `scratch` has room for n_scratch bytes. */
void transform(const Plan *plan, const Queries *queries, char *scratch, float *out);

#pragma GCC visibility pop

#endif
