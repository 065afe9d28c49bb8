/*
 * test_jpeg_fast_head.c - which headers the baseline decoder takes and which it leaves to libjpeg.
 */
#include "jpeg_util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Pieces of a header. Tables are short ones: one code for each DC and AC table. */
#define SOI   "\xFF\xD8"
#define JFIF  "\xFF\xE0\x00\x10JFIF\0\x01\x01\x00\x00\x01\x00\x01\x00\x00"
#define JFIF2 "\xFF\xE0\x00\x10JFIF\0\x02\x01\x00\x00\x01\x00\x01\x00\x00"
#define ADOBE(transform)                                                                           \
    "\xFF\xEE\x00\x0E"                                                                             \
    "Adobe\x00\x64\x00\x00\x00\x00" transform
#define TEN       "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A"
#define STEPS     TEN TEN TEN TEN TEN TEN "\x01\x02\x03\x04"
#define DQT(slot) "\xFF\xDB\x00\x43" slot STEPS
#define CODES                                                                                      \
    "\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"                             \
    "\x00"
#define DHT                    "\xFF\xC4\x00\x26\x00" CODES "\x10" CODES
#define SOF(mark, size, parts) "\xFF" mark size parts
#define SIZE                   "\x08\x00\x10\x00\x20"
#define YCC(factors)           "\x03\x01" factors "\x00\x02\x11\x00\x03\x11\x00"
#define SOF_YCC                SOF("\xC0", "\x00\x11", SIZE YCC("\x22"))
#define SOF_GREY               SOF("\xC0", "\x00\x0B", SIZE "\x01\x01\x11\x00")
#define SOS                    "\xFF\xDA\x00\x0C\x03\x01\x00\x02\x00\x03\x00\x00\x3F\x00"
#define SOS_GREY               "\xFF\xDA\x00\x08\x01\x01\x00\x00\x3F\x00"

#define ROW(name, text, is_ours)                                                                   \
    {                                                                                              \
        name, text, sizeof(text) - 1, is_ours                                                      \
    }

static const struct {
    const char *name, *text;
    size_t len;
    bool is_ours;
} rows[] = {
    ROW("4:2:0", SOI JFIF DQT("\x00") SOF_YCC DHT SOS, true),
    ROW("grey", SOI JFIF DQT("\x00") SOF_GREY DHT SOS_GREY, true),
    ROW("grey with factors",
        SOI DQT("\x00") SOF("\xC0", "\x00\x0B", SIZE "\x01\x01\x42\x00") DHT SOS_GREY, true),
    ROW("4:4:4", SOI DQT("\x00") SOF("\xC0", "\x00\x11", SIZE YCC("\x11")) DHT SOS, true),
    ROW("4:2:2", SOI DQT("\x00") SOF("\xC0", "\x00\x11", SIZE YCC("\x21")) DHT SOS, true),
    ROW("padding before a marker", SOI "\xFF\xFF" DQT("\x00") SOF_YCC DHT SOS, true),
    ROW("comment and application data",
        SOI "\xFF\xFE\x00\x04hi\xFF\xE1\x00\x02" DQT("\x00") SOF_YCC DHT SOS, true),
    ROW("restart interval", SOI DQT("\x00") SOF_YCC "\xFF\xDD\x00\x04\x00\x05" DHT SOS, true),
    ROW("Adobe YCbCr", SOI ADOBE("\x01") DQT("\x00") SOF_YCC DHT SOS, true),
    ROW("short Adobe marker counts for nothing",
        SOI "\xFF\xEE\x00\x07"
            "Adobe" DQT("\x00") SOF_YCC DHT SOS,
        true),

    ROW("empty", "", false),
    ROW("no start", DQT("\x00") SOF_YCC DHT SOS, false),
    ROW("start only", SOI, false),
    ROW("end at once", SOI "\xFF\xD9", false),
    ROW("bytes between markers", SOI "x" DQT("\x00") SOF_YCC DHT SOS, false),
    ROW("JFIF 2", SOI JFIF2 DQT("\x00") SOF_YCC DHT SOS, false),
    ROW("Adobe RGB", SOI ADOBE("\x00") DQT("\x00") SOF_YCC DHT SOS, false),
    ROW("Adobe YCCK", SOI ADOBE("\x02") DQT("\x00") SOF_YCC DHT SOS, false),
    ROW("components R G B",
        SOI DQT("\x00") SOF("\xC0", "\x00\x11",
                            SIZE "\x03R\x11\x00G\x11\x00"
                                 "B\x11\x00") DHT "\xFF\xDA\x00\x0C\x03R\x00G\x00"
                                                  "B\x00\x00\x3F\x00",
        false),
    ROW("progressive", SOI DQT("\x00") SOF("\xC2", "\x00\x11", SIZE YCC("\x22")) DHT SOS, false),
    ROW("extended", SOI DQT("\x00") SOF("\xC1", "\x00\x11", SIZE YCC("\x22")) DHT SOS, false),
    ROW("12 bit",
        SOI DQT("\x00") SOF("\xC0", "\x00\x11", "\x0C\x00\x10\x00\x20" YCC("\x22")) DHT SOS, false),
    ROW("no height",
        SOI DQT("\x00") SOF("\xC0", "\x00\x11", "\x08\x00\x00\x00\x20" YCC("\x22")) DHT SOS, false),
    ROW("no width",
        SOI DQT("\x00") SOF("\xC0", "\x00\x11", "\x08\x00\x10\x00\x00" YCC("\x22")) DHT SOS, false),
    ROW("too high",
        SOI DQT("\x00") SOF("\xC0", "\x00\x11", "\x08\xFF\xFF\x00\x20" YCC("\x22")) DHT SOS, false),
    ROW("narrow chroma is not smoothed",
        SOI DQT("\x00") SOF("\xC0", "\x00\x11", "\x08\x00\x10\x00\x04" YCC("\x22")) DHT SOS, false),
    ROW("4:1:1", SOI DQT("\x00") SOF("\xC0", "\x00\x11", SIZE YCC("\x41")) DHT SOS, false),
    ROW("4:4:0", SOI DQT("\x00") SOF("\xC0", "\x00\x11", SIZE YCC("\x12")) DHT SOS, false),
    ROW("subsampled Cb",
        SOI DQT("\x00") SOF("\xC0", "\x00\x11", SIZE "\x03\x01\x22\x00\x02\x21\x00\x03\x11\x00")
            DHT SOS,
        false),
    ROW("four components",
        SOI DQT("\x00") SOF("\xC0", "\x00\x14",
                            SIZE "\x04\x01\x11\x00\x02\x11\x00\x03\x11\x00\x04\x11\x00") DHT SOS,
        false),
    ROW("equal component names",
        SOI DQT("\x00") SOF("\xC0", "\x00\x11", SIZE "\x03\x01\x22\x00\x02\x11\x00\x02\x11\x00")
            DHT SOS,
        false),
    ROW("two frames", SOI DQT("\x00") SOF_YCC SOF_YCC DHT SOS, false),
    ROW("frame of a wrong length",
        SOI DQT("\x00") SOF("\xC0", "\x00\x12", SIZE YCC("\x22") "\x00") DHT SOS, false),
    ROW("table defined twice", SOI DQT("\x00") DQT("\x00") SOF_YCC DHT SOS, false),
    ROW("16-bit table", SOI "\xFF\xDB\x00\x83\x10" STEPS STEPS SOF_YCC DHT SOS, false),
    ROW("table without a slot", SOI DQT("\x04") SOF_YCC DHT SOS, false),
    ROW("no quantisation table", SOI SOF_YCC DHT SOS, false),
    ROW("no Huffman table", SOI DQT("\x00") SOF_YCC SOS, false),
    ROW("Huffman tables defined twice", SOI DQT("\x00") SOF_YCC DHT DHT SOS, false),
    ROW("Huffman table with too many codes",
        SOI DQT("\x00") SOF_YCC "\xFF\xC4\x00\x14\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00"
                                "\x00\x00\x00\x00\x00\x00" DHT SOS,
        false),
    ROW("scan before frame", SOI DQT("\x00") DHT SOS SOF_YCC, false),
    ROW("scan of one component of three", SOI DQT("\x00") SOF_YCC DHT SOS_GREY, false),
    ROW("scan in another order",
        SOI DQT("\x00") SOF_YCC DHT "\xFF\xDA\x00\x0C\x03\x02\x00\x01\x00\x03\x00\x00\x3F\x00",
        false),
    ROW("scan of half the spectrum",
        SOI DQT("\x00") SOF_YCC DHT "\xFF\xDA\x00\x0C\x03\x01\x00\x02\x00\x03\x00\x00\x1F\x00",
        false),
    ROW("lines marker", SOI DQT("\x00") SOF_YCC "\xFF\xDC\x00\x04\x00\x10" DHT SOS, false),
    ROW("restart interval twice",
        SOI DQT("\x00") SOF_YCC "\xFF\xDD\x00\x04\x00\x05\xFF\xDD\x00\x04\x00\x05" DHT SOS, false),
    ROW("segment without a length", SOI DQT("\x00") SOF_YCC DHT "\xFF\xFE\x00\x01" SOS, false),
    ROW("segment beyond the end", SOI DQT("\x00") SOF_YCC DHT "\xFF\xFE\x10\x00" SOS, false),
};

static void headers(void **unused)
{
    (void)unused;
    struct sk_jf_head head;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t *copy = malloc(rows[i].len + !rows[i].len); /* of this size: reads beyond it are
                                                               seen */
        assert_non_null(copy);
        memcpy(copy, rows[i].text, rows[i].len);
        if (sk_jf_head_read(copy, rows[i].len, &head) != rows[i].is_ours)
            fail_msg("%s: expected %s", rows[i].name, rows[i].is_ours ? "ours" : "not ours");
        if (rows[i].is_ours && head.scan_at != rows[i].len)
            fail_msg("%s: the scan is at %zu", rows[i].name, head.scan_at);
        /* No part of it is a whole header. */
        for (size_t len = 0; rows[i].is_ours && len < rows[i].len; len++)
            if (sk_jf_head_read((const uint8_t *)rows[i].text, len, &head))
                fail_msg("%s: %zu bytes are enough", rows[i].name, len);
        free(copy);
    }
}

static void values(void **unused)
{
    (void)unused;
    struct sk_jf_head head;
    const char text[] = SOI DQT("\x00") SOF_YCC "\xFF\xDD\x00\x04\x01\x02" DHT SOS;
    assert_true(sk_jf_head_read((const uint8_t *)text, sizeof text - 1, &head));
    assert_int_equal(head.width, 32);
    assert_int_equal(head.height, 16);
    assert_int_equal(head.components, 3);
    assert_int_equal(head.h, 2);
    assert_int_equal(head.v, 2);
    assert_int_equal(head.restart_mcus, 0x102);
    assert_int_equal(head.quant[0][63], 4);
    assert_int_equal(head.component[2].id, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(headers), cmocka_unit_test(values) };
    return cmocka_run_group_tests_name("image/jpeg_fast_head", tests, NULL, NULL);
}
