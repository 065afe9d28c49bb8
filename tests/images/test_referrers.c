/* test_referrers.c - what refers to a manifest: [hub-oci-11]. */
#include "fixture.h"

#include "json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SUBJECT "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define EMPTY                                                                                      \
    "{\"schemaVersion\":2,\"mediaType\":\"application/"                                            \
    "vnd.oci.image.index.v1+json\",\"manifests\":[]}"

/* A manifest that refers to a subject, which need not be there. */
static void refer_to(struct fixture *f, const char *repository, const char *digest,
                     const char *more, struct sk_manifest_info *info)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(8 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf subject = SK_BUF_INIT(8 << 20);
    struct sk_err err = SK_ERR_INIT;
    char config[SK_DIGEST_TEXT];

    put_blob(f, repository, "{}", config);
    sk_buf_str(&subject, ",\"subject\":");
    descriptor_text(&subject, "application/vnd.oci.image.manifest.v1+json", digest, 17);
    sk_buf_str(&subject, more);
    assert_true(sk_buf_ok(&subject));
    manifest_text(&text, config, NULL, subject.data);
    assert_ok(put_manifest(f, repository, "v", &text, info, &err), &err);
    assert_string_equal(info->subject, digest);
}

static void refer(struct fixture *f, const char *repository, const char *more,
                  struct sk_manifest_info *info)
{
    refer_to(f, repository, SUBJECT, more, info);
}

/* The list, parsed; next receives where to go on. */
static struct sk_json *ask(struct fixture *f, const char *repository, const char *type,
                           const char *after, char next[SK_DIGEST_TEXT])
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(16 << 20);
    struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;

    assert_ok(sk_referrers(f->store, repository, SUBJECT, type, after, &out, next, &err), &err);
    assert_ok(sk_json_parse(out.data, out.len, NULL, &doc, &err), &err);
    assert_string_equal(sk_json_get_text(doc, "mediaType", ""),
                        "application/vnd.oci.image.index.v1+json");
    return doc;
}

static void nothing_refers(void **state)
{
    struct fixture *f = *state;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);
    struct sk_err err = SK_ERR_INIT;
    char next[SK_DIGEST_TEXT] = "x";

    assert_ok(sk_referrers(f->store, "none", SUBJECT, NULL, NULL, &out, next, &err), &err);
    assert_string_equal(out.data, EMPTY);
    assert_string_equal(next, "");
    assert_failed(sk_referrers(f->store, "none", "latest", NULL, NULL, &out, next, &err), &err,
                  SK_INVALID, "DIGEST_INVALID: ");
    assert_failed(sk_referrers(f->store, "/", SUBJECT, NULL, NULL, &out, next, &err), &err,
                  SK_INVALID, "NAME_INVALID: ");
}

static void other_digests(void **state)
{
    struct fixture *f = *state;
    SK_AUTO(sk_buf_done) struct sk_buf one = SK_BUF_INIT(1 << 16), none = SK_BUF_INIT(1 << 16);
    struct sk_err err = SK_ERR_INIT;
    struct sk_manifest_info info;
    char subject[SK_DIGEST_TEXT], next[SK_DIGEST_TEXT];

    assert_ok(sk_digest_of(SK_SHA512, "x", 1, subject, &err), &err);
    refer_to(f, "a", subject, "", &info);
    assert_ok(sk_referrers(f->store, "a", subject, NULL, NULL, &one, next, &err), &err);
    assert_non_null(strstr(one.data, info.digest));
    assert_ok(sk_referrers(f->store, "a", SUBJECT, NULL, NULL, &none, next, &err), &err);
    assert_string_equal(none.data, EMPTY);
}

static void descriptors(void **state)
{
    struct fixture *f = *state;
    struct sk_manifest_info sbom, config_typed, elsewhere;
    char next[SK_DIGEST_TEXT];

    refer(f, "a", ",\"artifactType\":\"application/x.sbom\",\"annotations\":{\"k\":\"v\\\"\"}",
          &sbom);
    refer(f, "a", "", &config_typed);
    refer(f, "b", ",\"artifactType\":\"application/x.other\"", &elsewhere);
    SK_OWN(sk_json_free) struct sk_json *all = ask(f, "a", NULL, NULL, next);
    assert_int_equal(sk_json_count(sk_json_get(all, "manifests")), 2);

    SK_OWN(sk_json_free) struct sk_json *one = ask(f, "a", "application/x.sbom", NULL, next);
    const struct sk_json *list = sk_json_get(one, "manifests");
    assert_int_equal(sk_json_count(list), 1);
    const struct sk_json *d = sk_json_at(list, 0);
    assert_string_equal(sk_json_get_text(d, "digest", ""), sbom.digest);
    assert_int_equal(sk_json_int(sk_json_get(d, "size"), 0), sbom.size);
    assert_string_equal(sk_json_get_text(d, "artifactType", ""), "application/x.sbom");
    assert_string_equal(sk_json_get_text(sk_json_get(d, "annotations"), "k", ""), "v\"");

    SK_OWN(sk_json_free)
    struct sk_json *typed = ask(f, "a", "application/vnd.oci.image.config.v1+json", NULL, next);
    d = sk_json_at(sk_json_get(typed, "manifests"), 0);
    assert_string_equal(sk_json_get_text(d, "digest", ""), config_typed.digest);
    assert_null(sk_json_get(d, "annotations"));

    SK_OWN(sk_json_free) struct sk_json *none = ask(f, "a", "application/x.other", NULL, next);
    assert_int_equal(sk_json_count(sk_json_get(none, "manifests")), 0);
}

/* An index without an artifactType has none in the list either. */
static void index_as_referrer(void **state)
{
    struct fixture *f = *state;
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 16);
    struct sk_manifest_info info;
    struct sk_err err = SK_ERR_INIT;
    char next[SK_DIGEST_TEXT];

    sk_buf_str(&text, "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+"
                      "json\",\"manifests\":[],\"subject\":");
    descriptor_text(&text, "application/vnd.oci.image.manifest.v1+json", SUBJECT, 17);
    sk_buf_str(&text, "}");
    assert_ok(put_manifest(f, "a", "v", &text, &info, &err), &err);
    SK_OWN(sk_json_free) struct sk_json *all = ask(f, "a", NULL, NULL, next);
    const struct sk_json *d = sk_json_at(sk_json_get(all, "manifests"), 0);
    assert_string_equal(sk_json_get_text(d, "digest", ""), info.digest);
    assert_null(sk_json_get(d, "artifactType"));
}

/* Large annotations: the list is cut and goes on where it was. */
static void pages(void **state)
{
    struct fixture *f = *state;
    char next[SK_DIGEST_TEXT] = "", seen[3][SK_DIGEST_TEXT];
    size_t size = SK_REFERRERS_BYTES / 2 + 1000, found = 0;
    SK_OWN(free) char *more = malloc(size + 100);

    assert_non_null(more);
    for (int i = 0; i < 3; i++) {
        struct sk_manifest_info info;
        size_t head = (size_t)snprintf(more, 100, ",\"annotations\":{\"k%d\":\"", i);
        memset(more + head, 'x', size - head);
        memcpy(more + size, "\"}", 3);
        refer(f, "a", more, &info);
    }
    for (int page = 0; page < 3; page++) {
        SK_OWN(sk_json_free) struct sk_json *doc = ask(f, "a", NULL, page ? next : NULL, next);
        const struct sk_json *list = sk_json_get(doc, "manifests");
        assert_int_equal(sk_json_count(list), 1);
        (void)snprintf(seen[found++], SK_DIGEST_TEXT, "%s",
                       sk_json_get_text(sk_json_at(list, 0), "digest", ""));
        assert_int_equal(next[0] != '\0', page < 2);
    }
    assert_true(strcmp(seen[0], seen[1]) < 0 && strcmp(seen[1], seen[2]) < 0);
}

#define ROW(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(nothing_refers),    ROW(descriptors), ROW(other_digests),
        ROW(index_as_referrer), ROW(pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
