/*
 * call.c - requests that wait for whoever has the keys.
 *
 * A call is answered once: by its owner, by its deadline, or by the end of the workload, whoever
 * takes the request out of it first. The call itself is the owner's until it has answered, so one
 * that comes too late finds an empty call and frees it; calls keep what they need of the workload
 * alive.
 */
#include "workload/workload_priv.h"

#include "base/clock.h"
#include "crypto/crypto.h"

struct sk_workload_call {
    struct sk_wl_calls *calls;
    struct sk_http_req *req; /* NULL: answered; guarded by calls->lock, like the next three */
    struct sk_workload_call *next, **link;
    uint64_t until_ms;
    enum sk_workload_kind kind;
};

struct sk_wl_calls *sk_wl_calls_new(int wake_fd)
{
    struct sk_wl_calls *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    (void)pthread_mutex_init(&c->lock, NULL);
    (void)pthread_cond_init(&c->quiet, NULL);
    c->refs = 1;
    c->wake_fd = wake_fd;
    return c;
}

void sk_wl_calls_unref(struct sk_wl_calls *c)
{
    if (!c)
        return;
    (void)pthread_mutex_lock(&c->lock);
    const unsigned left = --c->refs;
    (void)pthread_mutex_unlock(&c->lock);
    if (left > 0)
        return;
    (void)pthread_cond_destroy(&c->quiet);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

struct sk_workload_call *sk_wl_call_new(struct sk_wl_calls *c, struct sk_http_req *r,
                                        enum sk_workload_kind kind)
{
    const uint64_t one = 1;
    struct sk_workload_call *call = calloc(1, sizeof *call);
    if (!call)
        return NULL;
    *call = (struct sk_workload_call){ .calls = c, .req = r, .kind = kind };
    SK_LOCK(&c->lock);
    if (c->is_over) {
        free(call);
        return NULL;
    }
    call->until_ms = sk_now_ms() + SK_WORKLOAD_ASK_MS;
    if (!c->first)
        (void)!write(c->wake_fd, &one, sizeof one);
    call->next = c->first;
    call->link = &c->first;
    if (call->next)
        call->next->link = &call->next;
    c->first = call;
    c->refs++;
    return call;
}

/* With the lock held. Whoever gets the request answers it, and then calls answered(). */
static struct sk_http_req *take(struct sk_workload_call *call)
{
    struct sk_http_req *r = SK_TAKE(call->req);
    if (!r)
        return NULL;
    *call->link = call->next;
    if (call->next)
        call->next->link = call->link;
    call->calls->answering++;
    return r;
}

static void answered(struct sk_wl_calls *c)
{
    SK_LOCK(&c->lock);
    if (--c->answering == 0)
        (void)pthread_cond_broadcast(&c->quiet);
}

static void refuse_taken(struct sk_wl_calls *c, struct sk_http_req *r, enum sk_code code,
                         const char *text)
{
    struct sk_err why = SK_ERR_INIT;
    (void)sk_fail(&why, code, "%s", text);
    sk_wl_refuse(r, &why);
    answered(c);
}

int sk_wl_calls_sweep(struct sk_wl_calls *c, uint64_t now_ms)
{
    for (;;) {
        struct sk_http_req *late = NULL;
        uint64_t next_ms = UINT64_MAX;
        (void)pthread_mutex_lock(&c->lock);
        for (struct sk_workload_call *call = c->first, *next = NULL; call && !late; call = next) {
            next = call->next;
            if (call->until_ms <= now_ms)
                late = take(call);
            else if (call->until_ms < next_ms)
                next_ms = call->until_ms;
        }
        (void)pthread_mutex_unlock(&c->lock);
        if (!late)
            return next_ms == UINT64_MAX ? -1 : (int)(next_ms - now_ms);
        refuse_taken(c, late, SK_TIMEOUT, "whoever has the keys did not answer in time; try again");
    }
}

void sk_wl_calls_end(struct sk_wl_calls *c)
{
    for (;;) {
        struct sk_http_req *r = NULL;
        (void)pthread_mutex_lock(&c->lock);
        c->is_over = true;
        c->wake_fd = -1;
        if (c->first)
            r = take(c->first);
        while (!r && c->answering > 0)
            (void)pthread_cond_wait(&c->quiet, &c->lock);
        (void)pthread_mutex_unlock(&c->lock);
        if (!r)
            return;
        refuse_taken(c, r, SK_CANCELLED, "the local hub is ending; try again");
    }
}

/* ---- the owner's side ---- */

/* The end of a call. NULL: it was answered by others. */
static struct sk_http_req *end_call(struct sk_workload_call *call)
{
    SK_LOCK(&call->calls->lock);
    return take(call);
}

static void free_call(struct sk_workload_call *call, struct sk_http_req *r)
{
    if (r)
        answered(call->calls);
    sk_wl_calls_unref(call->calls);
    free(call);
}

/* What was written is sent, unless memory ran out for it. */
static void send_answer(struct sk_http_req *r)
{
    struct sk_err err = SK_ERR_INIT;
    if (sk_buf_ok(sk_http_out(r))) {
        sk_http_answer(r);
        return;
    }
    (void)sk_buf_fail(sk_http_out(r), &err);
    sk_wl_refuse(r, &err);
}

void sk_workload_give(struct sk_workload_call *call, struct sk_view bytes)
{
    static const char *const members[] = { [SK_WORKLOAD_SIGN] = "digest",
                                           [SK_WORKLOAD_ENCRYPT] = "ciphertext",
                                           [SK_WORKLOAD_DECRYPT] = "plaintext" };
    struct sk_http_req *r = end_call(call);
    if (r) {
        struct sk_buf *out = sk_http_out(r);
        sk_buf_fmt(out, "{\"%s\":\"", members[call->kind]);
        sk_base64(out, bytes.ptr, bytes.len);
        sk_buf_str(out, "\"}");
        send_answer(r);
    }
    free_call(call, r);
}

void sk_workload_give_cert(struct sk_workload_call *call, const char *key_pem,
                           const char *chain_pem, const char *expiration)
{
    struct sk_http_req *r = end_call(call);
    if (r) {
        struct sk_buf *out = sk_http_out(r);
        sk_http_set_status(r, 201);
        sk_buf_str(out, "{\"privateKey\":{\"type\":\"key\",\"bytes\":");
        sk_buf_json_str(out, key_pem);
        sk_buf_str(out, "},\"certificate\":");
        sk_buf_json_str(out, chain_pem);
        sk_buf_str(out, ",\"expiration\":");
        sk_buf_json_str(out, expiration);
        sk_buf_str(out, "}");
        send_answer(r);
    }
    free_call(call, r);
}

void sk_workload_refuse(struct sk_workload_call *call, const struct sk_err *why)
{
    struct sk_http_req *r = end_call(call);
    if (r)
        sk_wl_refuse(r, why);
    free_call(call, r);
}
