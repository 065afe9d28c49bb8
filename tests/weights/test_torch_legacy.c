/* test_torch_legacy.c - PyTorch's older container, piece by piece. */
#include "weights/torch_priv.h"

#include "harness/alloc_fail.h"
#include "pickles.h"

#define MAGIC           PROTO "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
#define PROTOCOL        PROTO "M\xe9\x03."
#define SYSTEM          PROTO "}" TEXT("\015", "little_endian") "\x88s."
#define HEAD            MAGIC PROTOCOL SYSTEM
#define OBJECT(storage) PROTO "}" TEXT("\001", "a") TENSOR(storage, "\0", "K\2\x85", "K\1\x85") "s."
#define A               STORAGE("k", "\002")
#define KEYS            PROTO "]" TEXT("\001", "k") "a."
#define COUNT_OF(n)     n "\0\0\0\0\0\0\0"
/* The storage of three elements, of which the view is the last two. */
#define VIEW                                                                                       \
    "(" TEXT("\007", "storage") "ctorch\nFloatStorage\n" TEXT("\001", "k")                         \
        TEXT("\003", "cpu") "K\3" TEXT("\001", "v") "K\1K\2\x87tQ"
#define DOUBLES STORAGE_OF("ctorch\nDoubleStorage\n", "k", "\002")

static void files(void **state)
{
    static const struct {
        const char *name;
        struct sk_view bytes;
        enum sk_code code;
        const char *text; /* how the error begins; the data */
    } rows[] = {
        { "smallest", B(HEAD OBJECT(A) KEYS COUNT_OF("\2") "12345678"), SK_OK, "12345678" },
        { "something behind", B(HEAD OBJECT(A) KEYS COUNT_OF("\2") "12345678x"), SK_OK,
          "12345678" },
        { "more elements", B(HEAD OBJECT(A) KEYS COUNT_OF("\3") "12345678abcd"), SK_OK,
          "12345678" },
        { "view", B(HEAD OBJECT(VIEW) KEYS COUNT_OF("\3") "abcd12345678"), SK_OK, "12345678" },
        { "view of too few", B(HEAD OBJECT(VIEW) KEYS COUNT_OF("\2") "abcd12345678"), SK_CORRUPT,
          "a storage whose size differs" },
        { "big-endian",
          B(MAGIC PROTOCOL PROTO "}" TEXT("\015", "little_endian") "\x89s." OBJECT(A) KEYS),
          SK_UNSUPPORTED, "a file of a big-endian machine" },
        { "no byte order", B(MAGIC PROTOCOL PROTO "}." OBJECT(A) KEYS), SK_CORRUPT,
          "a PyTorch file without its byte order" },
        { "system that is no dict", B(MAGIC PROTOCOL PROTO "N."), SK_CORRUPT,
          "a PyTorch file without its byte order" },
        { "protocol 1000", B(MAGIC PROTO "M\xe8\x03."), SK_UNSUPPORTED,
          "a PyTorch file of another protocol" },
        { "too few elements", B(HEAD OBJECT(A) KEYS COUNT_OF("\1") "12345678"), SK_CORRUPT,
          "a storage whose size differs" },
        { "data cut off", B(HEAD OBJECT(A) KEYS COUNT_OF("\2") "1234567"), SK_CORRUPT,
          "cut off in the data" },
        { "huge count",
          B(HEAD OBJECT(A) KEYS "\0\0\0\0\0\0\0\x80"
                                "12345678"),
          SK_CORRUPT, "cut off in the data" },
        { "count cut off", B(HEAD OBJECT(A) KEYS "\2\0\0\0\0\0\0"), SK_CORRUPT, "cut off in" },
        { "keys that are no list", B(HEAD OBJECT(A) PROTO "K\1."), SK_CORRUPT, "the keys of" },
        { "no keys", B(HEAD OBJECT(A) PROTO "]."), SK_CORRUPT, "the data of storage 0 are not" },
        { "key that is no text", B(HEAD OBJECT(A) PROTO "]K\1a."), SK_CORRUPT, "a key of a" },
        { "another key",
          B(HEAD OBJECT(A) PROTO "]" TEXT("\001", "j") "a." COUNT_OF("\2") "12345678"), SK_CORRUPT,
          "data of a storage that no tensor has" },
        { "one key of two sizes",
          B(HEAD PROTO "}" TEXT("\001", "a") TENSOR(A, "\0", "K\2\x85", "K\1\x85") "s" TEXT(
              "\001", "b") TENSOR(DOUBLES, "\0", "K\1\x85",
                                  "K\1\x85") "s." KEYS COUNT_OF("\2") "1234567812345678"),
          SK_CORRUPT, "a storage whose size differs" },
        { "hostile", B(HEAD PROTO "cos\nsystem\nX\4\0\0\0exit\x85R."), SK_UNSUPPORTED,
          "the pickle asks for os.system," },
        { "hostile keys", B(HEAD OBJECT(A) PROTO "cos\nsystem\n."), SK_UNSUPPORTED,
          "the pickle asks for os.system," },
        { "hostile system", B(MAGIC PROTOCOL PROTO "cos\nsystem\n."), SK_UNSUPPORTED,
          "the pickle asks for os.system," },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(free) uint8_t *copy = exact_copy(rows[i].bytes.ptr, rows[i].bytes.len);
        SK_OWN(sk_weights_free) struct sk_weights *w = NULL;
        struct sk_err err = SK_ERR_INIT;
        int rc = sk_weights_open_bytes(copy, rows[i].bytes.len, &w, &err);

        if (err.code != rows[i].code || (rc < 0 && !sk_starts_with(err.text, rows[i].text)))
            fail_msg("row '%s': %s: %s", rows[i].name, sk_code_name(err.code), err.text);
        if (rc == 0) {
            assert_string_equal(sk_weights_format(w), "pytorch legacy");
            assert_memory_equal(sk_weights_find(w, "a")->data, rows[i].text, 8);
        }
    }
}

static void kinds(void **state)
{
    static const struct {
        const char *name;
        struct sk_view bytes;
        bool is;
    } rows[] = {
        { "protocol 2", B(MAGIC), true },
        { "protocol 4 with a frame",
          B("\x80\4\x95\x0d\0\0\0\0\0\0\0\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."),
          true },
        { "another pickle", B("\x80\2N.............."), false },
        { "cut off", B("\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50"), false },
        { "nothing", B(""), false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(free) uint8_t *copy = exact_copy(rows[i].bytes.ptr, rows[i].bytes.len);
        if (sk_torch_legacy_is(copy, rows[i].bytes.len) != rows[i].is)
            fail_msg("row '%s'", rows[i].name);
    }
}

static int open_it(void *ctx, struct sk_err *err)
{
    static const char file[] = HEAD OBJECT(A) KEYS COUNT_OF("\2") "12345678";
    SK_OWN(sk_weights_free) struct sk_weights *w = NULL;

    (void)ctx;
    return sk_weights_open_bytes(file, sizeof file - 1, &w, err);
}

static void no_memory(void **state)
{
    (void)state;
    assert_true(sk_alloc_sweep("older container", open_it, NULL, 0) >= 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files),
        cmocka_unit_test(kinds),
        cmocka_unit_test(no_memory),
    };

    return cmocka_run_group_tests_name("torch_legacy", tests, NULL, NULL);
}
