/* test_manifest.c - putting, finding and deleting manifests and tags: [hub-oci-5] to [hub-oci-9].
 */
#include "fixture.h"

#include "base/clock.h"
#include "harness/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ABSENT "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define INDEX  "application/vnd.oci.image.index.v1+json"
#define IMAGE  "application/vnd.oci.image.manifest.v1+json"

static void put_and_find(void **state)
{
    struct fixture *f = *state;
    struct sk_manifest_info info;
    struct sk_err err = SK_ERR_INIT;
    char digest[SK_DIGEST_TEXT];

    put_image(f, "a/b", "v1", "hello", digest);
    assert_ok(sk_manifest_find(f->store, "a/b", "v1", &info, &err), &err);
    assert_string_equal(info.digest, digest);
    assert_string_equal(info.media_type, IMAGE);
    assert_string_equal(info.subject, "");
    assert_ok(sk_manifest_find(f->store, "a/b", digest, &info, &err), &err);
    assert_string_equal(info.digest, digest);
    SK_OWN(free) char *bytes = NULL;
    size_t len = 0;
    assert_ok(sk_blob_read(f->store, digest, 1 << 16, &bytes, &len, &err), &err);
    assert_int_equal(len, info.size);
    assert_int_equal(number_of(f, "SELECT count(*) FROM manifest_part"), 2);
    assert_int_equal(number_of(f, "SELECT count(*) FROM audit WHERE action = 'image.push'"), 1);
}

static void what_is_not_there(void **state)
{
    struct fixture *f = *state;
    struct sk_manifest_info info;
    struct sk_err err = SK_ERR_INIT;
    char digest[SK_DIGEST_TEXT];

    assert_failed(sk_manifest_find(f->store, "a", "v1", &info, &err), &err, SK_NOT_FOUND,
                  "NAME_UNKNOWN: ");
    put_image(f, "a", "v1", "hello", digest);
    assert_failed(sk_manifest_find(f->store, "a", "v2", &info, &err), &err, SK_NOT_FOUND,
                  "MANIFEST_UNKNOWN: ");
    assert_failed(sk_manifest_find(f->store, "a", ABSENT, &info, &err), &err, SK_NOT_FOUND,
                  "MANIFEST_UNKNOWN: ");
    assert_failed(sk_manifest_find(f->store, "a", ".no tag", &info, &err), &err, SK_NOT_FOUND,
                  "MANIFEST_UNKNOWN: ");
    assert_failed(sk_manifest_find(f->store, "a", "sha256:x", &info, &err), &err, SK_INVALID,
                  "DIGEST_INVALID: ");
    assert_failed(sk_manifest_find(f->store, "b", digest, &info, &err), &err, SK_NOT_FOUND,
                  "NAME_UNKNOWN: ");
    assert_failed(sk_manifest_find(f->store, "../a", "v1", &info, &err), &err, SK_INVALID,
                  "NAME_INVALID: ");
}

static void tags_move(void **state)
{
    struct fixture *f = *state;
    struct sk_manifest_info info;
    struct sk_err err = SK_ERR_INIT;
    char one[SK_DIGEST_TEXT], two[SK_DIGEST_TEXT];

    put_image(f, "a", "v1", "hello", one);
    put_image(f, "a", "v1", "world", two);
    assert_string_not_equal(one, two);
    assert_ok(sk_manifest_find(f->store, "a", "v1", &info, &err), &err);
    assert_string_equal(info.digest, two);
    assert_ok(sk_manifest_find(f->store, "a", one, &info, &err), &err);
    put_image(f, "a", "v1", "hello", two); /* the same again */
    assert_string_equal(one, two);
    assert_int_equal(number_of(f, "SELECT count(*) FROM manifest"), 2);
    assert_int_equal(number_of(f, "SELECT count(*) FROM manifest_part"), 4);
}

static void several_tags(void **state)
{
    struct fixture *f = *state;
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 16);
    const char *tags[SK_MANIFEST_TAGS_MAX + 1];
    char names[SK_MANIFEST_TAGS_MAX + 1][8], config[SK_DIGEST_TEXT];
    struct sk_manifest_info info;
    struct sk_err err = SK_ERR_INIT;

    put_blob(f, "a", "{}", config);
    manifest_text(&text, config, NULL, NULL);
    for (size_t i = 0; i <= SK_MANIFEST_TAGS_MAX; i++) {
        (void)snprintf(names[i], sizeof names[i], "t%zu", i);
        tags[i] = names[i];
    }
    struct sk_manifest_put put = { .repository = "a",
                                   .reference = "latest",
                                   .tags = tags,
                                   .tag_count = SK_MANIFEST_TAGS_MAX + 1,
                                   .bytes = text.data,
                                   .len = text.len };
    assert_failed(sk_manifest_put(f->store, &f->who, &put, &info, &err), &err, SK_INVALID,
                  "MANIFEST_INVALID: ");
    put.tag_count--;
    assert_ok(sk_manifest_put(f->store, &f->who, &put, &info, &err), &err);
    assert_int_equal(number_of(f, "SELECT count(*) FROM repository_tag"), SK_MANIFEST_TAGS_MAX + 1);
    tags[1] = "no tag";
    assert_failed(sk_manifest_put(f->store, &f->who, &put, &info, &err), &err, SK_INVALID,
                  "MANIFEST_INVALID: ");
}

/* [hub-oci-19] Blobs, manifest and index named by sha512, beside those named by sha256. */
static void other_digests(void **state)
{
    struct fixture *f = *state;
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 16), index = SK_BUF_INIT(1 << 16);
    char config[SK_DIGEST_TEXT], layer[SK_DIGEST_TEXT], by_512[SK_DIGEST_TEXT];
    static const char *const tags[] = { "t" };
    struct sk_manifest_info info, found;
    struct sk_err err = SK_ERR_INIT;

    put_blob(f, "a", "{}", config);
    put_blob_512(f, "a", "hello", layer);
    manifest_text(&text, config, layer, NULL);
    assert_ok(sk_digest_of(SK_SHA512, text.data, text.len, by_512, &err), &err);
    const struct sk_manifest_put put = { .repository = "a",
                                         .reference = by_512,
                                         .tags = tags,
                                         .tag_count = 1,
                                         .bytes = text.data,
                                         .len = text.len };
    assert_ok(sk_manifest_put(f->store, &f->who, &put, &info, &err), &err);
    assert_string_equal(info.digest, by_512);
    assert_ok(sk_manifest_find(f->store, "a", "t", &found, &err), &err);
    assert_string_equal(found.digest, by_512);

    /* The same bytes by a tag are another manifest. */
    assert_ok(put_manifest(f, "a", "v1", &text, &info, &err), &err);
    assert_true(sk_digest_is(info.digest, SK_SHA256));
    assert_int_equal(number_of(f, "SELECT count(*) FROM manifest"), 2);

    sk_buf_str(&index, "{\"schemaVersion\":2,\"mediaType\":\"" INDEX "\",\"manifests\":[");
    descriptor_text(&index, IMAGE, by_512, text.len);
    sk_buf_str(&index, "]}");
    assert_ok(put_manifest(f, "a", "all", &index, &info, &err), &err);
    assert_failed(sk_manifest_delete(f->store, &f->who, "a", by_512, &err), &err, SK_DENIED,
                  "DENIED: ");

    sk_buf_str(&text, " "); /* other bytes */
    assert_failed(put_manifest(f, "a", by_512, &text, &info, &err), &err, SK_INVALID,
                  "DIGEST_INVALID: ");
    assert_ok(sk_manifest_delete(f->store, &f->who, "a", "all", &err), &err);
}

/* What is refused, and that nothing is left of it. */
static void refused(void **state)
{
    struct fixture *f = *state;
    SK_AUTO(sk_buf_done) struct sk_buf lacks = SK_BUF_INIT(1 << 16);
    SK_AUTO(sk_buf_done) struct sk_buf whole = SK_BUF_INIT(1 << 16);
    SK_AUTO(sk_buf_done) struct sk_buf wrong_size = SK_BUF_INIT(1 << 16);
    char config[SK_DIGEST_TEXT], layer[SK_DIGEST_TEXT], elsewhere[SK_DIGEST_TEXT];
    struct sk_manifest_info info;
    struct sk_err err = SK_ERR_INIT;

    put_blob(f, "a", "{}", config);
    put_blob(f, "a", "123456", layer);
    put_blob(f, "b", "other", elsewhere);
    manifest_text(&lacks, config, ABSENT, NULL);
    manifest_text(&whole, config, NULL, NULL);
    manifest_text(&wrong_size, config, layer, NULL); /* it says 5 */

    const struct {
        const char *repository, *reference, *media_type;
        const void *bytes;
        size_t len;
        enum sk_code code;
        const char *begins;
    } rows[] = {
        { "a", "v", NULL, lacks.data, lacks.len, SK_NOT_FOUND, "MANIFEST_BLOB_UNKNOWN: " },
        { "a", "v", NULL, wrong_size.data, wrong_size.len, SK_INVALID, "MANIFEST_INVALID: " },
        { "b", "v", NULL, whole.data, whole.len, SK_NOT_FOUND, "MANIFEST_BLOB_UNKNOWN: " },
        { "new", "v", NULL, whole.data, whole.len, SK_NOT_FOUND, "MANIFEST_BLOB_UNKNOWN: " },
        { "a", ABSENT, NULL, whole.data, whole.len, SK_INVALID, "DIGEST_INVALID: " },
        { "a", "sha256:x", NULL, whole.data, whole.len, SK_INVALID, "DIGEST_INVALID: " },
        { "a", ".v", NULL, whole.data, whole.len, SK_INVALID, "MANIFEST_INVALID: " },
        { "A", "v", NULL, whole.data, whole.len, SK_INVALID, "NAME_INVALID: " },
        { "a", "v", INDEX, whole.data, whole.len, SK_INVALID, "MANIFEST_INVALID: " },
        { "a", "v", NULL, "", 0, SK_INVALID, "MANIFEST_INVALID: " },
        { "a", "v", NULL, "{}", 2, SK_INVALID, "MANIFEST_INVALID: " },
        { "a", "v", NULL, "[]", 2, SK_INVALID, "MANIFEST_INVALID: " },
        { "a", "v", NULL, whole.data, whole.len - 1, SK_INVALID, "MANIFEST_INVALID: " },
        { "a", "v", NULL, whole.data, SK_MANIFEST_MAX + 1, SK_TOO_LARGE, "SIZE_INVALID: " },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct sk_manifest_put put = { .repository = rows[i].repository,
                                             .reference = rows[i].reference,
                                             .media_type = rows[i].media_type,
                                             .bytes = rows[i].bytes,
                                             .len = rows[i].len };
        err = (struct sk_err)SK_ERR_INIT;
        int rc = sk_manifest_put(f->store, &f->who, &put, &info, &err);
        assert_failed(rc, &err, rows[i].code, rows[i].begins);
    }
    assert_int_equal(number_of(f, "SELECT count(*) FROM manifest"), 0);
    assert_int_equal(number_of(f, "SELECT count(*) FROM repository_tag"), 0);
    assert_int_equal(number_of(f, "SELECT count(*) FROM repository WHERE name = 'new'"), 0);
    assert_int_equal(number_of(f, "SELECT count(*) FROM audit WHERE action = 'image.push'"), 0);
}

static void generic_types(void **state)
{
    static const char *const TYPES[] = { NULL, "", "application/json", IMAGE };
    struct fixture *f = *state;
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 16);
    char config[SK_DIGEST_TEXT];
    struct sk_manifest_info info;
    struct sk_err err = SK_ERR_INIT;

    put_blob(f, "a", "{}", config);
    manifest_text(&text, config, NULL, NULL);
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++) {
        const struct sk_manifest_put put = { .repository = "a",
                                             .reference = "v",
                                             .media_type = TYPES[i],
                                             .bytes = text.data,
                                             .len = text.len };
        assert_ok(sk_manifest_put(f->store, &f->who, &put, &info, &err), &err);
        assert_string_equal(info.media_type, IMAGE);
    }
}

/* A layer that is not to be distributed need not be there. */
static void foreign_layers(void **state)
{
    struct fixture *f = *state;
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 16);
    char config[SK_DIGEST_TEXT];
    struct sk_manifest_info info;
    struct sk_err err = SK_ERR_INIT;

    put_blob(f, "a", "{}", config);
    sk_buf_str(&text, "{\"schemaVersion\":2,\"config\":");
    descriptor_text(&text, "application/vnd.oci.image.config.v1+json", config, 2);
    sk_buf_str(&text, ",\"layers\":[");
    descriptor_text(&text, "application/vnd.oci.image.layer.nondistributable.v1.tar", ABSENT, 7);
    sk_buf_str(&text, ",");
    descriptor_text(&text, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", ABSENT, 7);
    sk_buf_str(&text, "]}");
    assert_ok(put_manifest(f, "a", "v", &text, &info, &err), &err);
    assert_int_equal(number_of(f, "SELECT count(*) FROM manifest_part"), 1);
}

static void indexes(void **state)
{
    struct fixture *f = *state;
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 16);
    char one[SK_DIGEST_TEXT];
    struct sk_manifest_info image, info;
    struct sk_err err = SK_ERR_INIT;

    put_image(f, "a", "v1", "hello", one);
    assert_ok(sk_manifest_find(f->store, "a", one, &image, &err), &err);
    sk_buf_str(&text, "{\"schemaVersion\":2,\"mediaType\":\"" INDEX "\",\"manifests\":[");
    descriptor_text(&text, IMAGE, one, image.size);
    sk_buf_str(&text, "]}");
    assert_failed(put_manifest(f, "b", "all", &text, &info, &err), &err, SK_NOT_FOUND,
                  "MANIFEST_BLOB_UNKNOWN: ");
    err = (struct sk_err)SK_ERR_INIT;
    assert_ok(put_manifest(f, "a", "all", &text, &info, &err), &err);
    assert_string_equal(info.media_type, INDEX);
    assert_failed(sk_manifest_delete(f->store, &f->who, "a", one, &err), &err, SK_DENIED,
                  "DENIED: ");
    err = (struct sk_err)SK_ERR_INIT;
    assert_ok(sk_manifest_delete(f->store, &f->who, "a", info.digest, &err), &err);
    assert_ok(sk_manifest_delete(f->store, &f->who, "a", one, &err), &err);
    assert_int_equal(number_of(f, "SELECT count(*) FROM manifest_part"), 0);
}

static void deletes(void **state)
{
    struct fixture *f = *state;
    struct sk_manifest_info info;
    struct sk_err err = SK_ERR_INIT;
    char digest[SK_DIGEST_TEXT];

    put_image(f, "a", "v1", "hello", digest);
    put_image(f, "a", "v2", "hello", digest);
    assert_ok(sk_manifest_delete(f->store, &f->who, "a", "v1", &err), &err);
    assert_failed(sk_manifest_delete(f->store, &f->who, "a", "v1", &err), &err, SK_NOT_FOUND,
                  "MANIFEST_UNKNOWN: ");
    err = (struct sk_err)SK_ERR_INIT;
    assert_ok(sk_manifest_find(f->store, "a", "v2", &info, &err), &err);
    assert_ok(sk_manifest_delete(f->store, &f->who, "a", digest, &err), &err);
    assert_failed(sk_manifest_find(f->store, "a", "v2", &info, &err), &err, SK_NOT_FOUND,
                  "MANIFEST_UNKNOWN: ");
    assert_failed(sk_manifest_delete(f->store, &f->who, "a", digest, &err), &err, SK_NOT_FOUND,
                  "MANIFEST_UNKNOWN: ");
    assert_failed(sk_manifest_delete(f->store, &f->who, "b", digest, &err), &err, SK_NOT_FOUND,
                  "NAME_UNKNOWN: ");
    assert_int_equal(number_of(f, "SELECT count(*) FROM audit WHERE action = 'image.untag'"), 1);
    assert_int_equal(number_of(f, "SELECT count(*) FROM audit WHERE action = 'image.delete'"), 1);
}

/* gc leaves what manifests name, whatever its age, and takes the rest. */
static void gc_keeps_images(void **state)
{
    struct fixture *f = *state;
    struct sk_store_report report;
    struct sk_manifest_info info;
    struct sk_err err = SK_ERR_INIT;
    char digest[SK_DIGEST_TEXT], lonely[SK_DIGEST_TEXT];

    put_image(f, "a", "v1", "hello", digest);
    put_blob(f, "a", "alone", lonely);
    uint64_t end_ms = sk_now_ms() + 20;
    while (sk_now_ms() < end_ms)
        continue; /* older than a grace of 1 ms */
    assert_ok(sk_store_gc(f->store, 1, 1, false, &report, &err), &err);
    assert_int_equal(report.removed, 1);
    assert_int_equal(number_of(f, "SELECT count(*) FROM repository_blob"), 2);
    assert_ok(sk_manifest_find(f->store, "a", "v1", &info, &err), &err);
    assert_ok(sk_manifest_delete(f->store, &f->who, "a", digest, &err), &err);
    assert_ok(sk_store_gc(f->store, 1, 1, false, &report, &err), &err);
    assert_int_equal(report.removed, 3);
    assert_int_equal(number_of(f, "SELECT count(*) FROM repository_blob"), 0);
}

static int put_once(void *ctx, struct sk_err *err)
{
    struct fixture *f = ctx;
    static const char TEXT[] = "{\"schemaVersion\":2,\"mediaType\":\"" INDEX "\",\"manifests\":[]}";
    const struct sk_manifest_put put = {
        .repository = "a", .reference = "v", .bytes = TEXT, .len = sizeof TEXT - 1
    };
    struct sk_manifest_info info;

    return sk_manifest_put(f->store, &f->who, &put, &info, err) < 0 ||
                   sk_manifest_find(f->store, "a", "v", &info, err) < 0
               ? -1
               : 0;
}

static void out_of_memory(void **state)
{
    sk_alloc_sweep("put", put_once, *state, SK_ALLOC_MAY_SURVIVE);
}

#define ROW(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(put_and_find),  ROW(what_is_not_there), ROW(tags_move),       ROW(several_tags),
        ROW(other_digests), ROW(refused),           ROW(generic_types),   ROW(foreign_layers),
        ROW(indexes),       ROW(deletes),           ROW(gc_keeps_images), ROW(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
