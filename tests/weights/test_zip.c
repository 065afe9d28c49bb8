/* test_zip.c - directories that are sound, lie or are cut off. */
#include "weights/zip_priv.h"

#include "harness/alloc_fail.h"
#include "zips.h"

#define NONE SK_VIEW("")

static void make(struct zip *z, unsigned flags)
{
    zip_add(z, "m/data/10", "ten", 3);
    zip_add(z, "m/data.pkl", "pickle", 6);
    zip_add(z, "m/data/1", "", 0);
    zip_end(z, flags);
}

static int open_copy(const struct sk_buf *b, size_t len, struct sk_err *err)
{
    SK_OWN(free) uint8_t *copy = exact_copy(b->data, len);
    SK_AUTO(sk_zip_done) struct sk_zip zip = { 0 };

    return sk_zip_open(copy, len, &zip, err);
}

static void sound(void **state)
{
    (void)state;
    for (unsigned flags = 0; flags <= ZIP_64; flags++) {
        SK_AUTO(zip_done) struct zip z = ZIP_INIT;
        SK_AUTO(sk_zip_done) struct sk_zip zip = { 0 };
        struct sk_view data = { 0 };
        struct sk_err err = SK_ERR_INIT;

        make(&z, flags);
        assert_true(sk_zip_is((const uint8_t *)z.bytes.data, z.bytes.len));
        if (sk_zip_open((const uint8_t *)z.bytes.data, z.bytes.len, &zip, &err) < 0)
            fail_msg("%s", err.text);
        assert_int_equal(zip.count, 3);
        assert_int_equal(sk_zip_read(&zip, SK_VIEW("m/"), SK_VIEW("data/10"), &data, &err), 0);
        assert_true(sk_view_eq(data, "ten"));
        assert_int_equal(sk_zip_read(&zip, SK_VIEW("m/data/1"), NONE, &data, &err), 0);
        assert_int_equal(data.len, 0);
        assert_int_equal(sk_zip_read(&zip, NONE, SK_VIEW("m/data.pkl"), &data, &err), 0);
        assert_true(sk_view_eq(data, "pickle"));
        assert_null(sk_zip_find(&zip, SK_VIEW("m/data/10"), SK_VIEW("0")));
        assert_null(sk_zip_find(&zip, SK_VIEW("m/dat"), NONE));
        assert_int_equal(sk_zip_read(&zip, SK_VIEW("m/"), SK_VIEW("x"), &data, &err), -1);
        assert_int_equal(err.code, SK_NOT_FOUND);
    }
}

static void cut_off(void **state)
{
    (void)state;
    for (unsigned flags = 0; flags <= ZIP_64; flags++) {
        SK_AUTO(zip_done) struct zip z = ZIP_INIT;

        make(&z, flags);
        for (size_t len = 0; len < z.bytes.len; len++) {
            struct sk_err err = SK_ERR_INIT;
            if (open_copy(&z.bytes, len, &err) == 0 || err.code != SK_CORRUPT)
                fail_msg("cut off at %zu: %s", len, err.text);
        }
    }
}

/* Every byte in turn takes other values: an error or an archive whose entries lie inside. */
static void changed(void **state)
{
    static const uint8_t changes[] = { 1, 0x80, 0xff };

    (void)state;
    for (unsigned flags = 0; flags <= ZIP_64; flags++) {
        SK_AUTO(zip_done) struct zip z = ZIP_INIT;

        make(&z, flags);
        for (size_t i = 0; i < z.bytes.len * COUNT(changes); i++) {
            SK_AUTO(sk_zip_done) struct sk_zip zip = { 0 };
            struct sk_err err = SK_ERR_INIT;
            uint8_t *byte = (uint8_t *)z.bytes.data + i / COUNT(changes);
            *byte ^= changes[i % COUNT(changes)];
            SK_OWN(free) uint8_t *copy = exact_copy(z.bytes.data, z.bytes.len);
            volatile uint8_t sum = 0;
            if (sk_zip_open(copy, z.bytes.len, &zip, &err) == 0)
                for (size_t e = 0; e < zip.count; e++)
                    for (size_t k = 0; k < zip.entries[e].data.len; k++)
                        sum = (uint8_t)(sum + zip.entries[e].data.ptr[k]);
            *byte ^= changes[i % COUNT(changes)];
        }
    }
}

static void refused(void **state)
{
    static const struct {
        const char *name;
        unsigned method, flags;
        enum sk_code code; /* of reading the entry */
    } rows[] = {
        { "stored", 0, 0, SK_OK },
        { "deflated", 8, 0, SK_UNSUPPORTED },
        { "encrypted", 0, 1, SK_UNSUPPORTED },
        { "names in UTF-8", 0, 0x800, SK_OK },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(zip_done) struct zip z = ZIP_INIT;
        SK_AUTO(sk_zip_done) struct sk_zip zip = { 0 };
        struct sk_view data = { 0 };
        struct sk_err err = SK_ERR_INIT;

        z.method = rows[i].method;
        z.flags = rows[i].flags;
        zip_add(&z, "a", "abc", 3);
        zip_end(&z, 0);
        if (sk_zip_open((const uint8_t *)z.bytes.data, z.bytes.len, &zip, &err) < 0)
            fail_msg("row '%s': %s", rows[i].name, err.text);
        int rc = sk_zip_read(&zip, SK_VIEW("a"), NONE, &data, &err);
        if ((rc == 0) != (rows[i].code == SK_OK) || err.code != rows[i].code)
            fail_msg("row '%s': %s", rows[i].name, err.text);
    }
}

static void twice(void **state)
{
    SK_AUTO(zip_done) struct zip z = ZIP_INIT;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    zip_add(&z, "a", "1", 1);
    zip_add(&z, "a", "2", 1);
    zip_end(&z, 0);
    assert_int_equal(open_copy(&z.bytes, z.bytes.len, &err), -1);
    assert_string_equal(err.text, "zip: entry 'a' is there twice");
}

static void comment(void **state)
{
    SK_AUTO(zip_done) struct zip z = ZIP_INIT;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    make(&z, 0);
    sk_buf_add(&z.bytes, "PK\5\6", 4); /* looks like an end record that is cut off */
    z.bytes.data[z.bytes.len - 6] = 4;
    assert_int_equal(open_copy(&z.bytes, z.bytes.len, &err), 0);
    sk_buf_add(&z.bytes, "x", 1); /* more than the comment */
    assert_int_equal(open_copy(&z.bytes, z.bytes.len, &err), -1);
}

static int open_it(void *ctx, struct sk_err *err)
{
    const struct zip *z = ctx;
    SK_AUTO(sk_zip_done) struct sk_zip zip = { 0 };

    return sk_zip_open((const uint8_t *)z->bytes.data, z->bytes.len, &zip, err);
}

static void no_memory(void **state)
{
    SK_AUTO(zip_done) struct zip z = ZIP_INIT;

    (void)state;
    make(&z, 0);
    assert_true(sk_alloc_sweep("zip", open_it, &z, 0) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound),     cmocka_unit_test(cut_off), cmocka_unit_test(changed),
        cmocka_unit_test(refused),   cmocka_unit_test(twice),   cmocka_unit_test(comment),
        cmocka_unit_test(no_memory),
    };

    return cmocka_run_group_tests_name("zip", tests, NULL, NULL);
}
