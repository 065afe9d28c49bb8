/* test_torch_zip.c - archives of torch.save: what must be in them, and what must not. */
#include "harness/alloc_fail.h"
#include "pickles.h"
#include "weights/weights.h"
#include "zips.h"

#define TWO_FLOATS                                                                                 \
    PROTO "}" TEXT("\001", "a") TENSOR(STORAGE("k", "\002"), "\0", "K\2\x85", "K\1\x85") "s."

struct entry {
    const char *name;
    struct sk_view bytes;
};

static void archives(void **state)
{
    static const struct {
        const char *name;
        struct entry entries[4];
        enum sk_code code;
        const char *text; /* how the error begins */
    } rows[] = {
        { "smallest",
          { { "m/data.pkl", B(TWO_FLOATS) }, { "m/data/k", B("12345678") } },
          SK_OK,
          "" },
        { "more bytes than elements",
          { { "m/data.pkl", B(TWO_FLOATS) }, { "m/data/k", B("123456789") } },
          SK_OK,
          "" },
        { "little",
          { { "m/data.pkl", B(TWO_FLOATS) },
            { "m/byteorder", B("little") },
            { "m/data/k", B("12345678") } },
          SK_OK,
          "" },
        { "big",
          { { "m/data.pkl", B(TWO_FLOATS) },
            { "m/byteorder", B("big") },
            { "m/data/k", B("12345678") } },
          SK_UNSUPPORTED,
          "a file of a big-endian machine" },
        { "TorchScript",
          { { "m/data.pkl", B(TWO_FLOATS) },
            { "m/constants.pkl", B("") },
            { "m/data/k", B("12345678") } },
          SK_UNSUPPORTED,
          "a TorchScript archive" },
        { "no storage",
          { { "m/data.pkl", B(TWO_FLOATS) }, { "n/data/k", B("12345678") } },
          SK_CORRUPT,
          "data: zip: entry 'k' is missing" },
        { "storage too small",
          { { "m/data.pkl", B(TWO_FLOATS) }, { "m/data/k", B("1234567") } },
          SK_CORRUPT,
          "storage 0 has 7 bytes" },
        { "no pickle",
          { { "m/data/k", B("12345678") } },
          SK_UNSUPPORTED,
          "a zip archive that torch" },
        { "pickle at the top", { { "data.pkl", B(TWO_FLOATS) } }, SK_UNSUPPORTED, "a zip archive" },
        { "pickle too deep",
          { { "m/n/data.pkl", B(TWO_FLOATS) } },
          SK_UNSUPPORTED,
          "a zip archive" },
        { "two pickles",
          { { "m/data.pkl", B(TWO_FLOATS) }, { "n/data.pkl", B(TWO_FLOATS) } },
          SK_CORRUPT,
          "an archive with more than one data.pkl" },
        { "hostile",
          { { "m/data.pkl", B("\x80\2cos\nsystem\nX\4\0\0\0exit\x85R.") } },
          SK_UNSUPPORTED,
          "data.pkl: the pickle asks for os.system," },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(zip_done) struct zip z = ZIP_INIT;
        SK_OWN(sk_weights_free) struct sk_weights *w = NULL;
        struct sk_err err = SK_ERR_INIT;

        for (size_t k = 0; k < 4 && rows[i].entries[k].name; k++)
            zip_add(&z, rows[i].entries[k].name, rows[i].entries[k].bytes.ptr,
                    rows[i].entries[k].bytes.len);
        zip_end(&z, 0);
        SK_OWN(free) uint8_t *copy = exact_copy(z.bytes.data, z.bytes.len);
        int rc = sk_weights_open_bytes(copy, z.bytes.len, &w, &err);
        if (err.code != rows[i].code || !sk_starts_with(err.text, rows[i].text))
            fail_msg("row '%s': %s: %s", rows[i].name, sk_code_name(err.code), err.text);
        if (rc == 0)
            assert_memory_equal(sk_weights_find(w, "a")->data, "12345678", 8);
    }
}

static void packed(void **state)
{
    (void)state;
    for (unsigned what = 0; what < 2; what++) {
        SK_AUTO(zip_done) struct zip z = ZIP_INIT;
        SK_OWN(sk_weights_free) struct sk_weights *w = NULL;
        struct sk_err err = SK_ERR_INIT;

        z.method = what == 0 ? 8 : 0;
        zip_add(&z, "m/data.pkl", TWO_FLOATS, sizeof TWO_FLOATS - 1);
        z.method = what == 1 ? 8 : 0;
        zip_add(&z, "m/data/k", "12345678", 8);
        zip_end(&z, 0);
        assert_int_equal(sk_weights_open_bytes(z.bytes.data, z.bytes.len, &w, &err), -1);
        assert_int_equal(err.code, SK_UNSUPPORTED);
        assert_non_null(strstr(err.text, "is compressed"));
    }
}

static int open_it(void *ctx, struct sk_err *err)
{
    const struct zip *z = ctx;
    SK_OWN(sk_weights_free) struct sk_weights *w = NULL;

    return sk_weights_open_bytes(z->bytes.data, z->bytes.len, &w, err);
}

static void no_memory(void **state)
{
    SK_AUTO(zip_done) struct zip z = ZIP_INIT;

    (void)state;
    zip_add(&z, "m/data.pkl", TWO_FLOATS, sizeof TWO_FLOATS - 1);
    zip_add(&z, "m/data/k", "12345678", 8);
    zip_end(&z, 0);
    assert_true(sk_alloc_sweep("zip of PyTorch", open_it, &z, 0) >= 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(archives),
        cmocka_unit_test(packed),
        cmocka_unit_test(no_memory),
    };

    return cmocka_run_group_tests_name("torch_zip", tests, NULL, NULL);
}
