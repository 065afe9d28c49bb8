/*
 * fuzz_credentials.c - what a stranger may show: SAS tokens of devices, modules and policies,
 * tokens, base64, certificates.
 *
 * What is taken holds its promises: names within their limits, base64 that is written back is the
 * same value, and no text is signed by an empty or broken key.
 */
#include "accounts/accounts_priv.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void sas(const char *text)
{
    static const char *const names[] = { "hub.example", NULL };
    struct sk_err err = SK_ERR_INIT;
    struct sk_sas s;
    if (sk_sas_parse(text, &s, &err) < 0) {
        if (err.code != SK_INVALID || !err.text[0])
            abort();
        return;
    }
    if (s.device[0] ? !sk_device_id_valid(s.device) : s.module[0] || !s.policy[0])
        abort();
    if ((s.module[0] && !sk_device_id_valid(s.module)) || !s.host[0] || strchr(s.host, '/') ||
        strlen(s.host) >= sizeof s.host || strlen(s.policy) >= sizeof s.policy || s.expires_s < 0 ||
        s.expires_s > SK_SAS_EXPIRES_MAX_S || s.signed_sr.ptr < text ||
        s.signed_sr.ptr + s.signed_sr.len > text + strlen(text))
        abort();
    bool by_none = true, by_broken = true;
    if (sk_sas_signed_by(&s, "", &by_none, &err) < 0 ||
        sk_sas_signed_by(&s, "?", &by_broken, &err) < 0 || by_none || by_broken)
        abort();
    (void)sk_host_is_ours(s.host, names);
}

static void token(const char *text, size_t len)
{
    char id[20];
    struct sk_view secret;
    if (sk_token_split(text, len, id, &secret) &&
        (strlen(id) != SK_TOKEN_ID_LEN || secret.ptr + secret.len != text + len))
        abort();
}

static void base64(const char *text, size_t len)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf bytes = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf back = SK_BUF_INIT(1 << 21);
    SK_AUTO(sk_buf_done) struct sk_buf again = SK_BUF_INIT(1 << 20);
    if (sk_base64_decode(text, len, &bytes, &err) < 0) {
        if (bytes.len > 0)
            abort();
        return;
    }
    if (len % 2)
        sk_base64(&back, bytes.data, bytes.len);
    else
        sk_base64_url(&back, bytes.data, bytes.len);
    if (sk_base64_decode(back.data ? back.data : "", back.len, &again, &err) < 0 ||
        again.len != bytes.len || (bytes.len && memcmp(again.data, bytes.data, bytes.len) != 0))
        abort();
}

static void certificate(const void *bytes, size_t len)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_cert_info info;
    struct sk_key *key = NULL;
    if (sk_cert_info_der(bytes, len, &info, &err) == 0 && strlen(info.sha256) != 64)
        abort();
    if (sk_cert_info(bytes, len, &info, &err) == 0 && strlen(info.sha256) != 64)
        abort();
    if (sk_key_parse(bytes, len, &key, &err) == 0)
        sk_key_free(key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SK_OWN(free) char *text = malloc(size + 1);
    unsigned char peer[16];
    if (!text || size == 0)
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    switch (data[0] % 5) {
    case 0:
        sas(text);
        break;
    case 1:
        token(text, size - 1);
        break;
    case 2:
        base64(text, size - 1);
        break;
    case 3:
        sk_limiter_key(text, peer);
        break;
    default:
        certificate(text, size - 1);
        break;
    }
    return 0;
}
