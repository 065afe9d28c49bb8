/* test_cmd_push.c - `skerry push`: a layout to a hub. Other registries: tests/it. */
#include "cli_test.h"
#include "hub_test.h"
#include "image_test.h"

static const struct hub_row rows[] = {
    { "skerry image keygen %s/k --plain", 0, "", "" },
    { "skerry image keygen %s/other --plain", 0, "", "" },
    { "skerry push", 2, "", "LAYOUT|ARCHIVE" },
    { "skerry push %s/none m:v1", 1, "", "none" },
    { "skerry push %s/layout m:v1", 1, "", "has 2 images" },
    { "skerry push %s/layout m:v1 --image v9", 1, "", "has no image 'v9'" },
    { "skerry push %s/layout m:v1 --image v1", 0, "/m:v1\nsha256:", "" },
    { "skerry push %s/layout m:v1 -i v1 --json", 0, "\"signature\":null}", "" },
    { "skerry push %s/layout other/m:v1 -i v1 --mount-from m", 0, "pushed ", "" },
    { "skerry push %s/layout m:v1 -i v1 --mount-from ../m", 1, "", "is no name of a repository" },
    /* the signature of the layout goes along, and takes no other's place */
    { "skerry package tests/data/models/scores.onnx -t s:v1 -o %s/signed --sign %s/k.key", 0, "",
      "" },
    { "skerry push %s/signed s:v1", 0, "/s:v1, with its signature\nsha256:", "" },
    { "skerry image verify s:v1 --key %s/k.pub", 0, "", "" },
    { "skerry push %s/signed s:v2 --json", 0, "\"signature\":\"sha256:", "" },
    { "skerry image sign s:v1 --key %s/other.key", 0, "", "" },
    { "skerry push %s/signed s:v1", 0, "/s:v1\nsha256:", "has another signature" },
    { "skerry image verify s:v1 --key %s/other.pub", 0, "", "" },
    { "skerry package tests/data/models/scores.onnx -t a:v1 -o %s/a.tar --sign %s/k.key", 0, "",
      "" },
    { "skerry push %s/a.tar a:v1 --json", 0, "\"signature\":\"sha256:", "" },
    { "skerry image verify a:v1 --key %s/k.pub", 0, "", "" },
    { "skerry push %s/layout M:v1 -i v1", 1, "", "is no name of a repository" },
    { "skerry push %s/layout multi:v1 -i multi", 0, "pushed ", "" },
};

static void pushes(void **state)
{
    struct hub_test t;

    (void)state;
    hub_test_start(&t);
    image_test_pair(t.dir);
    hub_test_rows(&t, rows, COUNT(rows));
    hub_test_stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(pushes) };
    return cmocka_run_group_tests_name("cmd_push", tests, NULL, NULL);
}
