/* test_safetensors.c - headers that are sound, and all the ways in which they are not. */
#include "harness/alloc_fail.h"
#include "test_util.h"
#include "weights/weights.h"

/* A file of a header and as many bytes of data. */
static void make(struct sk_buf *b, const char *header, size_t data)
{
    sk_buf_clear(b);
    add_le(b, strlen(header), 8);
    sk_buf_str(b, header);
    for (size_t i = 0; i < data; i++)
        sk_buf_chr(b, (char)i);
}

static int open_copy(const struct sk_buf *b, size_t len, struct sk_err *err)
{
    SK_OWN(free) uint8_t *copy = exact_copy(b->data, len);
    SK_OWN(sk_weights_free) struct sk_weights *w = NULL;

    return sk_weights_open_bytes(copy, len, &w, err);
}

#define TWO                                                                                        \
    "{\"__metadata__\":{\"a\":\"1\",\"b\":\"\"},"                                                  \
    "\"z\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"                              \
    "\"a\":{\"dtype\":\"I16\",\"shape\":[],\"data_offsets\":[8,10]}}   "

static void sound(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    SK_OWN(sk_weights_free) struct sk_weights *w = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    make(&b, TWO, 10);
    if (sk_weights_open_bytes(b.data, b.len, &w, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(sk_weights_format(w), "safetensors");
    assert_int_equal(sk_weights_count(w), 2);
    assert_string_equal(sk_weights_at(w, 0)->name, "a");
    assert_int_equal(sk_weights_at(w, 0)->rank, 0);
    assert_int_equal(sk_weights_at(w, 0)->count, 1);
    assert_int_equal(sk_weights_at(w, 0)->dtype, SK_DT_I16);
    assert_memory_equal(sk_weights_at(w, 0)->data, "\x08\x09", 2);
    assert_int_equal(sk_weights_find(w, "z")->dims[0], 2);
    assert_null(sk_weights_find(w, "z")->strides);
    assert_null(sk_weights_find(w, "y"));
    assert_string_equal(sk_weights_meta(w, "a"), "1");
    assert_string_equal(sk_weights_meta(w, "b"), "");
    assert_null(sk_weights_meta(w, "c"));
}

/* One entry named x, from the middle of its object. */
#define ONE(dtype, shape, offsets)                                                                 \
    "{\"x\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define ENTRY(name, begin, end, count)                                                             \
    "\"" name "\":{\"dtype\":\"U8\",\"shape\":[" count "],\"data_offsets\":[" begin "," end "]}"

static void headers(void **state)
{
    static const struct {
        const char *name, *header;
        size_t data;
        enum sk_code code;
        const char *text;
    } rows[] = {
        { "nothing", "{}", 0, SK_OK, "" },
        { "only metadata", "{\"__metadata__\":{}}", 0, SK_OK, "" },
        { "one", ONE("\"U8\"", "[4]", "[0,4]"), 4, SK_OK, "" },
        { "more keys", "{\"x\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0],\"y\":1}}", 0,
          SK_OK, "" },
        { "empty ones between",
          "{" ENTRY("c", "2", "4", "2") "," ENTRY("b", "2", "2", "0") "," ENTRY(
              "a", "0", "2", "2") "," ENTRY("d", "4", "4", "0") "}",
          4, SK_OK, "" },
        { "data behind nothing", "{}", 1, SK_CORRUPT, "1 bytes behind the last tensor" },
        { "data behind", ONE("\"U8\"", "[4]", "[0,4]"), 5, SK_CORRUPT, "1 bytes behind the last" },
        { "data missing", ONE("\"U8\"", "[4]", "[0,4]"), 3, SK_CORRUPT,
          "tensor 'x': the data end at byte 4 of 3" },
        { "hole at the start", ONE("\"U8\"", "[4]", "[1,5]"), 5, SK_CORRUPT,
          "tensor 'x' begins at byte 1 of the data, a hole after 0" },
        { "hole", "{" ENTRY("a", "0", "2", "2") "," ENTRY("b", "3", "4", "1") "}", 4, SK_CORRUPT,
          "tensor 'b' begins at byte 3 of the data, a hole after 2" },
        { "overlap", "{" ENTRY("a", "0", "3", "3") "," ENTRY("b", "2", "4", "2") "}", 4, SK_CORRUPT,
          "tensor 'b' begins at byte 2 of the data, inside another that ends at 3" },
        { "the same bytes", "{" ENTRY("a", "0", "3", "3") "," ENTRY("b", "0", "3", "3") "}", 3,
          SK_CORRUPT, "tensor 'b' begins at byte 0" },
        { "shape too small", ONE("\"F32\"", "[1]", "[0,8]"), 8, SK_CORRUPT,
          "tensor 'x': the shape needs 4 bytes, 'data_offsets' hold 8" },
        { "shape too large", ONE("\"F32\"", "[3]", "[0,8]"), 8, SK_CORRUPT,
          "tensor 'x': the shape needs 12" },
        { "shape overflows", ONE("\"U8\"", "[4294967296,4294967296,2]", "[0,0]"), 0, SK_CORRUPT,
          "tensor 'x': a shape of more elements" },
        { "bytes overflow", ONE("\"F64\"", "[2305843009213693952]", "[0,0]"), 0, SK_CORRUPT,
          "tensor 'x': a shape of more bytes" },
        { "negative", ONE("\"U8\"", "[-1]", "[0,0]"), 0, SK_CORRUPT,
          "tensor 'x': 'shape' has an element that is not a size" },
        { "fraction", ONE("\"U8\"", "[1.0]", "[0,1]"), 1, SK_CORRUPT, "tensor 'x': 'shape' has" },
        { "nine dimensions", ONE("\"U8\"", "[1,1,1,1,1,1,1,1,1]", "[0,1]"), 1, SK_LIMIT,
          "tensor 'x': 'shape' has 9 numbers; 8 is the limit" },
        { "eight dimensions", ONE("\"U8\"", "[1,1,1,1,1,1,1,1]", "[0,1]"), 1, SK_OK, "" },
        { "shape that is none", ONE("\"U8\"", "4", "[0,4]"), 4, SK_CORRUPT,
          "tensor 'x': 'shape' is not an array" },
        { "offsets backwards", ONE("\"U8\"", "[0]", "[4,0]"), 4, SK_CORRUPT,
          "tensor 'x': 'data_offsets' is not a range" },
        { "one offset", ONE("\"U8\"", "[0]", "[0]"), 0, SK_CORRUPT, "tensor 'x': 'data_offsets'" },
        { "three offsets", ONE("\"U8\"", "[0]", "[0,0,0]"), 0, SK_LIMIT, "tensor 'x': 'data_off" },
        { "huge offset", ONE("\"U8\"", "[0]", "[0,9223372036854775807]"), 0, SK_CORRUPT,
          "tensor 'x': the data end at byte 9223372036854775807 of 0" },
        { "unknown type", ONE("\"F8_E4M3\"", "[1]", "[0,1]"), 1, SK_UNSUPPORTED,
          "tensor 'x': elements of type 'F8_E4M3'" },
        { "type that is none", ONE("4", "[1]", "[0,1]"), 1, SK_CORRUPT, "tensor 'x': 'dtype'" },
        { "entry that is none", "{\"x\":1}", 0, SK_CORRUPT, "tensor 'x': not an object" },
        { "twice", "{" ENTRY("a", "0", "1", "1") "," ENTRY("a", "0", "1", "1") "}", 1, SK_CORRUPT,
          "header: not JSON" },
        { "not JSON", "{\"x\":", 0, SK_CORRUPT, "header: not JSON" },
        { "NUL in a name", "{\"a\\u0000b\":{}}", 0, SK_CORRUPT, "header: not JSON" },
        { "metadata of numbers", "{\"__metadata__\":{\"a\":1}}", 0, SK_CORRUPT,
          "__metadata__: 'a' is not a text" },
        { "metadata that is none", "{\"__metadata__\":[]}", 0, SK_CORRUPT, "__metadata__ is not" },
        { "deep", "{\"x\":[[[[[[[[[[]]]]]]]]]]}", 0, SK_LIMIT, "header: " },
    };

    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        make(&b, rows[i].header, rows[i].data);
        int rc = open_copy(&b, b.len, &err);
        if ((rc == 0) != (rows[i].code == SK_OK) || err.code != rows[i].code ||
            strncmp(err.text, rows[i].text, strlen(rows[i].text)) != 0)
            fail_msg("row '%s': %s: %s", rows[i].name, sk_code_name(err.code), err.text);
    }
}

static void lengths(void **state)
{
    static const struct {
        const char *name;
        uint64_t length;
        enum sk_code code;
    } rows[] = {
        { "none", 0, SK_CORRUPT },
        { "one too many", 3, SK_CORRUPT },
        { "at the limit", SK_WEIGHTS_MAX_HEADER, SK_CORRUPT },
        { "beyond the limit", SK_WEIGHTS_MAX_HEADER + 1, SK_LIMIT },
        { "huge", UINT64_MAX, SK_LIMIT },
    };

    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        sk_buf_clear(&b);
        add_le(&b, rows[i].length, 8);
        sk_buf_str(&b, "{}");
        if (open_copy(&b, b.len, &err) == 0 || err.code != rows[i].code)
            fail_msg("row '%s': %s", rows[i].name, err.text);
    }
}

static void long_names(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    char header[2 * SK_WEIGHTS_MAX_NAME];
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    for (int len = SK_WEIGHTS_MAX_NAME; len <= SK_WEIGHTS_MAX_NAME + 1; len++) {
        (void)snprintf(header, sizeof header,
                       "{\"%0*d\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", len,
                       0);
        make(&b, header, 0);
        assert_int_equal(open_copy(&b, b.len, &err), len == SK_WEIGHTS_MAX_NAME ? 0 : -1);
    }
    assert_int_equal(err.code, SK_LIMIT);
}

/* The number of tensors at the limit and beyond. */
static void many(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf header = SK_BUF_INIT(64 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(64 << 20);

    (void)state;
    for (unsigned count = SK_WEIGHTS_MAX_TENSORS; count <= SK_WEIGHTS_MAX_TENSORS + 1; count++) {
        struct sk_err err = SK_ERR_INIT;
        sk_buf_clear(&header);
        for (unsigned i = 0; i < count; i++)
            sk_buf_fmt(&header,
                       "%c\"%u\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1],"
                       "\"data_offsets\":[%u,%u]}",
                       i > 0 ? ',' : '{', i, i, i + 1);
        sk_buf_chr(&header, '}');
        make(&b, header.data, count);
        int rc = open_copy(&b, b.len, &err);
        assert_int_equal(rc, count == SK_WEIGHTS_MAX_TENSORS ? 0 : -1);
        assert_int_equal(err.code, rc == 0 ? SK_OK : SK_LIMIT);
    }
}

static void cut_off(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);

    (void)state;
    make(&b, TWO, 10);
    for (size_t len = 0; len < b.len; len++) {
        struct sk_err err = SK_ERR_INIT;
        if (open_copy(&b, len, &err) == 0 || err.code != SK_CORRUPT)
            fail_msg("cut off at %zu: %s", len, err.text);
    }
}

static int open_it(void *ctx, struct sk_err *err)
{
    const struct sk_buf *b = ctx;
    SK_OWN(sk_weights_free) struct sk_weights *w = NULL;

    return sk_weights_open_bytes(b->data, b->len, &w, err);
}

static void no_memory(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);

    (void)state;
    make(&b, TWO, 10);
    assert_true(sk_alloc_sweep("safetensors", open_it, &b, 0) >= 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound),      cmocka_unit_test(headers), cmocka_unit_test(lengths),
        cmocka_unit_test(long_names), cmocka_unit_test(many),    cmocka_unit_test(cut_off),
        cmocka_unit_test(no_memory),
    };

    return cmocka_run_group_tests_name("safetensors", tests, NULL, NULL);
}
