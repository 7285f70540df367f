/* The line of JSON that the log of requests has for a request. */

#ifndef LINE_H
#define LINE_H

#include <stddef.h>
#include <time.h>

/* A line isn't longer than this and its id and route. */
#define LINE_BYTES 512

typedef struct {
    const char *id, *route; /* JSON */
    size_t id_length, route_length;
    int status;
    double seconds;
    unsigned long long predictions, questions, bad_rows;
    const char *unknown_share; /* JSON */
} Line;

/* The text of a second, which most lines share with the one before. */
typedef struct {
    time_t second;
    char text[32];
    size_t length; /* 0 until there is a text */
} Moment;

/* Hidden, so that no other library's functions of these names are called instead. */
#pragma GCC visibility push(hidden)

/* Writes a line that ends now, and returns its end. */
char *write_line(char *at, const Line *line, Moment *moment);

/* Writes a number of at least so many digits, and returns its end. */
char *write_number(char *at, unsigned long long number, int least_digits);

#pragma GCC visibility pop

#endif
