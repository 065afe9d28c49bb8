/* test_settings.c - skerry.json: each key, each wrong value, typing errors. */
#include "bundle/bundle.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "folders.h"

static int make_model(void **state)
{
    if (make_root(state) < 0)
        return -1;
    put("m/net.onnx", NULL);
    put("m/pictures/warm.png", "");
    return 0;
}

static struct sk_bundle *open_with(const char *json, struct sk_err *err)
{
    SK_AUTO(free_cleanup) char *path = at("m");
    struct sk_bundle *b = NULL;

    put("m/skerry.json", json);
    return sk_bundle_open(path, NULL, &b, err) < 0 ? NULL : b;
}

static void defaults(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_bundle_free) struct sk_bundle *b = open_with("{}", &err);

    (void)state;
    if (!b) {
        fail_msg("%s", err.text);
        return; /* for the compiler */
    }
    assert_string_equal(b->name, "m");
    assert_null(b->description);
    assert_int_equal(b->grey16, SK_GREY16_CLIP);
    assert_int_equal(b->activation, SK_ACT_AUTO);
    assert_false(b->exif_orientation);
    assert_null(b->output);
    assert_null(b->warmup_image);
    assert_null(b->warnings);
}

/* [bundle-22] */
static void every_key(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_bundle_free)
    struct sk_bundle *b = open_with("{\"name\": \"cats-v2\", \"description\": \"Cats.\", "
                                    "\"grey16\": \"min_max\", \"exif_orientation\": true,"
                                    " \"output\": \"scores\", \"activation\": \"sigmoid\", "
                                    "\"warmup_image\": \"pictures/warm.png\"}",
                                    &err);
    SK_AUTO(free_cleanup) char *warm = at("m/pictures/warm.png");

    (void)state;
    if (!b) {
        fail_msg("%s", err.text);
        return; /* for the compiler */
    }
    assert_string_equal(b->name, "cats-v2");
    assert_string_equal(b->description, "Cats.");
    assert_int_equal(b->grey16, SK_GREY16_MIN_MAX);
    assert_true(b->exif_orientation);
    assert_string_equal(b->output, "scores");
    assert_int_equal(b->activation, SK_ACT_SIGMOID);
    assert_string_equal(b->warmup_image, warm);
    assert_null(b->warnings);
}

/* [bundle-22] */
static void wrong_values(void **state)
{
    static const struct {
        const char *json, *text;
    } rows[] = {
        { "[]", "expected an object, got a" },
        { "{\"name\": 5}", "'name': expected a string" },
        { "{\"name\": \"\"}", "'name' is empty" },
        { "{\"name\": \"a/b\"}", "'name': no spaces, slashes" },
        { "{\"name\": \"a b\"}", "'name': no spaces, slashes" },
        { "{\"description\": []}", "'description': expected a string" },
        { "{\"grey16\": \"clamp\"}", "'grey16': 'clamp' is none of clip, high_byte, min_max" },
        { "{\"grey16\": 1}", "'grey16': expected a string" },
        { "{\"exif_orientation\": \"yes\"}", "'exif_orientation': expected a" },
        { "{\"output\": \"logits\"}", "'output': the model has no output 'logits'; it has scores" },
        { "{\"activation\": \"relu\"}",
          "'activation': 'relu' is none of auto, softmax, sigmoid, none" },
        { "{\"warmup_image\": \"/etc/passwd\"}",
          "'warmup_image': expected a name inside the bundle" },
        { "{\"warmup_image\": \"../x\"}", "'warmup_image': expected a name inside the bundle" },
        { "{\"warmup_image\": \"a/../../x\"}",
          "'warmup_image': expected a name inside the bundle" },
        { "{\"warmup_image\": \"..\"}", "'warmup_image': expected a name inside the bundle" },
        { "{\"warmup_image\": \"\"}", "'warmup_image': expected a name inside the bundle" },
        { "{\"warmup_image\": \"gone.png\"}", "'warmup_image': there is no file" },
        { "{", "skerry.json" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_bundle_free) struct sk_bundle *b = open_with(rows[i].json, &err);

        if (b)
            fail_msg("row %s: accepted", rows[i].json);
        if (!strstr(err.text, rows[i].text) || !strstr(err.text, "skerry.json"))
            fail_msg("row %s: %s", rows[i].json, err.text);
    }
}

/* [bundle-23] */
static void unknown_keys_warn(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_bundle_free)
    struct sk_bundle *b = open_with(
        "{\"gray16\": \"clip\", \"something_else\": 1, \"nmae\": \"x\"}", &err);

    (void)state;
    if (!b) {
        fail_msg("%s", err.text);
        return; /* for the compiler */
    }
    assert_string_equal(b->warnings,
                        "skerry.json: unknown key 'gray16' is ignored; did you mean 'grey16'?\n"
                        "skerry.json: unknown key 'something_else' is ignored\n"
                        "skerry.json: unknown key 'nmae' is ignored; did you mean 'name'?");
    assert_string_equal(b->name, "m");
}

/* [bundle-3] */
static void long_names(void **state)
{
    (void)state;
    for (size_t len = 128; len <= 129; len++) {
        struct sk_err err = SK_ERR_INIT;
        char json[200], name[130];

        memset(name, 'n', len);
        name[len] = '\0';
        (void)snprintf(json, sizeof(json), "{\"name\": \"%s\"}", name);
        {
            SK_OWN(sk_bundle_free) struct sk_bundle *b = open_with(json, &err);

            assert_int_equal(b != NULL, len == 128);
            assert_int_equal(err.code, len == 128 ? SK_OK : SK_LIMIT);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),     cmocka_unit_test(every_key),
        cmocka_unit_test(wrong_values), cmocka_unit_test(unknown_keys_warn),
        cmocka_unit_test(long_names),
    };

    return cmocka_run_group_tests(tests, make_model, drop_root);
}
