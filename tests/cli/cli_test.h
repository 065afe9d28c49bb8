/*
 * cli_test.h - runs the whole program inside the test, with its output caught; and a small HTTP
 * server that answers as it is told.
 */
#ifndef SK_TESTS_CLI_CLI_TEST_H
#define SK_TESTS_CLI_CLI_TEST_H

#include "base/cleanup.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* What a run of `skerry ...` wrote and how it ended. */
struct ran {
    int status;
    char *out, *err;
};

/* Runs with the words of line, split at spaces; "%s" in it stands for dir. input: a file for
 * standard input, or NULL. The working folder is the source tree, so that names of test data are
 * short. */
struct ran run_words(const char *line, const char *dir, const char *input);
void ran_done(struct ran *r);

/* Fails the test with both outputs when the status is another one. */
void check_status(const char *line, const struct ran *r, int status);

/* A PNG of one colour as dir/name. */
void write_picture(const char *dir, const char *name, uint8_t red, uint8_t green, uint8_t blue);
void write_text(const char *dir, const char *name, const char *text);

/* ---- a server for tests of the client ---- */

enum fake_flags {
    FAKE_CLOSE_AFTER = 1u << 0, /* closes after each answer without saying so */
    FAKE_BYTEWISE = 1u << 1,    /* sends the answer byte by byte */
    FAKE_SILENT = 1u << 2,      /* reads, and never answers */
};

struct fake_server {
    int port;
    int listen_fd;
    const char *answer; /* the whole, head and body */
    unsigned flags;
    unsigned delay_us; /* before each answer */
    atomic_uint requests, connections;
    char last[4096]; /* the beginning of the last request; read it after fake_stop */
    atomic_bool stop;
    pthread_t thread;
};

void fake_start(struct fake_server *s, const char *answer, unsigned flags);
void fake_stop(struct fake_server *s);

#endif
