/*
 * link.c - the agent's end of the wire to the local hub (docs/spec/edge-wire.md).
 *
 * Calls of the local hub are answered on the wire's thread: signing is quick, and what waits for
 * others (a Docker Engine) waits with a bound.
 */
#include "agent/agent_priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    TEXT_MAX = 1 << 20,
    PROMOTE_MS = 2000
};

/* ---- what the local hub asks ---- */

static int decode(const struct sk_json *m, const char *key, struct sk_buf *out, struct sk_err *err)
{
    const char *text = sk_json_get_text(m, key, "");
    if (sk_base64_decode(text, strlen(text), out, err) < 0)
        return sk_wrap(err, "'%s'", key);
    return 0;
}

static void put_b64(struct sk_buf *out, const char *key, const void *bytes, size_t len)
{
    sk_buf_fmt(out, "\"%s\":\"", key);
    sk_base64(out, bytes, len);
    sk_buf_chr(out, '"');
}

static int on_sign(struct sk_agent *a, const struct sk_json *m, struct sk_buf *out,
                   struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf data = SK_BUF_INIT(TEXT_MAX);
    unsigned char digest[SK_SHA256_BYTES];
    if (decode(m, "data", &data, err) < 0 ||
        sk_agent_sign(&a->secrets, sk_json_get_text(m, "module", ""),
                      (struct sk_view){ data.data ? data.data : "", data.len }, digest, err) < 0)
        return -1;
    put_b64(out, "digest", digest, sizeof digest);
    return 0;
}

static int on_seal(struct sk_agent *a, const struct sk_json *m, bool is_open, struct sk_buf *out,
                   struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf data = SK_BUF_INIT(TEXT_MAX);
    SK_AUTO(sk_buf_done) struct sk_buf iv = SK_BUF_INIT(4096);
    SK_AUTO(sk_buf_done) struct sk_buf result = SK_BUF_INIT(TEXT_MAX);
    const char *module = sk_json_get_text(m, "module", "");
    const char *generation = sk_json_get_text(m, "generation", "");
    if (decode(m, "data", &data, err) < 0 || decode(m, "iv", &iv, err) < 0)
        return -1;
    const struct sk_view text = { data.data ? data.data : "", data.len };
    const struct sk_view vector = { iv.data ? iv.data : "", iv.len };
    int rc = is_open ? sk_agent_unseal(&a->secrets, module, generation, vector, text, &result, err)
                     : sk_agent_seal(&a->secrets, module, generation, vector, text, &result, err);
    if (rc < 0)
        return -1;
    put_b64(out, "data", result.data ? result.data : "", result.len);
    return 0;
}

static int on_certificate(struct sk_agent *a, const struct sk_json *m, struct sk_buf *out,
                          struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf key = SK_BUF_INIT(64 << 10);
    SK_AUTO(sk_buf_done) struct sk_buf chain = SK_BUF_INIT(64 << 10);
    const char *until = sk_json_get_text(m, "until", "");
    char text[SK_TIME_TEXT];
    int64_t until_ms = 0, expires_s = 0;
    if (*until && !sk_time_parse(sk_view_of(until), &until_ms))
        return sk_fail(err, SK_INVALID, "'until' is no time: '%.40s'", until);
    if (sk_agent_cert_for(a->dir, &a->config, sk_json_get_text(m, "kind", ""),
                          sk_json_get_text(m, "module", ""), sk_json_get_text(m, "name", ""),
                          (int64_t)time(NULL), until_ms / 1000, &key, &chain, &expires_s, err) < 0)
        return -1;
    sk_time_text((uint64_t)expires_s * 1000, text);
    sk_buf_str(out, "\"key\":");
    sk_buf_json(out, key.data, key.len);
    sk_buf_str(out, ",\"chain\":");
    sk_buf_json(out, chain.data, chain.len);
    sk_buf_fmt(out, ",\"expiration\":\"%s\"", text);
    explicit_bzero(key.data, key.len);
    return 0;
}

static int on_is_peer(struct sk_agent *a, const struct sk_json *m, struct sk_buf *out)
{
    const char *name = sk_json_get_text(m, "instance", "");
    pid_t pid = (pid_t)sk_json_int(sk_json_get(m, "pid"), 0);
    uid_t uid = (uid_t)sk_json_int(sk_json_get(m, "uid"), -1);
    struct sk_instance found;
    bool has = false, is = false;
    {
        SK_LOCK(&a->lock);
        for (size_t i = 0; i < a->module_count && !has; i++)
            for (size_t k = 0; k < a->modules[i]->told_count && !has; k++)
                if (strcmp(a->modules[i]->told[k].instance, name) == 0) {
                    found = a->modules[i]->told[k];
                    has = true;
                }
    }
    if (has)
        is = sk_runtime_has_process(&a->host, &found, pid, uid);
    else
        is = sk_agent_exec_has(a, name, pid);
    sk_buf_fmt(out, "\"is\":%s", is ? "true" : "false");
    return 0;
}

static void put_list(struct sk_agent *a, struct sk_buf *out)
{
    SK_LOCK(&a->lock);
    sk_buf_str(out, "\"modules\":[");
    for (size_t i = 0; i < a->module_count; i++) {
        const struct sk_agent_module *m = a->modules[i];
        sk_buf_str(out, i > 0 ? ",{\"name\":" : "{\"name\":");
        sk_buf_json_str(out, m->name);
        sk_buf_str(out, ",\"type\":\"docker\",\"config\":{\"settings\":{\"image\":");
        sk_buf_json_str(out, m->view.image);
        sk_buf_str(out, "},\"env\":[]},\"status\":{\"runtimeStatus\":{\"status\":");
        sk_buf_json_str(out, *m->view.status ? m->view.status : "unknown");
        sk_buf_str(out, ",\"description\":");
        sk_buf_json_str(out, m->view.description);
        sk_buf_str(out, "}}}");
    }
    sk_buf_chr(out, ']');
}

static void on_uplink(struct sk_agent *a, const struct sk_json *m)
{
    bool is = sk_json_bool(sk_json_get(m, "isConnected"), false);
    {
        SK_LOCK(&a->lock);
        if (a->is_uplink != is)
            sk_log(is ? SK_INFO : SK_WARN, is ? "hub_reached" : "hub_lost", "hub=%s why=\"%s\"",
                   a->config.hub_name, sk_json_get_text(m, "why", ""));
        if (is && !a->is_uplink)
            a->leaves_due_ms = 0;
        a->is_uplink = is;
        (void)snprintf(a->uplink_why, sizeof a->uplink_why, "%s", sk_json_get_text(m, "why", ""));
    }
    if (is)
        sk_agent_identity_wake(a);
}

static int dispatch(struct sk_agent *a, const char *type, const struct sk_json *m,
                    struct sk_buf *out, struct sk_err *err)
{
    if (strcmp(type, "sign") == 0)
        return on_sign(a, m, out, err);
    if (strcmp(type, "encrypt") == 0 || strcmp(type, "decrypt") == 0)
        return on_seal(a, m, *type == 'd', out, err);
    if (strcmp(type, "certificate") == 0)
        return on_certificate(a, m, out, err);
    if (strcmp(type, "is-peer") == 0)
        return on_is_peer(a, m, out);
    if (strcmp(type, "leaf") == 0)
        return sk_fail(err, SK_BUSY, "too many devices are being asked for");
    if (strcmp(type, "list") == 0) {
        put_list(a, out);
        return 0;
    }
    if (strcmp(type, "method") == 0) {
        SK_AUTO(sk_buf_done) struct sk_buf payload = SK_BUF_INIT(TEXT_MAX);
        int status = sk_agent_method(a, sk_json_get_text(m, "name", ""), sk_json_get(m, "payload"),
                                     &payload);
        sk_buf_fmt(out, "\"status\":%d,\"payload\":", status);
        sk_buf_add(out, payload.len > 0 ? payload.data : "null", payload.len > 0 ? payload.len : 4);
        return 0;
    }
    return sk_fail(err, SK_UNSUPPORTED, "'%s' is not known here", type);
}

/* Answered when the registrar has read the device scope. */
static bool take_leaf(struct sk_agent *a, int64_t id)
{
    bool is_taken = false;
    {
        SK_LOCK(&a->lock);
        if (a->leaf_call_count < SK_AGENT_LEAF_CALLS) {
            a->leaf_calls[a->leaf_call_count++] = id;
            is_taken = true;
        }
    }
    if (is_taken)
        sk_agent_identity_wake(a);
    return is_taken;
}

static void message(struct sk_wire *w, const char *type, int64_t id, const struct sk_json *m,
                    void *ctx)
{
    struct sk_agent *a = ctx;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_WIRE_MAX - 4096);
    if (strcmp(type, "desired") == 0) {
        sk_agent_take_desired(a, sk_json_get(m, "desired"));
        return;
    }
    if (strcmp(type, "uplink") == 0) {
        on_uplink(a, m);
        return;
    }
    if (strcmp(type, "refused") == 0) {
        sk_agent_identity_refused(a, sk_json_get_text(m, "module", ""));
        return;
    }
    if (strcmp(type, "leaf") == 0 && id != 0 && take_leaf(a, id))
        return;
    int rc = dispatch(a, type, m, &out, &err);
    if (rc == 0 && !sk_buf_ok(&out))
        rc = sk_buf_fail(&out, &err);
    if (id == 0)
        return;
    struct sk_err ignored = SK_ERR_INIT;
    rc = rc == 0 ? sk_wire_answer(w, id, (struct sk_view){ out.data ? out.data : "", out.len },
                                  &ignored)
                 : sk_wire_refuse(w, id, &err, &ignored);
    if (rc < 0)
        sk_log(SK_DEBUG, "wire_answer_lost", "error=\"%s\"", ignored.text);
    if (out.data)
        explicit_bzero(out.data, out.len);
}

static void closed(struct sk_wire *w, void *ctx)
{
    struct sk_agent *a = ctx;
    (void)w;
    SK_LOCK(&a->lock);
    a->wire_is_closed = true;
    a->is_uplink = false;
    sk_agent_wake(a);
}

/* ---- what the agent says ---- */

static void send_text(struct sk_agent *a, const struct sk_buf *b)
{
    struct sk_err err = SK_ERR_INIT;
    SK_LOCK(&a->wire_lock);
    if (!a->wire || !sk_buf_ok(b))
        return;
    if (sk_wire_send(a->wire, (struct sk_view){ b->data, b->len }, &err) < 0)
        sk_log(SK_DEBUG, "wire_send_failed", "error=\"%s\"", err.text);
}

static void put_path(struct sk_buf *b, const char *key, const char *dir, const char *a,
                     const char *name)
{
    SK_OWN(free) char *path = sk_agent_path(dir, a, name);
    sk_buf_fmt(b, ",\"%s\":", key);
    sk_buf_json_str(b, path ? path : "");
}

static void put_hub(struct sk_buf *b, const struct sk_agent *a)
{
    const struct sk_agent_config *c = &a->config;
    sk_buf_str(b, ",\"hub\":{\"name\":");
    sk_buf_json_str(b, c->hub_name);
    sk_buf_str(b, ",\"address\":");
    sk_buf_json_str(b, c->hub_address);
    sk_buf_fmt(b, ",\"mqttPort\":%u", c->hub_mqtt_port);
    if (c->has_hub_ca)
        put_path(b, "caFile", a->dir, "tls", "hub-ca.pem");
    sk_buf_str(b, "},\"gateway\":");
    sk_buf_json_str(b, c->gateway);
}

void sk_agent_send_config(struct sk_agent *a)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_WIRE_MAX);
    const struct sk_agent_config *c = &a->config;
    sk_buf_str(&b, "{\"type\":\"config\",\"device\":");
    sk_buf_json_str(&b, c->device);
    put_hub(&b, a);
    sk_buf_str(&b, ",\"listen\":[");
    for (size_t i = 0; c->listen[i]; i++) {
        sk_buf_str(&b, i > 0 ? "," : "");
        sk_buf_json_str(&b, c->listen[i]);
    }
    if (*a->bridge) {
        sk_buf_chr(&b, ',');
        sk_buf_json_str(&b, a->bridge);
    }
    sk_buf_fmt(&b, "],\"mqttPort\":%u,\"httpsPort\":%u,\"metrics\":{\"address\":", c->mqtt_port,
               c->https_port);
    sk_buf_json_str(&b, c->listen[0] ? c->listen[0] : "127.0.0.1");
    sk_buf_fmt(&b, ",\"port\":%u}", c->metrics_port);
    put_path(&b, "trustFile", a->dir, "tls", "ca.pem");
    put_path(&b, "certFile", a->dir, "tls", "server.pem");
    put_path(&b, "keyFile", a->dir, "tls", "server.pem");
    sk_buf_fmt(&b, ",\"spool\":{\"maxBytes\":%llu,\"evicts\":false},\"instance\":\"%s\"}",
               (unsigned long long)c->spool_bytes, a->start_id);
    send_text(a, &b);
}

static void put_module(struct sk_agent *a, struct sk_buf *b, const struct sk_agent_module *m)
{
    char generation[64];
    bool is_registered, is_first = true;
    sk_agent_generation_locked(a, m->name, generation, &is_registered);
    sk_buf_str(b, "{\"name\":");
    sk_buf_json_str(b, m->name);
    sk_buf_str(b, ",\"generation\":");
    sk_buf_json_str(b, generation);
    sk_buf_str(b, ",\"version\":");
    sk_buf_json_str(b, m->view.version);
    sk_buf_fmt(b, ",\"isRegistered\":%s,\"instances\":[", is_registered ? "true" : "false");
    for (size_t k = 0; k < m->told_count; k++) {
        sk_buf_str(b, is_first ? "{\"instance\":" : ",{\"instance\":");
        sk_buf_json_str(b, m->told[k].instance);
        sk_buf_fmt(b, ",\"role\":\"%s\"}", m->roles[k]);
        is_first = false;
    }
    sk_agent_exec_put(a, b, m->name, is_first);
    sk_buf_str(b, "]}");
}

/* The text is made and sent under one lock, so that a later state never leaves before an earlier
 * one. */
void sk_agent_send_modules(struct sk_agent *a)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_WIRE_MAX);
    struct sk_err err = SK_ERR_INIT;
    SK_LOCK(&a->wire_lock);
    if (!a->wire || !a->is_loaded)
        return;
    sk_buf_str(&b, "{\"type\":\"modules\",\"modules\":[");
    {
        SK_LOCK(&a->lock);
        for (size_t i = 0; i < a->module_count; i++) {
            sk_buf_str(&b, i > 0 ? "," : "");
            put_module(a, &b, a->modules[i]);
        }
    }
    sk_buf_str(&b, "]}");
    if (!sk_buf_ok(&b) || sk_wire_send(a->wire, (struct sk_view){ b.data, b.len }, &err) < 0)
        sk_log(SK_DEBUG, "wire_send_failed", "error=\"%s\"", err.text);
}

void sk_agent_send_report(struct sk_agent *a, const struct sk_buf *patch)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_WIRE_MAX);
    sk_buf_str(&b, "{\"type\":\"report\",\"reported\":");
    sk_buf_add(&b, patch->data, patch->len);
    sk_buf_chr(&b, '}');
    send_text(a, &b);
}

/* *answer: sk_json_free. */
static int ask_hub(struct sk_agent *a, struct sk_view call, struct sk_json **answer,
                   struct sk_err *err)
{
    SK_LOCK(&a->wire_lock);
    if (!a->wire)
        return sk_fail(err, SK_BUSY, "the local hub is not there");
    return sk_wire_call(a->wire, call, PROMOTE_MS, answer, err);
}

int sk_agent_promote(struct sk_agent *a, const char *type, const char *module, const char *instance,
                     struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(4096);
    sk_buf_fmt(&b, "{\"type\":\"%s\",\"module\":", type);
    sk_buf_json_str(&b, module);
    sk_buf_str(&b, ",\"instance\":");
    sk_buf_json_str(&b, instance);
    sk_buf_chr(&b, '}');
    SK_OWN(sk_json_free) struct sk_json *answer = NULL;
    return ask_hub(a, (struct sk_view){ b.data, b.len }, &answer, err);
}

int sk_agent_upstream(struct sk_agent *a, struct sk_agent_range out[SK_AGENT_PRIORITIES],
                      struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *answer = NULL;
    SK_OWN(free) char *spool = sk_path_join(a->dir, "hub/spool");
    memset(out, 0, SK_AGENT_PRIORITIES * sizeof *out);
    if (!spool)
        return sk_nomem(err);
    if (!sk_is_dir(spool))
        return 0; /* no local hub has ever been here */
    if (ask_hub(a, SK_VIEW("{\"type\":\"status\"}"), &answer, err) < 0)
        return -1;
    const struct sk_json *queues = sk_json_get(sk_json_get(answer, "spool"), "upstream");
    if (sk_json_count(queues) != SK_AGENT_PRIORITIES)
        return sk_fail(err, SK_BUSY, "the local hub does not say what it has stored");
    for (size_t p = 0; p < SK_AGENT_PRIORITIES; p++) {
        out[p].first = (uint64_t)sk_json_int(sk_json_get(sk_json_at(queues, p), "first"), 0);
        out[p].next = (uint64_t)sk_json_int(sk_json_get(sk_json_at(queues, p), "next"), 0);
    }
    return 0;
}

/* ---- the connection ---- */

void sk_agent_link_end(struct sk_agent *a)
{
    struct sk_wire *w;
    {
        SK_LOCK(&a->wire_lock);
        w = SK_TAKE(a->wire);
    }

    sk_wire_free(w);
    SK_LOCK(&a->lock);
    a->leaf_call_count = 0; /* their numbers mean something else on the next one */
}

void sk_agent_link_tick(struct sk_agent *a)
{
    const struct sk_wire_handler handler = {
        .message = message,
        .closed = closed,
        .ctx = a,
        .user = sk_agent_hub_uid(),
    };
    SK_OWN(free) char *path = sk_agent_hub_socket(a);
    struct sk_err err = SK_ERR_INIT;
    struct sk_wire *w = NULL;
    bool is_closed;
    {
        SK_LOCK(&a->lock);
        is_closed = a->wire_is_closed;
        a->wire_is_closed = false;
    }
    if (is_closed) {
        sk_agent_link_end(a);
        sk_log(SK_WARN, "localhub_lost", "what_next=\"it is started again\"");
    }
    {
        SK_LOCK(&a->wire_lock);
        if (a->wire || !path)
            return;
    }
    if (sk_wire_connect(path, &handler, &w, &err) < 0)
        return;
    {
        SK_LOCK(&a->wire_lock);
        a->wire = w;
    }
    sk_log(SK_INFO, "localhub_connected", "ms=%llu",
           (unsigned long long)(a->hub_started_ms ? sk_now_ms() - a->hub_started_ms : 0));
    sk_agent_send_config(a);
    sk_agent_send_modules(a);
    SK_LOCK(&a->lock);
    a->must_report_whole = true;
}
