/* The level, which several groups look at: see `level.py`. A kernel that needs it has
 * `Level` as the first member of its tables, and LEVEL_TABLES first among their kinds.
 */

#ifndef LEVEL_H
#define LEVEL_H

#include "_kernels.h"

typedef struct {
    Table factors; /* the movies' vectors, then their intercepts */
    Table terms;
    Table liking;
    Table raters;
    Table user_factors; /* the users' weights of these, then mean and bias */
    Table user_terms;
    Table spread;
    Table rest;
} Level;

/* clang-format off */
#define LEVEL_TABLES                                                                   \
    {"level_factors", 'f', "movies+1, rank+1"},                                        \
    {"level_terms", 'f', "movies+1, terms"},                                           \
    {"level_liking", 'f', "movies+1"},                                                 \
    {"level_raters", 'f', "movies+1"},                                                 \
    {"level_user_factors", 'f', "users+1, rank+1"},                                    \
    {"level_user_terms", 'f', "users+1, terms"},                                       \
    {"level_spread", 'f', "users+1"},                                                  \
    {"level_rest", 'f', "ratings+1"}
/* clang-format on */

/* What factors and taste say of the movie, besides the biases. */
static inline float explained_of(const Level *level, const Row *row) {
    const float *factors = float32(&level->factors, row->movie);
    const float *terms = float32(&level->terms, row->movie);
    const float *of_factors = float32(&level->user_factors, row->user);
    const float *of_terms = float32(&level->user_terms, row->user);
    size_t rank = level->factors.width - 1;
    float intercept = factors[rank];
    return intercept + dot(of_factors, factors, rank) +
           dot(of_terms, terms, level->terms.width);
}

/* What the biases lead one to expect, in stars. */
static inline float expected_of(const Level *level, const Row *row) {
    size_t rank = level->factors.width - 1;
    float base = float32(&level->user_factors, row->user)[rank];
    return base + *float32(&level->liking, row->movie);
}

/* What the level leaves of one of the user's ratings. */
static inline float rest_at(const Level *level, size_t place) {
    return *float32(&level->rest, place);
}

#endif
