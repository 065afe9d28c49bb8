/* test_verify.c - signatures are looked for at both places of a registry. */
#include "sign/sign_priv.h"

#include "fetch/loopback.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define IMAGE                                                                                      \
    "{\"schemaVersion\":2,\"mediaType\":\"" SK_OCI_MANIFEST "\",\"config\":{\"mediaType\":\"x/"    \
    "y\",\"size\":2,\"digest\":\"sha256:"                                                          \
    "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\"},\"layers\":[]}"
#define NOT_FOUND "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
#define NO_REFERRERS                                                                               \
    "HTTP/1.1 200 OK\r\nContent-Type: " SK_OCI_INDEX "\r\nContent-Length: 36\r\n\r\n"              \
    "{\"schemaVersion\":2,\"manifests\":[]}  "

enum {
    TEXT = 2048, /* of a body */
    REPLY = 4096,
    REPLIES = 6
};

struct script {
    char text[REPLIES][REPLY];
    const char *list[REPLIES + 1];
    unsigned count;
};

static struct sk_verifier verifier = { .count = 1 };
static struct sk_key *stranger;
static char image_digest[SK_OCI_DIGEST_TEXT];

static void digest_of(const char *text, char out[SK_OCI_DIGEST_TEXT])
{
    struct sk_err err = SK_ERR_INIT;
    char hex[SK_SHA256_HEX];

    assert_int_equal(sk_sha256_hex(text, strlen(text), hex, &err), 0);
    (void)snprintf(out, SK_OCI_DIGEST_TEXT, "sha256:%s", hex);
}

static int set_up(void **state)
{
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    digest_of(IMAGE, image_digest);
    return sk_key_make(&verifier.keys[0], &err) < 0 || sk_key_make(&stranger, &err) < 0;
}

static int tear_down(void **state)
{
    (void)state;
    sk_key_free(verifier.keys[0]);
    sk_key_free(stranger);
    return 0;
}

static void say(struct script *s, const char *raw)
{
    (void)snprintf(s->text[s->count], REPLY, "%s", raw);
    s->list[s->count] = s->text[s->count];
    s->count++;
}

static void say_body(struct script *s, const char *type, const char *body)
{
    char raw[REPLY];

    (void)snprintf(raw, sizeof(raw),
                   "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s", type,
                   strlen(body), body);
    say(s, raw);
}

static void sign_text(const struct sk_key *key, const char *text, char *out, size_t cap)
{
    SK_AUTO(sk_buf_done) struct sk_buf signature = SK_BUF_INIT(512);
    SK_AUTO(sk_buf_done) struct sk_buf base64 = SK_BUF_INIT(1024);
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_key_sign(key, text, strlen(text), &signature, &err), 0);
    sk_base64(&base64, signature.data, signature.len);
    (void)snprintf(out, cap, "%s", base64.data);
}

/* The image at the tag .sig and its payload. */
static void say_signature(struct script *s, const struct sk_key *key, const char *about,
                          bool is_changed)
{
    SK_AUTO(sk_buf_done) struct sk_buf payload = SK_BUF_INIT(1024);
    char manifest[TEXT], signature[256], digest[SK_OCI_DIGEST_TEXT];

    sk_payload_write("h/r", about, &payload);
    sign_text(key, payload.data, signature, sizeof(signature));
    digest_of(payload.data, digest);
    (void)snprintf(manifest, sizeof(manifest),
                   "{\"schemaVersion\":2,\"mediaType\":\"" SK_OCI_MANIFEST
                   "\",\"config\":{\"mediaType\":\"x/y\",\"size\":2,\"digest\":\"%s\"},\"layers\":["
                   "{\"mediaType\":\"" SK_SIGN_LAYER_TYPE
                   "\",\"size\":%zu,\"digest\":\"%s\",\"annotations\":{\"" SK_SIGN_ANNOTATION
                   "\":\"%s\"}}]}",
                   digest, payload.len, digest, signature);
    say_body(s, SK_OCI_MANIFEST, manifest);
    if (is_changed)
        payload.data[2] = 'X';
    say_body(s, "application/octet-stream", payload.data);
}

/* A bundle behind the referrers. */
static void say_bundle(struct script *s, const struct sk_key *key)
{
    char bundle[512], manifest[TEXT], index[TEXT], signature[256], digest[SK_OCI_DIGEST_TEXT];

    sign_text(key, IMAGE, signature, sizeof(signature));
    (void)snprintf(bundle, sizeof(bundle), "{\"messageSignature\":{\"signature\":\"%s\"}}",
                   signature);
    digest_of(bundle, digest);
    (void)snprintf(manifest, sizeof(manifest),
                   "{\"schemaVersion\":2,\"mediaType\":\"" SK_OCI_MANIFEST
                   "\",\"config\":{\"mediaType\":\"x/y\",\"size\":2,\"digest\":\"%s\"},\"layers\":["
                   "{\"mediaType\":\"" SK_SIGN_BUNDLE_TYPE "\",\"size\":%zu,\"digest\":\"%s\"}]}",
                   digest, strlen(bundle), digest);
    digest_of(manifest, digest);
    (void)snprintf(index, sizeof(index),
                   "{\"schemaVersion\":2,\"mediaType\":\"" SK_OCI_INDEX
                   "\",\"manifests\":[{\"mediaType\":\"" SK_OCI_MANIFEST
                   "\",\"size\":%zu,\"digest\":\"%s\"}]}",
                   strlen(manifest), digest);
    say(s, NOT_FOUND);
    say_body(s, SK_OCI_INDEX, index);
    say_body(s, SK_OCI_MANIFEST, IMAGE);
    say_body(s, SK_OCI_MANIFEST, manifest);
    say_body(s, "application/octet-stream", bundle);
}

static int verify(struct script *s, struct sk_err *err)
{
    struct sk_loopback *server = sk_loopback_start(s->list);
    SK_OWN(sk_oci_registry_free) struct sk_oci_registry *r = NULL;
    struct sk_oci_ref ref = { .repository = "repo" };
    int rc = -1;

    (void)snprintf(ref.host, sizeof(ref.host), "127.0.0.1:%d", server->port);

    const struct sk_oci_options opts = { .host = ref.host, .plain_http = true };

    if (sk_oci_registry_new(&opts, &r, err) == 0)
        rc = sk_verify_image(&verifier, r, &ref, image_digest, err);
    sk_loopback_stop(server);
    sk_loopback_free(server);
    return rc;
}

static void check(const char *name, struct script *s, int rc, enum sk_code code, const char *says)
{
    struct sk_err err = SK_ERR_INIT;

    if (verify(s, &err) != rc || (rc < 0 && (err.code != code || !strstr(err.text, says))))
        fail_msg("%s: code %d, %s", name, err.code, err.text);
}

#define OTHER "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void at_the_tag(void **state)
{
    struct script good = { .count = 0 }, other = { .count = 0 }, image = { .count = 0 },
                  changed = { .count = 0 };

    (void)state;
    say_signature(&good, verifier.keys[0], image_digest, false);
    check("good", &good, 0, SK_OK, "");
    say_signature(&other, stranger, image_digest, false);
    say(&other, NO_REFERRERS);
    check("another key", &other, -1, SK_DENIED, "not made by this key");
    say_signature(&image, verifier.keys[0], OTHER, false);
    say(&image, NO_REFERRERS);
    check("another image", &image, -1, SK_DENIED, "another image");
    say_signature(&changed, verifier.keys[0], image_digest, true);
    say(&changed, NO_REFERRERS);
    check("a payload that does not fit its digest", &changed, -1, SK_DENIED, "the last: ");
}

static void behind_referrers(void **state)
{
    struct script good = { .count = 0 }, other = { .count = 0 };

    (void)state;
    say_bundle(&good, verifier.keys[0]);
    check("good", &good, 0, SK_OK, "");
    say_bundle(&other, stranger);
    check("another key", &other, -1, SK_DENIED, "1 signature, none accepted");
}

/* Whatever lies at the tag, or among the referrers, does not spoil a signature that holds. */
static void beside_broken_ones(void **state)
{
    static const char unknown[] = "{\"schemaVersion\":2,\"mediaType\":\"application/x.y+json\"}";
    struct script tag = { .count = 0 }, layer = { .count = 0 }, both = { .count = 0 };

    (void)state;
    say_bundle(&tag, verifier.keys[0]);
    tag.count = 0;
    say_body(&tag, "application/x.y+json", unknown);
    tag.count = 5;
    check("an unknown manifest at the tag", &tag, 0, SK_OK, "");

    say_signature(&layer, verifier.keys[0], image_digest, true);
    say(&layer, NO_REFERRERS);
    check("a broken one alone is no signature", &layer, -1, SK_DENIED, "none accepted");

    say_body(&both, "application/x.y+json", unknown);
    say(&both, NO_REFERRERS);
    check("nothing that could be one", &both, -1, SK_DENIED, "is not signed");
}

static void none(void **state)
{
    struct script unsigned_image = { .count = 0 }, broken = { .count = 0 };

    (void)state;
    say(&unsigned_image, NOT_FOUND);
    say(&unsigned_image, NO_REFERRERS);
    check("unsigned", &unsigned_image, -1, SK_DENIED, "is not signed");
    say(&broken, "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
    check("a registry that fails", &broken, -1, SK_REMOTE, "500");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_the_tag),
        cmocka_unit_test(behind_referrers),
        cmocka_unit_test(beside_broken_ones),
        cmocka_unit_test(none),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
