/* test_image_model.c - the model layer of an image as a folder, and layers that are none. */
#include "cli_test.h"
#include "hub_test.h"
#include "image_test.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *tag;
    enum image_layer layers[2];
    size_t count;
    const char *says; /* NULL: good */
} images[] = {
    { "good", { IMAGE_PLAIN, IMAGE_MODEL }, 2, NULL },
    { "none", { IMAGE_PLAIN }, 1, "has no model layer" },
    { "both", { IMAGE_MODEL, IMAGE_MODEL_TWO }, 2, "several model layers" },
    { "two", { IMAGE_MODEL_TWO }, 1, "has 2 entries below /models" },
    { "link", { IMAGE_MODEL_LINK }, 1, "the model layer: " },
    { "file", { IMAGE_MODEL_FILE }, 1, "no folder in /models" },
    { "elsewhere", { IMAGE_MODEL_ELSEWHERE }, 1, "the model layer: " },
};

/* [oci-64] */
static void models(void **state)
{
    char digest[SK_OCI_DIGEST_TEXT];
    struct hub_test t;

    (void)state;
    hub_test_start(&t);
    for (size_t i = 0; i < COUNT(images); i++) {
        char push[100], pull[100], name[40];
        image_test_add(t.dir, images[i].tag, "amd64", images[i].layers, images[i].count, digest);
        (void)snprintf(push, sizeof push, "skerry push %%s/layout m:%s -i %s", images[i].tag,
                       images[i].tag);
        (void)snprintf(pull, sizeof pull, "skerry pull -m m:%s -o %%s/%s/", images[i].tag,
                       images[i].tag);
        const struct hub_row rows[] = {
            { push, 0, "", "" },
            { pull, images[i].says ? 1 : 0, images[i].says ? "" : "model in ",
              images[i].says ? images[i].says : "" },
        };
        hub_test_rows(&t, rows, COUNT(rows));
        (void)snprintf(name, sizeof name, "%s/model.onnx", images[i].tag);
        SK_OWN(free) char *file = sk_path_join(t.dir, name);
        SK_OWN(free) char *folder = sk_path_join(t.dir, images[i].tag);
        assert_int_equal(sk_is_file(file), !images[i].says);
        assert_int_equal(sk_is_dir(folder), !images[i].says);
    }
    SK_OWN(free) char *work = sk_path_join(t.dir, "good.skerry-pull");
    assert_false(sk_is_dir(work));
    hub_test_stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(models) };
    return cmocka_run_group_tests_name("image_model", tests, NULL, NULL);
}
