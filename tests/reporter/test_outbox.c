/* test_outbox.c - messages in order, through losses, out of order, and too many. */
#include "reporter/reporter_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static unsigned add(struct sk_rep_outbox *o)
{
    char *text = strdup("x");
    assert_non_null(text);
    return sk_rep_outbox_add(o, text, 1);
}

static uint64_t send_next(struct sk_rep_outbox *o)
{
    uint64_t n = UINT64_MAX;
    if (sk_rep_outbox_next(o, 0, &n))
        o->mails[n % SK_REP_OUTBOX].state = SK_REP_SENT;
    return n;
}

static void order(void **state)
{
    SK_OWN(free) struct sk_rep_outbox *o = calloc(1, sizeof *o);
    (void)state;
    assert_non_null(o);
    assert_true(sk_rep_outbox_is_empty(o));
    assert_true(send_next(o) == UINT64_MAX);
    for (int i = 0; i < 4; i++)
        assert_int_equal(add(o), 0);
    for (uint64_t i = 0; i < 3; i++)
        assert_true(send_next(o) == i);
    assert_true(sk_rep_outbox_acked(o, 1, true));
    assert_false(sk_rep_outbox_acked(o, 1, true));  /* twice */
    assert_false(sk_rep_outbox_acked(o, 3, true));  /* not sent */
    assert_false(sk_rep_outbox_acked(o, 99, true)); /* never made */
    assert_true(o->first == 0);
    assert_false(sk_rep_outbox_acked(o, 0, false)); /* lost */
    assert_false(sk_rep_outbox_acked(o, 2, false));
    assert_true(send_next(o) == 0);
    assert_true(send_next(o) == 2);
    assert_true(send_next(o) == 3);
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(sk_rep_outbox_acked(o, i, true), i != 1);
    assert_true(sk_rep_outbox_is_empty(o));
    assert_true(o->first == 4);
}

/* [reporter-13] */
static void too_many(void **state)
{
    SK_OWN(free) struct sk_rep_outbox *o = calloc(1, sizeof *o);
    uint64_t n = 0;
    (void)state;
    assert_non_null(o);
    for (int i = 0; i < SK_REP_OUTBOX; i++)
        assert_int_equal(add(o), 0);
    assert_true(sk_rep_outbox_is_full(o));
    assert_int_equal(add(o), 1); /* the oldest went */
    assert_true(sk_rep_outbox_next(o, 0, &n) && n == 1);
    assert_true(send_next(o) == 1);
    assert_int_equal(add(o), 1); /* the oldest is under way: the new one went */
    assert_true(o->next == SK_REP_OUTBOX + 1);
    assert_true(sk_rep_outbox_acked(o, 1, true));
    assert_int_equal(add(o), 0);
    sk_rep_outbox_done(o);
    assert_true(sk_rep_outbox_is_empty(o));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order),
        cmocka_unit_test(too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
