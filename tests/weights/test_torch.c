/* test_torch.c - which dict of a checkpoint counts, and how its tensors come out. */
#include "weights/torch_priv.h"

#include "pickles.h"

#define T         TENSOR(STORAGE("k", "\006"), "\1", "K\2\x85", "K\1\x85")
#define DICT(key) "}" TEXT("\001", key) T "s"

/* Reads a pickle whose storages all begin at data; the names of its tensors, separated by spaces.
 */
static enum sk_code names_of(struct sk_view pickle, struct sk_buf *out)
{
    static const float data[255];
    SK_AUTO(sk_pickle_done) struct sk_pickle p = { 0 };
    struct sk_err err = SK_ERR_INIT;
    struct sk_view rest = pickle;
    uint32_t object = 0;

    sk_buf_clear(out);
    if (sk_torch_load(&p, &rest, &object, &err) < 0)
        fail_msg("%s", err.text);
    SK_OWN(free) const uint8_t **places = calloc(p.storages.count + 1, sizeof *places);
    assert_non_null(places);
    for (uint32_t i = 0; i < p.storages.count; i++)
        places[i] = (const uint8_t *)data;
    SK_OWN(sk_weights_free) struct sk_weights *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->arena.ceiling_bytes = SIZE_MAX / 2;
    if (sk_torch_fill(w, &p, object, places, &err) < 0) {
        sk_buf_str(out, err.text);
        return err.code;
    }
    for (size_t i = 0; i < w->count; i++) {
        const struct sk_weight *t = &w->tensors[i];
        sk_buf_fmt(out, "%s%s%s", i > 0 ? " " : "", t->name, t->strides ? "/strided" : "");
        assert_ptr_equal(t->data, data + 1);
    }
    sk_buf_str(out, "");
    return SK_OK;
}

static void dicts(void **state)
{
    static const struct {
        const char *name;
        struct sk_view pickle;
        enum sk_code code;
        const char *text;
    } rows[] = {
        { "plain", B(PROTO DICT("a") "."), SK_OK, "a" },
        { "other values", B(PROTO DICT("a") TEXT("\001", "n") "K\1sK\1Ns."), SK_OK, "a" },
        { "tensor of a number", B(PROTO "}K\1" T "s" TEXT("\001", "b") T "s."), SK_OK, "b" },
        { "state_dict", B(PROTO "}" TEXT("\012", "state_dict") DICT("a") "s."), SK_OK, "a" },
        { "model", B(PROTO "}" TEXT("\005", "model") DICT("a") "s."), SK_OK, "a" },
        { "model_state", B(PROTO "}" TEXT("\013", "model_state") DICT("a") "s."), SK_OK, "a" },
        { "model_ema", B(PROTO "}" TEXT("\011", "model_ema") DICT("a") "s."), SK_OK, "a" },
        { "model before its average",
          B(PROTO "}" TEXT("\011", "model_ema") DICT("a") "s" TEXT("\005", "model") DICT("b") "s."),
          SK_OK, "b" },
        { "inside before outside", B(PROTO DICT("a") TEXT("\005", "model") DICT("b") "s."), SK_OK,
          "b" },
        { "a model without tensors", B(PROTO DICT("a") TEXT("\005", "model") "}s."), SK_OK, "a" },
        { "a model that is a tensor", B(PROTO "}" TEXT("\005", "model") T "s."), SK_OK, "model" },
        { "too deep", B(PROTO "}" TEXT("\005", "other") DICT("a") "s."), SK_UNSUPPORTED,
          "it holds no dict of tensors" },
        { "itself", B(PROTO "}q\0" TEXT("\005", "model") "h\0s."), SK_UNSUPPORTED,
          "it holds no dict of tensors" },
        { "tensor", B(PROTO T "."), SK_UNSUPPORTED, "it holds no dict of tensors" },
        { "list", B(PROTO "]" T "a."), SK_UNSUPPORTED, "it holds no dict of tensors" },
        { "empty", B(PROTO "}."), SK_UNSUPPORTED, "it holds no dict of tensors" },
        { "name that is no text", B(PROTO "}" TEXT("\001", "\xff") T "s."), SK_CORRUPT,
          "tensor 0: a tensor's name is not a text" },
        { "NUL in a name", B(PROTO "}" TEXT("\001", "\0") T "s."), SK_CORRUPT,
          "tensor 0: a tensor's name is not a text" },
    };

    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        enum sk_code code = names_of(rows[i].pickle, &out);
        size_t len = code == SK_OK ? out.len : strlen(rows[i].text);
        if (code != rows[i].code || strlen(rows[i].text) != len ||
            strncmp(out.data, rows[i].text, len) != 0)
            fail_msg("row '%s': %s: %s", rows[i].name, sk_code_name(code), out.data);
    }
}

#define VIEW(shape, strides)                                                                       \
    B(PROTO "}" TEXT("\001", "a") TENSOR(STORAGE("k", "\377"), "\1", shape, strides) "s.")
#define BIG "J\0\0\0\2" /* 2^25 */

static void strides(void **state)
{
    static const struct {
        const char *name;
        struct sk_view pickle;
        enum sk_code code;
        bool is_strided;
    } rows[] = {
        { "contiguous", VIEW("K\2K\3\x86", "K\3K\1\x86"), SK_OK, false },
        { "turned", VIEW("K\2K\3\x86", "K\1K\2\x86"), SK_OK, true },
        { "one row", VIEW("K\1K\3\x86", "K\x63K\1\x86"), SK_OK, false },
        { "one column", VIEW("K\3K\1\x86", "K\1K\x63\x86"), SK_OK, false },
        { "rows apart", VIEW("K\2K\3\x86", "K\4K\1\x86"), SK_OK, true },
        { "scalar", VIEW(")", ")"), SK_OK, false },
        { "empty", VIEW("K\0K\3\x86", "K\1K\1\x86"), SK_OK, false },
        { "repeated", VIEW("K\3\x85", "K\0\x85"), SK_OK, true },
        { "repeated up to the limit", VIEW("K\2" BIG "\x86", "K\0K\0\x86"), SK_OK, true },
        { "repeated beyond it", VIEW("K\3" BIG "\x86", "K\0K\0\x86"), SK_LIMIT, false },
        { "repeated beyond memory", VIEW("(" BIG BIG BIG "t", "(K\0K\0K\0t"), SK_CORRUPT, false },
    };

    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        enum sk_code code = names_of(rows[i].pickle, &out);
        if (code != rows[i].code ||
            (code == SK_OK && strcmp(out.data, rows[i].is_strided ? "a/strided" : "a") != 0))
            fail_msg("row '%s': %s: %s", rows[i].name, sk_code_name(code), out.data);
    }
}

/* What is behind the limit of a pickle is not looked at. */
static void long_pickle(void **state)
{
    SK_OWN(free) char *bytes = malloc(SK_WEIGHTS_MAX_PICKLE + 1u);
    SK_AUTO(sk_pickle_done) struct sk_pickle p = { 0 };
    struct sk_err err = SK_ERR_INIT;
    uint32_t object = 0;

    (void)state;
    assert_non_null(bytes);
    memcpy(bytes, "\x80\2B\xf8\xff\xff\3", 7); /* a text up to the last byte but one */
    bytes[SK_WEIGHTS_MAX_PICKLE - 1] = '.';
    struct sk_view rest = { bytes, SK_WEIGHTS_MAX_PICKLE + 1u };
    assert_int_equal(sk_torch_load(&p, &rest, &object, &err), 0);
    assert_int_equal(rest.len, 1);
    bytes[3] = (char)0xf9;
    bytes[SK_WEIGHTS_MAX_PICKLE] = '.';
    rest = (struct sk_view){ bytes, SK_WEIGHTS_MAX_PICKLE + 1u };
    assert_int_equal(sk_torch_load(&p, &rest, &object, &err), -1);
    assert_true(sk_starts_with(err.text, "in the first 67108864 bytes, which is the limit"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dicts),
        cmocka_unit_test(strides),
        cmocka_unit_test(long_pickle),
    };

    return cmocka_run_group_tests_name("torch", tests, NULL, NULL);
}
