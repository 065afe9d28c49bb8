/* test_transfer.c - cells, sizes, times. */
#include "cli/remote_priv.h"

#include "cli_test.h"

#include <stdlib.h>

static void cells(void **state)
{
    static const struct {
        const char *text;
        unsigned width;
        const char *cell;
    } rows[] = {
        { "abc", 5, "abc    " },
        { "abcdefgh", 5, "ab...  " },
        { "abcde", 5, "abcde  " },
        { "abc", 0, "abc" },
        { "\xc3\xa4\xc3\xb6", 3, "\xc3\xa4\xc3\xb6   " },
        { "a\nb\x1b[2J", 0, "a?b?[2J" },
        { "\xff", 0, "?" },
        { "", 2, "    " },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1000);

        sk_cli_cell(&out, rows[i].text, rows[i].width);
        if (strcmp(out.data ? out.data : "", rows[i].cell) != 0)
            fail_msg("row %zu: '%s'", i, out.data);
    }
}

static void sizes_and_times(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1000);

    (void)state;
    sk_cli_size(&out, 512);
    sk_buf_chr(&out, ',');
    sk_cli_size(&out, 47000000);
    sk_buf_chr(&out, ',');
    sk_cli_size(&out, 3ull << 30);
    sk_buf_chr(&out, ',');
    sk_cli_when(&out, 0);
    sk_buf_chr(&out, ',');
    sk_cli_when(&out, 1795907980923);
    assert_string_equal(out.data, "0.5 KiB,44.8 MiB,3.00 GiB,-,2026-11-28 23:19");
}

/* Standard error is no terminal here: nothing is drawn, and it never stops a transfer. */
static void quiet_without_a_terminal(void **state)
{
    struct sk_transfer t = { .verb = "uploading" };

    (void)state;
    assert_true(sk_transfer_progress(&t, "x", 1, 2));
    assert_false(t.is_shown);
    sk_transfer_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells),
        cmocka_unit_test(sizes_and_times),
        cmocka_unit_test(quiet_without_a_terminal),
    };
    return cmocka_run_group_tests_name("transfer", tests, NULL, NULL);
}
