/* test_transfer.c - the order of a push and a pull, and images that are not whole. */
#include "oci/server.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CONFIG  "{\"os\":\"linux\",\"architecture\":\"arm64\"}"
#define LAYER   "layer"
#define CREATED HEAD("201 C") "Content-Length: 0\r\n\r\n"

static void put(const char *layout, const char *text)
{
    SK_OWN(free) char *path = sk_oci_layout_blob(layout, oci_digest(text));
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_file_write(path, text, strlen(text), 0644, &err), 0);
}

static void make_manifest(struct sk_buf *out)
{
    sk_buf_fmt(out,
               "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"" SK_OCI_CONFIG
               "\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[{\"mediaType\":\"" SK_OCI_LAYER
               "\",\"digest\":\"%s\",\"size\":%zu},{\"mediaType\":"
               "\"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip\",\"digest\":\"%s\","
               "\"size\":1}]}",
               oci_digest(CONFIG), strlen(CONFIG), oci_digest(LAYER), strlen(LAYER),
               oci_digest("foreign"));
    assert_true(sk_buf_ok(out));
}

static void make_index(const char *manifest, struct sk_buf *out)
{
    sk_buf_fmt(out,
               "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" SK_OCI_MANIFEST
               "\",\"digest\":\"%s\",\"size\":%zu,\"platform\":{\"os\":\"linux\","
               "\"architecture\":\"arm64\"}}]}",
               oci_digest(manifest), strlen(manifest));
    assert_true(sk_buf_ok(out));
}

static bool begins(const struct oci_server *o, unsigned n, const char *method, const char *rest)
{
    char want[300];

    (void)snprintf(want, sizeof want, "%s /v2/a/%s HTTP", method, rest);
    return n < o->s->count && sk_starts_with(o->s->requests[n], want);
}

/* [oci-60] Blobs, manifest, index, and the tag last. */
static void order_of_a_push(void **state)
{
    static const char *const replies[] = { OK, OK, CREATED, CREATED, NULL };
    SK_AUTO(sk_buf_done) struct sk_buf manifest = SK_BUF_INIT(4096);
    SK_AUTO(sk_buf_done) struct sk_buf index = SK_BUF_INIT(4096);
    struct sk_oci_ref to = { .repository = "a", .tag = "v1" };
    char rest[100];
    struct oci_server o;
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_oci_layout_make(*state, &err), 0);
    make_manifest(&manifest);
    make_index(manifest.data, &index);
    put(*state, CONFIG);
    put(*state, LAYER);
    put(*state, manifest.data);
    put(*state, index.data);
    oci_server_start(&o, replies, NULL);
    if (sk_oci_push(o.r, *state, oci_digest(index.data), &to, &err) < 0)
        fail_msg("%s", err.text);
    oci_server_stop(&o);
    assert_int_equal(o.s->count, 4);
    (void)snprintf(rest, sizeof rest, "blobs/%s", oci_digest(LAYER));
    assert_true(begins(&o, 0, "HEAD", rest));
    (void)snprintf(rest, sizeof rest, "blobs/%s", oci_digest(CONFIG));
    assert_true(begins(&o, 1, "HEAD", rest));
    (void)snprintf(rest, sizeof rest, "manifests/%s", oci_digest(manifest.data));
    assert_true(begins(&o, 2, "PUT", rest));
    assert_true(begins(&o, 3, "PUT", "manifests/v1"));
    assert_non_null(strstr(o.s->requests[3], index.data));
    oci_server_done(&o);
}

static void broken_layouts(void **state)
{
    static const char *const replies[] = { OK, NULL };
    SK_AUTO(sk_buf_done) struct sk_buf manifest = SK_BUF_INIT(4096);
    SK_OWN(free) char *path = NULL;
    struct sk_oci_ref to = { .repository = "a", .tag = "v1" };
    struct oci_server o;
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_oci_layout_make(*state, &err), 0);
    make_manifest(&manifest);
    oci_server_start(&o, replies, NULL);
    assert_int_equal(sk_oci_push(o.r, *state, oci_digest(manifest.data), &to, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    path = sk_oci_layout_blob(*state, oci_digest(manifest.data));
    assert_int_equal(sk_file_write(path, "{}", 2, 0644, &err), 0);
    assert_int_equal(sk_oci_push(o.r, *state, oci_digest(manifest.data), &to, &err), -1);
    assert_int_equal(err.code, SK_CORRUPT);
    assert_int_equal(sk_oci_push(o.r, *state, "sha256:../x", &to, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    (void)snprintf(to.digest, sizeof to.digest, "%s", oci_digest("x"));
    assert_int_equal(sk_oci_push(o.r, *state, oci_digest(manifest.data), &to, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    oci_server_stop(&o);
    assert_int_equal(o.s->count, 0);
    oci_server_done(&o);
}

/* ---- pull ---- */

static const char *reply_with(const char *type, const char *body, char out[2048])
{
    (void)snprintf(out, 2048, HEAD("200 OK") "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
                   type, strlen(body), body);
    return out;
}

struct texts {
    struct sk_buf manifest, index;
    char manifest_reply[2048], index_reply[2048], layer_reply[2048], config_reply[2048];
};

static void texts_done(struct texts *t)
{
    sk_buf_done(&t->manifest);
    sk_buf_done(&t->index);
}

static void make_texts(struct texts *t)
{
    t->manifest.ceiling = t->index.ceiling = 4096;
    make_manifest(&t->manifest);
    make_index(t->manifest.data, &t->index);
    (void)reply_with(SK_OCI_MANIFEST, t->manifest.data, t->manifest_reply);
    (void)reply_with(SK_OCI_INDEX, t->index.data, t->index_reply);
    (void)reply_with("a/b", LAYER, t->layer_reply);
    (void)reply_with("a/b", CONFIG, t->config_reply);
}

/* [oci-61] [oci-63] The verified digest is asked for, the tag is not looked at again. */
static void pull_of_a_platform(void **state)
{
    SK_AUTO(texts_done) struct texts t = { 0 };
    make_texts(&t);
    const char *replies[] = { t.index_reply, t.manifest_reply, t.config_reply, t.layer_reply,
                              NULL };
    const struct sk_oci_ref from = { .repository = "a", .tag = "v1" };
    char digest[SK_OCI_DIGEST_TEXT], found[SK_OCI_DIGEST_TEXT], type[128], rest[100];
    struct oci_server o;
    struct sk_err err = SK_ERR_INIT;

    oci_server_start(&o, replies, NULL);
    if (sk_oci_pull(o.r, &from, "linux/arm64", oci_digest(t.index.data), *state, digest, &err) < 0)
        fail_msg("%s", err.text);
    oci_server_stop(&o);
    assert_string_equal(digest, oci_digest(t.manifest.data));
    assert_int_equal(sk_oci_layout_find(*state, "v1", type, found, &err), 0);
    assert_string_equal(found, digest);
    (void)snprintf(rest, sizeof rest, "manifests/%s", oci_digest(t.index.data));
    assert_true(begins(&o, 0, "GET", rest));
    (void)snprintf(rest, sizeof rest, "manifests/%s", oci_digest(t.manifest.data));
    assert_true(begins(&o, 1, "GET", rest));
    assert_int_equal(o.s->count, 4);
    oci_server_done(&o);
}

static void pulls_that_fail(void **state)
{
    SK_AUTO(texts_done) struct texts t = { 0 };
    char as_index[2048];
    make_texts(&t);
    (void)reply_with(SK_OCI_INDEX, t.manifest.data, as_index);
    const char *wrong = oci_digest("other");

    const struct {
        const char *reply, *platform, *want, *says;
        enum sk_code code;
    } rows[] = {
        { t.index_reply, "linux/amd64", NULL, "not there for linux/amd64, but for: linux/arm64",
          SK_NOT_FOUND },
        { t.index_reply, "linux", NULL, "is no platform", SK_INVALID },
        { t.index_reply, "linux/arm64", wrong, "with the digest", SK_CORRUPT },
        { t.index_reply, "linux/arm64", NULL, "with the digest", SK_CORRUPT }, /* the second one */
        { as_index, NULL, NULL, "calls a", SK_CORRUPT },
        { HEAD("200 OK") "\r\n{}", NULL, NULL, "schemaVersion", SK_INVALID },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct sk_oci_ref from = { .repository = "a", .tag = "v1" };
        const char *replies[] = { rows[i].reply, NULL };
        char digest[SK_OCI_DIGEST_TEXT];
        struct oci_server o;
        struct sk_err err = SK_ERR_INIT;
        oci_server_start(&o, replies, NULL);
        int rc = sk_oci_pull(o.r, &from, rows[i].platform, rows[i].want, *state, digest, &err);
        oci_server_done(&o);
        if (rc == 0 || err.code != rows[i].code || !strstr(err.text, rows[i].says))
            fail_msg("row %zu: %s: %s", i, sk_code_name(err.code), err.text);
    }
    struct sk_oci_ref from = { .repository = "a" };
    char digest[SK_OCI_DIGEST_TEXT];
    static const char *const replies[] = { OK, NULL };
    struct oci_server o;
    struct sk_err err = SK_ERR_INIT;
    (void)snprintf(from.digest, sizeof from.digest, "%s", wrong);
    oci_server_start(&o, replies, NULL);
    assert_int_equal(sk_oci_pull(o.r, &from, NULL, oci_digest("verified"), *state, digest, &err),
                     -1);
    assert_int_equal(err.code, SK_DENIED);
    oci_server_done(&o);
}

/* A chain of indexes has an end. */
static void deep_indexes(void **state)
{
    SK_AUTO(texts_done) struct texts t = { 0 };
    make_texts(&t);
    char texts[5][1024], replies_text[5][2048];
    const char *replies[6] = { NULL };
    const struct sk_oci_ref from = { .repository = "a", .tag = "v1" };
    char digest[SK_OCI_DIGEST_TEXT];
    struct oci_server o;
    struct sk_err err = SK_ERR_INIT;

    (void)snprintf(texts[4], sizeof texts[4], "%s", t.index.data);
    for (int i = 3; i >= 0; i--)
        (void)snprintf(texts[i], sizeof texts[i],
                       "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" SK_OCI_INDEX
                       "\",\"digest\":\"%s\",\"size\":%zu,\"platform\":{\"os\":\"linux\","
                       "\"architecture\":\"arm64\"}}]}",
                       oci_digest(texts[i + 1]), strlen(texts[i + 1]));
    for (int i = 0; i < 5; i++)
        replies[i] = reply_with(SK_OCI_INDEX, texts[i], replies_text[i]);
    for (int i = 0; i < 2; i++) {
        oci_server_start(&o, replies, NULL);
        assert_int_equal(
            sk_oci_pull(o.r, &from, i ? "all" : "linux/arm64", NULL, *state, digest, &err), -1);
        assert_int_equal(err.code, SK_LIMIT);
        oci_server_done(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(order_of_a_push, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(broken_layouts, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(pull_of_a_platform, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(pulls_that_fail, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(deep_indexes, oci_surround, oci_unsurround),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
