/* test_manifest.c - manifests of OCI and Docker, and what is none. */
#include "oci/oci_priv.h"

#include "harness/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HEX64  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A      "sha256:" HEX64
#define B      "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C      "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define CONFIG "\"config\":{\"mediaType\":\"" SK_OCI_CONFIG "\",\"digest\":\"" A "\",\"size\":2}"
#define LAYER  "{\"mediaType\":\"" SK_OCI_LAYER "\",\"digest\":\"" B "\",\"size\":3}"
#define HEAD   "{\"schemaVersion\":2,"

static const char whole[] = HEAD
    "\"mediaType\":\"" SK_OCI_MANIFEST "\",\"artifactType\":\"x/y\"," CONFIG ",\"layers\":[" LAYER
    ",{\"mediaType\":\"" SK_OCI_LAYER_GZIP "\",\"digest\":\"" C
    "\",\"size\":9223372036854775807,\"annotations\":{\"k\":\"v\"},\"urls\":[\"https://x\"]}],"
    "\"subject\":{\"mediaType\":\"" SK_OCI_MANIFEST "\",\"digest\":\"" C "\",\"size\":1},"
    "\"annotations\":{\"a\":\"b\"},\"other\":[1,{}]}";

/* [oci-10] */
static void image(void **state)
{
    SK_AUTO(sk_oci_manifest_done) struct sk_oci_manifest m = { 0 };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_oci_manifest_parse(whole, sizeof whole - 1, &m, &err), 0);
    assert_false(m.is_index);
    assert_string_equal(m.media_type, SK_OCI_MANIFEST);
    assert_string_equal(m.artifact_type, "x/y");
    assert_string_equal(m.subject, C);
    assert_string_equal(m.annotations, "{\"a\":\"b\"}");
    assert_string_equal(m.config.media_type, SK_OCI_CONFIG);
    assert_string_equal(m.config.digest, A);
    assert_int_equal(m.config.size, 2);
    assert_int_equal(m.count, 2);
    assert_string_equal(m.items[0].digest, B);
    assert_null(m.items[0].annotations);
    assert_int_equal(m.items[1].size, INT64_MAX);
    assert_string_equal(m.items[1].annotations, "{\"k\":\"v\"}");
}

/* [oci-11] */
static void index_of_platforms(void **state)
{
    static const char text[] = HEAD
        "\"manifests\":[{\"mediaType\":\"" SK_OCI_MANIFEST "\",\"digest\":\"" A
        "\",\"size\":5,\"platform\":{\"architecture\":\"arm\",\"os\":\"linux\",\"variant\":"
        "\"v7\"}},{\"mediaType\":\"" SK_OCI_MANIFEST "\",\"digest\":\"" B
        "\",\"size\":5,\"artifactType\":\"a/b\"}]}";
    SK_AUTO(sk_oci_manifest_done) struct sk_oci_manifest m = { 0 };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_oci_manifest_parse(text, sizeof text - 1, &m, &err), 0);
    assert_true(m.is_index);
    assert_string_equal(m.media_type, SK_OCI_INDEX);
    assert_string_equal(m.config.media_type, "");
    assert_int_equal(m.count, 2);
    assert_string_equal(m.items[0].architecture, "arm");
    assert_string_equal(m.items[0].os, "linux");
    assert_string_equal(m.items[0].variant, "v7");
    assert_string_equal(m.items[1].architecture, "");
    assert_string_equal(m.items[1].artifact_type, "a/b");
}

/* [oci-12] Every kind that is taken, with and without a media type. */
static void kinds(void **state)
{
    static const struct {
        const char *text, *media_type;
        bool is_index;
    } rows[] = {
        { HEAD CONFIG ",\"layers\":[]}", SK_OCI_MANIFEST, false },
        { HEAD CONFIG ",\"layers\":null}", SK_OCI_MANIFEST, false },
        { HEAD "\"mediaType\":\"" SK_OCI_DOCKER_MANIFEST "\"," CONFIG ",\"layers\":[" LAYER "]}",
          SK_OCI_DOCKER_MANIFEST, false },
        { HEAD "\"manifests\":[]}", SK_OCI_INDEX, true },
        { HEAD "\"mediaType\":\"" SK_OCI_DOCKER_LIST "\",\"manifests\":[]}", SK_OCI_DOCKER_LIST,
          true },
        { HEAD "\"mediaType\":null,\"manifests\":[]}", SK_OCI_INDEX, true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_oci_manifest_done) struct sk_oci_manifest m = { 0 };
        struct sk_err err = SK_ERR_INIT;
        if (sk_oci_manifest_parse(rows[i].text, strlen(rows[i].text), &m, &err) < 0)
            fail_msg("row %zu: %s", i, err.text);
        assert_string_equal(m.media_type, rows[i].media_type);
        assert_int_equal(m.is_index, rows[i].is_index);
    }
}

#define ITEM(text) HEAD CONFIG ",\"layers\":[" LAYER "," text "]}"

/* [oci-13] */
static void refusals(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        { "", "manifest: " },
        { "[]", "expected an object" },
        { "{}", "'schemaVersion' is not 2" },
        { "{\"schemaVersion\":1,\"fsLayers\":[]}", "'schemaVersion' is not 2" },
        { "{\"schemaVersion\":\"2\"}", "'schemaVersion': expected an integer" },
        { HEAD "\"layers\":[]}", "'config' is missing" },
        { HEAD CONFIG "}", "'layers' is missing" },
        { HEAD "\"mediaType\":\"" SK_OCI_INDEX "\"}", "'manifests' is missing" },
        { HEAD CONFIG ",\"layers\":{}}", "'layers': expected an array" },
        { HEAD CONFIG ",\"layers\":[],\"manifests\":[]}", "two kinds" },
        { HEAD CONFIG ",\"layers\":[],\"fsLayers\":[]}", "two kinds" },
        { HEAD "\"mediaType\":\"" SK_OCI_INDEX "\"," CONFIG ",\"layers\":[]}", "not those of" },
        { HEAD "\"mediaType\":\"" SK_OCI_MANIFEST "\",\"manifests\":[]}", "not those of" },
        { HEAD "\"mediaType\":\"text/plain\"," CONFIG ",\"layers\":[]}", "no manifest or index" },
        { HEAD "\"mediaType\":\"x\"," CONFIG ",\"layers\":[]}", "'x' is no media type" },
        { ITEM("7"), "layers[1]: expected an object" },
        { ITEM("{}"), "layers[1]: 'mediaType' is missing" },
        { ITEM("{\"mediaType\":\"a\"}"), "layers[1]: 'mediaType': 'a' is no media type" },
        { ITEM("{\"mediaType\":\"a/b\"}"), "layers[1]: 'digest' is missing" },
        { ITEM("{\"mediaType\":\"a/b\",\"digest\":\"sha256:1\"}"), "'sha256:1' is no digest" },
        { ITEM("{\"mediaType\":\"a/b\",\"digest\":\"" A "1\"}"), "1' is no digest" },
        { ITEM("{\"mediaType\":\"a/b\",\"digest\":\"sha512:" HEX64 HEX64 "1\"}"),
          "'digest' is longer than 135" },
        { ITEM("{\"mediaType\":\"a/b\",\"digest\":\"" A "\"}"), "layers[1]: 'size' is missing" },
        { ITEM("{\"mediaType\":\"a/b\",\"digest\":\"" A "\",\"size\":-1}"), "'size'" },
        { ITEM("{\"mediaType\":\"a/b\",\"digest\":\"" A "\",\"size\":1.5}"), "'size'" },
        { ITEM("{\"mediaType\":\"a/b\",\"digest\":\"" A "\",\"size\":1,\"annotations\":[]}"),
          "'annotations': expected an object" },
        { ITEM("{\"mediaType\":\"a/b\",\"digest\":\"" A "\",\"size\":1,\"annotations\":{\"a\":1}}"),
          "annotations: 'a' is no text" },
        { ITEM("{\"mediaType\":\"a/b\",\"digest\":\"" A "\",\"size\":1,\"platform\":{\"os\":1}}"),
          "layers[1]: platform: 'os': expected a string" },
        { HEAD CONFIG ",\"layers\":[],\"subject\":{}}", "subject: 'mediaType' is missing" },
        { HEAD CONFIG ",\"layers\":[],\"artifactType\":\"x\"}", "'artifactType'" },
        { HEAD CONFIG ",\"layers\":[],\"layers\":[]}", "manifest: " },
        { HEAD CONFIG ",\"layers\":[]} {}", "manifest: " },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_oci_manifest_done) struct sk_oci_manifest m = { 0 };
        struct sk_err err = SK_ERR_INIT;
        if (sk_oci_manifest_parse(rows[i].text, strlen(rows[i].text), &m, &err) == 0 ||
            err.code != SK_INVALID || !strstr(err.text, rows[i].says))
            fail_msg("row %zu: %s: %s", i, sk_code_name(err.code), err.text);
    }
}

static int parse_layers(unsigned count, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_OCI_MANIFEST_MAX);
    SK_AUTO(sk_oci_manifest_done) struct sk_oci_manifest m = { 0 };

    sk_buf_str(&text, HEAD CONFIG ",\"layers\":[");
    for (unsigned i = 0; i < count; i++)
        sk_buf_str(&text, i ? "," LAYER : LAYER);
    sk_buf_str(&text, "]}");
    assert_true(sk_buf_ok(&text));
    return sk_oci_manifest_parse(text.data, text.len, &m, err);
}

/* [oci-14] */
static void limits(void **state)
{
    SK_AUTO(sk_oci_manifest_done) struct sk_oci_manifest m = { 0 };
    SK_OWN(free) char *large = calloc(1, SK_OCI_MANIFEST_MAX + 1);
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(parse_layers(SK_OCI_ITEMS_MAX, &err), 0);
    assert_int_equal(parse_layers(SK_OCI_ITEMS_MAX + 1, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
    assert_non_null(strstr(err.text, "1025 entries"));

    assert_non_null(large);
    memset(large, ' ', SK_OCI_MANIFEST_MAX + 1);
    memcpy(large, whole, sizeof whole - 1);
    assert_int_equal(sk_oci_manifest_parse(large, SK_OCI_MANIFEST_MAX, &m, &err), 0);
    sk_oci_manifest_done(&m);
    assert_int_equal(sk_oci_manifest_parse(large, SK_OCI_MANIFEST_MAX + 1, &m, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
}

static int parse_whole(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_oci_manifest_done) struct sk_oci_manifest m = { 0 };

    (void)ctx;
    return sk_oci_manifest_parse(whole, sizeof whole - 1, &m, err);
}

static void out_of_memory(void **state)
{
    (void)state;
    assert_true(sk_alloc_sweep("manifest", parse_whole, NULL, 0) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(image),  cmocka_unit_test(index_of_platforms),
        cmocka_unit_test(kinds),  cmocka_unit_test(refusals),
        cmocka_unit_test(limits), cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
