/*
 * priority.c - on Linux a nice value belongs to a thread, and a new thread has that of its maker.
 * So all are visited, again when one was low: it may have made another meanwhile.
 */
#include "serve/priority_priv.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>

enum {
    ROUNDS = 4
};

/* True when it was low; *refused counts those that stay so. */
static bool raise_one(id_t tid, unsigned *refused)
{
    errno = 0;
    const int nice_value = getpriority(PRIO_PROCESS, tid);
    if (errno != 0 || nice_value <= 0) /* it has ended, or is fine */
        return false;
    if (setpriority(PRIO_PROCESS, tid, 0) < 0 && errno != ESRCH)
        (*refused)++;
    return true;
}

unsigned sk_priority_restore(void)
{
    unsigned refused = 0;

    for (int round = 0; round < ROUNDS; round++) {
        SK_AUTO(sk_dir_done) struct sk_dir tasks = { 0 };
        struct sk_err err = SK_ERR_INIT;
        bool was_low = false;

        refused = 0;
        if (sk_dir_read("/proc/self/task", &tasks, &err) < 0)
            return raise_one(0, &refused) ? refused : 0;
        for (size_t i = 0; i < tasks.count; i++)
            was_low |= raise_one((id_t)strtoul(tasks.names[i], NULL, 10), &refused);
        if (!was_low || refused > 0)
            break;
    }
    return refused;
}
