/* test_wire.c - protobuf's wire format, byte by byte. */
#include "onnx/onnx_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct sk_wire wire_of(const void *bytes, size_t len)
{
    const uint8_t *b = bytes;

    return (struct sk_wire){ b, b, b + len };
}

/* Sound messages: "number type value" for each field, in order. */
static void sound_messages(void **state)
{
    static const struct {
        const char *name, *bytes;
        size_t len;

        struct {
            uint32_t number;
            enum sk_wire_type type;
            uint64_t value; /* of a varint; the length of bytes */
        } fields[3];
    } rows[] = {
        { "varint", "\x08\x96\x01", 3, { { 1, SK_WIRE_VARINT, 150 } } },
        { "largest varint",
          "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
          11,
          { { 1, SK_WIRE_VARINT, UINT64_MAX } } },
        { "padded varint", "\x08\x81\x80\x00", 4, { { 1, SK_WIRE_VARINT, 1 } } },
        { "bytes",
          "\x12\x03"
          "abc",
          5,
          { { 2, SK_WIRE_BYTES, 3 } } },
        { "no bytes", "\x12\x00", 2, { { 2, SK_WIRE_BYTES, 0 } } },
        { "fixed",
          "\x1d"
          "abcd"
          "\x21"
          "abcdefgh",
          14,
          { { 3, SK_WIRE_FIXED32, 0 }, { 4, SK_WIRE_FIXED64, 0 } } },
        { "largest number", "\xf8\xff\xff\xff\x0f\x05", 6, { { 0x1fffffff, SK_WIRE_VARINT, 5 } } },
        { "several",
          "\x08\x01\x12\x01z\x08\x02",
          7,
          { { 1, SK_WIRE_VARINT, 1 }, { 2, SK_WIRE_BYTES, 1 }, { 1, SK_WIRE_VARINT, 2 } } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sk_wire w = wire_of(rows[i].bytes, rows[i].len);
        struct sk_wire_field f;
        struct sk_err err = SK_ERR_INIT;
        size_t n = 0;
        int rc;

        while ((rc = sk_wire_next(&w, &f, &err)) > 0) {
            uint64_t value = f.type == SK_WIRE_VARINT  ? f.value
                             : f.type == SK_WIRE_BYTES ? sk_wire_text(&f).len
                                                       : 0;

            if (n == 3 || f.number != rows[i].fields[n].number ||
                f.type != rows[i].fields[n].type || value != rows[i].fields[n].value)
                fail_msg("row '%s': field %zu is wrong", rows[i].name, n);
            n++;
        }
        if (rc < 0 || (n < 3 && rows[i].fields[n].number != 0))
            fail_msg("row '%s': %zu fields, %s", rows[i].name, n, err.text);
    }
}

static void broken_messages(void **state)
{
    static const struct {
        const char *name, *bytes;
        size_t len;
        const char *text;
    } rows[] = {
        { "tag cut off", "\x80", 1, "a number is cut off at byte 0" },
        { "varint cut off", "\x08\x80", 2, "a number is cut off at byte 1" },
        { "varint of 70 bits", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 11,
          "a number is longer than 64 bits at byte 1" },
        { "varint without end", "\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 12,
          "a number is longer than 64 bits at byte 1" },
        { "field 0", "\x00\x01", 2, "a field has an impossible number at byte 0" },
        { "number too large", "\x80\x80\x80\x80\x10\x01", 6,
          "a field has an impossible number at byte 0" },
        { "group", "\x0b", 1, "a field has an unknown wire type at byte 0" },
        { "group end", "\x0c", 1, "a field has an unknown wire type at byte 0" },
        { "type 6", "\x0e", 1, "a field has an unknown wire type at byte 0" },
        { "length cut off", "\x12", 1, "a number is cut off at byte 1" },
        { "bytes cut off",
          "\x12\x04"
          "abc",
          5, "field 2 at byte 1 wants 4 bytes, 3 are left" },
        { "huge length", "\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11,
          "field 2 at byte 1 wants 18446744073709551615 bytes, 0 are left" },
        { "32 bits cut off",
          "\x1d"
          "abc",
          4, "a field is cut off at byte 1" },
        { "64 bits cut off",
          "\x21"
          "abcdefg",
          8, "a field is cut off at byte 1" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sk_wire w = wire_of(rows[i].bytes, rows[i].len);
        struct sk_wire_field f;
        struct sk_err err = SK_ERR_INIT;

        if (sk_wire_next(&w, &f, &err) != -1)
            fail_msg("row '%s': accepted", rows[i].name);
        if (err.code != SK_CORRUPT || strcmp(err.text, rows[i].text) != 0)
            fail_msg("row '%s': %s", rows[i].name, err.text);
    }
}

static void packed_numbers(void **state)
{
    struct sk_wire w = wire_of("\x01\xac\x02\x80", 4);
    struct sk_err err = SK_ERR_INIT;
    uint64_t n;

    (void)state;
    assert_int_equal(sk_wire_number(&w, &n, &err), 1);
    assert_int_equal(n, 1);
    assert_int_equal(sk_wire_number(&w, &n, &err), 1);
    assert_int_equal(n, 300);
    assert_int_equal(sk_wire_number(&w, &n, &err), -1);
    w.at = w.end;
    assert_int_equal(sk_wire_number(&w, &n, &err), 0);
}

static void wanted_types(void **state)
{
    struct sk_wire_field f = { .number = 7, .type = SK_WIRE_VARINT };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_wire_want(&f, SK_WIRE_VARINT, &err), 0);
    assert_int_equal(sk_wire_want(&f, SK_WIRE_BYTES, &err), -1);
    assert_string_equal(err.text, "field 7 has wire type 0, ONNX has 2 there");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_messages),
        cmocka_unit_test(broken_messages),
        cmocka_unit_test(packed_numbers),
        cmocka_unit_test(wanted_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
