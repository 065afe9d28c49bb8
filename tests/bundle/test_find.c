/* test_find.c - which file is the model? */
#include "bundle/bundle_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "folders.h"

static int make_folders(void **state)
{
    if (make_root(state) < 0)
        return -1;
    put("one/net.onnx", NULL);
    put("one/readme.txt", "");
    put("two/a.onnx", NULL);
    put("two/b.onnx", NULL);
    put("preferred/model.onnx", NULL);
    put("preferred/quantized.onnx", NULL);
    put("hub/onnx/model.onnx", NULL);
    put("hub/onnx/model_fp16.onnx", NULL);
    put("hub/config.json", "{}");
    put("hub1/onnx/net.onnx", NULL);
    put("both/net.onnx", NULL);
    put("both/onnx/model.onnx", NULL);
    put("several/a.onnx", NULL);
    put("several/b.onnx", NULL);
    put("several/config.json", "{}");
    put("none/readme.txt", "");
    put("versions/1/model.onnx", NULL);
    put("odd/.hidden.onnx", NULL);
    put("odd/.onnx", NULL);
    put("odd/folder.onnx/x", "");
    put("plain.txt", "");
    return 0;
}

/* [bundle-1] [bundle-2] */
static void models_are_found(void **state)
{
    static const struct {
        const char *path, *model; /* below root; NULL: not found */
        bool has_sidecars;
        const char *text; /* of the error, or of the warning; NULL: none */
        bool is_bundle;
    } rows[] = {
        { "one", "one/net.onnx", true, NULL, true },
        { "one/net.onnx", "one/net.onnx", true, NULL, true },
        { "two", NULL, false, "holds several .onnx files: a.onnx, b.onnx; name one of them",
          false },
        { "two/a.onnx", "two/a.onnx", false, NULL, true },
        { "preferred", "preferred/model.onnx", true,
          "several .onnx files (model.onnx, quantized.onnx): model.onnx is used", true },
        { "hub", "hub/onnx/model.onnx", true, "several .onnx files (model.onnx, model_fp16.onnx)",
          true },
        { "hub1", "hub1/onnx/net.onnx", true, NULL, true },
        { "both", "both/net.onnx", true, NULL, true },
        { "several", NULL, false, "holds several .onnx files", true }, /* config.json makes it a
                                                                          bundle, if a broken one */
        { "none", NULL, false, "holds no .onnx file", false },
        { "versions", NULL, false, "holds no .onnx file", false },
        { "odd", NULL, false, "holds no .onnx file", false },
        { "missing", NULL, false, "does not exist", false },
        { "plain.txt", "plain.txt", false, NULL, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_AUTO(sk_bundle_place_done) struct sk_bundle_place place = { 0 };
        SK_AUTO(sk_buf_done) struct sk_buf warnings = SK_BUF_INIT(4096);
        SK_AUTO(free_cleanup) char *path = at(rows[i].path);
        struct sk_err err = SK_ERR_INIT;
        int rc = sk_bundle_find(path, &place, &warnings, &err);
        const char *said = rc < 0 ? err.text : warnings.data;

        if ((rc == 0) != (rows[i].model != NULL))
            fail_msg("row '%s': %s", rows[i].path, rc < 0 ? err.text : place.model_path);
        if (rc == 0) {
            SK_AUTO(free_cleanup) char *want = at(rows[i].model);

            assert_string_equal(place.model_path, want);
            if (place.has_sidecars != rows[i].has_sidecars)
                fail_msg("row '%s': sidecars", rows[i].path);
        }
        if ((rows[i].text != NULL) != (said != NULL) || (said && !strstr(said, rows[i].text)))
            fail_msg("row '%s': %s", rows[i].path, said ? said : "nothing said");
        if (sk_bundle_is(path) != rows[i].is_bundle)
            fail_msg("row '%s': sk_bundle_is", rows[i].path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_are_found),
    };

    return cmocka_run_group_tests(tests, make_folders, drop_root);
}
