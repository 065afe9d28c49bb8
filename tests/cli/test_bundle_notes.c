/* test_bundle_notes.c - lines before a model is packed: labels, files. [package-25] [package-26] */
#include "cli_test.h"

#include "base/file.h"
#include "cli/cli_priv.h"
#include "harness/golden.h"

#include <stdio.h>
#include <stdlib.h>

static char *dir;

static int start(void **state)
{
    (void)state;
    dir = sk_test_dir();
    return setenv("SKERRY_CACHE_DIR", dir, 1) | setenv("TMPDIR", dir, 1);
}

static int stop(void **state)
{
    (void)state;
    sk_test_dir_free(dir);
    return 0;
}

static void put_bundle(const char *name, const char *config)
{
    SK_OWN(free) char *folder = sk_path_join(dir, name);
    SK_OWN(free) char *model = sk_path_join(folder, "model.onnx");
    SK_OWN(free) char *bytes = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;

    if (sk_mkdirs(folder, 0755, &err) < 0 ||
        sk_file_read(sk_source_path("tests/data/models/scores.onnx"), 1 << 20, &bytes, &len, &err) <
            0 ||
        sk_file_write(model, bytes, len, 0644, &err) < 0)
        fail_msg("%s", err.text);
    if (config) {
        char file[64];
        (void)snprintf(file, sizeof file, "%s/config.json", name);
        write_text(dir, file, config);
    }
}

static void check(const char *name, int status, const char *says, const char *never)
{
    char line[256];

    (void)snprintf(line, sizeof line, "skerry package %%s/%s -t cats:v1 -o %%s/%s.tar", name, name);
    SK_AUTO(ran_done) struct ran r = run_words(line, dir, NULL);
    check_status(line, &r, status);
    if (!strstr(r.err, says) || (never && strstr(r.err, never)))
        fail_msg("%s: %s", name, r.err);
}

static void labels(void **state)
{
    (void)state;
    put_bundle("none", NULL);
    check("none", 0, "warning: none: no labels: classes are called class_0", NULL);
    put_bundle("one", "{\"id2label\":{\"0\":\"cat\"}}");
    check("one", 0, "labels: 1, but scores: ", "no labels");
}

static void files(void **state)
{
    (void)state;
    put_bundle("more", NULL);
    write_text(dir, "more/notes.txt", "x");
    write_text(dir, "more/README.md", "x");
    check("more", 0, "no model needs notes.txt: it goes along", "README");
    put_bundle("key", NULL);
    write_text(dir, "key/cosign.key", "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nx\n");
    check("key", 1, "'cosign.key' has a private key in it", NULL);
    put_bundle("broken", NULL);
    write_text(dir, "broken/training.json", "{");
    check("broken", 1, "training.json", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(labels), cmocka_unit_test(files) };
    return cmocka_run_group_tests_name("bundle_notes", tests, start, stop);
}
