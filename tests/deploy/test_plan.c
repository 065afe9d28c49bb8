/* test_plan.c - sets of configurations: who wins, what is marked. */
#include "fixture.h"

static void targets(void **state)
{
    static const struct {
        const char *text;
        enum sk_deploy_kind kind;
        const char *says; /* NULL: taken */
        bool is_none;
    } rows[] = {
        { "*", SK_DEPLOY_EDGE, NULL, false },
        { "  ", SK_DEPLOY_EDGE, NULL, true },
        { "", SK_DEPLOY_MODULE, NULL, true },
        { "*", SK_DEPLOY_DEVICE, NULL, false },
        { "tags.env = 'prod' AND deviceId <> 'x'", SK_DEPLOY_EDGE, NULL, false },
        { "from devices.modules where moduleId = 'm'", SK_DEPLOY_MODULE, NULL, false },
        { "from devices.modules where moduleId = 'm'", SK_DEPLOY_EDGE, "only moduleContent goes to",
          false },
        { "tags.a = 1", SK_DEPLOY_MODULE, "moduleContent needs", false },
        { "*", SK_DEPLOY_MODULE, "InvalidConfigurationTargetCondition: ", false },
        { "tags.a = ", SK_DEPLOY_EDGE, "InvalidConfigurationTargetCondition: ", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_iotql_free) struct sk_iotql *q = NULL;
        int rc = sk_target_parse(rows[i].text, rows[i].kind, &q, &err);
        if (rc < 0 ? !rows[i].says || !strstr(err.text, rows[i].says)
                   : rows[i].says || (q == NULL) != rows[i].is_none)
            fail_msg("%s: %s", rows[i].text, rc < 0 ? err.text : "taken");
    }
}

/* Each row on its own; all target d, put in the order of the row. */
static void winners(void **state)
{
    static const struct {
        const char *name;

        struct {
            const char *id;
            int priority;
            const char *content;
        } put[4];

        const char *marks;
    } rows[] = {
        { "a base", { { "a", 1, BASE("a") } }, "{\"a\":{\"status\":\"Applied\"}}" },
        { "two bases",
          { { "a", 2, BASE("a") }, { "b", 1, BASE("b") } },
          "{\"a\":{\"status\":\"Applied\"},\"b\":{\"status\":\"Targeted\"}}" },
        { "the later of equals",
          { { "b", 1, BASE("b") }, { "a", 1, BASE("a") } },
          "{\"a\":{\"status\":\"Applied\"},\"b\":{\"status\":\"Targeted\"}}" },
        { "layers on both sides",
          { { "base", 5, BASE("a") },
            { "low", 4, LAYER("x") },
            { "high", 6, LAYER("y") },
            { "same", 5, LAYER("z") } },
          "{\"base\":{\"status\":\"Applied\"},\"high\":{\"status\":\"Applied\"},"
          "\"low\":{\"status\":\"Targeted\"},\"same\":{\"status\":\"Targeted\"}}" },
        { "a layer without a base",
          { { "l", 9, LAYER("x") } },
          "{\"l\":{\"status\":\"Targeted\"}}" },
        { "a quiet layer",
          { { "base", 1, BASE("a") }, { "q", 2, QUIET } },
          "{\"base\":{\"status\":\"Applied\"},\"q\":{\"status\":\"Targeted\"}}" },
    };
    struct fixture *f = *state;
    struct sk_identity d = make_edge(f, "d");
    sk_deploy_stop(f->d); /* only planned */
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_plan_done) struct sk_plan plan = { .items = NULL };
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        uint32_t set = 0, again = 0, none = 0;
        for (size_t k = 0; k < COUNT(rows[i].put) && rows[i].put[k].id; k++)
            put(f, rows[i].put[k].id, rows[i].put[k].priority, "deviceId = 'd'",
                rows[i].put[k].content);
        DONE(sk_db_begin(f->d->db, SK_DB_READ, &tx, &err));
        DONE(sk_plan_read(tx, &plan, &err));
        DONE(sk_plan_find(&plan, tx, d.id, SK_DEPLOY_EDGE, &set, &err));
        DONE(sk_plan_find(&plan, tx, d.id, SK_DEPLOY_EDGE, &again, &err));
        DONE(sk_plan_find(&plan, tx, d.id + 1, SK_DEPLOY_EDGE, &none, &err));
        assert_int_equal(set, again);
        assert_int_equal(none, 0);
        const char *marks = sk_plan_marks(&plan, set, &err);
        if (strcmp(marks, rows[i].marks) != 0)
            fail_msg("%s: %s", rows[i].name, marks);
        assert_ptr_equal(marks, sk_plan_marks(&plan, set, &err));
        assert_string_equal(sk_plan_marks(&plan, 0, &err), "{}");
        assert_int_equal(sk_plan_base(&plan, 0), -1);
        sk_tx_end(SK_TAKE(tx));
        for (size_t k = 0; k < COUNT(rows[i].put) && rows[i].put[k].id; k++)
            drop(f, rows[i].put[k].id);
    }
}

/* What the changes of configurations ask of the next pass. */
static void work(void **state)
{
    static const char
        sql[] = "SELECT generation || ' ' || (done = 9223372036854775807) || ' ' || is_full "
                "FROM deploy_work";
    struct fixture *f = *state;
    settle(f);
    assert_string_equal(text_of(f, sql), "0 1 0");
    sk_deploy_stop(f->d);
    put(f, "a", 1, "*", BASE("a"));
    assert_string_equal(text_of(f, sql), "1 0 0");
    change(f, "a", 1, "deviceId = 'x'");
    assert_string_equal(text_of(f, sql), "2 0 0");
    change(f, "a", 2, "deviceId = 'x'");
    assert_string_equal(text_of(f, sql), "3 0 1");
    drop(f, "a");
    assert_string_equal(text_of(f, sql), "4 0 1");
    fixture_reopen(f);
    settle(f);
    assert_string_equal(text_of(f, sql), "4 1 0");
    sk_deploy_stop(f->d);
    put(f, "a", 1, "*", BASE("a"));
    drop(f, "a");
    put(f, "a", 1, "*", BASE("b"));
    assert_string_equal(text_of(f, sql), "7 0 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(targets), ROW(winners), ROW(work) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
