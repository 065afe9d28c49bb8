/* test_twin_text.c - differences, merges, files of twins. */
#include "rig.h"

static void differences_lead_from_one_to_the_other(void **state)
{
    static const struct {
        const char *from, *to, *patch; /* NULL: nothing to send */
    } rows[] = {
        { "{}", "{}", NULL },
        { "{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", NULL },
        { "{}", "{\"a\":1}", "{\"a\":1}" },
        { "{\"a\":1}", "{}", "{\"a\":null}" },
        { "{\"a\":{\"b\":1,\"c\":2}}", "{\"a\":{\"b\":1,\"c\":3}}", "{\"a\":{\"c\":3}}" },
        { "{\"a\":{\"b\":1}}", "{\"a\":7}", "{\"a\":7}" },
        { "{\"a\":[1]}", "{\"a\":[1,2]}", "{\"a\":[1,2]}" },
        { "{\"a\":1}", "{\"a\":1.0}", "{\"a\":1.0}" },
        { "{}", "{\"t\":\"\\\"$version\\\":1\"}", "{\"t\":\"\\\"$version\\\":1\"}" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_buf_done) struct sk_buf patch = SK_BUF_INIT(1 << 16);
        SK_OWN(sk_json_free) struct sk_json *doc = NULL;
        SK_OWN(free) char *merged = NULL;
        bool is_empty = false;
        DONE(sk_lh_twin_diff(rows[i].from, rows[i].to, &patch, &is_empty, &err));
        assert_int_equal(is_empty, rows[i].patch == NULL);
        if (is_empty)
            continue;
        assert_string_equal(patch.data, rows[i].patch);
        DONE(sk_json_parse(patch.data, patch.len, NULL, &doc, &err));
        DONE(sk_lh_twin_merge(SK_TWIN_REPORTED, rows[i].from, doc, &merged, &err));
        assert_string_equal(merged, rows[i].to);
    }
}

static void sections_lose_what_is_not_theirs(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    SK_OWN(free) char *text = NULL;
    static const char json[] = "{\"a\":1,\"$version\":4,\"$metadata\":{\"x\":1},\"b\":null}";
    (void)state;
    DONE(sk_json_parse(json, strlen(json), NULL, &doc, &err));
    DONE(sk_lh_twin_section(SK_TWIN_DESIRED, doc, &text, &err));
    assert_string_equal(text, "{\"a\":1}");
}

static void files_are_read_again(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_lh_ident id = { .key = "d/m" };
    struct sk_lh_twin back;
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 16);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    (void)state;
    sk_lh_twin_init(&id.twin);
    sk_lh_twin_init(&back);
    free(id.twin.desired);
    id.twin.desired = strdup("{\"a\":{\"b\":[1,\"ü\"]}}");
    id.twin.aside = strdup("{\"x\":1}");
    id.twin.is_seen = true;
    id.twin.desired_version = 5;
    id.twin.reported_version = 6;
    sk_lh_twin_write(&id, &text);
    DONE(sk_json_parse(text.data, text.len, NULL, &doc, &err));
    DONE(sk_lh_twin_read(doc, &back, &err));
    assert_string_equal(back.desired, id.twin.desired);
    assert_string_equal(back.reported, "{}");
    assert_string_equal(back.aside, "{\"x\":1}");
    assert_null(back.aside_base);
    assert_true(back.is_seen);
    assert_int_equal(back.desired_version, 5);
    assert_int_equal(back.reported_version, 6);
    sk_lh_twin_done(&id.twin);
    sk_lh_twin_done(&back);
}

static void files_that_are_none(void **state)
{
    static const char *const rows[] = { "{\"desired\":1}", "{\"seen\":\"x\"}",
                                        "{\"desiredVersion\":-1}", "{\"aside\":[]}" };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_lh_twin t;
        SK_OWN(sk_json_free) struct sk_json *doc = NULL;
        DONE(sk_json_parse(rows[i], strlen(rows[i]), NULL, &doc, &err));
        sk_lh_twin_init(&t);
        if (sk_lh_twin_read(doc, &t, &err) == 0)
            fail_msg("%s", rows[i]);
        assert_string_equal(t.desired, "{}");
        sk_lh_twin_done(&t);
    }
}

static int all_of_it(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf patch = SK_BUF_INIT(1 << 16);
    SK_OWN(free) char *section = NULL;
    struct sk_lh_twin t = { 0 };
    bool is_empty;
    if (sk_lh_twin_diff("{\"a\":1}", "{\"b\":{\"c\":1}}", &patch, &is_empty, err) < 0 ||
        sk_lh_twin_section(SK_TWIN_DESIRED, ctx, &section, err) < 0 ||
        sk_lh_twin_read(ctx, &t, err) < 0)
        return -1;
    sk_lh_twin_done(&t);
    return 0;
}

static void memory_may_end(void **state)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;
    (void)state;
    DONE(sk_json_parse("{\"desired\":{\"a\":1}}", 19, NULL, &doc, &err));
    (void)sk_alloc_sweep("twins", all_of_it, doc, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences_lead_from_one_to_the_other),
        cmocka_unit_test(sections_lose_what_is_not_theirs),
        cmocka_unit_test(files_are_read_again),
        cmocka_unit_test(files_that_are_none),
        cmocka_unit_test(memory_may_end),
    };
    return cmocka_run_group_tests_name("localhub/twin_text", tests, NULL, NULL);
}
