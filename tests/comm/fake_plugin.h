/* fake_plugin.h - what the fake plugin has seen; test_comm.c finds it with dlsym. */
#ifndef SK_TESTS_COMM_FAKE_PLUGIN_H
#define SK_TESTS_COMM_FAKE_PLUGIN_H

#define FAKE_SEEN_SYMBOL "fake_seen"

struct fake_seen {
    unsigned opened, closed, aborted;
    int status;     /* of the last abort */
    int open_fails; /* set by the test */
};

typedef struct fake_seen *fake_seen_fn(void);

#endif
