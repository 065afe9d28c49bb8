/*
 * test_check.c - the corpus of manifests against a golden file, and small documents for what the
 * wrapping and the limits do.
 */
#include "manifest/manifest_priv.h"

#include "harness/alloc_fail.h"
#include "harness/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const corpus[] = {
    "tutorial",      "filter",       "schema-1.1",   "gpu",        "create-object",
    "create-chunks", "host-network", "credentials",  "ports-free", "layer",
    "layer-empty",   "pascal",       "legacy",       "beside",     "configuration",
    "near-misses",   "bad-types",    "bad-ports",    "bad-routes", "bad-chunks",
    "bad-size",      "bad-text",     "bad-schema",   "bad-names",  "bad-image",
    "bad-status",    "bad-layer",    "bad-envelope", "bad-base",
};

static void note(void *ctx, bool is_error, const char *place, const char *text)
{
    sk_buf_fmt(ctx, "%s %s%s%s\n", is_error ? "error" : "warning", place, *place ? ": " : "", text);
}

static int note_module(void *ctx, const char *name, struct sk_err *err)
{
    (void)err;
    sk_buf_fmt(ctx, "module %s\n", name);
    return 0;
}

static int note_image(void *ctx, const char *module, const char *image, struct sk_err *err)
{
    (void)err;
    sk_buf_fmt(ctx, "image %s: %s\n", module, image);
    return 0;
}

/* The registry of the tests has what is not of registry.example/sensor. */
static int has_image(void *ctx, const char *image)
{
    (void)ctx;
    return !sk_starts_with(image, "registry.example/sensor");
}

static const struct sk_json *unwrapped(const struct sk_json *doc)
{
    const struct sk_json *in = sk_json_get(doc, "content");

    in = in ? in : sk_json_get(doc, "Content");
    in = in ? in : doc;
    doc = sk_json_get(in, "modulesContent");
    doc = doc ? doc : sk_json_get(in, "ModulesContent");
    return doc ? doc : sk_json_get(in, "moduleContent");
}

static void describe(const char *name, struct sk_buf *out)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_manifest_options opts = { .has_image = has_image, .say = note, .ctx = out };
    const struct sk_json *modules = NULL;
    struct sk_err err = SK_ERR_INIT;
    char path[128];

    (void)snprintf(path, sizeof(path), "tests/data/manifests/%s.json", name);
    if (sk_json_file(sk_source_path(path), &doc, &err) < 0)
        fail_msg("%s", err.text);
    opts.is_layered = sk_manifest_is_layer(unwrapped(doc));
    sk_buf_fmt(out, "== %s%s\n", name, opts.is_layered ? " (layer)" : "");
    if (sk_manifest_check(doc, &opts, &modules, &err) < 0) {
        sk_buf_fmt(out, "refused, %s: %s\n", sk_code_name(err.code), err.text);
        if (!sk_starts_with(name, "bad-"))
            fail_msg("%s: %s", name, err.text);
        return;
    }
    if (sk_starts_with(name, "bad-"))
        fail_msg("%s: accepted", name);
    assert_ptr_equal(modules, unwrapped(doc));
    if (sk_manifest_modules(modules, note_module, out, &err) < 0 ||
        sk_manifest_images(modules, note_image, out, &err) < 0)
        fail_msg("%s: %s", name, err.text);
}

static void test_corpus(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf said = SK_BUF_INIT(1 << 20);

    (void)state;
    for (size_t i = 0; i < sizeof(corpus) / sizeof(corpus[0]); i++)
        describe(corpus[i], &said);
    assert_true(sk_buf_ok(&said));
    sk_golden_check("tests/data/manifests/said.txt", said.data, said.len);
}

/* ---- small documents ---- */

#define AGENT                                                                                      \
    "\"$edgeAgent\":{\"properties.desired\":{\"schemaVersion\":\"1.1\",\"runtime\":{\"type\":"     \
    "\"docker\"},\"systemModules\":{\"edgeAgent\":{\"type\":\"docker\",\"settings\":{\"image\":"   \
    "\"a\"}},\"edgeHub\":{\"type\":\"docker\",\"settings\":{\"image\":\"h\"}}}}}"
#define HUB "\"$edgeHub\":{\"properties.desired\":{\"schemaVersion\":\"1.1\",\"routes\":{}}}"

static int check_text(const char *text, const struct sk_manifest_options *opts, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    const struct sk_json *modules = NULL;

    if (sk_json_parse(text, strlen(text), NULL, &doc, err) < 0)
        return -1;
    return sk_manifest_check(doc, opts, &modules, err);
}

static const struct {
    const char *text, *says; /* NULL: accepted */
    enum sk_code code;
} rows[] = {
    { "{\"modulesContent\":{" AGENT "," HUB "}}", NULL, SK_OK },
    { "{\"content\":{\"modulesContent\":{" AGENT "," HUB "}}}", NULL, SK_OK },
    { "{\"content\":{\"moduleContent\":{" AGENT "," HUB "}}}", NULL, SK_OK },
    { "{\"ModuleContent\":{" AGENT "," HUB "},\"content\":5}", NULL, SK_OK },
    { "[]", "expected an object, got an array", SK_INVALID },
    { "{}", "'modulesContent' is missing", SK_INVALID },
    { "{\"content\":5}", "content: expected an object, got an integer", SK_INVALID },
    { "{\"content\":{}}", "content: 'modulesContent' is missing", SK_INVALID },
    { "{\"modulescontent\":{}}", "'modulesContent' is missing; is 'modulescontent' meant to be it?",
      SK_INVALID },
    { "{\"modulesContent\":[]}", "modulesContent: expected an object, got an array", SK_INVALID },
    { "{\"modulesContent\":{}}", "modulesContent: '$edgeAgent' is missing", SK_INVALID },
    { "{\"modulesContent\":{" AGENT "}}", "modulesContent: '$edgeHub' is missing", SK_INVALID },
    { "{\"modulesContent\":{\"$edgeAgent\":{}," HUB "}}",
      "modulesContent: '$edgeAgent' has no 'properties.desired'", SK_INVALID },
    { "{\"modulesContent\":{" AGENT "," HUB ",\"m\":{\"properties.desired\":5}}}",
      "modulesContent.m['properties.desired']: expected an object, got an integer", SK_INVALID },
    { "{\"modulesContent\":{" AGENT "," HUB ",\"$other\":{}}}",
      "modulesContent.$other: a module's name has only", SK_INVALID },
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sk_err err = SK_ERR_INIT;
        int rc = check_text(rows[i].text, NULL, &err);

        if (!rc != !rows[i].says || err.code != rows[i].code ||
            (rows[i].says && !sk_starts_with(err.text, rows[i].says)))
            fail_msg("%s: %d %s", rows[i].text, rc, err.text);
    }
}

/* A custom twin whose section has exactly this many bytes: {"a0":"xxx",...}. */
static void section_of(size_t bytes, struct sk_buf *out)
{
    size_t left = bytes - 2;

    sk_buf_str(out, "{\"modulesContent\":{" AGENT "," HUB ",\"m\":{\"properties.desired\":{");
    for (unsigned i = 0; left > 0; i++) {
        size_t frame = i ? 9 : 8, fill = left - frame; /* ,"a00":"" */

        if (fill > 4000)
            fill = 3900;
        sk_buf_fmt(out, "%s\"a%02u\":\"", i ? "," : "", i);
        for (size_t k = 0; k < fill; k++)
            sk_buf_chr(out, 'x');
        sk_buf_chr(out, '"');
        left -= frame + fill;
    }
    sk_buf_str(out, "}}}}");
}

static void test_section_limit(void **state)
{
    (void)state;
    for (size_t n = SK_MANIFEST_SECTION_MAX; n <= SK_MANIFEST_SECTION_MAX + 1; n++) {
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 20);
        struct sk_err err = SK_ERR_INIT;
        int rc;

        section_of(n, &text);
        rc = check_text(text.data, NULL, &err);
        if (n == SK_MANIFEST_SECTION_MAX && rc < 0)
            fail_msg("%s", err.text);
        if (n > SK_MANIFEST_SECTION_MAX) {
            assert_int_equal(err.code, SK_TOO_LARGE);
            assert_string_equal(err.text, "modulesContent.m: the desired properties have 32769 "
                                          "bytes, at most 32768");
        }
    }
}

static void count(void *ctx, bool is_error, const char *place, const char *text)
{
    unsigned *counts = ctx;

    counts[is_error]++;
    counts[2] += *place == 0 && strstr(text, "there is more") != NULL;
}

/* Complaints end at a number; the verdict does not. */
static void test_says_limit(void **state)
{
    (void)state;
    for (unsigned n = SK_MANIFEST_SAYS_MAX; n <= SK_MANIFEST_SAYS_MAX + 1; n++) {
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 20);
        unsigned counts[3] = { 0, 0, 0 };
        struct sk_manifest_options opts = { .is_layered = true, .say = count, .ctx = counts };
        struct sk_err err = SK_ERR_INIT;

        sk_buf_str(&text, "{\"modulesContent\":{\"$edgeAgent\":{},\"m\":{\"a\":0");
        for (unsigned i = 1; i < n; i++)
            sk_buf_fmt(&text, ",\"a%u\":0", i);
        sk_buf_str(&text, "},\"a b\":{}}}");
        assert_int_equal(check_text(text.data, &opts, &err), -1);
        assert_non_null(strstr(err.text, "modulesContent['a b']: a module's name"));
        assert_int_equal(counts[0] + counts[1], SK_MANIFEST_SAYS_MAX + 1);
        assert_int_equal(counts[2], 1);
    }
}

/* Keys are shown shortened, and so that the path can be read. */
static void test_places(void **state)
{
    static const struct {
        const char *key, *place;
    } keys[] = {
        { "plain_1", "top.plain_1" },
        { "$edgeHub", "top.$edgeHub" },
        { "1st", "top['1st']" },
        { "my-module", "top['my-module']" },
        { "it's", "top['it\\'s']" },
        { "a\nb", "top['a?b']" },
        { "", "top['']" },
        { "0123456789012345678901234567890123456789012345678901234567890123456789",
          "top['0123456789012345678901234567890123456789012345678901234567890123...']" },
        { "01234567890123456789012345678901234567890123456789012345678901\xe2\x82\xac",
          "top['01234567890123456789012345678901234567890123456789012345678901...']" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct sk_check c = { .place = SK_BUF_INIT(1000) };
        size_t mark;

        (void)sk_check_enter(&c, "top");
        mark = sk_check_enter(&c, keys[i].key);
        assert_string_equal(c.place.data, keys[i].place);
        (void)sk_check_enter_index(&c, 7);
        assert_true(sk_ends_with(c.place.data, "[7]"));
        sk_check_leave(&c, mark);
        assert_string_equal(c.place.data, "top");
        sk_buf_done(&c.place);
    }
}

static void test_nearest(void **state)
{
    static const char *const names[] = { "status", "settings", "env", NULL };

    (void)state;
    assert_string_equal(sk_check_nearest("STATUS", names), "status");
    assert_string_equal(sk_check_nearest("statsu", names), "status");
    assert_string_equal(sk_check_nearest("settigns", names), "settings");
    assert_string_equal(sk_check_nearest("envv", names), "env");
    assert_string_equal(sk_check_nearest("environment", names), "env");
    assert_string_equal(sk_check_nearest("stat", names), "status");
    assert_null(sk_check_nearest("x", names));
    assert_null(sk_check_nearest("abc", names));
}

static int sweep(void *ctx, struct sk_err *err)
{
    const struct sk_json *modules = NULL;

    return sk_manifest_check(ctx, NULL, &modules, err);
}

static void test_memory(void **state)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    if (sk_json_file(sk_source_path("tests/data/manifests/filter.json"), &doc, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(sk_alloc_sweep("check", sweep, doc, 0) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_corpus),        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_section_limit), cmocka_unit_test(test_says_limit),
        cmocka_unit_test(test_places),        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
