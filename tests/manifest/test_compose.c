/*
 * test_compose.c - layers over a base, and what results.
 */
#include "manifest/manifest_priv.h"

#include "harness/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define D "\"properties.desired\""
#define P "\"properties.desired."

enum {
    LAYERS = 4
};

static const struct {
    const char *layers[LAYERS], *out;
} rows[] = {
    { { "{}" }, "{}" },
    { { "{\"m\":{" D ":{\"a\":1,\"b\":[1,{\"c\":null}]}}}" },
      "{\"m\":{\"a\":1,\"b\":[1,{\"c\":null}]}}" },
    { { "{\"m\":{}}" }, "{}" },
    { { "{\"m\":{" D ":{}}}" }, "{\"m\":{}}" },
    /* the whole replaces, a path sets */
    { { "{\"m\":{" D ":{\"a\":1,\"b\":2}}}", "{\"m\":{" D ":{\"c\":3}}}" }, "{\"m\":{\"c\":3}}" },
    { { "{\"m\":{" D ":{\"a\":{\"x\":1,\"y\":2}}}}", "{\"m\":{" P "a.x\":5}}",
        "{\"m\":{" P "b.c\":7}}" },
      "{\"m\":{\"a\":{\"x\":5,\"y\":2},\"b\":{\"c\":7}}}" },
    { { "{\"m\":{" D ":{\"a\":{\"x\":1}}}}", "{\"m\":{" P "a\":{\"y\":2}}}" },
      "{\"m\":{\"a\":{\"y\":2}}}" }, /* a path replaces what lies there, it does not merge */
    { { "{\"m\":{" P "a.x\":1}}", "{\"m\":{" P "a.y\":2}}", "{\"m\":{" P "a.x\":3}}" },
      "{\"m\":{\"a\":{\"x\":3,\"y\":2}}}" },
    { { "{\"m\":{" P "a.x\":1}}", "{\"m\":{" D ":{\"b\":1}}}" }, "{\"m\":{\"b\":1}}" },
    /* through what is no object */
    { { "{\"m\":{" D ":{\"a\":5}}}", "{\"m\":{" P "a.b.c\":1}}" },
      "{\"m\":{\"a\":{\"b\":{\"c\":1}}}}" },
    { { "{\"m\":{" D ":{\"a\":[1,2]}}}", "{\"m\":{" P "a.0\":1}}" }, "{\"m\":{\"a\":{\"0\":1}}}" },
    { { "{\"m\":{" D ":{\"a\":[1,2]}}}", "{\"m\":{" P "a\":[3]}}" }, "{\"m\":{\"a\":[3]}}" },
    /* the whole first, in whatever order they stand */
    { { "{\"m\":{" P "a\":1," D ":{\"b\":2}}}" }, "{\"m\":{\"b\":2,\"a\":1}}" },
    { { "{\"m\":{" P "a\":{\"x\":1}," P "a.y\":2}}" }, "{\"m\":{\"a\":{\"x\":1,\"y\":2}}}" },
    /* null takes away */
    { { "{\"m\":{" D ":{\"a\":1,\"b\":{\"c\":1}}}}", "{\"m\":{" P "a\":null," P "b.c\":null}}" },
      "{\"m\":{\"b\":{}}}" },
    { { "{\"m\":{" D ":{\"a\":null,\"b\":{\"c\":null,\"d\":1}}}}" }, "{\"m\":{\"b\":{\"d\":1}}}" },
    /* the hub's own */
    { { "{\"m\":{" D ":{\"$version\":4,\"$metadata\":{},\"a\":1}}}" }, "{\"m\":{\"a\":1}}" },
    /* what is no section */
    { { "{\"m\":{\"other\":1," D ":{\"a\":1}},\"n\":5}" }, "{\"m\":{\"a\":1}}" },
    { { "{\"m\":{\"properties.desiredx\":1,\"properties.desired.\":2," D ":{}}}" }, "{\"m\":{}}" },
    /* modules and routes of layers */
    { { "{\"$edgeAgent\":{" D ":{\"modules\":{\"a\":{\"v\":1},\"b\":{\"v\":1}}}},"
        "\"$edgeHub\":{" D ":{\"routes\":{\"r\":\"x\"}}}}",
        "{\"$edgeAgent\":{" P "modules.b\":{\"v\":2}," P "modules.c\":{\"v\":2}},"
        "\"$edgeHub\":{" P "routes.s\":\"y\"}}",
        "{\"$edgeAgent\":{},\"c\":{" D ":{\"t\":1}}}",
        "{\"$edgeAgent\":{" P "modules.c.v\":3},\"c\":{" P "u\":2}}" },
      "{\"$edgeAgent\":{\"modules\":{\"a\":{\"v\":1},\"b\":{\"v\":2},\"c\":{\"v\":3}}},"
      "\"$edgeHub\":{\"routes\":{\"r\":\"x\",\"s\":\"y\"}},\"c\":{\"t\":1,\"u\":2}}" },
    /* createOptions as an object: text, as it may have names that no twin has */
    { { "{\"$edgeAgent\":{" D
        ":{\"modules\":{\"m\":{\"settings\":{\"image\":\"i\",\"createOptions\":"
        "{\"Labels\":{\"a.b\":\"c d\"},\"n\":null}}}}}}}" },
      "{\"$edgeAgent\":{\"modules\":{\"m\":{\"settings\":{\"image\":\"i\",\"createOptions\":"
      "\"{\\\"Labels\\\":{\\\"a.b\\\":\\\"c d\\\"},\\\"n\\\":null}\"}}}}}" },
    { { "{\"$edgeAgent\":{" P "modules.m.settings.createOptions.HostConfig\":{\"a\":1}}}" },
      "{\"$edgeAgent\":{\"modules\":{\"m\":{\"settings\":{\"createOptions\":"
      "\"{\\\"HostConfig\\\":{\\\"a\\\":1}}\"}}}}}" },
    { { "{\"m\":{" D ":{\"settings\":{\"createOptions\":{\"a\":1}}}}}" },
      "{\"m\":{\"settings\":{\"createOptions\":{\"a\":1}}}}" }, /* another's twin */
    { { "{\"m\":{" D ":{\"t\":\"\\\"\\u00e4\\n\",\"k\\\"\":1}}}", "{\"m\":{" P "x\":1}}" },
      "{\"m\":{\"t\":\"\\\"\xc3\xa4\\n\",\"k\\\"\":1,\"x\":1}}" },
};

static size_t read_layers(const char *const *texts, struct sk_json **docs)
{
    size_t count = 0;

    for (; count < LAYERS && texts[count]; count++) {
        struct sk_err err = SK_ERR_INIT;

        if (sk_json_parse(texts[count], strlen(texts[count]), NULL, &docs[count], &err) < 0)
            fail_msg("%s: %s", texts[count], err.text);
    }
    return count;
}

static int compose(struct sk_json *const *docs, size_t count, struct sk_json **out,
                   struct sk_err *err)
{
    const struct sk_json *layers[LAYERS];

    for (size_t i = 0; i < count; i++)
        layers[i] = docs[i];
    return sk_manifest_compose(layers, count, out, err);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 16);
        SK_OWN(sk_json_free) struct sk_json *out = NULL;
        struct sk_json *docs[LAYERS] = { NULL };
        struct sk_err err = SK_ERR_INIT;
        size_t count = read_layers(rows[i].layers, docs);

        if (compose(docs, count, &out, &err) < 0)
            fail_msg("row %zu: %s", i, err.text);
        sk_json_dump(out, &text);
        if (strcmp(text.data, rows[i].out) != 0)
            fail_msg("row %zu: %s", i, text.data);
        for (size_t k = 0; k < count; k++)
            sk_json_free(docs[k]);
    }
}

static const struct {
    const char *layer, *says;
    enum sk_code code;
} refused[] = {
    { "{\"m\":{" D ":5}}", "layer 1: m: 'properties.desired' must be an object, not an integer",
      SK_INVALID },
    { "{\"m\":{" P "a..b\":5}}",
      "layer 1: m: 'properties.desired.a..b': a part between dots is empty", SK_INVALID },
    { "{\"m\":{" P ".b\":5}}", "a part between dots is empty", SK_INVALID },
    { "{\"m\":{" P "b.\":5}}", "a part between dots is empty", SK_INVALID },
    { "{\"m\":{" P "1.2.3.4.5.6.7.8.9.10.11\":5}}", "a path of more than 10 parts", SK_LIMIT },
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        SK_OWN(sk_json_free) struct sk_json *out = NULL;
        struct sk_json *doc = NULL;
        struct sk_err err = SK_ERR_INIT;

        assert_int_equal(read_layers((const char *const[]){ refused[i].layer, NULL }, &doc), 1);
        assert_int_equal(compose(&doc, 1, &out, &err), -1);
        if (err.code != refused[i].code || !strstr(err.text, refused[i].says))
            fail_msg("%s: %s", refused[i].layer, err.text);
        sk_json_free(doc);
    }
}

static void test_limits(void **state)
{
    SK_OWN(sk_json_free) struct sk_json *out = NULL;
    struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    (void)read_layers((const char *const[]){ "{\"m\":{" P "1.2.3.4.5.6.7.8.9.10\":5}}", NULL },
                      &doc);
    assert_int_equal(compose(&doc, 1, &out, &err), 0);
    sk_json_free(doc);
    /* The module is a node, and so is each member. */
    for (unsigned n = SK_MANIFEST_NODES_MAX - 1; n <= SK_MANIFEST_NODES_MAX; n++) {
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 20);
        SK_OWN(sk_json_free) struct sk_json *all = NULL;

        sk_buf_str(&text, "{\"m\":{" D ":{\"a0\":0");
        for (unsigned i = 1; i < n; i++)
            sk_buf_fmt(&text, ",\"a%u\":0", i);
        sk_buf_str(&text, "}}}");
        (void)read_layers((const char *const[]){ text.data, NULL }, &doc);
        assert_int_equal(compose(&doc, 1, &all, &err), n == SK_MANIFEST_NODES_MAX ? -1 : 0);
        assert_int_equal(err.code, n == SK_MANIFEST_NODES_MAX ? SK_LIMIT : SK_OK);
        sk_json_free(doc);
    }
}

static int sweep(void *ctx, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *out = NULL;

    return compose(ctx, LAYERS, &out, err);
}

static void test_memory(void **state)
{
    struct sk_json *docs[LAYERS] = { NULL };
    size_t row = 0;

    (void)state;
    while (!rows[row].layers[LAYERS - 1])
        row++;
    assert_int_equal(read_layers(rows[row].layers, docs), LAYERS);
    assert_true(sk_alloc_sweep("compose", sweep, docs, 0) > 1);
    for (size_t i = 0; i < LAYERS; i++)
        sk_json_free(docs[i]);
}

/* A text of a twin has 4,096 bytes: longer ones are cut, not within a character, and come together
 * again. */
static void test_chunks(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf layer = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf wanted = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf got = SK_BUF_INIT(1 << 20);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    SK_OWN(sk_json_free) struct sk_json *out = NULL;
    struct sk_err err = SK_ERR_INIT;
    (void)state;
    sk_buf_str(&wanted, "{\"Labels\":{");
    for (int i = 0; i < 400; i++)
        sk_buf_fmt(&wanted, "%s\"l.%d\":\"\xc3\xa4\xc3\xb6 \xe2\x82\xac\"", i > 0 ? "," : "", i);
    sk_buf_str(&wanted, "}}");
    sk_buf_fmt(&layer,
               "{\"$edgeAgent\":{" D
               ":{\"modules\":{\"m\":{\"settings\":{\"createOptions\":%s}}}}}}",
               wanted.data);
    assert_int_equal(sk_json_parse(layer.data, layer.len, NULL, &doc, &err), 0);
    const struct sk_json *layers[] = { doc };
    assert_int_equal(sk_manifest_compose(layers, 1, &out, &err), 0);
    const struct sk_json *agent = sk_json_get(out, "$edgeAgent");
    const struct sk_json *m = sk_json_get(sk_json_get(agent, "modules"), "m");
    const struct sk_json *settings = sk_json_get(m, "settings");
    assert_int_equal(sk_json_count(settings), (wanted.len + 4095) / 4096);
    for (void *it = sk_json_first(settings); it; it = sk_json_next(settings, it))
        assert_true(sk_json_text_len(sk_json_value(it)) <= 4096);
    assert_int_equal(sk_manifest_create_options(settings, &got, &err), 0);
    assert_string_equal(got.data, wanted.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),   cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits), cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
