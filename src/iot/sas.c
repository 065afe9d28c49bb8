/*
 * sas.c - makes SAS tokens, as Python's SDK writes them:
 *
 *     SharedAccessSignature sr=HOST%2Fdevices%2FID&sig=BASE64&se=SECONDS[&skn=POLICY]
 *
 * The signature is HMAC-SHA256 with the decoded key over "<sr as it stands there>\n<se>".
 */
#include "iot/iot_priv.h"

#include "base/cleanup.h"

#include <string.h>

enum {
    RESOURCE_MAX = 1024,
    KEY_BYTES_MAX = 1024,
    MAC_TEXT = 64 /* base64 of 32 bytes has 44 */
};

static int sign(const char *key, const struct sk_buf *text, unsigned char mac[SK_SHA256_BYTES],
                struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf bytes = SK_BUF_INIT(KEY_BYTES_MAX);
    if (sk_base64_decode(key, strlen(key), &bytes, err) < 0)
        return err->code == SK_NOMEM ? -1 : sk_fail(err, SK_INVALID, "the key is not base64");
    if (bytes.len == 0)
        return sk_fail(err, SK_INVALID, "the key is empty");
    return sk_hmac_sha256(bytes.data, bytes.len, text->data, text->len, mac, err);
}

void sk_iot_sas_write(struct sk_view sr, const unsigned char signature[SK_SHA256_BYTES],
                      int64_t expires_s, struct sk_buf *out)
{
    SK_AUTO(sk_buf_done) struct sk_buf base64 = SK_BUF_INIT(MAC_TEXT);
    sk_base64(&base64, signature, SK_SHA256_BYTES);
    if (!sk_buf_ok(&base64)) {
        out->failed = base64.failed;
        return;
    }
    sk_buf_str(out, "SharedAccessSignature sr=");
    sk_buf_add(out, sr.ptr, sr.len);
    sk_buf_str(out, "&sig=");
    sk_buf_percent(out, base64.data, base64.len, "");
    sk_buf_str(out, "&se=");
    sk_buf_i64(out, expires_s);
}

int sk_iot_sas_make(const char *resource, const char *key, const char *policy, int64_t expires_s,
                    struct sk_buf *out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(3 * RESOURCE_MAX + 32);
    unsigned char mac[SK_SHA256_BYTES];
    if (resource[0] == '\0' || strlen(resource) > RESOURCE_MAX)
        return sk_fail(err, SK_INVALID, "a token is for a resource of 1 to %d bytes", RESOURCE_MAX);
    if (expires_s < 0)
        return sk_fail(err, SK_INVALID, "a token cannot end before 1970");
    sk_buf_percent(&text, resource, strlen(resource), "");
    size_t sr_len = text.len;
    sk_buf_chr(&text, '\n');
    sk_buf_i64(&text, expires_s);
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    if (sign(key, &text, mac, err) < 0)
        return -1;
    sk_iot_sas_write((struct sk_view){ text.data, sr_len }, mac, expires_s, out);
    if (policy && policy[0]) {
        sk_buf_str(out, "&skn=");
        sk_buf_percent(out, policy, strlen(policy), "");
    }
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}
