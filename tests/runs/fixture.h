/* fixture.h - a store of its own for each test, with runs in it. */
#ifndef SK_TESTS_RUNS_FIXTURE_H
#define SK_TESTS_RUNS_FIXTURE_H

#include "runs/runs_priv.h"

#include "json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct fixture {
    char *dir;
    struct sk_store *store;
    struct sk_who who;
    struct sk_buf out; /* the last answer */
    struct sk_json *doc;
    struct sk_err err;
};

/* cmocka's setup and teardown: *state is a struct fixture. */
int fixture_open(void **state);
int fixture_close(void **state);

/* An empty buffer for the next answer. */
struct sk_buf *answer(struct fixture *f);
/* What came, parsed; text inside {} when it has none. Lives until the next one. */
const struct sk_json *parsed(struct fixture *f);
/* "a.b.0.c" in what came, "" when it is not there. */
const char *text_at(struct fixture *f, const char *path);
double number_at(struct fixture *f, const char *path);
size_t count_at(struct fixture *f, const char *path);

/* Fails the test unless rc is -1 with this code and a text that holds `part`. */
void assert_failed(int rc, const struct sk_err *err, enum sk_code code, const char *part);
void assert_ok(int rc, const struct sk_err *err);

/* A run in an experiment; the id lives until the end of the test. */
char *new_run(struct fixture *f, const char *experiment, const char *name);
/* An experiment's id. */
char *new_experiment(struct fixture *f, const char *name);
char *new_model(struct fixture *f, const char *run, const char *name);
void log_metric(struct fixture *f, const char *run, const char *key, double value, int64_t step);
void log_param(struct fixture *f, const char *run, const char *key, const char *value);
void set_tag(struct fixture *f, const char *run, const char *key, const char *value);
/* The first column of a query's first row. */
int64_t sql_number(struct fixture *f, const char *sql);
/* A blob with these bytes. */
void put_blob(struct fixture *f, const char *bytes, char digest[SK_DIGEST_TEXT]);
/* n times the letter, malloc'd; freed with the fixture. */
char *long_text(struct fixture *f, char letter, size_t n);

#endif
