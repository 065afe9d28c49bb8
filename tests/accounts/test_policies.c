/* test_policies.c - the five policies: made once, their keys listed and made anew. */
#include "fixture.h"

struct seen {
    struct sk_policy rows[8];
    size_t count;
};

static int see(void *ctx, const struct sk_policy *p, struct sk_err *err)
{
    struct seen *s = ctx;
    (void)err;
    assert_true(s->count < COUNT(s->rows));
    s->rows[s->count++] = *p;
    return 0;
}

static struct seen list(struct fixture *f)
{
    struct sk_err err = SK_ERR_INIT;
    struct seen s = { .count = 0 };
    if (sk_policy_list(f->accounts, &f->owner, see, &s, &err) < 0)
        fail_msg("%s", err.text);
    return s;
}

static void made_once(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;

    static const struct {
        const char *name;
        unsigned rights;
    } rows[] = {
        { "iothubowner", 0x1f },
        { "service", SK_RIGHT_SERVICE | SK_RIGHT_TELEMETRY },
        { "device", SK_RIGHT_DEVICE },
        { "registryRead", SK_RIGHT_REGISTRY_READ },
        { "registryReadWrite", SK_RIGHT_REGISTRY_READ | SK_RIGHT_REGISTRY_WRITE },
    };

    assert_int_equal(list(f).count, 0);
    assert_int_equal(sk_policy_init(f->accounts, &err), 0);
    struct seen first = list(f);
    assert_int_equal(first.count, COUNT(rows));
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct sk_policy *p = &first.rows[i];
        assert_string_equal(p->name, rows[i].name);
        assert_int_equal(p->rights, rows[i].rights);
        assert_int_equal(strlen(p->primary_key), 44);
        assert_int_equal(strlen(p->secondary_key), 44);
        assert_string_not_equal(p->primary_key, p->secondary_key);
        assert_true(i == 0 || strcmp(p->primary_key, first.rows[i - 1].primary_key) != 0);
    }
    int64_t audited = number(f, "SELECT count(*) FROM audit");
    assert_int_equal(sk_policy_init(f->accounts, &err), 0);
    assert_int_equal(number(f, "SELECT count(*) FROM audit"), audited);
    /* only the one that is missing */
    change(f, "DELETE FROM policy WHERE name = 'device'");
    assert_int_equal(sk_policy_init(f->accounts, &err), 0);
    struct seen again = list(f);
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_true((strcmp(again.rows[i].primary_key, first.rows[i].primary_key) == 0) ==
                    (strcmp(rows[i].name, "device") != 0));
    assert_int_equal(number(f, "SELECT count(*) FROM audit"), audited);
}

static void new_keys(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_policy p = { .name = "untouched" };
    char audit[256];
    assert_int_equal(sk_policy_init(f->accounts, &err), 0);
    struct seen before = list(f);
    assert_int_equal(sk_policy_renew(f->accounts, &f->owner, "nobody", false, &p, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    assert_string_equal(p.name, "untouched");
    assert_int_equal(sk_policy_renew(f->accounts, &f->owner, "service", true, &p, &err), 0);
    assert_string_equal(p.primary_key, before.rows[1].primary_key);
    assert_string_not_equal(p.secondary_key, before.rows[1].secondary_key);
    assert_int_equal(p.rights, before.rows[1].rights);
    assert_string_equal(list(f).rows[1].secondary_key, p.secondary_key);
    assert_int_equal(sk_policy_renew(f->accounts, &f->owner, "service", false, &p, &err), 0);
    assert_string_not_equal(p.primary_key, before.rows[1].primary_key);
    assert_string_equal(list(f).rows[0].primary_key, before.rows[0].primary_key);
    last_audit(f, audit, sizeof audit);
    assert_int_equal(strncmp(audit, "policy.renew service local", 26), 0);
    assert_int_equal(number(f, "SELECT count(*) FROM audit WHERE detail = 'primary'"), 1);
}

static int stop(void *ctx, const struct sk_policy *p, struct sk_err *err)
{
    (void)ctx;
    return sk_fail(err, SK_CANCELLED, "%s is enough", p->name);
}

static void owners_only(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_who deployer = { .name = "d", .role = SK_ROLE_DEPLOYER };
    struct sk_who policy = { .name = "iothubowner", .is_policy = true, .rights = 0x1f };
    struct sk_policy p;
    struct seen s = { .count = 0 };
    assert_int_equal(sk_policy_init(f->accounts, &err), 0);
    assert_int_equal(sk_policy_list(f->accounts, &deployer, see, &s, &err), -1);
    assert_int_equal(err.code, SK_DENIED);
    assert_int_equal(sk_policy_renew(f->accounts, &policy, "device", false, &p, &err), -1);
    assert_int_equal(err.code, SK_DENIED);
    assert_int_equal(s.count, 0);
    assert_int_equal(sk_policy_list(f->accounts, &f->owner, stop, NULL, &err), -1);
    assert_string_equal(err.text, "iothubowner is enough");
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_remove)

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(made_once), ROW(new_keys), ROW(owners_only) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
