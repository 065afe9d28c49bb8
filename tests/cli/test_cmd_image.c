/* test_cmd_image.c - `skerry image list`, `tag`, `delete`, against a hub. */
#include "cli_test.h"
#include "hub_test.h"
#include "image_test.h"

#include <stdio.h>

static const struct hub_row rows[] = {
    { "skerry image list", 0, "", "" },
    { "skerry image list --json", 0, "\"repositories\":[]}\n", "" },
    { "skerry image list m", 1, "", "NAME_UNKNOWN" },
    { "skerry push %s/layout m:v1", 0, "", "" },
    { "skerry image list", 0, "m\n", "" },
    { "skerry image tag m:v1 v2", 0, "/m:v2\nsha256:", "" },
    { "skerry image tag m:v1 other/m:v3 --json", 0, "/other/m:v3\",\"digest\":\"sha256:", "" },
    { "skerry image tag m:v9 v2", 1, "", "MANIFEST_UNKNOWN" },
    { "skerry image tag m:v1 .x", 1, "", "neither a tag nor a digest" },
    { "skerry image tag m:v1 elsewhere.example/m:v1", 1, "", "is in another registry" },
    { "skerry image tag m:v1 "
      "m@sha256:0000000000000000000000000000000000000000000000000000000000000000",
      2, "", "has a digest" },
    { "skerry image list m", 0, "v1\nv2\n", "" },
    { "skerry image list m --json", 0, "\"name\":\"m\",\"tags\":[\"v1\",\"v2\"]}\n", "" },
    { "skerry image list --json", 0, "\"repositories\":[\"m\",\"other/m\"]}\n", "" },
    { "skerry image delete m", 2, "", "has no tag" },
    { "skerry image delete m:v1", 0, "deleted ", "" },
    { "skerry image delete m:v1", 1, "", "UNKNOWN" },
    { "skerry image list m", 0, "v2\n", "" },
    { "skerry image list A", 1, "", "is no name of a repository" },
};

static void lists_tags_deletes(void **state)
{
    static const enum image_layer layers[] = { IMAGE_PLAIN };

    char digest[SK_OCI_DIGEST_TEXT], line[200];
    struct hub_test t;

    (void)state;
    hub_test_start(&t);
    image_test_add(t.dir, "v1", "amd64", layers, COUNT(layers), digest);
    hub_test_rows(&t, rows, COUNT(rows));
    (void)snprintf(line, sizeof line, "skerry image delete m@%s --json", digest);
    const struct hub_row by_digest[] = { { line, 0, "{\"deleted\":\"", "" },
                                         { line, 1, "", "UNKNOWN" } };
    hub_test_rows(&t, by_digest, COUNT(by_digest));

    char gone[200];
    (void)snprintf(gone, sizeof gone, "/s:sha256-%s.sig, its signature\n", digest + 7);
    (void)snprintf(line, sizeof line, "skerry image delete s@%s --json", digest);
    const struct hub_row with_signature[] = {
        { "skerry image keygen %s/k --plain", 0, "", "" },
        { "skerry push %s/layout s:v1", 0, "", "" },
        { "skerry image sign s:v1 --key %s/k.key", 0, "", "" },
        { "skerry image tag s:v1 v2", 0, "", "" },
        { "skerry image delete s:v1", 0, "/s:v1\n", "" }, /* v2 is still the image */
        { "skerry image list s", 0, ".sig\nv2\n", "" },
        { "skerry image delete s:v2", 0, gone, "" },
        { "skerry image list", 0, "", "" },
        { "skerry push %s/layout s:v1", 0, "", "" },
        { "skerry image sign s:v1 --key %s/k.key", 0, "", "" },
        { line, 0, "\",\"signature\":\"", "" },
        { "skerry image list s --json", 0, "\"tags\":[]", "" },
    };
    hub_test_rows(&t, with_signature, COUNT(with_signature));
    hub_test_stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(lists_tags_deletes) };
    return cmocka_run_group_tests_name("cmd_image", tests, NULL, NULL);
}
