/*
 * payload.c - "simple signing": the text that is signed, and checking it.
 *
 *     {"critical":{"identity":{"docker-reference":"host/repo"},
 *      "image":{"docker-manifest-digest":"sha256:..."},
 *      "type":"cosign container image signature"},"optional":null}
 *
 * The signature covers these bytes as they are; only when it holds are they read.
 */
#include "sign/sign_priv.h"
#include "json/json.h"

#include <string.h>
#include <strings.h>

static const char TYPE[] = "cosign container image signature";

int sk_sign_check(const char *digest, struct sk_err *err)
{
    if (sk_digest_is(digest, SK_SHA256))
        return 0;
    return sk_fail(err, SK_UNSUPPORTED, "%.140s: signatures are for images named by sha256",
                   digest);
}

void sk_sign_tag(const char *digest, char *out)
{
    (void)snprintf(out, 80, "sha256-%.64s.sig", digest + strlen("sha256:"));
}

void sk_payload_write(const char *docker_reference, const char *digest, struct sk_buf *out)
{
    sk_buf_str(out, "{\"critical\":{\"identity\":{\"docker-reference\":");
    sk_buf_json_str(out, docker_reference);
    sk_buf_fmt(out,
               "},\"image\":{\"docker-manifest-digest\":\"%s\"},\"type\":\"%s\"},"
               "\"optional\":null}",
               digest, TYPE);
}

/* The specification writes one capital letter that the tools do not. */
static const struct sk_json *get_nocase(const struct sk_json *object, const char *key)
{
    for (void *it = object ? sk_json_first(object) : NULL; it; it = sk_json_next(object, it)) {
        if (strcasecmp(sk_json_key(it), key) == 0)
            return sk_json_value(it);
    }
    return NULL;
}

int sk_payload_check(const void *payload, size_t len, const char *digest, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    if (sk_json_parse(payload, len, NULL, &doc, err) < 0)
        return sk_wrap(err, "the signed text");

    const struct sk_json *critical = get_nocase(doc, "critical");
    const char *type = sk_json_text(get_nocase(critical, "type"), "");
    const char *named = sk_json_text(
        get_nocase(get_nocase(critical, "image"), "docker-manifest-digest"), "");

    if (strcmp(type, TYPE) != 0)
        return sk_fail(err, SK_DENIED, "what is signed is no container image ('%.64s')", type);
    if (strcmp(named, digest) != 0)
        return sk_fail(err, SK_DENIED, "the signature is for another image, %.80s", named);
    return 0;
}

int sk_verifier_check(const struct sk_verifier *v, const void *bytes, size_t len,
                      const char *signature_base64, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf signature = SK_BUF_INIT(4096);

    if (sk_base64_decode(signature_base64, strlen(signature_base64), &signature, err) < 0)
        return sk_wrap(err, "the signature");
    for (size_t i = 0; i < v->count; i++) {
        struct sk_err ignored = SK_ERR_INIT;

        if (sk_key_verify(v->keys[i], bytes, len, signature.data, signature.len, &ignored) == 0)
            return 0;
    }
    return sk_fail(err, SK_DENIED, "it was not made by %s",
                   v->count == 1 ? "this key" : "any of these keys");
}

int sk_verify_payload(const struct sk_verifier *v, const void *payload, size_t len,
                      const char *signature_base64, const char *digest, struct sk_err *err)
{
    if (sk_verifier_check(v, payload, len, signature_base64, err) < 0)
        return -1;
    return sk_payload_check(payload, len, digest, err);
}
