/* test_packet.c - datagrams between agent and keeper. */
#include "keeper_util.h"

#include <string.h>

static void put_request(struct sk_buf *b, unsigned op, const char *name)
{
    sk_keeper_put_head(b, op);
    if (name)
        sk_keeper_put_text(b, SK_KEEPER_F_NAME, name);
}

static int read_it(const struct sk_buf *b, struct sk_keeper_request *out, struct sk_err *err)
{
    return sk_keeper_read_request((struct sk_view){ b->data, b->len }, out, err);
}

static void test_request_comes_back(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_KEEPER_PACKET_MAX);
    struct sk_keeper_request r;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    put_request(&b, SK_KEEPER_LISTEN, "m/[::1]:5001/tcp");
    sk_keeper_put_text(&b, SK_KEEPER_F_HOST, "[::1]");
    sk_keeper_put_number(&b, SK_KEEPER_F_PORT, 65535);
    sk_keeper_put_number(&b, SK_KEEPER_F_IS_FORWARD, 1);
    sk_keeper_put_text(&b, (enum sk_keeper_field)200, "of a later version");
    assert_int_equal(read_it(&b, &r, &err), 0);
    assert_int_equal(r.op, SK_KEEPER_LISTEN);
    assert_string_equal(r.name, "m/[::1]:5001/tcp");
    assert_string_equal(r.host, "[::1]");
    assert_int_equal(r.port, 65535);
    assert_true(r.is_forward);
    assert_false(r.has_target);
    /* Cut anywhere it is refused, or lacks whole fields. */
    for (size_t len = 0; len < b.len; len++)
        (void)!sk_keeper_read_request((struct sk_view){ b.data, len }, &r, &err);
}

static void test_numbers(void **state)
{
    static const uint64_t values[] = { 0, 1, 255, 256, UINT32_MAX, UINT64_MAX };

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(64);
        struct sk_keeper_reader r;
        struct sk_err err = SK_ERR_INIT;
        struct sk_view value;
        unsigned field = 0;
        sk_keeper_put_head(&b, SK_KEEPER_LIST | SK_KEEPER_ANSWER);
        sk_keeper_put_number(&b, SK_KEEPER_F_ACCEPTED, values[i]);
        assert_int_equal(sk_keeper_read_head(&r, (struct sk_view){ b.data, b.len }, &err), 0);
        assert_int_equal(r.op, SK_KEEPER_LIST | SK_KEEPER_ANSWER);
        assert_true(sk_keeper_read_field(&r, &field, &value));
        assert_int_equal(field, SK_KEEPER_F_ACCEPTED);
        assert_true(sk_keeper_number(value) == values[i]);
        assert_false(sk_keeper_read_field(&r, &field, &value));
        assert_false(r.is_broken);
    }
    assert_true(sk_keeper_number(SK_VIEW("1234567")) == UINT64_MAX);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        enum sk_code code;
        const char *words;
    } rows[] = {
        { "", 0, SK_INVALID, "no packet" },
        { "SKK\1", 4, SK_INVALID, "no packet" },
        { "GET / HTTP", 10, SK_INVALID, "no packet" },
        { "SKK\2\1\1\1\0m", 9, SK_UNSUPPORTED, "version 2" },
        { "SKK\1\0", 5, SK_UNSUPPORTED, "request 0" },
        { "SKK\1\6", 5, SK_UNSUPPORTED, "request 6" },
        { "SKK\1\x81", 5, SK_UNSUPPORTED, "request 129" },
        { "SKK\1\1", 5, SK_INVALID, "name" },
        { "SKK\1\1\1\1\0m\1", 10, SK_INVALID, "cut off" },
        { "SKK\1\1\1\2\0m", 9, SK_INVALID, "cut off" },
        { "SKK\1\1\1\3\0m n", 11, SK_INVALID, "position 2" },
        { "SKK\1\1\1\3\0m|n", 11, SK_INVALID, "position 2" },
        { "SKK\1\1\1\2\0m\0", 10, SK_INVALID, "position 2" },
        { "SKK\1\1\1\2\0m\xc3", 10, SK_INVALID, "position 2" },
        { "SKK\1\1\1\1\0m\3\1\0\1", 13, SK_INVALID, "65535" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_keeper_request r;
        struct sk_err err = SK_ERR_INIT;
        if (sk_keeper_read_request((struct sk_view){ rows[i].bytes, rows[i].len }, &r, &err) == 0 ||
            err.code != rows[i].code || !strstr(err.text, rows[i].words))
            fail_msg("row %zu: %s", i, err.text);
    }
}

static void test_longest_name(void **state)
{
    char name[SK_KEEPER_NAME_MAX + 2];
    struct sk_keeper_request r;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    for (size_t len = SK_KEEPER_NAME_MAX; len <= SK_KEEPER_NAME_MAX + 1; len++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_KEEPER_PACKET_MAX);
        memset(name, 'n', len);
        name[len] = '\0';
        put_request(&b, SK_KEEPER_CLOSE, name);
        assert_int_equal(read_it(&b, &r, &err), len > SK_KEEPER_NAME_MAX ? -1 : 0);
    }
    assert_int_equal(err.code, SK_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_comes_back),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_longest_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
