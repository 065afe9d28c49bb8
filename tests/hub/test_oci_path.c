/* test_oci_path.c - addresses below /v2/, Content-Range, values in links: [hub-oci-1]. */
#include "hub/api_oci_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NONE ((enum sk_oci_kind)99)

static void paths(void **state)
{
    static const struct {
        const char *text;
        enum sk_oci_kind kind;
        const char *repository, *what;
    } rows[] = {
        { "", SK_OCI_BASE, "", "" },
        { "_catalog", SK_OCI_CATALOG, "", "" },
        { "a/manifests/latest", SK_OCI_MANIFESTS, "a", "latest" },
        { "a/b/manifests/sha256:00", SK_OCI_MANIFESTS, "a/b", "sha256:00" },
        { "a/blobs/sha256:00", SK_OCI_BLOBS, "a", "sha256:00" },
        { "a/blobs/uploads/", SK_OCI_UPLOADS, "a", "" },
        { "a/blobs/uploads", SK_OCI_UPLOADS, "a", "" },
        { "a/blobs/uploads/17", SK_OCI_UPLOAD, "a", "17" },
        { "a/tags/list", SK_OCI_TAGS, "a", "" },
        { "a/referrers/sha256:00", SK_OCI_REFERRERS, "a", "sha256:00" },
        /* names whose parts are words of the interface */
        { "manifests/manifests/manifests", SK_OCI_MANIFESTS, "manifests", "manifests" },
        { "blobs/uploads/blobs/uploads/list", SK_OCI_UPLOAD, "blobs/uploads", "list" },
        { "tags/list/tags/list", SK_OCI_TAGS, "tags/list", "" },
        { "a/blobs/uploads/manifests/x", SK_OCI_MANIFESTS, "a/blobs/uploads", "x" },
        { "blobs/uploads/tags/list", SK_OCI_TAGS, "blobs/uploads", "" },
        /* what a name may be is not asked here */
        { "../x/manifests/y", SK_OCI_MANIFESTS, "../x", "y" },
        { "a//manifests/y", SK_OCI_MANIFESTS, "a/", "y" },
        /* no address */
        { "/", NONE, NULL, NULL },
        { "//", NONE, NULL, NULL },
        { "a", NONE, NULL, NULL },
        { "a/b", NONE, NULL, NULL },
        { "a/manifests/", NONE, NULL, NULL },
        { "manifests/x", NONE, NULL, NULL },
        { "/manifests/x", NONE, NULL, NULL },
        { "a/blobs/", NONE, NULL, NULL },
        { "blobs/uploads/", NONE, NULL, NULL },
        { "/blobs/uploads/", NONE, NULL, NULL },
        { "a/tags/all", NONE, NULL, NULL },
        { "a/tags/", NONE, NULL, NULL },
        { "a/referrers/", NONE, NULL, NULL },
        { "a/uploads/17", NONE, NULL, NULL },
        { "_catalog/", NONE, NULL, NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sk_oci_path p;
        char text[64];
        (void)snprintf(text, sizeof text, "%s", rows[i].text);
        bool is_ok = sk_oci_path_parse(text, &p);
        if (is_ok != (rows[i].kind != NONE) || (is_ok && p.kind != rows[i].kind))
            fail_msg("'%s': %s, kind %d", rows[i].text, is_ok ? "taken" : "refused", (int)p.kind);
        if (is_ok && (strcmp(p.repository, rows[i].repository) || strcmp(p.what, rows[i].what)))
            fail_msg("'%s': '%s', '%s'", rows[i].text, p.repository, p.what);
    }
}

static void content_ranges(void **state)
{
    static const struct {
        const char *text;
        bool is_ok;
        uint64_t first, last;
    } rows[] = {
        { "0-0", true, 0, 0 },
        { "0-99", true, 0, 99 },
        { "100-199", true, 100, 199 },
        { "999999999999999999-999999999999999999", true, 999999999999999999, 999999999999999999 },
        { "bytes 0-99/100", true, 0, 99 },
        { "bytes 5-9/*", true, 5, 9 },
        { "bytes 5-9", true, 5, 9 },
        { "", false, 0, 0 },
        { "-", false, 0, 0 },
        { "5", false, 0, 0 },
        { "5-", false, 0, 0 },
        { "-5", false, 0, 0 },
        { "9-5", false, 0, 0 },
        { "0-99/100", false, 0, 0 },
        { "0-99x", false, 0, 0 },
        { " 0-99", false, 0, 0 },
        { "0--5", false, 0, 0 },
        { "+0-5", false, 0, 0 },
        { "0-18446744073709551616", false, 0, 0 },
        { "1000000000000000000-1000000000000000000", false, 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t first = 0, last = 0;
        bool is_ok = sk_oci_content_range(rows[i].text, &first, &last);
        if (is_ok != rows[i].is_ok || first != rows[i].first || last != rows[i].last)
            fail_msg("'%s': %d %llu %llu", rows[i].text, is_ok, (unsigned long long)first,
                     (unsigned long long)last);
    }
}

static void values(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(256);

    (void)state;
    sk_oci_add_value(&b, "application/x+json; q=\"1\"&a\xc3\xa9~");
    assert_string_equal(b.data, "application/x%2Bjson%3B%20q%3D%221%22%26a%C3%A9~");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),
        cmocka_unit_test(content_ranges),
        cmocka_unit_test(values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
