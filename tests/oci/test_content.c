/* test_content.c - manifests, lists and referrers from registries that are right and from others.
 */
#include "oci/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *stand_for(const char *text, const char *body)
{
    static const char *const names[] = { "D", "X", "D5", "X5" };

    for (size_t i = 0; text && i < 4; i++) {
        const char *of = i % 2 ? "other" : body;
        if (strcmp(text, names[i]) == 0)
            return i < 2 ? oci_digest(of) : oci_digest_512(of);
    }
    return text;
}

/* [oci-50] */
static void manifests(void **state)
{
    static const struct {
        const char *headers, *body, *reference; /* "D": the digest of the body, "X": another; "D5",
                                                   "X5": by sha512 */
        const char *announced;                  /* likewise, NULL: none */
        const char *type, *says;                /* says NULL: good */
        enum sk_code code;
    } rows[] = {
        { "Content-Type: a/b\r\n", "{}", "v1", NULL, "a/b", NULL, SK_OK },
        { "Content-Type: a/b; charset=utf-8\r\n", "{}", "D", "D", "a/b", NULL, SK_OK },
        { "", "{}", "v1", NULL, "", NULL, SK_OK },
        { "Content-Type: junk\r\n", "{}", "v1", NULL, "", NULL, SK_OK },
        { "", "{}", "X", NULL, "", "with the digest", SK_CORRUPT },
        { "", "{}", "v1", "X", "", "announced", SK_CORRUPT },
        { "", "{}", "D5", "D5", "", NULL, SK_OK },
        { "", "{}", "D5", "D", "", NULL, SK_OK },
        { "", "{}", "D", "D5", "", NULL, SK_OK },
        { "", "{}", "v1", "D5", "", NULL, SK_OK },
        { "", "{}", "X5", NULL, "", "with the digest", SK_CORRUPT },
        { "", "{}", "D5", "X", "", "announced", SK_CORRUPT },
        { "", "{}", "D", "X5", "", "announced", SK_CORRUPT },
        { "", "{}", "v1", "X5", "", "announced", SK_CORRUPT },
        { "", "", "v1", NULL, "", "is empty", SK_CORRUPT },
        { "", "{}", ".x", NULL, "", "neither a tag nor a digest", SK_INVALID },
        { "", "{}", "a/../b", NULL, "", "neither a tag nor a digest", SK_INVALID },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *announced = stand_for(rows[i].announced, rows[i].body);
        const char *reference = stand_for(rows[i].reference, rows[i].body);
        char reply[512], type[128], digest[SK_OCI_DIGEST_TEXT];
        const char *replies[] = { reply, NULL };
        SK_OWN(free) char *bytes = NULL;
        struct oci_server o;
        struct sk_err err = SK_ERR_INIT;
        size_t len = 0;
        (void)snprintf(reply, sizeof reply, HEAD("200 OK") "%s%s%s%sContent-Length: %zu\r\n\r\n%s",
                       rows[i].headers, announced ? "Docker-Content-Digest: " : "",
                       announced ? announced : "", announced ? "\r\n" : "", strlen(rows[i].body),
                       rows[i].body);
        oci_server_start(&o, replies, NULL);
        int rc = sk_oci_get_manifest(o.r, "a", reference, &bytes, &len, type, digest, &err);
        oci_server_done(&o);
        if ((rc == 0) != !rows[i].says)
            fail_msg("row %zu: %d %s", i, rc, err.text);
        if (rc < 0 && (err.code != rows[i].code || !strstr(err.text, rows[i].says)))
            fail_msg("row %zu: %s", i, err.text);
        if (rc == 0) {
            assert_string_equal(bytes, rows[i].body);
            assert_string_equal(type, rows[i].type);
            /* of the kind that was asked for, else of the announced one's */
            assert_string_equal(digest, sk_digest_valid(reference) ? reference
                                        : announced                ? announced
                                                                   : oci_digest(rows[i].body));
        }
    }
}

static int get_large(size_t size, struct sk_err *err)
{
    SK_OWN(free) char *reply = malloc(size + 200);
    const char *replies[] = { reply, NULL };
    SK_OWN(free) char *bytes = NULL;
    char type[128], digest[SK_OCI_DIGEST_TEXT];
    struct oci_server o;
    size_t len = 0;

    assert_non_null(reply);
    int head = snprintf(reply, 200, HEAD("200 OK") "\r\n");
    memset(reply + head, ' ', size);
    reply[(size_t)head + size] = '\0';
    oci_server_start(&o, replies, NULL);
    int rc = sk_oci_get_manifest(o.r, "a", "v1", &bytes, &len, type, digest, err);
    oci_server_done(&o);
    return rc;
}

/* [oci-14] */
static void large_manifests(void **state)
{
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(get_large(SK_OCI_MANIFEST_MAX, &err), 0);
    assert_int_equal(get_large(SK_OCI_MANIFEST_MAX + 1, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
    assert_non_null(strstr(err.text, "the manifest is larger than 4194304 bytes"));
}

static void putting(void **state)
{
    char right[256], wrong[256];
    const char *replies[] = { HEAD("201 C") "Content-Length: 0\r\n\r\n", right, wrong, NULL };
    struct oci_server o;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    (void)snprintf(right, sizeof right,
                   HEAD("201 C") "Docker-Content-Digest: %s\r\nContent-Length: 0\r\n\r\n",
                   oci_digest("{}"));
    (void)snprintf(wrong, sizeof wrong,
                   HEAD("201 C") "Docker-Content-Digest: %s\r\nContent-Length: 0\r\n\r\n",
                   oci_digest("x"));
    oci_server_start(&o, replies, NULL);
    assert_int_equal(sk_oci_put_manifest(o.r, "a", "v1", "a/b", "{}", 2, &err), 0);
    assert_int_equal(sk_oci_put_manifest(o.r, "a", "v1", "a/b", "{}", 2, &err), 0);
    assert_int_equal(sk_oci_put_manifest(o.r, "a", "v1", "a/b", "{}", 2, &err), -1);
    assert_int_equal(err.code, SK_CORRUPT);
    assert_int_equal(sk_oci_put_manifest(o.r, "a", "v1", "a/b\r\nX: y", "{}", 2, &err), -1);
    assert_int_equal(sk_oci_put_manifest(o.r, "A", "v1", "a/b", "{}", 2, &err), -1);
    oci_server_stop(&o);
    assert_int_equal(o.s->count, 3);
    assert_non_null(strstr(o.s->requests[0], "PUT /v2/a/manifests/v1 HTTP"));
    assert_non_null(strstr(o.s->requests[0], "Content-Type: a/b\r\n"));
    assert_non_null(strstr(o.s->requests[0], "\r\n\r\n{}"));
    oci_server_done(&o);
}

static void deleting(void **state)
{
    static const char *const replies[] = { HEAD("202 A") "\r\n", HEAD("405 No") "\r\n", NO, NULL };
    struct oci_server o;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    oci_server_start(&o, replies, NULL);
    assert_int_equal(sk_oci_delete_manifest(o.r, "a", "v1", &err), 0);
    assert_int_equal(sk_oci_delete_manifest(o.r, "a", "v1", &err), -1);
    assert_int_equal(err.code, SK_UNSUPPORTED);
    assert_int_equal(sk_oci_delete_manifest(o.r, "a", "v1", &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    oci_server_done(&o);
}

static void blobs(void **state)
{
    static const char *const replies[] = { OK, NO, HEAD("500 No") "\r\n", NULL };
    const char *digest = oci_digest("x");
    struct oci_server o;
    struct sk_err err = SK_ERR_INIT;
    bool has = false;

    (void)state;
    oci_server_start(&o, replies, NULL);
    assert_int_equal(sk_oci_has_blob(o.r, "a", digest, &has, &err), 0);
    assert_true(has);
    assert_int_equal(sk_oci_has_blob(o.r, "a", digest, &has, &err), 0);
    assert_false(has);
    assert_int_equal(sk_oci_has_blob(o.r, "a", digest, &has, &err), -1);
    assert_int_equal(sk_oci_has_blob(o.r, "a", "sha256:1", &has, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    oci_server_done(&o);
}

/* ---- lists ---- */

static int join(void *ctx, const char *name, struct sk_err *err)
{
    struct sk_buf *b = ctx;

    sk_buf_fmt(b, "%s ", name);
    return sk_buf_ok(b) ? 0 : sk_buf_fail(b, err);
}

/* [oci-52] */
static void lists(void **state)
{
    static const struct {
        const char *replies[3], *names, *says; /* says NULL: good */
    } rows[] = {
        { { HEAD("200 OK") "\r\n{\"tags\":[\"b\",\"a\"]}" }, "b a ", NULL },
        { { HEAD("200 OK") "\r\n{\"tags\":null}" }, "", NULL },
        { { HEAD("200 OK") "Link: </v2/a/tags/list?last=b>; rel=\"next\"\r\n\r\n{\"tags\":[\"b\"]}",
            HEAD("200 OK") "\r\n{\"tags\":[\"c\"]}" },
          "b c ",
          NULL },
        { { HEAD("200 OK") "Link: <list?last=b>; rel=next\r\n\r\n{\"tags\":[\"b\"]}",
            HEAD("200 OK") "\r\n{\"tags\":[\"c\"]}" },
          "b c ",
          NULL },
        { { HEAD("200 OK") "Link: </x>; rel=\"prev\"\r\n\r\n{\"tags\":[\"b\"]}" }, "b ", NULL },
        { { HEAD("200 OK") "Link: junk\r\n\r\n{\"tags\":[\"b\"]}" }, "b ", NULL },
        { { HEAD("200 OK") "Link: <http://o.example/>; rel=\"next\"\r\n\r\n{\"tags\":[\"b\"]}" },
          "b ",
          "lies on another server" },
        { { HEAD("200 OK") "\r\n{\"tags\":[\"a\",\"../b\"]}" }, "a ", "tags[1] is no name" },
        { { HEAD("200 OK") "\r\n{\"tags\":[7]}" }, "", "tags[0] is no name" },
        { { HEAD("200 OK") "\r\n{\"tags\":\"x\"}" }, "", "'tags': expected an array" },
        { { HEAD("200 OK") "\r\n<html>" }, "", "the registry's answer" },
        { { NO }, "", "answered 404" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf names = SK_BUF_INIT(1024);
        const char *replies[] = { rows[i].replies[0], rows[i].replies[1], NULL };
        struct oci_server o;
        struct sk_err err = SK_ERR_INIT;
        oci_server_start(&o, replies, NULL);
        int rc = sk_oci_tags(o.r, "a", join, &names, &err);
        oci_server_done(&o);
        if ((rc == 0) != !rows[i].says || (rc < 0 && !strstr(err.text, rows[i].says)) ||
            strcmp(names.data ? names.data : "", rows[i].names) != 0)
            fail_msg("row %zu: %d '%s' %s", i, rc, names.data ? names.data : "", err.text);
    }
}

static void catalog(void **state)
{
    static const char *const replies[] = { HEAD("200 OK") "\r\n{\"repositories\":[\"a/b\",\"c\"]}",
                                           NULL };
    SK_AUTO(sk_buf_done) struct sk_buf names = SK_BUF_INIT(1024);
    struct oci_server o;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    oci_server_start(&o, replies, NULL);
    assert_int_equal(sk_oci_catalog(o.r, join, &names, &err), 0);
    assert_string_equal(names.data, "a/b c ");
    oci_server_done(&o);
}

/* [oci-53] */
static void referrers(void **state)
{
    static const struct {
        const char *replies[3], *text; /* NULL: an error */
    } rows[] = {
        { { HEAD("200 OK") "\r\n{\"manifests\":[{\"a\":1}]}" }, "\"manifests\":[{\"a\":1}]}" },
        { { HEAD("200 OK") "Link: </v2/x>; rel=\"next\"\r\n\r\n{\"manifests\":[{\"a\":1}]}",
            HEAD("200 OK") "\r\n{\"manifests\":[{\"b\":2}]}" },
          "\"manifests\":[{\"a\":1},{\"b\":2}]}" },
        { { NO, HEAD("200 OK") "\r\n{\"manifests\":[{\"c\":3}]}" }, "\"manifests\":[{\"c\":3}]}" },
        { { NO, NO }, "\"manifests\":[]}" },
        { { HEAD("500 No") "\r\n" }, NULL },
        { { NO, HEAD("200 OK") "\r\n[" }, NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *replies[] = { rows[i].replies[0], rows[i].replies[1], NULL };
        SK_OWN(free) char *text = NULL;
        struct oci_server o;
        struct sk_err err = SK_ERR_INIT;
        size_t len = 0;
        oci_server_start(&o, replies, NULL);
        int rc = sk_oci_referrers(o.r, "a", oci_digest("x"), &text, &len, &err);
        oci_server_done(&o);
        if ((rc == 0) != (rows[i].text != NULL) || (rc == 0 && !sk_ends_with(text, rows[i].text)))
            fail_msg("row %zu: %s %s", i, text ? text : "", err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(manifests, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(large_manifests, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(putting, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(deleting, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(blobs, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(lists, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(catalog, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(referrers, oci_surround, oci_unsurround),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
