/* workload_util.h - a workload API in a folder of its own, and an owner of keys for it. */
#ifndef SK_TESTS_WORKLOAD_UTIL_H
#define SK_TESTS_WORKLOAD_UTIL_H

#include "unixhttp/unixhttp.h"
#include "workload/workload_priv.h"

/* What the owner does with an ask. */
enum util_answer {
    UTIL_NOW, /* the signature HMAC(key = module, data), "sealed:" + data, or a made-up certificate
               */
    UTIL_THREAD, /* the same, from a thread of its own, a moment later */
    UTIL_KEEP,   /* not at all: it is in kept */
    UTIL_REFUSE
};

struct util {
    char dir[64], bundle[96];
    struct sk_workload *w;
    _Atomic int answer; /* enum util_answer */
    _Atomic pid_t peer; /* who belongs to every instance */
    _Atomic unsigned checks, asks;
    _Atomic(struct sk_workload_call *) kept;
    pthread_mutex_t lock; /* guards what follows: of the last ask */
    int64_t until_s;
    char name[128], generation[64];
};

void util_start(struct util *u);
void util_stop(struct util *u);
void util_open(struct util *u, const char *instance, const char *module);
/* One request over an instance's socket; the body of the answer (also of an error) into out[1024].
 * Returns the status. */
int util_ask(struct util *u, const char *instance, const char *method, const char *target,
             const char *body, char *out);

#endif
