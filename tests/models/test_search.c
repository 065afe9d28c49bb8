/* test_search.c - lists of models and versions: filters, orders, pages, prompts. */
#include "models/models_util.h"

#include <stdio.h>
#include <string.h>

/* Models a to e with three versions each; tags as below; "hello" is a prompt. */
static void fill(struct place *p)
{
    struct sk_err err = SK_ERR_INIT;
    const char *const names[] = { "a", "b", "c", "d", "e" };
    const struct sk_pair prompt = { SK_MODEL_PROMPT_TAG, "true" };
    const struct sk_version_new text = {
        .name = "hello", .source = "prompt-template", .tags = &prompt, .tag_count = 1
    };
    uint64_t version = 0;

    for (unsigned i = 0; i < COUNT(names); i++)
        for (unsigned k = 0; k < 3; k++)
            (void)make_version(p, names[i], k);
    DONE(sk_model_set_tag(p->store, &p->who, "b", 0, "env", "prod", &err));
    DONE(sk_model_set_tag(p->store, &p->who, "d", 0, "env", "prod", &err));
    DONE(sk_model_set_tag(p->store, &p->who, "a", 0, "env", "test", &err));
    DONE(sk_model_set_tag(p->store, &p->who, "c", 2, "ok", "yes", &err));
    DONE(sk_model_create(p->store, &p->who, "hello", NULL, &prompt, 1, &p->out, &err));
    sk_buf_clear(&p->out);
    DONE(sk_version_create(p->store, &p->who, &text, &version, &p->out, &err));
    sk_buf_clear(&p->out);
}

/* Names (and numbers, of versions) in the answer, apart by spaces; the token if there is one. */
static void read_list(struct place *p, const char *key, char *names, char *token)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;
    const struct sk_json *list;
    size_t n = 0;

    DONE(sk_json_parse(p->out.data, p->out.len, NULL, &doc, &err));
    sk_buf_clear(&p->out);
    list = sk_json_get(doc, key);
    assert_int_equal(sk_json_type(list), SK_JSON_ARRAY);
    names[0] = 0;
    for (size_t i = 0; i < sk_json_count(list); i++) {
        const struct sk_json *item = sk_json_at(list, i);

        n += (size_t)snprintf(names + n, 256 - n, "%s%s%s", i ? " " : "",
                              sk_json_get_text(item, "name", "?"),
                              sk_json_get_text(item, "version", ""));
    }
    (void)snprintf(token, 64, "%s", sk_json_get_text(doc, "next_page_token", ""));
}

static const struct {
    const char *filter, *order, *names;
} model_rows[] = {
    { NULL, NULL, "a b c d e" },
    { "", NULL, "a b c d e" },
    { NULL, "name DESC", "e d c b a" },
    { NULL, "name", "a b c d e" },
    { "name = 'c'", NULL, "c" },
    { "name LIKE '%'", "name DESC", "e d c b a" },
    { "name ILIKE 'C%'", NULL, "c" },
    { "name IN ('e', 'a', 'x')", NULL, "a e" },
    { "tags.env = 'prod'", NULL, "b d" },
    { "tags.env != 'prod'", NULL, "a" },
    { "tags.`env` = 'prod' AND name != 'b'", NULL, "d" },
    { "tags.env IS NULL", NULL, "c e" },
    { NULL, "tags.env DESC", "a b d c e" },
    /* what MlflowClient sends by itself, and what its prompt functions send */
    { "tags.`mlflow.prompt.is_prompt` != 'true'", NULL, "a b c d e" },
    { "tags.`mlflow.prompt.is_prompt` = 'true'", NULL, "hello" },
    { "name = 'hello'", NULL, "" },
    { "user_id = 'ada'", NULL, "a b c d e" },
    { "creation_timestamp > 0 AND last_updated_timestamp < 9999999999999", NULL, "a b c d e" },
    { "creation_timestamp > 9999999999999", NULL, "" },
};

static const struct {
    const char *filter, *order, *names;
} version_rows[] = {
    { "name = 'b'", "version_number", "b1 b2 b3" },
    { "name = 'b'", "version_number DESC", "b3 b2 b1" },
    { "name = 'b' AND version_number > 1", "version_number ASC", "b2 b3" },
    { "version_number = '3' AND name IN ('a', 'c')", "name DESC", "c3 a3" },
    { "tags.ok = 'yes'", NULL, "c2" },
    { "tags.ok != 'yes'", NULL, "" },
    { "name LIKE 'a%' AND tags.`mlflow.prompt.is_prompt` != 'true'", "version_number", "a1 a2 a3" },
    { "name = 'hello'", NULL, "" },
    { "tags.`mlflow.prompt.is_prompt` = 'true'", NULL, "hello1" },
    { "run_id = 'none'", NULL, "" },
    { "source_path LIKE 'prompt%'", NULL, "" },
    { "current_stage = 'None' AND name = 'e' AND version = 1", NULL, "e1" },
};

static void test_models(void **state)
{
    struct place *p = *state;
    char names[256], token[64];

    fill(p);
    for (size_t i = 0; i < COUNT(model_rows); i++) {
        struct sk_view order = sk_view_of(model_rows[i].order);
        const struct sk_search q = { .filter = model_rows[i].filter,
                                     .orders = &order,
                                     .order_count = model_rows[i].order ? 1 : 0,
                                     .max = 100 };
        struct sk_err err = SK_ERR_INIT;

        if (sk_models_search(p->store, &q, &p->out, &err) < 0)
            fail_msg("row %zu: %s", i, err.text);
        read_list(p, "registered_models", names, token);
        if (strcmp(names, model_rows[i].names) != 0 || token[0])
            fail_msg("row %zu: '%s' %s", i, names, token);
    }
}

static void test_versions(void **state)
{
    struct place *p = *state;
    char names[256], token[64];

    fill(p);
    for (size_t i = 0; i < COUNT(version_rows); i++) {
        struct sk_view order = sk_view_of(version_rows[i].order);
        const struct sk_search q = { .filter = version_rows[i].filter,
                                     .orders = &order,
                                     .order_count = version_rows[i].order ? 1 : 0,
                                     .max = 100 };
        struct sk_err err = SK_ERR_INIT;

        if (sk_versions_search(p->store, &q, &p->out, &err) < 0)
            fail_msg("row %zu: %s", i, err.text);
        read_list(p, "model_versions", names, token);
        if (strcmp(names, version_rows[i].names) != 0 || token[0])
            fail_msg("row %zu: '%s' %s", i, names, token);
    }
}

static void test_pages(void **state)
{
    static const char *const pages[] = { "a b", "c d", "e" };
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_search q = { .max = 2 };
    char names[256], token[64] = "", first[64];

    fill(p);
    for (size_t i = 0; i < COUNT(pages); i++) {
        q.page_token = token;
        DONE(sk_models_search(p->store, &q, &p->out, &err));
        read_list(p, "registered_models", names, token);
        assert_string_equal(names, pages[i]);
        assert_int_equal(token[0] != 0, i < 2);
        if (i == 0)
            memcpy(first, token, sizeof(first));
    }
    q.page_token = first;
    q.filter = "name != 'z'";
    FAILS(sk_models_search(p->store, &q, &p->out, &err), SK_INVALID, "of another search");
    q.filter = NULL;
    FAILS(sk_versions_search(p->store, &q, &p->out, &err), SK_INVALID, "of another search");
    q.page_token = "100";
    FAILS(sk_models_search(p->store, &q, &p->out, &err), SK_INVALID, "page_token");
    assert_int_equal(p->out.len, 0);
    q = (struct sk_search){ .max = 15 }; /* exactly all */
    DONE(sk_versions_search(p->store, &q, &p->out, &err));
    read_list(p, "model_versions", names, token);
    assert_string_equal(token, "");
    assert_int_equal(strlen(names), 15 * 3 - 1);
}

/* A page that grows too long ends early, and the next one goes on. */
static void test_long_pages(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *long_text = repeat("\x01", SK_MODEL_DESCRIPTION_MAX); /* 6 bytes as JSON */
    char name[32], names[256], token[64] = "";
    int seen = 0, pages = 0;

    for (int i = 0; i < 60; i++) {
        (void)snprintf(name, sizeof(name), "m%02d", i);
        DONE(sk_model_create(p->store, &p->who, name, long_text, NULL, 0, &p->out, &err));
        sk_buf_clear(&p->out);
    }
    do {
        const struct sk_search q = { .max = 1000, .page_token = token };

        DONE(sk_models_search(p->store, &q, &p->out, &err));
        assert_true(p->out.len < SK_MODELS_PAGE_BYTES + 6 * SK_MODEL_DESCRIPTION_MAX + 1000);
        read_list(p, "registered_models", names, token);
        for (const char *at = names; (at = strchr(at, 'm')); at++)
            seen++;
        pages++;
    } while (token[0]);
    assert_int_equal(seen, 60);
    assert_int_equal(pages, 5); /* 14 of 600 KB in each */
}

static void test_limits(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_search q = { .max = SK_MODELS_PAGE_MAX };

    DONE(sk_models_search(p->store, &q, &p->out, &err));
    assert_string_equal(answer(p), "{\"registered_models\":[]}");
    q.max++;
    FAILS(sk_models_search(p->store, &q, &p->out, &err), SK_INVALID, "at most 1000");
    q.max = 0;
    FAILS(sk_models_search(p->store, &q, &p->out, &err), SK_INVALID, "at least 1");
    q.max = SK_VERSIONS_PAGE_MAX;
    DONE(sk_versions_search(p->store, &q, &p->out, &err));
    assert_string_equal(answer(p), "{\"model_versions\":[]}");
    q.max++;
    FAILS(sk_versions_search(p->store, &q, &p->out, &err), SK_INVALID, "at most 200000");
    q = (struct sk_search){ .max = 1, .filter = "nothing = 'x'" };
    FAILS(sk_models_search(p->store, &q, &p->out, &err), SK_INVALID,
          "no such key; there are name, creation_timestamp");
}

static int sweep(void *ctx, struct sk_err *err)
{
    struct place *p = ctx;
    const struct sk_search q = { .max = 2, .filter = "name != 'x' AND tags.env IS NULL" };
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);

    return sk_models_search(p->store, &q, &out, err);
}

static void test_memory(void **state)
{
    struct place *p = *state;

    fill(p);
    assert_true(sk_alloc_sweep("search", sweep, p, 0) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_models, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_versions, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_pages, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_long_pages, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_limits, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_memory, place_set_up, place_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
