/* test_frame.c - frames in any pieces, messages that are none. */
#include "wire/wire_priv.h"

#include "harness/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void add_frame(struct sk_buf *b, const char *json, int64_t id)
{
    struct sk_err err = SK_ERR_INIT;
    if (sk_wire_frame(sk_view_of(json), id, b, &err) < 0)
        fail_msg("%s", err.text);
}

static void pieces_of_any_size_give_the_same(void **state)
{
    static const char *const expected[] = { "{\"type\":\"a\"}", "{\"id\":7,\"type\":\"b\"}",
                                            "{\"type\":\"c\",\"x\":[1,2]}" };
    SK_AUTO(sk_buf_done) struct sk_buf all = SK_BUF_INIT(4096);
    (void)state;
    add_frame(&all, "{\"type\":\"a\"}", 0);
    add_frame(&all, "{\"type\":\"b\"}", 7);
    add_frame(&all, "{\"type\":\"c\",\"x\":[1,2]}", 0);
    for (size_t piece = 1; piece <= all.len; piece++) {
        SK_AUTO(sk_wire_frames_done) struct sk_wire_frames f = SK_WIRE_FRAMES_INIT;
        struct sk_err err = SK_ERR_INIT;
        struct sk_view v;
        size_t found = 0;
        for (size_t at = 0; at < all.len; at += piece) {
            size_t n = all.len - at < piece ? all.len - at : piece;
            assert_int_equal(sk_wire_frames_add(&f, all.data + at, n, &err), 0);
            while (sk_wire_frames_next(&f, &v, &err) == 1) {
                assert_true(found < COUNT(expected));
                assert_true(sk_view_eq(v, expected[found]));
                found++;
            }
        }
        assert_int_equal(found, COUNT(expected));
    }
}

static void lengths_out_of_bounds_are_refused(void **state)
{
    static const struct {
        const char *name;
        unsigned char head[4];
        int rc;
    } rows[] = {
        { "nothing", { 0, 0, 0, 0 }, -1 },
        { "one byte", { 1, 0, 0, 0 }, 0 },
        { "as much as there may be", { 0, 0, 0x40, 0 }, 0 },
        { "one more", { 1, 0, 0x40, 0 }, -1 },
        { "four gigabytes", { 0xff, 0xff, 0xff, 0xff }, -1 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_wire_frames_done) struct sk_wire_frames f = SK_WIRE_FRAMES_INIT;
        struct sk_err err = SK_ERR_INIT;
        struct sk_view v;
        assert_int_equal(sk_wire_frames_add(&f, rows[i].head, 4, &err), 0);
        if (sk_wire_frames_next(&f, &v, &err) != rows[i].rc)
            fail_msg("%s", rows[i].name);
        if (rows[i].rc < 0)
            assert_int_equal(err.code, SK_INVALID);
    }
}

static void the_largest_fits(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(SK_WIRE_MAX + 1);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_WIRE_OUT_MAX);
    SK_AUTO(sk_wire_frames_done) struct sk_wire_frames f = SK_WIRE_FRAMES_INIT;
    struct sk_err err = SK_ERR_INIT;
    struct sk_view v;
    (void)state;
    sk_buf_str(&json, "{\"type\":\"x\",\"t\":\"");
    while (json.len < SK_WIRE_MAX - 2)
        sk_buf_chr(&json, 'a');
    sk_buf_str(&json, "\"}");
    assert_int_equal(json.len, SK_WIRE_MAX);
    assert_int_equal(sk_wire_frame((struct sk_view){ json.data, json.len }, 0, &out, &err), 0);
    for (size_t at = 0; at < out.len; at += SK_WIRE_READ_BYTES) {
        size_t n = out.len - at < SK_WIRE_READ_BYTES ? out.len - at : SK_WIRE_READ_BYTES;
        assert_int_equal(sk_wire_frames_next(&f, &v, &err), 0);
        assert_int_equal(sk_wire_frames_add(&f, out.data + at, n, &err), 0);
    }
    assert_int_equal(sk_wire_frames_next(&f, &v, &err), 1);
    assert_int_equal(v.len, SK_WIRE_MAX);
    assert_int_equal(sk_wire_frame((struct sk_view){ json.data, json.len }, 1, &out, &err), -1);
    assert_int_equal(err.code, SK_TOO_LARGE);
    assert_int_equal(sk_wire_frames_add(&f, "", 0, &err), 0);
    assert_true(f.bytes.cap <= SK_WIRE_KEEP_BYTES);
}

static void messages_are_read(void **state)
{
    static const struct {
        const char *json, *type;
        int64_t id;
        bool is_answer;
    } rows[] = {
        { "{\"type\":\"config\"}", "config", 0, false },
        { "{\"type\":\"sign\",\"id\":1}", "sign", 1, false },
        { "{\"id\":9223372036854775807,\"type\":\"answer\"}", "answer", INT64_MAX, true },
        { "{\"type\":\"answer\"}", NULL, 0, false },
        { "{\"type\":\"x\",\"id\":0}", NULL, 0, false },
        { "{\"type\":\"x\",\"id\":-1}", NULL, 0, false },
        { "{\"type\":\"x\",\"id\":\"1\"}", NULL, 0, false },
        { "{\"type\":\"\"}", NULL, 0, false },
        { "{\"type\":7}", NULL, 0, false },
        { "{\"type\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}", NULL,
          0, false },
        { "{}", NULL, 0, false },
        { "[]", NULL, 0, false },
        { "nonsense", NULL, 0, false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_wire_message m = { 0 };
        struct sk_err err = SK_ERR_INIT;
        int rc = sk_wire_message_parse(sk_view_of(rows[i].json), &m, &err);
        if ((rc == 0) != (rows[i].type != NULL))
            fail_msg("%s: %s", rows[i].json, err.text);
        if (rc < 0) {
            assert_int_equal(err.code, SK_INVALID);
            continue;
        }
        assert_string_equal(m.type, rows[i].type);
        assert_int_equal(m.id, rows[i].id);
        assert_int_equal(m.is_answer, rows[i].is_answer);
        sk_json_free(m.doc);
    }
}

static void refusals_carry_their_code(void **state)
{
    static const struct {
        const char *json;
        enum sk_code code;
        const char *text;
    } rows[] = {
        { "{\"type\":\"answer\",\"id\":1}", SK_OK, "" },
        { "{\"type\":\"answer\",\"id\":1,\"error\":\"no\",\"code\":\"denied\"}", SK_DENIED, "no" },
        { "{\"type\":\"answer\",\"id\":1,\"error\":\"no\",\"code\":\"new\"}", SK_REMOTE, "no" },
        { "{\"type\":\"answer\",\"id\":1,\"error\":\"\"}", SK_REMOTE, "refused without a reason" },
        { "{\"type\":\"answer\",\"id\":1,\"error\":\"x\",\"code\":\"ok\"}", SK_REMOTE, "x" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_wire_message m = { 0 };
        struct sk_err err = SK_ERR_INIT;
        assert_int_equal(sk_wire_message_parse(sk_view_of(rows[i].json), &m, &err), 0);
        int rc = sk_wire_message_refusal(m.doc, &err);
        assert_int_equal(rc, rows[i].code == SK_OK ? 0 : -1);
        assert_int_equal(err.code, rows[i].code);
        assert_string_equal(err.text, rows[i].text);
        sk_json_free(m.doc);
    }
}

static int all_of_it(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(4096);
    SK_AUTO(sk_wire_frames_done) struct sk_wire_frames f = SK_WIRE_FRAMES_INIT;
    struct sk_wire_message m;
    struct sk_view v;
    (void)ctx;
    if (sk_wire_frame(SK_VIEW("{\"type\":\"a\"}"), 3, &out, err) < 0 ||
        sk_wire_frames_add(&f, out.data, out.len, err) < 0 ||
        sk_wire_frames_next(&f, &v, err) < 0 || sk_wire_message_parse(v, &m, err) < 0)
        return -1;
    sk_json_free(m.doc);
    return 0;
}

static void memory_may_end(void **state)
{
    (void)state;
    (void)sk_alloc_sweep("frames", all_of_it, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_any_size_give_the_same),
        cmocka_unit_test(lengths_out_of_bounds_are_refused),
        cmocka_unit_test(the_largest_fits),
        cmocka_unit_test(messages_are_read),
        cmocka_unit_test(refusals_carry_their_code),
        cmocka_unit_test(memory_may_end),
    };
    return cmocka_run_group_tests_name("wire/frame", tests, NULL, NULL);
}
