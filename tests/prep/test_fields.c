/* test_fields.c - the forms in which values are written. */
#include "prep_test.h"

static const struct {
    const char *name, *text;
    uint32_t height, width; /* 0: refused */
    const char *part;
} sides[] = {
    { "integer", "224", 224, 224, "" },
    { "list", "[3,4]", 3, 4, "" },
    { "object", "{\"height\":3,\"width\":4}", 3, 4, "" },
    { "largest", "65500", 65500, 65500, "" },
    { "beyond", "65501", 0, 0, "size: 'height': 65501 is not between 1 and 65500" },
    { "zero", "0", 0, 0, "0 is not between" },
    { "negative", "-1", 0, 0, "-1 is not between" },
    { "fraction", "[1.5,2]", 0, 0, "size: 'height': expected a number of pixels, got a number" },
    { "list of one", "[3]", 0, 0, "'size': expected [height, width], got 1" },
    { "text", "\"3\"", 0, 0, "'size': expected an object, got a string" },
    { "half an object", "{\"height\":3}", 0, 0, "'size': expected height and width" },
    { "text inside", "{\"height\":3,\"width\":\"x\"}", 0, 0,
      "size: 'width': expected a number of pixels, got a string" },
};

static void test_sides(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(sides); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_json_free) struct sk_json *v = parse_config(sides[i].text);
        uint32_t h = 0, w = 0;
        int rc = sk_prep_read_sides(v, "size", &h, &w, &err);

        if (rc != (sides[i].height > 0 ? 0 : -1) ||
            (rc == 0 && (h != sides[i].height || w != sides[i].width)) ||
            !strstr(err.text, sides[i].part))
            fail_msg("%s: rc %d, %u x %u, '%s'", sides[i].name, rc, h, w, err.text);
    }
}

static const struct {
    const char *name, *text;
    enum sk_filter filter; /* SK_FILTER_COUNT: refused */
} filters[] = {
    { "absent", "{}", SK_FILTER_HAMMING },
    { "null", "{\"resample\":null}", SK_FILTER_HAMMING },
    { "nearest", "{\"resample\":0}", SK_FILTER_NEAREST },
    { "hamming", "{\"resample\":5}", SK_FILTER_HAMMING },
    { "name", "{\"resample\":\"lanczos\"}", SK_FILTER_LANCZOS },
    { "beyond", "{\"resample\":6}", SK_FILTER_COUNT },
    { "negative", "{\"resample\":-1}", SK_FILTER_COUNT },
    { "unknown name", "{\"resample\":\"sharp\"}", SK_FILTER_COUNT },
    { "boolean", "{\"resample\":true}", SK_FILTER_COUNT },
};

static void test_filters(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(filters); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_json_free) struct sk_json *v = parse_config(filters[i].text);
        enum sk_filter f = SK_FILTER_HAMMING;
        int rc = sk_prep_read_filter(v, "resample", &f, &err);

        if (rc != (filters[i].filter < SK_FILTER_COUNT ? 0 : -1) ||
            (rc == 0 && f != filters[i].filter))
            fail_msg("%s: rc %d, filter %d, '%s'", filters[i].name, rc, (int)f, err.text);
    }
}

static const struct {
    const char *name, *text;
    double first, last; /* -1: refused */
} threes[] = {
    { "absent", "{}", 7, 7 },
    { "null", "{\"v\":null}", 7, 7 },
    { "list", "{\"v\":[1,2.5,3]}", 1, 3 },
    { "scalar", "{\"v\":0.5}", 0.5, 0.5 },
    { "two", "{\"v\":[1,2]}", -1, -1 },
    { "four", "{\"v\":[1,2,3,4]}", -1, -1 },
    { "text", "{\"v\":[1,\"2\",3]}", -1, -1 },
    { "nested", "{\"v\":[1,[2],3]}", -1, -1 },
    { "object", "{\"v\":{}}", -1, -1 },
};

static void test_threes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(threes); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_json_free) struct sk_json *v = parse_config(threes[i].text);
        double out[3] = { 7, 7, 7 };
        int rc = sk_prep_read_three(v, "v", out, &err);
        bool is_kept = out[0] == 7 && out[1] == 7 && out[2] == 7;

        if (threes[i].first < 0 ? rc == 0 || !is_kept
                                : rc < 0 || out[0] != threes[i].first || out[2] != threes[i].last)
            fail_msg("%s: rc %d, %g %g %g", threes[i].name, rc, out[0], out[1], out[2]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_sides),
                                        cmocka_unit_test(test_filters),
                                        cmocka_unit_test(test_threes) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
