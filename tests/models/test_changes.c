/* test_changes.c - models are made, described, renamed, deleted; tags, aliases, stages. */
#include "models/models_util.h"

#include <stdlib.h>
#include <string.h>

static void test_create(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;

    make_model(p, "m");
    FAILS(sk_model_create(p->store, &p->who, "m", NULL, NULL, 0, &p->out, &err), SK_EXISTS,
          "Registered Model (name=m) already exists.");
    make_model(p, "M"); /* capitals count */
    assert_int_equal(p->out.len, 0);
    DONE(sk_model_describe(p->store, &p->who, "m", "new", &err));
    DONE(sk_model_get(p->store, "m", &p->out, &err));
    assert_non_null(strstr(answer(p), "\"description\":\"new\""));
    DONE(sk_model_describe(p->store, &p->who, "m", "", &err));
    DONE(sk_model_get(p->store, "m", &p->out, &err));
    assert_null(strstr(answer(p), "description"));
    FAILS(sk_model_describe(p->store, &p->who, "n", "x", &err), SK_NOT_FOUND, "name=n");
}

/* Each change has its row in the audit log; a failed one has none. */
static void test_audit(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    int64_t before;

    make_model(p, "m");
    (void)make_version(p, "m", 0);
    before = ask(p, "SELECT count(*) FROM audit");
    DONE(sk_model_describe(p->store, &p->who, "m", "x", &err));
    DONE(sk_model_set_tag(p->store, &p->who, "m", 0, "k", "v", &err));
    DONE(sk_model_set_tag(p->store, &p->who, "m", 1, "k", "v", &err));
    DONE(sk_model_set_tag(p->store, &p->who, "m", 1, "k", NULL, &err));
    DONE(sk_model_set_alias(p->store, &p->who, "m", "a", 1, &err));
    DONE(sk_model_set_alias(p->store, &p->who, "m", "a", 0, &err));
    DONE(sk_version_describe(p->store, &p->who, "m", 1, "x", &err));
    DONE(sk_version_set_stage(p->store, &p->who, "m", 1, "Staging", false, &err));
    DONE(sk_version_delete(p->store, &p->who, "m", 1, &err));
    DONE(sk_model_rename(p->store, &p->who, "m", "n", &err));
    DONE(sk_model_delete(p->store, &p->who, "n", &err));
    assert_int_equal(ask(p, "SELECT count(*) FROM audit") - before, 11);
    assert_int_equal(ask(p, "SELECT count(*) FROM audit WHERE who = 'ada' AND "
                            "action = 'model.delete-version' AND object = 'm:1'"),
                     1);
    FAILS(sk_model_set_tag(p->store, &p->who, "m", 0, "k", "v", &err), SK_NOT_FOUND, "name=m");
    FAILS(sk_version_delete(p->store, &p->who, "m", 1, &err), SK_NOT_FOUND, "version=1");
    assert_int_equal(ask(p, "SELECT count(*) FROM audit") - before, 11);
}

static void test_tags(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    char key[16];

    (void)make_version(p, "m", 0);
    DONE(sk_model_set_tag(p->store, &p->who, "m", 0, "k", "1", &err));
    DONE(sk_model_set_tag(p->store, &p->who, "m", 0, "k", "2", &err));
    DONE(sk_model_set_tag(p->store, &p->who, "m", 1, "k", "3", &err));
    DONE(sk_model_set_tag(p->store, &p->who, "m", 0, "gone", NULL, &err)); /* was never there */
    DONE(sk_model_get(p->store, "m", &p->out, &err));
    const char *text = answer(p);
    assert_non_null(strstr(text, "\"tags\":[{\"key\":\"k\",\"value\":\"2\"}],\"aliases\":[]}"));
    assert_non_null(strstr(text, "\"tags\":[{\"key\":\"k\",\"value\":\"3\"}],\"aliases\":[]}]"));
    DONE(sk_model_set_tag(p->store, &p->who, "m", 0, "k", NULL, &err));
    assert_int_equal(ask(p, "SELECT count(*) FROM model_tag"), 0);
    FAILS(sk_model_set_tag(p->store, &p->who, "m", 2, "k", "v", &err), SK_NOT_FOUND, "version=2");
    for (int i = 0; i < SK_MODEL_TAGS_MAX; i++) {
        (void)snprintf(key, sizeof(key), "k%d", i);
        DONE(sk_model_set_tag(p->store, &p->who, "m", 0, key, "v", &err));
    }
    FAILS(sk_model_set_tag(p->store, &p->who, "m", 0, "another", "v", &err), SK_LIMIT,
          "more than 1000 tags");
    DONE(sk_model_set_tag(p->store, &p->who, "m", 0, "k0", "w", &err)); /* it is there */
}

static void test_tag_bytes(void **state)
{
    struct place *p = *state;
    SK_OWN(free) char *value = repeat("v", 100000 - 2);
    struct sk_err err = SK_ERR_INIT;
    char key[16];

    (void)make_version(p, "m", 0);
    for (uint64_t version = 0; version < 2; version++) {
        for (int i = 0; i < 10; i++) {
            (void)snprintf(key, sizeof(key), "k%d", i);
            DONE(sk_model_set_tag(p->store, &p->who, "m", version, key, value, &err));
        }
        value[SK_MODEL_TAGS_BYTES - 1000000 - 1] = 0;
        DONE(sk_model_set_tag(p->store, &p->who, "m", version, "x", value, &err));
        FAILS(sk_model_set_tag(p->store, &p->who, "m", version, "y", "", &err), SK_LIMIT,
              "tags of more than 1048576 bytes");
        memset(value, 'v', 100000 - 2);
    }
    struct sk_pair tags[11];
    for (int i = 0; i < 11; i++)
        tags[i] = (struct sk_pair){ "ab", value };
    DONE(sk_model_create(p->store, &p->who, "n", NULL, tags, 10, &p->out, &err));
    FAILS(sk_model_create(p->store, &p->who, "o", NULL, tags, 11, &p->out, &err), SK_LIMIT,
          "tags of more than");
}

static void test_aliases(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;

    (void)make_version(p, "m", 0);
    (void)make_version(p, "m", 1);
    DONE(sk_model_set_alias(p->store, &p->who, "m", "champion", 1, &err));
    DONE(sk_model_set_alias(p->store, &p->who, "m", "champion", 2, &err)); /* moves */
    DONE(sk_model_set_alias(p->store, &p->who, "m", "old", 1, &err));
    assert_int_equal(ask(p, "SELECT version FROM model_alias WHERE alias = 'champion'"), 2);
    FAILS(sk_model_set_alias(p->store, &p->who, "m", "champion", 3, &err), SK_NOT_FOUND,
          "version=3");
    FAILS(sk_model_set_alias(p->store, &p->who, "m", "latest", 1, &err), SK_INVALID, "reserved");
    FAILS(sk_model_set_alias(p->store, &p->who, "n", "x", 0, &err), SK_NOT_FOUND, "name=n");
    DONE(sk_model_set_alias(p->store, &p->who, "m", "never", 0, &err));
    /* an alias goes with its version */
    DONE(sk_version_delete(p->store, &p->who, "m", 2, &err));
    assert_int_equal(ask(p, "SELECT count(*) FROM model_alias"), 1);
    DONE(sk_model_set_alias(p->store, &p->who, "m", "old", 0, &err));
    assert_int_equal(ask(p, "SELECT count(*) FROM model_alias"), 0);
}

static void test_stages(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;

    for (int i = 0; i < 3; i++)
        (void)make_version(p, "m", 0);
    DONE(sk_version_set_stage(p->store, &p->who, "m", 1, "production", false, &err));
    DONE(sk_version_set_stage(p->store, &p->who, "m", 2, "Production", false, &err));
    assert_int_equal(ask(p, "SELECT count(*) FROM model_version WHERE stage = 'Production'"), 2);
    DONE(sk_version_set_stage(p->store, &p->who, "m", 3, "Production", true, &err));
    assert_int_equal(ask(p, "SELECT version FROM model_version WHERE stage = 'Production'"), 3);
    assert_int_equal(ask(p, "SELECT count(*) FROM model_version WHERE stage = 'Archived'"), 2);
    FAILS(sk_version_set_stage(p->store, &p->who, "m", 3, "None", true, &err), SK_INVALID,
          "is not an Active stage");
    FAILS(sk_version_set_stage(p->store, &p->who, "m", 3, "Live", false, &err), SK_INVALID,
          "Invalid Model Version stage: Live");
    FAILS(sk_version_set_stage(p->store, &p->who, "m", 4, "Staging", true, &err), SK_NOT_FOUND,
          "version=4");
}

/* Numbers are never used twice, whatever is deleted. */
static void test_numbers(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(make_version(p, "m", 0), 1);
    assert_int_equal(make_version(p, "m", 0), 2);
    DONE(sk_version_delete(p->store, &p->who, "m", 2, &err));
    assert_int_equal(make_version(p, "m", 1), 3);
    assert_int_equal(make_version(p, "other", 0), 1);
    DONE(sk_model_delete(p->store, &p->who, "m", &err));
    FAILS(sk_model_get(p->store, "m", &p->out, &err), SK_NOT_FOUND, "name=m");
    make_model(p, "m");
    assert_int_equal(make_version(p, "m", 0), 4);
    assert_int_equal(ask(p, "SELECT count(*) FROM artifact WHERE path LIKE 'models/m/%'"), 1);
}

static void test_rename(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;

    (void)make_version(p, "a", 0);
    (void)make_version(p, "a", 1);
    DONE(sk_model_set_alias(p->store, &p->who, "a", "x", 2, &err));
    DONE(sk_model_rename(p->store, &p->who, "a", "b", &err));
    DONE(sk_version_files(p->store, "b", 2, &p->out, &err));
    assert_non_null(strstr(answer(p), p->blobs[1]));
    assert_int_equal(ask(p, "SELECT count(*) FROM artifact WHERE path LIKE 'models/a/%'"), 0);
    FAILS(sk_version_get(p->store, "a", 1, &p->out, &err), SK_NOT_FOUND, "name=a");
    assert_int_equal(make_version(p, "b", 0), 3);             /* numbers go on */
    DONE(sk_model_rename(p->store, &p->who, "b", "a", &err)); /* and back */
    assert_int_equal(make_version(p, "a", 0), 4);
    DONE(sk_model_rename(p->store, &p->who, "a", "a", &err));
    make_model(p, "taken");
    FAILS(sk_model_rename(p->store, &p->who, "a", "taken", &err), SK_EXISTS, "already exists");
    FAILS(sk_model_rename(p->store, &p->who, "none", "x", &err), SK_NOT_FOUND, "name=none");
    FAILS(sk_model_rename(p->store, &p->who, "a", "x/y", &err), SK_INVALID, "'/' or ':'");
    /* a name whose versions were other files */
    (void)make_version(p, "dead", 2);
    DONE(sk_model_delete(p->store, &p->who, "dead", &err));
    FAILS(sk_model_rename(p->store, &p->who, "a", "dead", &err), SK_EXISTS,
          "its versions 1 to 1 must not come back");
    DONE(sk_version_get(p->store, "a", 1, &p->out, &err));
    sk_buf_clear(&p->out);
    /* one that was used without versions is free */
    make_model(p, "empty");
    DONE(sk_model_delete(p->store, &p->who, "empty", &err));
    DONE(sk_model_rename(p->store, &p->who, "a", "empty", &err));
    assert_int_equal(make_version(p, "empty", 0), 5);
    /* the left name goes on where it was */
    assert_int_equal(make_version(p, "a", 0), 5);
}

static int sweep(void *ctx, struct sk_err *err)
{
    struct place *p = ctx;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);

    if (sk_model_set_tag(p->store, &p->who, "m", 0, "k", "v", err) < 0 ||
        sk_model_set_alias(p->store, &p->who, "m", "a", 1, err) < 0 ||
        sk_version_set_stage(p->store, &p->who, "m", 1, "Staging", true, err) < 0)
        return -1;
    return sk_model_get(p->store, "m", &out, err);
}

static void test_memory(void **state)
{
    struct place *p = *state;

    (void)make_version(p, "m", 0);
    assert_true(sk_alloc_sweep("changes", sweep, p, 0) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_create, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_audit, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_tags, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_tag_bytes, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_aliases, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_stages, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_numbers, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_rename, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_memory, place_set_up, place_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
