/* test_dl.c - libraries opened by name, tables of functions, what is said when one is missing. */
#include "base/dl.h"

#include "test_util.h"

#include <math.h>
#include <string.h>

#define LIBM    "libm.so.6"
#define NOWHERE "libno-such-library.so.9"

#define TABLE(X)                                                                                   \
    X(floor)                                                                                       \
    X(pow)

struct api {
#define SLOT(name) __typeof__(name) *name;
    TABLE(SLOT)
#undef SLOT
    double (*other)(double);
};

static const struct sk_dl_symbol symbols[] = {
#define SYMBOL(name) { #name, offsetof(struct api, name) },
    TABLE(SYMBOL)
#undef SYMBOL
};

static void test_opens(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_dl_close) void *library = sk_dl_open(LIBM, &err);

    (void)state;
    assert_non_null(library);
    assert_int_equal(err.code, SK_OK);
    assert_null(sk_dl_open(NOWHERE, &err));
    assert_int_equal(err.code, SK_UNSUPPORTED);
    assert_non_null(strstr(err.text, NOWHERE));
}

static void test_no_library(void **state)
{
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_null(sk_dl_open(__FILE__ "/", &err)); /* a place, and nothing that can be loaded */
    assert_int_equal(err.code, SK_UNSUPPORTED);
    assert_null(sk_dl_open("/dev/null", &err));
    assert_non_null(strstr(err.text, "/dev/null"));
    sk_dl_close(NULL);
}

static void test_first_of_several(void **state)
{
    static const char *const found[] = { NOWHERE, LIBM, "/dev/null", NULL };
    static const char *const none[] = { NOWHERE, "/dev/null", NULL };
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_dl_close) void *library = sk_dl_open_first(found, &err);
    SK_OWN(sk_dl_close) void *same = sk_dl_open(LIBM, &err);

    (void)state;
    assert_ptr_equal(library, same);
    assert_int_equal(err.code, SK_OK); /* a name that was passed over leaves no trace */
    assert_null(sk_dl_open_first(none, &err));
    assert_int_equal(err.code, SK_UNSUPPORTED);
    assert_non_null(strstr(err.text, "/dev/null")); /* the last's reason */
}

static void test_find(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_dl_close) void *library = sk_dl_open(LIBM, &err);
    double (*fn)(double) = fabs;

    (void)state;
    assert_non_null(library);
    assert_false(sk_dl_find(library, "sk_no_such_function", &fn));
    assert_true(fn == fabs);
    assert_true(sk_dl_find(library, "sqrt", &fn));
    assert_true(fn(9) == 3);
}

static void test_table(void **state)
{
    static const struct sk_dl_symbol wanting[] = {
        { "floor", offsetof(struct api, floor) },
        { "sk_not_this", offsetof(struct api, pow) },
        { "sk_nor_that", offsetof(struct api, other) },
    };
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_dl_close) void *library = sk_dl_open(LIBM, &err);
    struct api api = { .other = fabs };

    (void)state;
    assert_non_null(library);
    assert_null(sk_dl_fill(library, symbols, COUNT(symbols), &api));
    assert_true(api.floor(2.5) == 2);
    assert_true(api.pow(2, 10) == 1024);
    assert_true(api.other == fabs); /* what is not in the list is not written */
    assert_string_equal(sk_dl_fill(library, wanting, COUNT(wanting), &api), "sk_not_this");
    assert_null(sk_dl_fill(library, symbols, 0, &api));
}

static void test_load(void **state)
{
    static const char *const none[] = { NOWHERE, NULL }, *const found[] = { NOWHERE, LIBM, NULL };

    static const struct sk_dl_symbol wanting[] = { { "sk_not_this", offsetof(struct api, pow) } };
    const struct sk_dl_library good = { "sums need", "libm", "libc6", symbols, COUNT(symbols) },
                               old = { "sums need", "libm", "libc6", wanting, COUNT(wanting) };
    struct sk_err err = SK_ERR_INIT;
    struct api api = { 0 };

    (void)state;
    assert_null(sk_dl_load(&good, none, &api, &err));
    assert_int_equal(err.code, SK_UNSUPPORTED);
    assert_string_equal(err.text, "sums need libm, and '" NOWHERE "' cannot be loaded: install "
                                  "libc6 (Debian, Ubuntu) or libm (Fedora)");
    assert_null(sk_dl_load(&old, found, &api, &err));
    assert_string_equal(err.text, "libm has no sk_not_this: it is too old");
    SK_OWN(sk_dl_close) void *library = sk_dl_load(&good, found, &api, &err);
    assert_non_null(library);
    assert_true(api.pow(2, 10) == 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opens),
        cmocka_unit_test(test_no_library),
        cmocka_unit_test(test_first_of_several),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_load),
    };

    return cmocka_run_group_tests_name("dl", tests, NULL, NULL);
}
