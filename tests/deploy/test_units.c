/* test_units.c - which units a pass looks at. */
#include "fixture.h"

/* "device kind set|" of what is found. */
static const char *found(struct fixture *f, bool is_full, int64_t done, int64_t only)
{
    static char text[4096];
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_plan_done) struct sk_plan plan = { .items = NULL };
    SK_AUTO(sk_units_done) struct sk_units units = { .items = NULL };
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(sizeof text - 1);
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    DONE(sk_db_begin(f->d->db, SK_DB_READ, &tx, &err));
    DONE(sk_plan_read(tx, &plan, &err));
    plan.done = done;
    if (only)
        DONE(sk_units_of(&plan, tx, only, &units, &err));
    else
        DONE(sk_units_find(&plan, tx, is_full, &units, &err));
    for (size_t i = 0; i < units.count; i++) {
        SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
        const char *marks = sk_plan_marks(&plan, units.items[i].set, &err);
        DONE(sk_tx_query(tx, &s, &err, "SELECT device || '/' || module FROM identity WHERE id = ?1",
                         "i", units.items[i].id));
        DONE(sk_stmt_next(s, &err));
        sk_buf_fmt(&b, "%s %d %s|", sk_stmt_text(s, 0), (int)units.items[i].kind, marks);
    }
    (void)snprintf(text, sizeof text, "%s", b.data ? b.data : "");
    return text;
}

#define A "{\"a\":{\"status\":\"Applied\"}}"

static void edges(void **state)
{
    struct fixture *f = *state;
    struct sk_identity d = make_edge(f, "d"), e = make_edge(f, "e"), n = make_device(f, "n");
    (void)make_device(f, "o");
    assert_string_equal(found(f, true, 0, 0), "");
    assert_string_equal(found(f, true, 0, n.id), "n/ 1 {}|");
    assert_string_equal(found(f, true, 0, d.id), "d/ 0 {}|d/ 1 {}|");
    put(f, "a", 1, "deviceId IN ['d', 'n']", BASE("a"));
    settle(f);
    /* What is as it should be is left out, but for a full look. */
    assert_string_equal(found(f, false, 0, 0), "");
    assert_string_equal(found(f, true, 0, 0), "d/ 0 " A "|");
    assert_string_equal(found(f, true, d.id, 0), "");
    assert_string_equal(found(f, true, SK_DEPLOY_DONE, 0), "d/ 0 " A "|");
    sk_deploy_stop(f->d);
    run_sql(f, "UPDATE twin SET configurations = '{\"z\":{}}' WHERE identity IN (SELECT id FROM "
               "identity WHERE module = '$edgeAgent')");
    assert_string_equal(found(f, false, 0, 0), "d/ 0 " A "|e/ 0 {}|");
    assert_string_equal(found(f, true, e.id - 1, 0), "e/ 0 {}|");
    /* An agent stands for its device. */
    assert_string_equal(found(f, false, 0,
                              number(f, "SELECT id FROM identity WHERE device = 'e' AND module = "
                                        "'$edgeAgent'")),
                        "e/ 0 {}|");
    assert_string_equal(found(f, false, 0,
                              number(f, "SELECT id FROM identity WHERE device = 'e' AND module = "
                                        "'$edgeHub'")),
                        "");
    assert_string_equal(found(f, false, 0, 99999), "");
}

static void all_kinds(void **state)
{
    struct fixture *f = *state;
    struct sk_identity d = make_edge(f, "d"), m = make_module(f, "d", "m");
    sk_deploy_stop(f->d);
    put(f, "a", 1, "*", BASE("a"));
    put(f, "b", 1, "*", "{\"deviceContent\":{\"properties.desired.x\":1}}");
    put(f, "c", 1, "from devices.modules where moduleId = 'm'",
        "{\"moduleContent\":{\"properties.desired.x\":1}}");
    put(f, "e", 1, "from devices.modules where moduleId = '$edgeAgent'",
        "{\"moduleContent\":{\"properties.desired.x\":1}}");
    put(f, "f", 1, "", "{\"deviceContent\":{\"properties.desired.x\":1}}");
    assert_string_equal(found(f, false, 0, 0), "d/ 0 " A "|d/ 1 {\"b\":{\"status\":\"Applied\"}}|"
                                               "d/m 2 {\"c\":{\"status\":\"Applied\"}}|");
    assert_string_equal(found(f, false, 0, d.id),
                        "d/ 0 " A "|d/ 1 {\"b\":{\"status\":\"Applied\"}}|");
    assert_string_equal(found(f, false, 0, m.id), "d/m 2 {\"c\":{\"status\":\"Applied\"}}|");
}

static void hashes(void **state)
{
    (void)state;
    assert_true(sk_marks_hash("{}") != sk_marks_hash("{ }"));
    assert_true(sk_marks_hash("{}") == sk_marks_hash("{}"));
    assert_true(sk_marks_hash("") != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(edges), ROW(all_kinds), cmocka_unit_test(hashes) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
