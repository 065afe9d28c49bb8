/* test_monitor_read.c - pages, times and groups of a hub; streams and breaks are in
 * tests/it/test_device_commands.py. */
#include "cli/monitor_priv.h"

#include "device_test.h"

#include <stdio.h>
#include <stdlib.h>

struct heard {
    char numbers[4096]; /* the member n of each body */
    unsigned count, fail_at;
};

static int hear(void *ctx, const struct sk_json *message, const char *text, struct sk_err *err)
{
    struct heard *h = ctx;
    size_t len = strlen(h->numbers);
    assert_non_null(strstr(text, "\"deviceId\""));
    assert_null(strchr(text, '\n'));
    if (++h->count == h->fail_at)
        return sk_fail(err, SK_IO, "the reader is gone");
    (void)snprintf(h->numbers + len, sizeof h->numbers - len, "%lld ",
                   (long long)sk_json_int(sk_json_get(sk_json_get(message, "body"), "n"), -1));
    return 0;
}

static void pages(void **state)
{
    static const struct {
        struct sk_monitor_source source;
        const char *numbers;
        enum sk_code code;
    } table[] = {
        { { .max = 100 }, "0 1 2 3 4 5 ", SK_OK },
        { { .max = 2 }, "4 5 ", SK_OK },
        { { .max = 100, .device = "a" }, "0 2 4 ", SK_OK },
        { { .max = 2, .device = "b" }, "3 5 ", SK_OK },
        { { .max = 100, .device = "c" }, "", SK_OK },
        { { .max = 100, .device = "a", .module = "m" }, "", SK_OK },
        { { .max = 100, .output = "o" }, "", SK_OK },
        { { .max = 2, .since = "1h" }, "0 1 2 3 4 5 ", SK_OK },
        { { .max = 2, .since = "2020-01-01T00:00:00Z", .device = "a" }, "0 2 4 ", SK_OK },
        { { .max = 2, .since = "2100-01-01T00:00:00Z" }, "", SK_OK },
        { { .max = 2, .since = "yesterday" }, "", SK_USAGE },
        { { .max = 2, .group = "g" }, "0 1 2 3 4 5 ", SK_OK },
        { { .max = 2, .group = "g" }, "", SK_OK },
        { { .max = 2, .group = "a/b" }, "", SK_INVALID },
        { { .max = 2, .hub = "none" }, "", SK_NOT_FOUND },
    };

    struct hub_test t;
    char body[32];
    (void)state;
    hub_test_start(&t);
    device_test_make("a");
    device_test_make("b");
    for (int i = 0; i < 6; i++) {
        (void)snprintf(body, sizeof body, "{\"n\":%d}", i);
        device_test_send(i % 2 ? "b" : "a", body, "application/json");
    }
    for (size_t i = 0; i < COUNT(table); i++) {
        struct heard heard = { .count = 0 };
        struct sk_err err = SK_ERR_INIT;
        struct sk_monitor_source s = table[i].source;
        s.each = hear;
        s.ctx = &heard;
        int rc = sk_monitor_read(&s, &err);
        if (rc != (table[i].code == SK_OK ? 0 : -1) || err.code != table[i].code ||
            strcmp(heard.numbers, table[i].numbers) != 0)
            fail_msg("row %zu: %d %s '%s'", i, rc, err.text, heard.numbers);
    }
    /* What the reader refuses is not committed. */
    struct heard heard = { .fail_at = 3 };
    struct sk_err err = SK_ERR_INIT;
    const struct sk_monitor_source s = { .group = "h", .each = hear, .ctx = &heard };
    assert_int_equal(sk_monitor_read(&s, &err), -1);
    assert_int_equal(err.code, SK_IO);
    heard = (struct heard){ .count = 0 };
    assert_int_equal(sk_monitor_read(&s, &err), 0);
    assert_string_equal(heard.numbers, "0 1 2 3 4 5 ");
    hub_test_stop(&t);
}

/* More than the pages that are asked for at a time. */
static void many(void **state)
{
    struct hub_test t;
    struct heard all = { .count = 0 }, group = { .count = 0 };
    struct sk_err err = SK_ERR_INIT;
    (void)state;
    hub_test_start(&t);
    device_test_make("a");
    for (int i = 0; i < 510; i++)
        device_test_send("a", "{}", "application/json");
    struct sk_monitor_source s = { .since = "1h", .each = hear, .ctx = &all };
    assert_int_equal(sk_monitor_read(&s, &err), 0);
    assert_int_equal(all.count, 510);
    s = (struct sk_monitor_source){ .group = "g", .each = hear, .ctx = &group };
    assert_int_equal(sk_monitor_read(&s, &err), 0);
    assert_int_equal(group.count, 510);
    hub_test_stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(pages), cmocka_unit_test(many) };
    return cmocka_run_group_tests_name("monitor_read", tests, NULL, NULL);
}
