/* test_cmd_query.c - `skerry query` with a hub. Words are split at spaces, so queries have tabs. */
#include "hub_test.h"

#include "cli_test.h"

#include <stdio.h>

static void rows(void **state)
{
    static const struct hub_row table[] = {
        { "skerry query SELECT\t*\tFROM\tdevices", 0, "", "" },
        { "skerry device create a -t site=north", 0, "", "" },
        { "skerry device create b -t site=south", 0, "", "" },
        { "skerry query SELECT\t*\tFROM\tdevices\tWHERE\ttags.site='north'", 0,
          "deviceId                  status                    connectionState           "
          "lastActivityTime\na ",
          "" },
        { "skerry query SELECT\t*\tFROM\tdevices --json", 0, "\"tags\":{\"site\":\"north\"}", "" },
        { "skerry query SELECT\ttags.site\tAS\ts,COUNT()\tAS\tn\tFROM\tdevices\tGROUP\tBY\ttags."
          "site",
          0, "south  ", "" },
        { "skerry query SELEKT", 1, "", "expected SELECT" },
        { "skerry query", 2, "", "QUERY" },
    };

    (void)state;
    hub_test_run(table, COUNT(table));
}

/* More than a page, and exactly so many as asked for. */
static void pages(void **state)
{
    struct hub_test t;
    char line[64];
    (void)state;
    hub_test_start(&t);
    for (int i = 0; i < 7; i++) {
        (void)snprintf(line, sizeof line, "skerry device create d-%d", i);
        SK_AUTO(ran_done) struct ran r = run_words(line, t.dir, NULL);
        check_status(line, &r, 0);
    }
    for (int top = 1; top <= 8; top++) {
        size_t lines = 0;
        (void)snprintf(line, sizeof line, "skerry query --json --top %d SELECT\t*\tFROM\tdevices",
                       top);
        SK_AUTO(ran_done) struct ran r = run_words(line, t.dir, NULL);
        check_status(line, &r, 0);
        for (const char *p = r.out; (p = strchr(p, '\n')); p++)
            lines++;
        assert_int_equal(lines, top < 7 ? top : 7);
    }
    hub_test_stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rows), cmocka_unit_test(pages) };
    return cmocka_run_group_tests_name("cmd_query", tests, NULL, NULL);
}
