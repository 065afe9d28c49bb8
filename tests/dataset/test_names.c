/* test_names.c - the order of Python's sorted() and the endings of pictures. */
#include "dataset_test.h"

static void test_order(void **state)
{
    /* Sorted as Python sorts them. */
    static const char *const names[] = {
        "",
        "-",
        "10",
        "2",
        "A",
        "B",
        "a",
        "a-",
        "a/",
        "aa",
        "b",
        "z",
        "z\x7F",
        "\xC3\xA4" /* a umlaut */,
        "\xD0\xB6",
        "\xE6\x97\xA5",
        "\x80" /* U+DC80 */,
        "\x80z",
        "\x81",
        "\xC3" /* U+DCC3: cut off */,
        "\xC3(",
        "\xEE\x80\x80" /* U+E000 */,
        "\xEF\xBF\xBD",
        "\xF0\x9F\x98\x80",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        for (size_t k = 0; k < COUNT(names); k++) {
            int want = i < k ? -1 : i > k, got = sk_name_compare(names[i], names[k]);
            if ((got > 0) - (got < 0) != want)
                fail_msg("'%s' and '%s': %d", names[i], names[k], got);
        }
    }
}

static void test_pictures(void **state)
{
    static const struct {
        const char *name;
        bool is;
    } rows[] = {
        { "a.jpg", true },      { "a.jpeg", true },  { "a.png", true },   { "a.ppm", true },
        { "a.bmp", true },      { "a.pgm", true },   { "a.tif", true },   { "a.tiff", true },
        { "a.webp", true },     { "a.gif", true },   { "a.JPG", true },   { "a.JpEg", true },
        { ".jpg", true },       { "a.b.png", true }, { "jpg", false },    { "a.jpg.txt", false },
        { "a.jp2", false },     { "ajpg", false },   { "", false },       { "a.", false },
        { "Thumbs.db", false }, { "a.npy", false },  { "a.jpg ", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (sk_name_is_picture(rows[i].name) != rows[i].is)
            fail_msg("'%s'", rows[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_order),
                                        cmocka_unit_test(test_pictures) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
