/*
 * work.c - the workload API's questions, passed on to the agent, which has the keys.
 *
 * A signature that is given out over an instance's socket is remembered, so that the connection
 * which shows it is known to be that instance's (ident.c). Of a candidate that is on the disk
 * before the signature is given: a restart must not take it for the active one.
 */
#include "localhub/localhub_priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <string.h>

struct question {
    struct sk_lh_later later;
    struct sk_lh *hub;
    struct sk_workload_call *call;
    enum sk_workload_kind kind;
    char instance[SK_LH_INSTANCE];
    struct sk_lh_ident *ident;
    uint64_t life_ms; /* of what is signed, when that is a token; UINT64_MAX */
    unsigned char mac[SK_SHA256_BYTES];
};

static void refuse(struct sk_workload_call *call, enum sk_code code, const char *why)
{
    struct sk_err err = SK_ERR_INIT;
    (void)sk_fail(&err, code, "%s", why);
    sk_workload_refuse(call, &err);
}

/* ---- answers ---- */

static void on_kept(struct sk_lh_later *later, const struct sk_err *failed)
{
    SK_OWN(free) struct question *q = (struct question *)later;
    if (failed)
        sk_workload_refuse(q->call, failed);
    else
        sk_workload_give(q->call, (struct sk_view){ (const char *)q->mac, sizeof q->mac });
}

/* Whether its giving waits for the disk. */
static bool remember(struct question *q)
{
    struct sk_lh *h = q->hub;
    SK_LOCK(&h->lock);
    sk_lh_instance_signed(q->ident, q->instance, q->mac, q->life_ms);
    const struct sk_lh_instance *i = sk_lh_instance_find(q->ident, q->instance);
    if (!i || i->role == SK_LH_ACTIVE || i->role == SK_LH_OLD)
        return false;
    q->later.run = on_kept;
    sk_lh_files_sessions(h, &q->later);
    return true;
}

static void give_bytes(struct question *q, const struct sk_json *answer)
{
    const char *name = q->kind == SK_WORKLOAD_SIGN ? "digest" : "data";
    const char *text = sk_json_get_text(answer, name, "");
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf bytes = SK_BUF_INIT(SK_WIRE_MAX);
    if (sk_base64_decode(text, strlen(text), &bytes, &err) < 0) {
        refuse(q->call, SK_BUG, "the agent's answer is not base64");
        free(q);
        return;
    }
    if (q->kind == SK_WORKLOAD_SIGN && bytes.len == sizeof q->mac) {
        memcpy(q->mac, bytes.data, sizeof q->mac);
        if (remember(q))
            return; /* on_kept goes on */
    }
    sk_workload_give(q->call, (struct sk_view){ bytes.data ? bytes.data : "", bytes.len });
    free(q);
}

static void on_answer(void *ctx, const struct sk_json *answer, const struct sk_err *failed)
{
    struct question *q = ctx;
    if (!failed && q->kind != SK_WORKLOAD_SERVER_CERT && q->kind != SK_WORKLOAD_IDENTITY_CERT) {
        give_bytes(q, answer);
        return;
    }
    if (failed)
        sk_workload_refuse(q->call, failed);
    else
        sk_workload_give_cert(q->call, sk_json_get_text(answer, "key", ""),
                              sk_json_get_text(answer, "chain", ""),
                              sk_json_get_text(answer, "expiration", ""));
    free(q);
}

/* ---- questions ---- */

/* How long a token lives that is made of this text, "sr\nse". */
static uint64_t life_of(struct sk_view data)
{
    char digits[24];
    struct sk_err err = SK_ERR_INIT;
    uint64_t end_s = 0;
    const char *line = data.len > 0 ? memchr(data.ptr, '\n', data.len) : NULL;
    const size_t len = line ? data.len - (size_t)(line + 1 - data.ptr) : 0;
    if (len == 0 || len >= sizeof digits)
        return UINT64_MAX;
    memcpy(digits, line + 1, len);
    digits[len] = '\0';
    const uint64_t now_s = sk_wall_ms() / 1000;
    if (sk_parse_u64("se", digits, 0, UINT32_MAX * 8ull, &end_s, &err) < 0)
        return UINT64_MAX;
    return end_s > now_s ? (end_s - now_s) * 1000 : 0;
}

static void add_base64(struct sk_buf *out, const char *name, struct sk_view v)
{
    sk_buf_fmt(out, ",\"%s\":\"", name);
    sk_base64(out, v.ptr, v.len);
    sk_buf_chr(out, '"');
}

static void write_question(const struct sk_workload_ask *a, struct sk_buf *out)
{
    static const char *const types[] = { "sign", "encrypt", "decrypt", "certificate",
                                         "certificate" };
    char until[SK_TIME_TEXT];
    sk_buf_fmt(out, "{\"type\":\"%s\",\"module\":", types[a->kind]);
    sk_buf_json_str(out, a->module);
    sk_buf_str(out, ",\"generation\":");
    sk_buf_json_str(out, a->generation ? a->generation : "");
    if (a->kind == SK_WORKLOAD_SERVER_CERT || a->kind == SK_WORKLOAD_IDENTITY_CERT) {
        sk_buf_fmt(out, ",\"kind\":\"%s\",\"name\":",
                   a->kind == SK_WORKLOAD_SERVER_CERT ? "server" : "identity");
        sk_buf_json_str(out, a->name ? a->name : "");
        if (a->until_s > 0) {
            sk_time_text((uint64_t)a->until_s * 1000, until);
            sk_buf_fmt(out, ",\"until\":\"%s\"", until);
        }
    } else {
        add_base64(out, "data", a->data);
        if (a->kind != SK_WORKLOAD_SIGN)
            add_base64(out, "iv", a->iv);
    }
    sk_buf_chr(out, '}');
}

static void on_ask(void *ctx, const struct sk_workload_ask *a, struct sk_workload_call *call)
{
    struct sk_lh *h = ctx;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(SK_WIRE_MAX);
    SK_OWN(free) struct question *q = calloc(1, sizeof *q);
    write_question(a, &json);
    if (!q || !sk_buf_ok(&json)) {
        refuse(call, SK_NOMEM, "out of memory");
        return;
    }
    q->hub = h;
    q->call = call;
    q->kind = a->kind;
    q->life_ms = a->kind == SK_WORKLOAD_SIGN ? life_of(a->data) : UINT64_MAX;
    (void)snprintf(q->instance, sizeof q->instance, "%s", a->instance ? a->instance : "");
    {
        SK_LOCK(&h->lock);
        q->ident = sk_lh_ident_find(h, h->config.device, a->module);
    }
    if (!q->ident)
        refuse(call, SK_NOT_FOUND, "no such module");
    else if (sk_lh_ask(h, (struct sk_view){ json.data, json.len }, 0, on_answer, q, &err) < 0)
        sk_workload_refuse(call, &err);
    else
        (void)SK_TAKE(q);
}

/* On a worker's thread, which may wait. */
static int call_agent(struct sk_lh *h, const struct sk_buf *json, struct sk_json **out,
                      struct sk_err *err);

static bool is_peer(void *ctx, const char *instance, pid_t pid, uid_t uid)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(4096);
    SK_OWN(sk_json_free) struct sk_json *answer = NULL;
    sk_buf_str(&json, "{\"type\":\"is-peer\",\"instance\":");
    sk_buf_json_str(&json, instance);
    sk_buf_fmt(&json, ",\"pid\":%ld,\"uid\":%lu}", (long)pid, (unsigned long)uid);
    return sk_buf_ok(&json) && call_agent(ctx, &json, &answer, &err) == 0 &&
           sk_json_bool(sk_json_get(answer, "is"), false);
}

static void list(void *ctx, struct sk_buf *out)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(64);
    SK_OWN(sk_json_free) struct sk_json *answer = NULL;
    sk_buf_str(&json, "{\"type\":\"list\"}");
    sk_buf_str(out, "{\"modules\":");
    if (call_agent(ctx, &json, &answer, &err) == 0 && sk_json_get(answer, "modules"))
        sk_json_dump(sk_json_get(answer, "modules"), out);
    else
        sk_buf_str(out, "[]");
    sk_buf_chr(out, '}');
}

/* ---- a question that is waited for ---- */

struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool is_done;
    struct sk_buf text;
    struct sk_err err;
};

static void on_waited(void *ctx, const struct sk_json *answer, const struct sk_err *failed)
{
    struct waiting *w = ctx;
    SK_LOCK(&w->lock);
    if (failed)
        w->err = *failed;
    else
        sk_json_dump(answer, &w->text);
    w->is_done = true;
    (void)pthread_cond_signal(&w->done);
}

static int call_agent(struct sk_lh *h, const struct sk_buf *json, struct sk_json **out,
                      struct sk_err *err)
{
    struct waiting w = { .text = SK_BUF_INIT(SK_WIRE_MAX), .err = SK_ERR_INIT };
    int rc = -1;
    (void)pthread_mutex_init(&w.lock, NULL);
    if (sk_cond_init(&w.done, err) < 0)
        return -1;
    if (sk_lh_ask(h, (struct sk_view){ json->data, json->len }, 0, on_waited, &w, err) == 0) {
        SK_LOCK(&w.lock);
        while (!w.is_done)
            (void)sk_cond_wait_until(&w.done, &w.lock, UINT64_MAX); /* the wire ends it */
        if (w.err.code != SK_OK)
            *err = w.err;
        else if (!sk_buf_ok(&w.text))
            (void)sk_buf_fail(&w.text, err);
        else
            rc = sk_json_parse(w.text.data, w.text.len, NULL, out, err);
    }
    sk_buf_done(&w.text);
    (void)pthread_cond_destroy(&w.done);
    (void)pthread_mutex_destroy(&w.lock);
    return rc;
}

/* ---- sockets ---- */

int sk_lh_work_start(struct sk_lh *h, struct sk_err *err)
{
    SK_OWN(free) char *dir = sk_path_join(h->run_dir, "workload");
    if (!dir)
        return sk_nomem(err);
    if (sk_mkdirs(dir, 0755, err) < 0)
        return -1;
    const struct sk_workload_options o = {
        .dir = dir,
        .trust_bundle_file = h->config.trust_file,
        .ask = on_ask,
        .is_peer = is_peer,
        .list = list,
        .ctx = h,
    };
    return sk_workload_new(&o, &h->workload, err);
}

void sk_lh_work_stop(struct sk_lh *h)
{
    sk_workload_free(SK_TAKE(h->workload));
}

/* With the lock held. */
static bool is_needed(struct sk_lh *h, const char *instance)
{
    for (struct sk_lh_ident *id = h->idents; id; id = id->next)
        if (id->kind == SK_LH_MODULE && id->is_listed && sk_lh_instance_find(id, instance))
            return true;
    return false;
}

static void close_unneeded(struct sk_lh *h)
{
    for (size_t k = 0; k < h->open_sockets_count;) {
        bool is_kept = false;
        {
            SK_LOCK(&h->lock);
            is_kept = is_needed(h, h->open_sockets[k]);
        }
        if (is_kept) {
            k++;
            continue;
        }
        sk_workload_close(h->workload, h->open_sockets[k]);
        memcpy(h->open_sockets[k], h->open_sockets[--h->open_sockets_count], SK_LH_INSTANCE);
    }
}

static bool is_open(const struct sk_lh *h, const char *instance)
{
    for (size_t k = 0; k < h->open_sockets_count; k++)
        if (strcmp(h->open_sockets[k], instance) == 0)
            return true;
    return false;
}

/* The next that has none yet. */
static bool find_missing(struct sk_lh *h, char instance[SK_LH_INSTANCE],
                         char module[SK_IOT_ID_MAX + 1])
{
    SK_LOCK(&h->lock);
    for (const struct sk_lh_ident *id = h->idents; id; id = id->next)
        for (size_t k = 0; id->kind == SK_LH_MODULE && id->is_listed && k < SK_LH_INSTANCES; k++) {
            if (!id->instances[k].is_there || is_open(h, id->instances[k].name))
                continue;
            memcpy(instance, id->instances[k].name, SK_LH_INSTANCE);
            (void)snprintf(module, SK_IOT_ID_MAX + 1, "%s", id->module);
            return true;
        }
    return false;
}

int sk_lh_work_settle(struct sk_lh *h, struct sk_err *err)
{
    char instance[SK_LH_INSTANCE], module[SK_IOT_ID_MAX + 1];
    if (!h->workload && sk_lh_work_start(h, err) < 0)
        return -1;
    close_unneeded(h);
    while (find_missing(h, instance, module)) {
        if (h->open_sockets_count == SK_LH_SOCKETS)
            return sk_fail(err, SK_LIMIT, "more than %d workload sockets", SK_LH_SOCKETS);
        if (sk_workload_open(h->workload, instance, module, err) < 0)
            return -1;
        memcpy(h->open_sockets[h->open_sockets_count++], instance, SK_LH_INSTANCE);
    }
    return 0;
}
