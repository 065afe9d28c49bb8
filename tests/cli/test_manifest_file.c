/* test_manifest_file.c - manifests of files: what is refused, and what is sent. */
#include "cli/manifest_priv.h"

#include "device_test.h"
#include "harness/golden.h"

#include <stdio.h>

static void rows(void **state)
{
    static const struct {
        const char *file;
        bool is_layered, is_forced;
        enum sk_code code;
        const char *text; /* in the error, or at the beginning of the content */
    } table[] = {
        { "good.json", false, false, SK_OK, "{\"modulesContent\":{\"$edgeAgent\":" },
        { "outer.json", false, false, SK_OK, "{\"modulesContent\":{\"$edgeAgent\":" },
        { "layer.json", true, false, SK_OK, "{\"modulesContent\":{\"$edgeAgent\":" },
        { "layer.json", false, false, SK_INVALID, "with --layered" },
        { "warning.json", false, false, SK_INVALID, "1 warning; --force" },
        { "warning.json", false, true, SK_OK, "{\"modulesContent\":" },
        { "bad.json", false, true, SK_INVALID, "2 errors; nothing was sent" },
        { "text.json", false, false, SK_INVALID, "text.json" },
        { "none.json", false, false, SK_NOT_FOUND, "none.json" },
    };

    char *dir = sk_test_dir();
    char path[512], good[4096];
    (void)state;
    device_test_manifest(dir, "good.json", MANIFEST_GOOD);
    device_test_manifest(dir, "warning.json", MANIFEST_WARNING);
    device_test_manifest(dir, "bad.json", MANIFEST_BAD);
    device_test_manifest(dir, "layer.json", MANIFEST_LAYER);
    write_text(dir, "text.json", "hello");
    (void)snprintf(path, sizeof path, "%s/good.json", dir);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    good[fread(good, 1, sizeof good - 1, f)] = '\0';
    (void)fclose(f);
    char outer[sizeof good + 32];
    (void)snprintf(outer, sizeof outer, "{\"content\":%s}", good);
    write_text(dir, "outer.json", outer);
    for (size_t i = 0; i < COUNT(table); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_MANIFEST_BYTES);
        (void)snprintf(path, sizeof path, "%s/%s", dir, table[i].file);
        int rc = sk_cli_manifest(path, table[i].is_layered, table[i].is_forced, &out, &err);
        if (rc != (table[i].code == SK_OK ? 0 : -1) || err.code != table[i].code)
            fail_msg("row %zu: %s", i, err.text);
        if (!strstr(rc < 0 ? err.text : out.data, table[i].text))
            fail_msg("row %zu: %s", i, rc < 0 ? err.text : out.data);
    }
    sk_test_dir_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rows) };
    return cmocka_run_group_tests_name("manifest_file", tests, NULL, NULL);
}
