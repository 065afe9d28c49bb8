/* test_decode_pnm.c - portable maps: text, binary, deep ones, and what is refused. */
#include "decode_util.h"

static const char *const files[] = {
    "p1.pnm", "p2.pnm", "p3.pnm", "p4.pnm", "p5.pnm", "p5_16.pnm", "p6.pnm",
};

UTIL_COMMON_TESTS(files);

static const struct util_bad bad[] = {
    { "cut off", "p6.pnm", 0, NULL, 0, 100, SK_CORRUPT, "truncated" },
};

static void test_refused(void **state)
{
    (void)state;
    util_refused(bad, UTIL_COUNT(bad));
}

static const struct text {
    const char *name, *bytes;
    enum sk_code code; /* SK_OK: accepted */
    const char *text;
} texts[] = {
    { "plain", "P2 2 1 255 7 8", SK_OK, "" },
    { "comments within numbers", "P2 2 1 25#x\n5 1#y\r0 8", SK_OK, "" },
    { "as Python's int()", "P2 +2 0_1 255 +7 0_0_8", SK_OK, "" },
    { "more behind", "P2 2 1 255 7 8 x", SK_OK, "" },
    { "bits without spaces", "P1 4 1 0110", SK_OK, "" },
    { "no width", "P2 ", SK_CORRUPT, "truncated" },
    { "no samples", "P2 2 1 255 ", SK_CORRUPT, "truncated" },
    { "maximum 0", "P2 2 1 0 0 0", SK_CORRUPT, "maximum of 0" },
    { "maximum too large", "P2 2 1 65536 0 0", SK_CORRUPT, "exceeds 65535" },
    { "sample above the maximum", "P2 2 1 9 0 10", SK_CORRUPT, "10 exceeds 9" },
    { "negative", "P2 2 1 9 -1 1", SK_CORRUPT, "bad number" },
    { "letter", "P2 2 1 9 1x 1", SK_CORRUPT, "bad number" },
    { "underscore at the end", "P2 2 1 9 1_ 1", SK_CORRUPT, "bad number" },
    { "eleven digits", "P2 2 1 9 00000000001 1", SK_CORRUPT, "more than 10 characters" },
    { "width 0", "P2 0 1 9 1", SK_CORRUPT, "at least one pixel" },
    { "bit 2", "P1 4 1 0120", SK_CORRUPT, "neither 0 nor 1" },
    { "letter behind the bits", "P1 4 1 0110 x", SK_CORRUPT, "neither 0 nor 1" },
    { "bit missing", "P1 4 1 011", SK_CORRUPT, "truncated" },
    { "50000 x 50000", "P6 50000 50000 255 ", SK_LIMIT, "2500000000 pixels" },
    { "PAM", "P7 ", SK_UNSUPPORTED_MEDIA, "known format" },
};

static void test_texts(void **state)
{
    (void)state;
    for (size_t n = 0; n < UTIL_COUNT(texts); n++) {
        const struct text *row = &texts[n];
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_image_done) struct sk_image img = { 0 };
        int rc = sk_image_decode(row->bytes, strlen(row->bytes), NULL, &img, NULL, &err);
        if (rc != (row->code == SK_OK ? 0 : -1) || err.code != row->code ||
            !strstr(err.text, row->text))
            fail_msg("%s: %s: %s", row->name, sk_code_name(err.code), err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { UTIL_COMMON_ROWS, cmocka_unit_test(test_refused),
                                        cmocka_unit_test(test_texts) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
