/*
 * workload.h - the workload API of IoT Edge over unix sockets: sign, encrypt, decrypt, trust
 * bundle, server and identity certificates, module list (reference: azure-iot-protocol section 2;
 * any api-version).
 *
 * One listening socket per module instance: <dir>/<instance>/workload.sock (0666), in a folder of
 * its own (0755) that a container mounts as /var/run/iotedge: it stays over a restart of ours. The
 * peer's process must be one of that instance, else 403; and who comes over module A's socket gets
 * nothing of B's: 403.
 * trust-bundle is open. Keys are not here: what needs one asks through the callbacks, which answer
 * later, from any thread.
 */
#ifndef SK_WORKLOAD_WORKLOAD_H
#define SK_WORKLOAD_WORKLOAD_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sk_workload;
struct sk_workload_call; /* one request that waits for an answer */

enum sk_workload_kind {
    SK_WORKLOAD_SIGN,         /* data */
    SK_WORKLOAD_ENCRYPT,      /* data, iv */
    SK_WORKLOAD_DECRYPT,      /* data, iv */
    SK_WORKLOAD_SERVER_CERT,  /* name: common name; until_s */
    SK_WORKLOAD_IDENTITY_CERT /* until_s; name: "" */
};

struct sk_workload_ask {
    enum sk_workload_kind kind;
    const char *instance; /* over whose socket it came */
    const char *module, *generation;
    struct sk_view data, iv; /* decoded */
    const char *name;
    int64_t until_s; /* 0: not said */
};

struct sk_workload_options {
    const char *dir;
    const char *trust_bundle_file; /* PEM; read at each request */
    /* All three run on two threads of the workload's own, at the same time too, and may wait.
     * ask: answer with one of the three below, once, from any thread; after 30 s, or the end, it is
     * too late, and dropped. */
    void (*ask)(void *ctx, const struct sk_workload_ask *ask, struct sk_workload_call *call);
    /* Whether a process belongs to an instance. */
    bool (*is_peer)(void *ctx, const char *instance, pid_t pid, uid_t uid);
    /* Appends {"modules":[...]}. */
    void (*list)(void *ctx, struct sk_buf *out);
    void *ctx;
};

/* For SIGN, ENCRYPT and DECRYPT: bytes (not encoded). */
void sk_workload_give(struct sk_workload_call *call, struct sk_view bytes);
/* For certificates: PEM texts, the leaf first; expiration as ISO text. */
void sk_workload_give_cert(struct sk_workload_call *call, const char *key_pem,
                           const char *chain_pem, const char *expiration);
void sk_workload_refuse(struct sk_workload_call *call, const struct sk_err *why);

int sk_workload_new(const struct sk_workload_options *opts, struct sk_workload **out,
                    struct sk_err *err) SK_CHECK;
void sk_workload_free(struct sk_workload *w); /* stops all */
SK_DEFINE_OWN(struct sk_workload, sk_workload_free);
/* Opens <dir>/<instance>/workload.sock for a module (again: nothing changes). What was left there
 * by a process that died is replaced. */
int sk_workload_open(struct sk_workload *w, const char *instance, const char *module,
                     struct sk_err *err) SK_CHECK;
/* Removes it and its folder; the end (free) leaves folders. */
void sk_workload_close(struct sk_workload *w, const char *instance);

#endif
