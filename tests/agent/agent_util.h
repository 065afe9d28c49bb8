/*
 * agent_util.h - an agent without threads in a folder of its own, documents and specs from texts.
 */
#ifndef SK_TESTS_AGENT_AGENT_UTIL_H
#define SK_TESTS_AGENT_AGENT_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/agent_priv.h"
#include "harness/golden.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A call that must succeed. */
#define DONE(call)                                                                                 \
    do {                                                                                           \
        if ((call) != 0)                                                                           \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

/* One that must fail so, with words in its text. */
#define FAILS(call, expected, words)                                                               \
    do {                                                                                           \
        err = (struct sk_err)SK_ERR_INIT;                                                          \
        if ((call) == 0)                                                                           \
            fail_msg("%s: succeeds", #call);                                                       \
        if (err.code != (expected) || !strstr(err.text, words))                                    \
            fail_msg("%s: %s: %s", #call, sk_code_name(err.code), err.text);                       \
    } while (0)

/* An agent that nothing runs of: device "press-4", hub "hub.test", gateway "127.0.0.1". */
struct rig {
    struct sk_agent a;
    char *dir; /* data_dir and, below it, "run" */
};

/* cmocka's set-up and tear-down: *state is a struct rig. */
int rig_set_up(void **state);
int rig_tear_down(void **state);
/* The same in a folder that is there and stays. */
void rig_open(struct rig *r, const char *dir);
void rig_close(struct rig *r);
/* A module of the agent, in its list, without a thread. want: taken; may be NULL. */
struct sk_agent_module *rig_module(struct rig *r, const char *name, struct sk_agent_spec *want);

/* Fail the test when the text is none. */
struct sk_json *json_of(const char *text);
struct sk_agent_spec *spec_of(const char *name, const char *module);
/* All of a file, free(). */
char *text_of(const char *path);
void write_text(const char *path, const char *text);
/* Path below the folder; eight at a time. */
const char *at(const char *dir, const char *name);

#endif
