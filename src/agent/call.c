/*
 * call.c - the hub's REST as a device speaks it (azure-iot-protocol 5.9), in a child: libcurl is
 * mapped there, and what the hub answers is parsed there; the agent gets status, generation and
 * managedBy, and for a list one line per module.
 *
 *     in:  {"base","caFile","certFile","keyFile","token","calls":[{"method","path","body"}]}
 *     out:
 * {"answers":[{"status":200,"generation":"..","managedBy":"..","modules":[..],"error":".."}]}
 */
#include "agent/agent_priv.h"

#include "base/file.h"
#include "fetch/fetch.h"

#include <stdio.h>
#include <string.h>

enum {
    ORDER_MAX = 1 << 20,
    CALLS_MAX = 200
};

static void put_member(struct sk_buf *out, const char *key, const struct sk_json *doc,
                       const char *from)
{
    const char *text = sk_json_get_text(doc, from, NULL);
    if (!text)
        return;
    sk_buf_fmt(out, ",\"%s\":", key);
    sk_buf_json_str(out, text);
}

static void put_module(struct sk_buf *out, const struct sk_json *m)
{
    sk_buf_str(out, "{\"module\":");
    sk_buf_json_str(out, sk_json_get_text(m, "moduleId", ""));
    put_member(out, "generation", m, "generationId");
    put_member(out, "managedBy", m, "managedBy");
    sk_buf_chr(out, '}');
}

/* An identity of the device scope: what a token or certificate of it is checked with. */
static void put_leaf(struct sk_buf *out, const struct sk_json *d, bool *is_first)
{
    const struct sk_json *auth = sk_json_get(d, "authentication");
    const struct sk_json *keys = sk_json_get(auth, "symmetricKey");
    const struct sk_json *prints = sk_json_get(auth, "x509Thumbprint");
    sk_buf_str(out, *is_first ? "{\"device\":" : ",{\"device\":");
    *is_first = false;
    sk_buf_json_str(out, sk_json_get_text(d, "deviceId", ""));
    put_member(out, "module", d, "moduleId");
    put_member(out, "primaryKey", keys, "primaryKey");
    put_member(out, "secondaryKey", keys, "secondaryKey");
    put_member(out, "primaryThumbprint", prints, "primaryThumbprint");
    put_member(out, "secondaryThumbprint", prints, "secondaryThumbprint");
    sk_buf_fmt(out, ",\"isEnabled\":%s}",
               strcmp(sk_json_get_text(d, "status", "enabled"), "enabled") == 0 ? "true" : "false");
}

static void put_scope(struct sk_buf *out, const struct sk_json *doc)
{
    const struct sk_json *lists[] = { sk_json_get(doc, "devices"), sk_json_get(doc, "modules") };
    bool is_first = true;
    if (sk_json_type(lists[0]) != SK_JSON_ARRAY)
        return;
    sk_buf_str(out, ",\"leaves\":[");
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < sk_json_count(lists[k]); i++)
            put_leaf(out, sk_json_at(lists[k], i), &is_first);
    sk_buf_chr(out, ']');
    put_member(out, "next", doc, "continuationLink");
}

static void put_answer(struct sk_buf *out, const struct sk_fetch_answer *a, const struct sk_err *e)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err ignored = SK_ERR_INIT;
    sk_buf_fmt(out, "{\"status\":%d", a->status);
    if (e) {
        sk_buf_str(out, ",\"error\":");
        sk_buf_json_str(out, e->text);
        sk_buf_fmt(out, ",\"code\":\"%s\"", sk_code_name(e->code));
    } else if (a->body.len > 0 &&
               sk_json_parse(a->body.data, a->body.len, NULL, &doc, &ignored) == 0) {
        put_member(out, "generation", doc, "generationId");
        put_member(out, "managedBy", doc, "managedBy");
        put_scope(out, doc);
        if (sk_json_type(doc) == SK_JSON_ARRAY) {
            sk_buf_str(out, ",\"modules\":[");
            for (size_t i = 0; i < sk_json_count(doc); i++) {
                sk_buf_str(out, i > 0 ? "," : "");
                put_module(out, sk_json_at(doc, i));
            }
            sk_buf_chr(out, ']');
        }
    }
    sk_buf_chr(out, '}');
}

static int call(struct sk_fetch *f, const struct sk_json *order, const struct sk_json *c,
                struct sk_buf *out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf url = SK_BUF_INIT(4096);
    SK_AUTO(sk_buf_done) struct sk_buf login = SK_BUF_INIT(4096);
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(ORDER_MAX);
    struct sk_fetch_answer answer = { .status = 0 };
    struct sk_err failed = SK_ERR_INIT;
    const struct sk_json *content = sk_json_get(c, "body");
    const char *token = sk_json_get_text(order, "token", "");
    const char *headers[4] = { "Content-Type: application/json" };
    size_t n = 1;
    sk_buf_fmt(&url, "%s%s", sk_json_get_text(order, "base", ""), sk_json_get_text(c, "path", ""));
    sk_buf_chr(&url, '\0');
    sk_buf_fmt(&login, "Authorization: %s", token);
    sk_buf_chr(&login, '\0');
    if (*token)
        headers[n++] = login.data;
    if (sk_json_bool(sk_json_get(c, "force"), false))
        headers[n++] = "If-Match: *";
    headers[n] = NULL;
    if (content)
        sk_json_dump(content, &body);
    if (!sk_buf_ok(&url) || !sk_buf_ok(&login) || !sk_buf_ok(&body))
        return sk_nomem(err);
    const struct sk_fetch_request r = {
        .method = sk_json_get_text(c, "method", "GET"),
        .url = url.data,
        .headers = headers,
        .body = body.data,
        .body_len = body.len,
    };
    int rc = sk_fetch_do(f, &r, &answer, &failed);
    put_answer(out, &answer, rc < 0 ? &failed : NULL);
    sk_fetch_answer_done(&answer);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

int sk_agent_call_main(struct sk_err *err)
{
    SK_OWN(free) char *text = NULL;
    SK_OWN(sk_json_free) struct sk_json *order = NULL;
    SK_OWN(sk_fetch_free) struct sk_fetch *f = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(4 * ORDER_MAX);
    size_t len = 0;
    if (sk_file_read("-", ORDER_MAX, &text, &len, err) < 0 ||
        sk_json_parse(text, len, NULL, &order, err) < 0)
        return -1;
    const struct sk_json *calls = sk_json_get(order, "calls");
    const struct sk_fetch_options opts = {
        .ca_file = sk_json_get_text(order, "caFile", NULL),
        .cert_file = sk_json_get_text(order, "certFile", NULL),
        .key_file = sk_json_get_text(order, "keyFile", NULL),
        .connect_ms = 10000,
        .stall_ms = 20000,
    };
    if (sk_json_count(calls) > CALLS_MAX)
        return sk_fail(err, SK_LIMIT, "more than %d calls", CALLS_MAX);
    if (sk_fetch_new(&opts, &f, err) < 0)
        return -1;
    sk_buf_str(&out, "{\"answers\":[");
    for (size_t i = 0; i < sk_json_count(calls); i++) {
        sk_buf_str(&out, i > 0 ? "," : "");
        if (call(f, order, sk_json_at(calls, i), &out, err) < 0)
            return -1;
    }
    sk_buf_str(&out, "]}\n");
    if (!sk_buf_ok(&out))
        return sk_buf_fail(&out, err);
    return sk_write_all(STDOUT_FILENO, out.data, out.len) == 0 ? 0 : sk_fail_errno(err, "stdout");
}
