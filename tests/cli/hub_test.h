/* hub_test.h - a real hub in the test's own process, for the commands that talk to one. */
#ifndef SK_TESTS_CLI_HUB_TEST_H
#define SK_TESTS_CLI_HUB_TEST_H

#include "hub/hub.h"

struct hub_test {
    char *dir; /* for the test's files; the hub is in dir/hub */
    struct sk_hub *hub;
};

/* Starts it without TLS on a free port; SKERRY_HUB, SKERRY_TOKEN and the folders for contexts and
 * caches are set. */
void hub_test_start(struct hub_test *t);
void hub_test_stop(struct hub_test *t);

/* A command, its status, and what its outputs contain. */
struct hub_row {
    const char *line; /* as run_words has it */
    int status;
    const char *out, *err;
};

/* One after the other, in one hub. */
void hub_test_rows(const struct hub_test *t, const struct hub_row *rows, size_t count);
/* The same in a hub of their own. */
void hub_test_run(const struct hub_row *rows, size_t count);

#endif
