/* test_cmd_pull.c - `skerry pull`: from a hub, and where it goes. --verify: test_cmd_image_sign.c.
 */
#include "cli_test.h"
#include "hub_test.h"
#include "image_test.h"

#include "base/file.h"

#include <stdlib.h>

static const struct hub_row rows[] = {
    { "skerry push %s/layout m:v1 -i v1", 0, "", "" },
    { "skerry push %s/layout multi -i multi", 0, "", "" },
    { "skerry pull m:v1 -o %s/out", 0, "layout in ", "" },
    { "skerry pull m:v1 -o %s/out --json", 0, "\"verified\":false,\"layout\":\"", "" },
    { "skerry pull m:v2 -o %s/out", 1, "", "MANIFEST_UNKNOWN" },
    { "skerry pull m:v1 -o %s/hub", 1, "", "has something else in it" },
    { "skerry pull m:v1 -o %s/file", 1, "", "is a file" },
    { "skerry pull m:v1 -o %s/out2 --platform linux", 1, "", "is no platform" },
    { "skerry pull multi -o %s/s390x --platform linux/s390x", 1, "",
      "but for: linux/amd64, linux/" },
    { "skerry pull multi -o %s/all --platform all", 0, "layout in ", "" },
    { "skerry push %s/all again", 0, "pushed ", "" },
    { "skerry pull multi -o %s/arm --platform linux/arm64 --model-only", 0, "model in ", "" },
    { "skerry pull m:v1 -o %s/model -m --json", 0, "\"model\":\"", "" },
    { "skerry pull m:v1 -o %s/model -m", 0, "model in ", "" },
    { "skerry pull m:v1 -o %s/changed -m", 1, "", "has another model or something else in it" },
    { "skerry pull m:v1 -o %s/more -m", 1, "", "has another model or something else in it" },
    { "skerry pull m:v1 -o %s/full -m", 1, "", "has something else in it" },
    { "skerry pull m:v1 -o %s/x --verify %s/none.pub", 1, "", "none.pub" },
    { "skerry pull m:v1 --output=", 2, "", "--output is empty" },
    { "skerry pull", 2, "", "REF" },
};

/* The model of the image is model.onnx with "hello" in it. */
static void make_folders(const char *dir)
{
    static const char *const folders[] = { "changed", "more", "full" };

    for (size_t i = 0; i < COUNT(folders); i++) {
        SK_OWN(free) char *path = sk_path_join(dir, folders[i]);
        struct sk_err err = SK_ERR_INIT;
        assert_int_equal(sk_mkdirs(path, 0755, &err), 0);
    }
    write_text(dir, "changed/model.onnx", "hallo");
    write_text(dir, "more/model.onnx", "hello");
    write_text(dir, "more/notes.txt", "x");
    write_text(dir, "full/notes.txt", "x");
}

static void pulls(void **state)
{
    struct hub_test t;

    (void)state;
    hub_test_start(&t);
    write_text(t.dir, "file", "x");
    make_folders(t.dir);
    image_test_pair(t.dir);
    hub_test_rows(&t, rows, COUNT(rows));
    hub_test_stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(pulls) };
    return cmocka_run_group_tests_name("cmd_pull", tests, NULL, NULL);
}
