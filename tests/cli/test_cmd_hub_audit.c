/* test_cmd_hub_audit.c - `skerry hub audit` on a folder: pages put together, limits, JSON. */
#include "cli_test.h"

#include "accounts/accounts.h"
#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    ROWS = 2500 /* more than two pages */
};

static char dir[] = "/tmp/skerry-hub-audit-XXXXXX";

static size_t lines(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += *text == '\n';
    return count;
}

static void counts(void **state)
{
    static const struct {
        const char *line;
        size_t lines;
    } rows[] = {
        { "skerry hub audit --data-dir %s/h", 100 },
        { "skerry hub audit --data-dir %s/h --max 1", 1 },
        { "skerry hub audit --data-dir %s/h --max 1000", 1000 },
        { "skerry hub audit --data-dir %s/h --max 1001", 1001 },
        { "skerry hub audit --data-dir %s/h --max 1000000 --json", ROWS + 1 },
        { "skerry hub audit --data-dir %s/h --before 3", 2 },
        { "skerry hub audit --data-dir %s/h --before 1", 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(ran_done) struct ran r = run_words(rows[i].line, dir, NULL);
        check_status(rows[i].line, &r, 0);
        if (lines(r.out) != rows[i].lines)
            fail_msg("%s: %zu lines", rows[i].line, lines(r.out));
    }
}

static void forms(void **state)
{
    (void)state;
    const char *text = "skerry hub audit --max 1 --data-dir %s/h";
    const char *json = "skerry hub audit --max 1 --json --data-dir %s/h";
    SK_AUTO(ran_done) struct ran a = run_words(text, dir, NULL);
    SK_AUTO(ran_done) struct ran b = run_words(json, dir, NULL);
    check_status(text, &a, 0);
    check_status(json, &b, 0);
    if (!strstr(a.out, "test.row            line??2  some detail\n"))
        fail_msg("%s", a.out); /* a newline in a name stays in its line */
    if (!strstr(b.out, "\"action\":\"test.row\",\"object\":\"line\\n\\u001B2\""))
        fail_msg("%s", b.out);
}

static void errors(void **state)
{
    (void)state;

    static const struct {
        const char *line;
        int status;
        const char *err;
    } rows[] = {
        { "skerry hub audit --max 0", 2, "--max" },
        { "skerry hub audit --max 1000001", 2, "--max" },
        { "skerry hub audit --before x", 2, "--before" },
        { "skerry hub audit --data-dir %s/none", 1, "is not a hub's folder" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(ran_done) struct ran r = run_words(rows[i].line, dir, NULL);
        check_status(rows[i].line, &r, rows[i].status);
        if (!strstr(r.err, rows[i].err))
            fail_msg("%s: %s", rows[i].line, r.err);
    }
}

static int begin(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_store_close) struct sk_store *store = NULL;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    char folder[64];
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    SK_AUTO(ran_done)
    struct ran r = run_words("skerry hub init --data-dir %s/h --hostname a", dir, NULL);
    (void)snprintf(folder, sizeof folder, "%s/h", dir);
    if (r.status != 0 || sk_store_open(folder, &store, &err) < 0 ||
        sk_db_begin(sk_store_db(store), SK_DB_WRITE, &tx, &err) < 0)
        return -1;
    for (int i = 0; i < ROWS; i++)
        if (sk_audit(tx, NULL, "test.row",
                     "line\n\x1b"
                     "2",
                     "some detail", &err) < 0)
            return -1;
    return sk_tx_commit(&tx, &err);
}

static int end(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    (void)state;
    return sk_remove_tree(dir, &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(counts), cmocka_unit_test(forms),
                                        cmocka_unit_test(errors) };
    return cmocka_run_group_tests_name("cmd_hub_audit", tests, begin, end);
}
