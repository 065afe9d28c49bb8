/* workload_util.c - see workload_util.h. */
#include "workload_util.h"

#include "base/file.h"
#include "crypto/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct later {
    struct sk_workload_call *call;
    char bytes[256];
    size_t len;
};

static void *give_later(void *arg)
{
    struct later *l = arg;
    (void)usleep(2000);
    sk_workload_give(l->call, (struct sk_view){ l->bytes, l->len });
    free(l);
    return NULL;
}

/* The bytes of an answer. */
static size_t make(const struct sk_workload_ask *a, char out[256])
{
    struct sk_err err = SK_ERR_INIT;
    if (a->kind != SK_WORKLOAD_SIGN)
        return (size_t)snprintf(out, 256, "%.*s:%.*s", (int)a->iv.len, a->iv.ptr, (int)a->data.len,
                                a->data.ptr);
    if (sk_hmac_sha256(a->module, strlen(a->module), a->data.ptr, a->data.len, (unsigned char *)out,
                       &err) < 0)
        abort();
    return SK_SHA256_BYTES;
}

static void note(struct util *u, const struct sk_workload_ask *a)
{
    SK_LOCK(&u->lock);
    u->until_s = a->until_s;
    (void)snprintf(u->name, sizeof u->name, "%s", a->name ? a->name : "(null)");
    if (!a->instance || !a->instance[0])
        abort();
    (void)snprintf(u->generation, sizeof u->generation, "%s", a->generation);
}

static void on_ask(void *ctx, const struct sk_workload_ask *a, struct sk_workload_call *call)
{
    struct util *u = ctx;
    struct sk_err err = SK_ERR_INIT;
    struct later *l = NULL;
    pthread_t thread;
    char bytes[256];
    note(u, a);
    (void)atomic_fetch_add(&u->asks, 1);
    switch (atomic_load(&u->answer)) {
    case UTIL_KEEP:
        atomic_store(&u->kept, call);
        return;
    case UTIL_REFUSE:
        (void)sk_fail(&err, SK_NOT_FOUND, "module '%s' has no key", a->module);
        sk_workload_refuse(call, &err);
        return;
    case UTIL_THREAD:
        l = calloc(1, sizeof *l);
        l->call = call;
        l->len = make(a, l->bytes);
        if (pthread_create(&thread, NULL, give_later, l) != 0)
            abort();
        (void)pthread_detach(thread);
        return;
    default:
        break;
    }
    if (a->kind == SK_WORKLOAD_SERVER_CERT || a->kind == SK_WORKLOAD_IDENTITY_CERT) {
        sk_workload_give_cert(call, "key\n", "leaf\nca\n", "2026-11-24T12:00:00.000Z");
        return;
    }
    size_t len = make(a, bytes);
    sk_workload_give(call, (struct sk_view){ bytes, len });
}

static bool on_peer(void *ctx, const char *instance, pid_t pid, uid_t uid)
{
    struct util *u = ctx;
    (void)instance;
    (void)atomic_fetch_add(&u->checks, 1);
    return pid == atomic_load(&u->peer) && uid == getuid();
}

static void on_list(void *ctx, struct sk_buf *out)
{
    (void)ctx;
    sk_buf_str(out, "{\"modules\":[]}");
}

void util_start(struct util *u)
{
    static const char pem[] = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n";
    struct sk_err err = SK_ERR_INIT;
    *u = (struct util){ .peer = getpid() };
    (void)pthread_mutex_init(&u->lock, NULL);
    (void)snprintf(u->dir, sizeof u->dir, "/tmp/skerry-workload-XXXXXX");
    assert_non_null(mkdtemp(u->dir));
    (void)snprintf(u->bundle, sizeof u->bundle, "%s/trust.pem", u->dir);
    assert_int_equal(sk_file_write(u->bundle, pem, sizeof pem - 1, 0644, &err), 0);
    const struct sk_workload_options opts = { .dir = u->dir,
                                              .trust_bundle_file = u->bundle,
                                              .ask = on_ask,
                                              .is_peer = on_peer,
                                              .list = on_list,
                                              .ctx = u };
    if (sk_workload_new(&opts, &u->w, &err) < 0)
        fail_msg("%s", err.text);
}

void util_stop(struct util *u)
{
    struct sk_err err = SK_ERR_INIT;
    sk_workload_free(u->w);
    (void)pthread_mutex_destroy(&u->lock);
    assert_int_equal(sk_remove_tree(u->dir, &err), 0);
}

void util_open(struct util *u, const char *instance, const char *module)
{
    struct sk_err err = SK_ERR_INIT;
    if (sk_workload_open(u->w, instance, module, &err) < 0)
        fail_msg("%s", err.text);
}

int util_ask(struct util *u, const char *instance, const char *method, const char *target,
             const char *body, char *out)
{
    char path[400];
    struct sk_err err = SK_ERR_INIT;
    struct sk_unixhttp_answer a;
    (void)snprintf(path, sizeof path, "%s/%s/workload.sock", u->dir, instance);
    const struct sk_unixhttp_request r = {
        .socket = path, .method = method, .target = target, .body = sk_view_of(body)
    };
    if (sk_unixhttp_do(&r, &a, &err) < 0 && a.status == 0)
        fail_msg("%s", err.text);
    (void)snprintf(out, 1024, "%s", a.body.len ? a.body.data : "");
    sk_unixhttp_answer_done(&a);
    return a.status;
}
