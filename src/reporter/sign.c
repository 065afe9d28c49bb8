/* sign.c - the two calls of the workload API, as the SDKs make them. */
#include "reporter/reporter_priv.h"

#include "crypto/crypto.h"
#include "unixhttp/unixhttp.h"

enum {
    PEM_BYTES = 1 << 20,
    TARGET_BYTES = 2048
};

/* The text of one member of the answer, appended. */
static int call(const struct sk_rep_env *e, const char *method, const struct sk_buf *target,
                struct sk_view body, const char *member, struct sk_buf *out, struct sk_err *err)
{
    const struct sk_unixhttp_request r = { .socket = e->workload,
                                           .method = method,
                                           .target = target->data,
                                           .body = body,
                                           .timeout_ms = SK_REP_CALL_MS,
                                           .max_bytes = PEM_BYTES };
    struct sk_unixhttp_answer a;
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    if (!sk_buf_ok(target))
        return sk_buf_fail(target, err);
    int result = sk_unixhttp_do(&r, &a, err);
    if (result == 0)
        result = sk_json_parse(a.body.data ? a.body.data : "", a.body.len, NULL, &doc, err);
    sk_unixhttp_answer_done(&a);
    if (result < 0)
        return sk_wrap(err, "the workload API");
    const char *text = sk_json_get_text(doc, member, NULL);
    if (!text)
        return sk_fail(err, SK_REMOTE, "the workload API: an answer without '%s'", member);
    sk_buf_str(out, text);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

static void add_version(const struct sk_rep_env *e, struct sk_buf *target)
{
    sk_buf_str(target, "?api-version=");
    sk_buf_percent(target, e->api_version, strlen(e->api_version), "");
}

int sk_rep_trust(const struct sk_rep_env *e, struct sk_buf *pem, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf target = SK_BUF_INIT(TARGET_BYTES);
    sk_buf_str(&target, "/trust-bundle");
    add_version(e, &target);
    return call(e, "GET", &target, (struct sk_view){ NULL, 0 }, "certificate", pem, err);
}

static int sign(const struct sk_rep_env *e, const struct sk_buf *text, struct sk_buf *digest,
                struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf target = SK_BUF_INIT(TARGET_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(2 * TARGET_BYTES);
    sk_buf_str(&target, "/modules/");
    sk_buf_percent(&target, e->module, strlen(e->module), "");
    sk_buf_str(&target, "/genid/");
    sk_buf_percent(&target, e->generation, strlen(e->generation), "");
    sk_buf_str(&target, "/sign");
    add_version(e, &target);
    sk_buf_str(&body, "{\"keyId\":\"primary\",\"algo\":\"HMACSHA256\",\"data\":\"");
    sk_base64(&body, text->data, text->len);
    sk_buf_str(&body, "\"}");
    if (!sk_buf_ok(&body))
        return sk_buf_fail(&body, err);
    return call(e, "POST", &target, (struct sk_view){ body.data, body.len }, "digest", digest, err);
}

/* SharedAccessSignature sr=..&sig=..&se=.. */
int sk_rep_token(const struct sk_rep_env *e, int64_t expires_s, struct sk_buf *token,
                 struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf resource = SK_BUF_INIT(TARGET_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(TARGET_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf digest = SK_BUF_INIT(TARGET_BYTES);
    sk_buf_fmt(&resource, "%s/devices/%s/modules/%s", e->hub, e->device, e->module);
    if (!sk_buf_ok(&resource))
        return sk_buf_fail(&resource, err);
    sk_buf_percent(&text, resource.data, resource.len, "");
    const size_t sr_len = text.len;
    sk_buf_fmt(&text, "\n%lld", (long long)expires_s);
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    if (sign(e, &text, &digest, err) < 0)
        return -1;
    sk_buf_str(token, "SharedAccessSignature sr=");
    sk_buf_add(token, text.data, sr_len);
    sk_buf_str(token, "&sig=");
    sk_buf_percent(token, digest.data ? digest.data : "", digest.len, "");
    sk_buf_fmt(token, "&se=%lld", (long long)expires_s);
    return sk_buf_ok(token) ? 0 : sk_buf_fail(token, err);
}
