/* test_man.c - the manual page against a golden file, and what roff would misread. */
#include "base/opt.h"

#include "base/cleanup.h"
#include "harness/golden.h"
#include "opt_table.h"
#include "test_util.h"

static void test_page(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);

    (void)state;
    sk_cmds_man(table, "1.2.3", &b);
    assert_true(sk_buf_ok(&b));
    sk_golden_check("tests/base/golden/skerry.1", b.data, b.len);
}

/* A line that begins with a dot is a request that we meant; no text does. */
static void test_requests(void **state)
{
    static const char *const known[] = {
        ".TH ", ".SH ", ".SS ", ".TP\n", ".PP\n", ".nf\n", ".fi\n"
    };
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);

    (void)state;
    sk_cmds_man(table, "1.2.3", &b);
    for (const char *p = b.data; *p; p += strcspn(p, "\n") + 1) {
        bool is_known = *p != '.';
        for (size_t i = 0; i < COUNT(known); i++)
            is_known = is_known || strncmp(p, known[i], strlen(known[i])) == 0;
        if (!is_known || *p == '\'')
            fail_msg("%.40s", p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page),
        cmocka_unit_test(test_requests),
    };
    return cmocka_run_group_tests_name("man", tests, NULL, NULL);
}
