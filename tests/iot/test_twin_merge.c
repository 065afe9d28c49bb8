/*
 * test_twin_merge.c - merges and replacements: body, patch, metadata, limits.
 *
 * In metadata T0 stands for the old time, T1 for the new one, and single quotes for double ones.
 */
#include "iot_test.h"

static const int64_t new_ms = 1795521600123;

static const struct {
    const char *old, *patch, *body;
    bool is_changed;
} merges[] = {
    { "{}", "{}", "{}", false },
    { "{}", "{'a':1}", "{'a':1}", true },
    { "{'a':1}", "{}", "{'a':1}", false },
    { "{'a':1}", "{'a':1}", "{'a':1}", false },
    { "{'a':1}", "{'a':2}", "{'a':2}", true },
    { "{'a':1}", "{'a':1.0}", "{'a':1.0}", true }, /* an integer is not a double */
    { "{'a':1}", "{'a':null}", "{}", true },
    { "{'a':1}", "{'b':null}", "{'a':1}", false },
    { "{'a':1,'b':2,'c':3}", "{'d':4,'b':null,'c':5}", "{'a':1,'c':5,'d':4}", true }, /* order */
    { "{'a':{'b':1,'c':2}}", "{'a':{'b':null}}", "{'a':{'c':2}}", true },
    { "{'a':{'b':1}}", "{'a':{'b':null}}", "{'a':{}}", true },
    { "{'a':{'b':1}}", "{'a':{}}", "{'a':{'b':1}}", false },
    { "{'a':{'b':1}}", "{'a':5}", "{'a':5}", true },
    { "{'a':{'b':1}}", "{'a':[]}", "{'a':[]}", true },
    { "{'a':5}", "{'a':{'b':1,'c':null}}", "{'a':{'b':1}}", true },
    { "{}", "{'a':{'b':null}}", "{'a':{}}", true },
    { "{'a':{}}", "{'a':{'b':null}}", "{'a':{}}", false },
    { "{'a':[1,2]}", "{'a':[1]}", "{'a':[1]}", true }, /* arrays are replaced */
    { "{'a':[{'b':1,'c':2}]}", "{'a':[{'c':2,'b':1}]}", "{'a':[{'b':1,'c':2}]}", false },
    { "{'a':[{'b':1}]}", "{'a':[{'b':null}]}", "{'a':[{'b':null}]}", true },
    { "{'a':'x'}", "{'a':'y'}", "{'a':'y'}", true },
    { "{'a':true}", "{'a':false}", "{'a':false}", true },
    { "{'a':0.1,'b':4503599627370496}", "{'c':-1e-7}", "{'a':0.1,'b':4503599627370496,'c':-1e-07}",
      true },
    { "{'a':9007199254740993}", "{'b':1}", "{'a':9007199254740993,'b':1}", true },
    { "{'a':1}", "{'$version':9,'$metadata':{'a':{}},'b':2}", "{'a':1,'b':2}", true },
    { "{'a':1}", "{'$version':null}", "{'a':1}", false },
    { "{'\\\"\\\\':1}", "{'\\\"\\\\':2}", "{'\\\"\\\\':2}", true },
};

static const struct {
    const char *old, *section, *body, *patch; /* patch without $version */
} replacements[] = {
    { "{}", "{}", "{}", "{}" },
    { "{'a':1}", "{'a':1}", "{'a':1}", "{}" },
    { "{'a':1,'b':2}", "{'b':2,'a':1}", "{'a':1,'b':2}", "{}" },
    { "{'a':1}", "{}", "{}", "{'a':null}" },
    { "{'a':1}", "{'a':null}", "{}", "{'a':null}" },
    { "{'a':1}", "{'b':2}", "{'b':2}", "{'a':null,'b':2}" },
    { "{'a':1,'b':2}", "{'a':3,'b':2}", "{'a':3,'b':2}", "{'a':3}" },
    { "{'a':{'b':1,'c':2},'d':1}", "{'a':{'c':2},'d':1}", "{'a':{'c':2},'d':1}",
      "{'a':{'b':null}}" },
    { "{'a':{'b':{'x':1}},'d':1}", "{'a':{'b':{'x':1}},'d':2}", "{'a':{'b':{'x':1}},'d':2}",
      "{'d':2}" },
    { "{'a':{'b':1}}", "{'a':{}}", "{'a':{}}", "{'a':{'b':null}}" },
    { "{'a':{'b':1}}", "{'a':5}", "{'a':5}", "{'a':5}" },
    { "{'a':5}", "{'a':{'b':1}}", "{'a':{'b':1}}", "{'a':{'b':1}}" },
    { "{'a':[1]}", "{'a':[1,2]}", "{'a':[1,2]}", "{'a':[1,2]}" },
    { "{'a':1}", "{'$version':3,'$metadata':{},'a':1,'b':{'c':null}}", "{'a':1,'b':{}}",
      "{'b':{}}" },
};

#define D0 "'$lastUpdated':'T0','$lastUpdatedVersion':4"
#define D1 "'$lastUpdated':'T1','$lastUpdatedVersion':5"
#define R0 "'$lastUpdated':'T0'"
#define R1 "'$lastUpdated':'T1'"

static const struct {
    const char *name;
    enum sk_twin_part part;
    bool is_replacing;
    const char *old, *meta, *patch, *result;
} metas[] = {
    { "the first", SK_TWIN_DESIRED, false, "{}", "{}", "{'a':1,'b':{'c':2,'n':null}}",
      "{" D1 ",'a':{" D1 "},'b':{" D1 ",'c':{" D1 "}}}" },
    { "reported has no version", SK_TWIN_REPORTED, false, "{}", "{}", "{'a':{'b':[{'x':1}]}}",
      "{" R1 ",'a':{" R1 ",'b':{" R1 "}}}" },
    { "changed members and their parents", SK_TWIN_DESIRED, false,
      "{'a':{'x':1,'y':2},'b':{'z':3}}",
      "{" D0 ",'a':{" D0 ",'x':{" D0 "},'y':{" D0 "}},'b':{" D0 ",'z':{" D0 "}}}", "{'a':{'y':4}}",
      "{" D1 ",'a':{" D1 ",'x':{" D0 "},'y':{" D1 "}},'b':{" D0 ",'z':{" D0 "}}}" },
    { "removed members lose theirs", SK_TWIN_REPORTED, false, "{'a':1,'b':{'c':1}}",
      "{" R0 ",'a':{" R0 "},'b':{" R0 ",'c':{" R0 "}}}", "{'a':null,'b':{'c':null}}",
      "{" R1 ",'b':{" R1 "}}" },
    { "nothing changes", SK_TWIN_REPORTED, false, "{'a':{'b':1}}",
      "{" R0 ",'a':{" R0 ",'b':{" R0 "}}}", "{'a':{'b':1},'c':null}",
      "{" R0 ",'a':{" R0 ",'b':{" R0 "}}}" },
    { "an object that stays beside one that changes", SK_TWIN_REPORTED, false,
      "{'a':{'b':1},'c':{'d':1}}", "{" R0 ",'a':{" R0 ",'b':{" R0 "}},'c':{" R0 ",'d':{" R0 "}}}",
      "{'a':{'b':1},'c':{'d':2}}", "{" R1 ",'a':{" R0 ",'b':{" R0 "}},'c':{" R1 ",'d':{" R1 "}}}" },
    { "an object becomes a value", SK_TWIN_REPORTED, false, "{'a':{'b':1}}",
      "{" R0 ",'a':{" R0 ",'b':{" R0 "}}}", "{'a':1}", "{" R1 ",'a':{" R1 "}}" },
    { "names with escapes", SK_TWIN_REPORTED, false, "{'\\\"}':1,'b':2}",
      "{" R0 ",'\\\"}':{" R0 "},'b':{" R0 "}}", "{'b':3}",
      "{" R1 ",'\\\"}':{" R0 "},'b':{" R1 "}}" },
    { "metadata with a gap", SK_TWIN_REPORTED, false, "{'a':1,'b':{'x':1},'c':3}",
      "{" R0 ",'c':{" R0 "}}", "{'d':4}", "{" R1 ",'c':{" R0 "},'d':{" R1 "}}" },
    { "an equal object in a gap", SK_TWIN_REPORTED, false, "{'a':1,'b':{'x':1}}", "{}",
      "{'b':{'x':1},'d':4}", "{" R1 ",'d':{" R1 "}}" },
    { "broken metadata", SK_TWIN_REPORTED, false, "{'a':1}", "{'a':{'", "{'b':4}",
      "{" R1 ",'b':{" R1 "}}" },
    { "a replacement", SK_TWIN_DESIRED, true, "{'a':1,'b':{'c':2,'d':3},'e':5}",
      "{" D0 ",'a':{" D0 "},'b':{" D0 ",'c':{" D0 "},'d':{" D0 "}},'e':{" D0 "}}",
      "{'f':6,'e':5,'b':{'d':4}}", "{" D1 ",'b':{" D1 ",'d':{" D1 "}},'e':{" D0 "},'f':{" D1 "}}" },
    { "tags have none", SK_TWIN_TAGS, false, "{'a':1}", "{}", "{'b':{'c':4}}", "{}" },
};

/* ' as ", T0 and T1 as times. */
static void unfold(const char *text, struct sk_buf *out)
{
    sk_buf_clear(out);
    for (const char *p = text; *p; p++) {
        if (p[0] == 'T' && (p[1] == '0' || p[1] == '1'))
            sk_buf_str(out, *++p == '0' ? "1970-01-01T00:00:00.000Z" : "2026-11-24T12:00:00.123Z");
        else
            sk_buf_chr(out, *p == '\'' ? '"' : *p);
    }
}

struct texts {
    struct sk_buf old, meta, patch, expected;
    struct sk_json *doc;
};

static void texts_done(struct texts *t)
{
    sk_buf_done(&t->old);
    sk_buf_done(&t->meta);
    sk_buf_done(&t->patch);
    sk_buf_done(&t->expected);
    sk_json_free(t->doc);
}

static struct texts texts_of(const char *old, const char *meta, const char *patch)
{
    struct texts t = { SK_BUF_INIT(10000), SK_BUF_INIT(10000), SK_BUF_INIT(10000),
                       SK_BUF_INIT(10000), NULL };
    unfold(old, &t.old);
    unfold(meta, &t.meta);
    unfold(patch, &t.patch);
    t.doc = parse_json(t.patch.data);
    return t;
}

static int run(const struct texts *t, enum sk_twin_part part, bool is_replacing,
               struct sk_twin_result *r, struct sk_err *err)
{
    const struct sk_twin_section old = { t->old.data, t->meta.data, 4 };
    return (is_replacing ? sk_twin_replace : sk_twin_merge)(part, &old, t->doc, 5, new_ms, r, err);
}

/* The patch, with "$version":5 inside. */
static void expect_patch(const char *row, const struct sk_twin_result *r, struct sk_buf *without)
{
    without->len--;
    sk_buf_str(without, without->len > 1 ? ",\"$version\":5}" : "\"$version\":5}");
    expect_text(row, r->patch.data, without->data);
}

static void test_merges(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(merges); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_twin_result_done) struct sk_twin_result r = { .is_changed = false };
        SK_AUTO(texts_done) struct texts t = texts_of(merges[i].old, "{}", merges[i].patch);
        if (run(&t, SK_TWIN_REPORTED, false, &r, &err) < 0)
            fail_msg("%s: %s", merges[i].patch, err.text);
        unfold(merges[i].body, &t.expected);
        expect_text(merges[i].patch, r.body.data, t.expected.data);
        if (r.is_changed != merges[i].is_changed)
            fail_msg("%s + %s: is_changed", merges[i].old, merges[i].patch);
    }
}

static void test_sent(void **state)
{
    static const struct {
        const char *patch, *sent;
    } rows[] = {
        { "{}", "{}" },
        { "{'a':null,'b':{'c':null,'d':[1,{'x':null}]}}",
          "{'a':null,'b':{'c':null,'d':[1,{'x':null}]}}" },
        { "{'$version':2,'x':1,'$metadata':{}}", "{'x':1}" },
        { "{'same':1,'r':1.0}", "{'same':1,'r':1.0}" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_twin_result_done) struct sk_twin_result r = { .is_changed = false };
        SK_AUTO(sk_twin_result_done) struct sk_twin_result tags = { .is_changed = false };
        SK_AUTO(texts_done) struct texts t = texts_of("{'same':1}", "{}", rows[i].patch);
        unfold(rows[i].sent, &t.expected);
        assert_int_equal(run(&t, SK_TWIN_TAGS, false, &tags, &err), 0);
        expect_text("tags", tags.patch.data, t.expected.data);
        assert_int_equal(run(&t, SK_TWIN_DESIRED, false, &r, &err), 0);
        expect_patch(rows[i].patch, &r, &t.expected);
    }
}

static void test_replacements(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(replacements); i++) {
        struct sk_err err = SK_ERR_INIT;
        const char *row = replacements[i].section;
        SK_AUTO(sk_twin_result_done) struct sk_twin_result r = { .is_changed = false };
        SK_AUTO(sk_twin_result_done) struct sk_twin_result again = { .is_changed = false };
        SK_AUTO(texts_done) struct texts t = texts_of(replacements[i].old, "{}", row);
        if (run(&t, SK_TWIN_DESIRED, true, &r, &err) < 0)
            fail_msg("%s: %s", row, err.text);
        unfold(replacements[i].body, &t.expected);
        expect_text(row, r.body.data, t.expected.data);
        unfold(replacements[i].patch, &t.expected);
        assert_int_equal(r.is_changed, t.expected.len > 2);
        expect_patch(row, &r, &t.expected);

        /* Merged into the old section the patch gives the new one. */
        sk_json_free(t.doc);
        t.doc = parse_json(r.patch.data);
        assert_int_equal(run(&t, SK_TWIN_DESIRED, false, &again, &err), 0);
        expect_text(row, again.body.data, r.body.data);
    }
}

static void test_metas(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(metas); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_twin_result_done) struct sk_twin_result r = { .is_changed = false };
        SK_AUTO(texts_done) struct texts t = texts_of(metas[i].old, metas[i].meta, metas[i].patch);
        if (run(&t, metas[i].part, metas[i].is_replacing, &r, &err) < 0)
            fail_msg("%s: %s", metas[i].name, err.text);
        unfold(metas[i].result, &t.expected);
        expect_text(metas[i].name, r.meta.data, t.expected.data);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *old, *patch, *says;
        enum sk_code code;
    } rows[] = {
        { "{}", "{'a.b':1}", "properties.reported.a.b: ", SK_INVALID },
        { "{}", "[]", "expected an object", SK_INVALID },
        { "{", "{}", "stored section", SK_CORRUPT },
        { "[]", "{}", "stored section", SK_CORRUPT },
        { "", "{}", "stored section", SK_CORRUPT },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_twin_result r = { .is_changed = true };
        SK_AUTO(texts_done) struct texts t = texts_of(rows[i].old, "{}", rows[i].patch);
        if (!t.old.data)
            sk_buf_str(&t.old, "");
        int rc = run(&t, SK_TWIN_REPORTED, false, &r, &err);
        expect_refused(rows[i].old, rc, &err, rows[i].code, rows[i].says);
        assert_true(r.is_changed && !r.body.data);
    }
    sk_twin_result_done(NULL);
}

/* A section of `most` bytes as compact text, and one of one byte more. */
static void check_size(enum sk_twin_part part, size_t most)
{
    for (size_t size = most; size <= most + 1; size++) {
        const struct sk_twin_section old = { "{\"gone\":12345678}", "{}", 1 };
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_twin_result_done) struct sk_twin_result r = { .is_changed = false };
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 20);
        sk_buf_str(&text, "{ \"gone\" : null, \"$version\" : 1 ");
        size_t left = size - 2;
        for (int i = 0; left > 0; i++) {
            SK_OWN(free) char *xs = many('x', left < 2000 ? left - 8 - (i > 0) : 1000);
            sk_buf_fmt(&text, ", \"k%02d\" : \"%s\"", i, xs);
            left -= strlen(xs) + 8 + (i > 0);
        }
        sk_buf_str(&text, "}");
        SK_OWN(sk_json_free) struct sk_json *doc = parse_json(text.data);
        int rc = sk_twin_merge(part, &old, doc, 2, new_ms, &r, &err);
        if (size == most) {
            if (rc < 0)
                fail_msg("%s", err.text);
            assert_int_equal(r.body.len, most);
        } else {
            expect_refused("size", rc, &err, SK_TOO_LARGE, "more than");
        }
    }
}

static void test_sizes(void **state)
{
    (void)state;
    check_size(SK_TWIN_DESIRED, SK_TWIN_SECTION_MAX);
    check_size(SK_TWIN_REPORTED, SK_TWIN_SECTION_MAX);
    check_size(SK_TWIN_TAGS, SK_TWIN_TAGS_MAX);
}

/* The most members that fit: metadata has room for them. */
static void test_many_members(void **state)
{
    const struct sk_twin_section old = { "{}", "{}", 1 };
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_twin_result_done) struct sk_twin_result r = { .is_changed = false };
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 20);
    (void)state;
    sk_buf_str(&text, "{\"z\":1");
    for (int i = 0; text.len < SK_TWIN_SECTION_MAX - 100; i++) {
        sk_buf_fmt(&text, ",\"%x\":{\"a\":1", i);
        for (char c = 'b'; c <= 'p'; c++)
            sk_buf_fmt(&text, ",\"%c\":1", c);
        sk_buf_str(&text, "}");
    }
    sk_buf_str(&text, "}");
    SK_OWN(sk_json_free) struct sk_json *doc = parse_json(text.data);
    if (sk_twin_merge(SK_TWIN_DESIRED, &old, doc, INT64_MAX, new_ms, &r, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(r.body.data, text.data);
}

/* Nulls make a patch longer than any section. */
static void test_long_patch(void **state)
{
    const struct sk_twin_section old = { "{}", "{}", 1 };
    (void)state;
    for (size_t more = 0; more <= 1; more++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_twin_result_done) struct sk_twin_result r = { .is_changed = false };
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 20);
        const size_t most = SK_TWIN_PATCH_MAX + more - strlen(",\"$version\":2}");
        sk_buf_str(&text, "{\"zz\":null");
        for (int i = 0; text.len < most - 100; i++)
            sk_buf_fmt(&text, ",\"%x\":null", i);
        SK_OWN(free) char *last = many('l', most - text.len - strlen(",\"\":null"));
        sk_buf_fmt(&text, ",\"%s\":null}", last);
        SK_OWN(sk_json_free) struct sk_json *doc = parse_json(text.data);
        int rc = sk_twin_merge(SK_TWIN_DESIRED, &old, doc, 2, new_ms, &r, &err);
        if (more)
            expect_refused("patch", rc, &err, SK_TOO_LARGE, "a patch of more than 262144");
        else
            assert_int_equal(r.patch.len, SK_TWIN_PATCH_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merges),       cmocka_unit_test(test_sent),
        cmocka_unit_test(test_replacements), cmocka_unit_test(test_metas),
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_many_members), cmocka_unit_test(test_long_patch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
