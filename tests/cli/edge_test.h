/* edge_test.h - an agent that answers as it is told, for tests of the commands that ask one. */
#ifndef SK_TESTS_CLI_EDGE_TEST_H
#define SK_TESTS_CLI_EDGE_TEST_H

#include "cli_test.h"
#include "wire/wire.h"

/* A row: what is answered to a call of this type: the members of the answer, or, beginning with
 * '!', an error's text. */
struct fake_row {
    const char *type, *answer;
};

struct fake_agent {
    char dir[64];                /* a new folder; its run/agent.sock is listened on */
    const struct fake_row *rows; /* ended by a row without type */
    int listen_fd;
    char last[4096]; /* the last call, as text */
    atomic_bool stop;
    pthread_t thread;
};

void agent_start(struct fake_agent *a, const struct fake_row *rows);
void agent_stop(struct fake_agent *a); /* removes the folder */

#endif
