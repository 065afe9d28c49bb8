/* test_labels.c - labels from JSON and from files: every accepted form, every refusal with its
 * sentence. */
#include "bundle/bundle_priv.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "folders.h"

/* "cat|dog" */
static const char *join(const struct sk_labels *l, char *out, size_t size)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < l->count && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? "|" : "", l->names[i]);
    return out;
}

/* [bundle-12] */
static void from_config(void **state)
{
    static const struct {
        const char *json, *labels, *text;
    } rows[] = {
        { "{}", "", NULL },
        { "{\"id2label\": null}", "", NULL },
        { "{\"id2label\": {\"0\": \"cat\", \"1\": \"dog\"}}", "cat|dog", NULL },
        { "{\"id2label\": {\"1\": \"dog\", \"0\": \"cat\"}}", "cat|dog", NULL },
        { "{\"id2label\": "
          "{\"10\":\"k\",\"9\":\"j\",\"8\":\"i\",\"7\":\"h\",\"6\":\"g\",\"5\":\"f\",\"4\":\"e\","
          "\"3\":\"d\","
          "\"2\":\"c\",\"1\":\"b\",\"0\":\"a\"}}",
          "a|b|c|d|e|f|g|h|i|j|k", NULL },
        { "{\"id2label\": [\"cat\", \"dog\"]}", "cat|dog", NULL },
        { "{\"label2id\": {\"dog\": 1, \"cat\": 0}}", "cat|dog", NULL },
        { "{\"label2id\": {\"dog\": \"1\", \"cat\": \"0\"}}", "cat|dog", NULL },
        { "{\"id2label\": {\"0\": \"a\"}, \"label2id\": {\"b\": 0}}", "a", NULL },
        { "{\"label_names\": [\"x\", \"y\"]}", "x|y", NULL },
        { "{\"id2label\": {\"0\": \"\xc3\xa9t\xc3\xa9\", \"1\": \"\"}}", "\xc3\xa9t\xc3\xa9|",
          NULL },
        { "{\"id2label\": {\"0\": \"a\", \"2\": \"c\"}}", NULL,
          "'id2label': index 2 of 2 labels: they must count from 0" },
        { "{\"id2label\": {\"1\": \"a\", \"2\": \"b\"}}", NULL, "index 2 of 2" },
        { "{\"id2label\": {\"0\": \"a\", \"00\": \"b\"}}", NULL, "two labels for index 0" },
        { "{\"id2label\": {\"0\": 5}}", NULL, "'id2label': label 0: expected a string, got a" },
        { "{\"id2label\": {\"0\": true}}", NULL, "'id2label': label 0: expected a string, got a" },
        { "{\"id2label\": {\"-1\": \"a\"}}", NULL, "'id2label'" },
        { "{\"id2label\": {\"cat\": \"a\"}}", NULL, "'id2label'" },
        { "{\"id2label\": {\"99999999999999999999\": \"a\"}}", NULL, "'id2label'" },
        { "{\"id2label\": \"cat\"}", NULL,
          "'id2label': expected an object or array of labels, got a string" },
        { "{\"id2label\": [\"a\", 1]}", NULL, "label 1: expected a string" },
        { "{\"label2id\": {\"a\": 0, \"b\": 0}}", NULL, "two labels for index 0" },
        { "{\"label2id\": {\"a\": -1}}", NULL, "'a': expected an index from 0" },
        { "{\"label2id\": {\"a\": 1.5}}", NULL, "'a': expected an index from 0" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_OWN(sk_json_free) struct sk_json *doc = NULL;
        SK_AUTO(sk_labels_done) struct sk_labels l = { 0 };
        struct sk_err err = SK_ERR_INIT;
        char text[256];
        int rc;

        if (sk_json_parse(rows[i].json, strlen(rows[i].json), NULL, &doc, &err) < 0)
            fail_msg("row %zu: %s", i, err.text);
        rc = sk_labels_from_config(doc, &l, &err);
        if (rc == 0 && (rows[i].text || strcmp(join(&l, text, sizeof(text)), rows[i].labels) != 0))
            fail_msg("row %s: got '%s'", rows[i].json, join(&l, text, sizeof(text)));
        if (rc < 0 && (!rows[i].text || !strstr(err.text, rows[i].text)))
            fail_msg("row %s: %s", rows[i].json, err.text);
    }
}

/* [bundle-11] */
static void from_files(void **state)
{
    static const struct {
        const char *bytes, *labels, *text;
    } rows[] = {
        { "cat\ndog\n", "cat|dog", NULL },
        { "cat\r\ndog", "cat|dog", NULL },
        { "  cat \n\tdog\n\n\n", "cat|dog", NULL },
        { "\xef\xbb\xbf"
          "cat\n",
          "cat", NULL },
        { "n01440764 tench, Tinca tinca\n", "n01440764 tench, Tinca tinca", NULL },
        { "[\"cat\", \"dog\"]", "cat|dog", NULL },
        { " {\"0\": \"cat\"}", "cat", NULL },
        { "{\"dog\": 1, \"cat\": 0}", "cat|dog", NULL },
        { "{\"architectures\": [], \"id2label\": {\"0\": \"cat\"}}", "cat", NULL },
        { "{\"label2id\": {\"cat\": 0}}", "cat", NULL },
        { "", NULL, "no labels in it" },
        { "\n\n", NULL, "no labels in it" },
        { "cat\n\ndog\n", NULL, "line 2 is empty" },
        { "\ncat\n", NULL, "line 1 is empty" },
        { "caf\xe9\n", NULL, "not a UTF-8 text" },
        { "[\"cat\"", NULL, "labels" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_AUTO(sk_labels_done) struct sk_labels l = { 0 };
        SK_AUTO(free_cleanup) char *path = at("labels");
        struct sk_err err = SK_ERR_INIT;
        char text[256];
        int rc;

        put("labels", rows[i].bytes);
        rc = sk_labels_from_file(path, &l, &err);
        if (rc == 0 && (rows[i].text || strcmp(join(&l, text, sizeof(text)), rows[i].labels) != 0))
            fail_msg("row %zu: got '%s'", i, join(&l, text, sizeof(text)));
        if (rc < 0 && (!rows[i].text || !strstr(err.text, rows[i].text) || !strstr(err.text, path)))
            fail_msg("row %zu: %s", i, err.text);
    }
}

/* [bundle-12] As many as the limit, and one more. */
static void the_limit(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_LIMIT_CONFIG_BYTES);
    SK_AUTO(free_cleanup) char *path = at("many");

    (void)state;
    for (unsigned i = 0; i < SK_LIMIT_LABELS; i++)
        sk_buf_str(&text, "x\n");
    for (int extra = 0; extra < 2; extra++) {
        SK_AUTO(sk_labels_done) struct sk_labels l = { 0 };
        struct sk_err err = SK_ERR_INIT;

        put("many", text.data);
        assert_int_equal(sk_labels_from_file(path, &l, &err), extra ? -1 : 0);
        assert_int_equal(err.code, extra ? SK_LIMIT : SK_OK);
        assert_int_equal(l.count, extra ? 0 : SK_LIMIT_LABELS);
        sk_buf_str(&text, "x\n");
    }
}

static void a_missing_file(void **state)
{
    struct sk_labels l = { 0 };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_labels_from_file("/nonexistent/labels.txt", &l, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    assert_non_null(strstr(err.text, "/nonexistent/labels.txt"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_config),
        cmocka_unit_test(from_files),
        cmocka_unit_test(the_limit),
        cmocka_unit_test(a_missing_file),
    };

    return cmocka_run_group_tests(tests, make_root, drop_root);
}
