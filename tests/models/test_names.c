/* test_names.c - names, aliases, tags, stages: what is taken and what is not. */
#include "models/models_util.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    bool ok;
} names[] = {
    { "a", true },
    { "defects in hall 3", true },
    { "m\xc3\xbcller", true },
    { "a.b-c_d", true },
    { ".hidden", true },
    { "..", false },
    { "..x", false },
    { ".", false },
    { "", false },
    { " ", false },
    { "\t\n", false },
    { "a/b", false },
    { "a:b", false },
    { "a@b", false },
    { "a\\b", false },
    { "a\nb", false },
    { "a\x7f", false },
    { "\xff", false },
    { "\xc3", false },
    { "100% #1; a=b?", true },
};

static const struct {
    const char *alias;
    bool ok_new, ok_old;
} aliases[] = {
    { "champion", true, true }, { "A-b_9", true, true },   { "\xc3\xa4", true, true },
    { "latest", false, true },  { "LATEST", false, true }, { "v1", false, true },
    { "V23", false, true },     { "v", true, true },       { "v1a", true, true },
    { "7", true, true },        { "", false, false },      { "a b", false, false },
    { "a.b", false, false },    { "a/b", false, false },   { "\xff", false, false },
};

static const struct {
    const char *key, *value;
    bool ok;
} tags[] = {
    { "k", "v", true },
    { "k", "", true },
    { "k", NULL, true },
    { "mlflow.prompt.is_prompt", "true", true },
    { "a b/c:d-e_f.g", "v", true },
    { "\xc3\xa4", "\xe2\x82\xac", true },
    { "", "v", false },
    { NULL, "v", false },
    { "a\nb", "v", false },
    { "a'b", "v", false },
    { "/a", "v", false },
    { "a/", "v", false },
    { "a//b", "v", false },
    { "a/../b", "v", false },
    { "..", "v", false },
    { ".", "v", false },
    { "./a", "v", false },
    { "\xff", "v", false },
    { "k", "\xff", false },
};

static void test_tables(void **state)
{
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++)
        if ((sk_model_name_check(names[i].name, "name", &err) == 0) != names[i].ok)
            fail_msg("name '%s'", names[i].name);
    assert_int_equal(sk_model_name_check(NULL, "new_name", &err), -1);
    assert_string_equal(err.text, "Missing value for required parameter 'new_name'.");
    for (size_t i = 0; i < COUNT(aliases); i++)
        if ((sk_model_alias_check(aliases[i].alias, true, &err) == 0) != aliases[i].ok_new ||
            (sk_model_alias_check(aliases[i].alias, false, &err) == 0) != aliases[i].ok_old)
            fail_msg("alias '%s'", aliases[i].alias);
    for (size_t i = 0; i < COUNT(tags); i++)
        if ((sk_model_tag_check(tags[i].key, tags[i].value, &err) == 0) != tags[i].ok)
            fail_msg("tag '%s' '%s'", tags[i].key, tags[i].value);
}

enum kind {
    NAME,
    ALIAS,
    KEY,
    VALUE,
    TEXT
};

static int check(enum kind kind, const char *text, struct sk_err *err)
{
    switch (kind) {
    case NAME:
        return sk_model_name_check(text, "name", err);
    case ALIAS:
        return sk_model_alias_check(text, true, err);
    case KEY:
        return sk_model_tag_check(text, "v", err);
    case VALUE:
        return sk_model_tag_check("k", text, err);
    case TEXT:
        break;
    }
    return sk_model_text_check(text, "description", SK_MODEL_DESCRIPTION_MAX, err);
}

/* At the limit and one beyond. */
static void test_limits(void **state)
{
    static const struct {
        enum kind kind;
        const char *unit;
        size_t most;
    } rows[] = {
        { NAME, "x", SK_MODEL_NAME_MAX },
        { NAME, "\xc3\xa4", SK_MODEL_NAME_MAX / 2 },
        { ALIAS, "x", SK_MODEL_ALIAS_MAX },
        { KEY, "x", SK_MODEL_TAG_KEY_MAX },
        { KEY, "\xe2\x82\xac", SK_MODEL_TAG_KEY_MAX }, /* characters, not bytes */
        { VALUE, "x", SK_MODEL_TAG_VALUE_MAX },
        { VALUE, "\xe2\x82\xac", SK_MODEL_TAG_VALUE_MAX },
        { TEXT, "x", SK_MODEL_DESCRIPTION_MAX },
    };
    struct sk_pair *many = calloc(SK_MODEL_TAGS_MAX + 1, sizeof(*many));
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t more = 0; more < 2; more++) {
            SK_OWN(free) char *text = repeat(rows[i].unit, rows[i].most + more);

            if ((check(rows[i].kind, text, &err) == 0) != (more == 0))
                fail_msg("row %zu, %zu beyond: %s", i, more, err.text);
            if (more && !strstr(err.text, "exceeds the maximum length of"))
                fail_msg("%s", err.text);
        }
    assert_non_null(many);
    for (size_t i = 0; i <= SK_MODEL_TAGS_MAX; i++)
        many[i] = (struct sk_pair){ "k", "v" };
    assert_int_equal(sk_model_tags_check(many, SK_MODEL_TAGS_MAX, &err), 0);
    assert_int_equal(sk_model_tags_check(many, SK_MODEL_TAGS_MAX + 1, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
    many[5].value = NULL;
    assert_int_equal(sk_model_tags_check(many, SK_MODEL_TAGS_MAX, &err), -1);
    free(many);
}

static void test_stages(void **state)
{
    static const char *const good[][2] = { { "None", "None" },
                                           { "none", "None" },
                                           { "STAGING", "Staging" },
                                           { "production", "Production" },
                                           { "aRCHIVED", "Archived" } };
    static const char *const bad[] = { "", "Prod", "Deleted_Internal", " None", NULL };
    struct sk_err err = SK_ERR_INIT;
    const char *stage = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        DONE(sk_model_stage(good[i][0], &stage, &err));
        assert_string_equal(stage, good[i][1]);
    }
    for (size_t i = 0; i < COUNT(bad); i++)
        FAILS(sk_model_stage(bad[i], &stage, &err), SK_INVALID, "Invalid Model Version stage");
}

static void test_folders(void **state)
{
    static const struct {
        const char *name, *folder;
    } rows[] = {
        { "plain", "models/plain/3" },
        { "a b\xc3\xa4", "models/a b\xc3\xa4/3" },
        { "50%", "models/50=25/3" },
        { "50=25", "models/50=3D25/3" }, /* no two names have one folder */
        { "a?b#c;d", "models/a=3Fb=23c=3Bd/3" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1024);

        sk_version_folder(rows[i].name, 3, &b);
        assert_string_equal(b.data, rows[i].folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_stages),
        cmocka_unit_test(test_folders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
