/* test_output.c - folders that may be written to; paths for a shell. */
#include "cli_test.h"

#include "base/file.h"
#include "cli/cli_priv.h"
#include "harness/golden.h"

#include <stdio.h>
#include <stdlib.h>

static void places(void **state)
{
    static const struct {
        const char *name;
        bool takes_layouts;
        const char *says; /* NULL: fine */
    } rows[] = {
        { "missing", true, NULL },         { "empty", false, NULL },
        { "image", true, NULL },           { "image", false, "has something else in it" },
        { "full", true, "has something" }, { "full/file", true, "is a file" },
    };

    char *dir = sk_test_dir();

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        static const char *const folders[] = { "empty", "image", "full" };
        SK_OWN(free) char *path = sk_path_join(dir, folders[i]);
        struct sk_err err = SK_ERR_INIT;
        assert_int_equal(sk_mkdirs(path, 0755, &err), 0);
    }
    write_text(dir, "image/oci-layout", "{}");
    write_text(dir, "full/file", "x");
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(free) char *path = sk_path_join(dir, rows[i].name);
        struct sk_err err = SK_ERR_INIT;
        int rc = sk_cli_output_check(path, rows[i].takes_layouts, &err);
        if (rc != (rows[i].says ? -1 : 0) || (rows[i].says && !strstr(err.text, rows[i].says)))
            fail_msg("%s: %d %s", rows[i].name, rc, err.text);
    }
    sk_test_dir_free(dir);
}

static void quoted(void **state)
{
    static const struct {
        const char *path, *shown;
    } rows[] = {
        { "out/cats_v1.2.tar", "out/cats_v1.2.tar" },
        { "my models/x.tar", "'my models/x.tar'" },
        { "it's", "'it'\\''s'" },
        { "$(x)", "'$(x)'" },
        { "~/x", "'~/x'" },
        { "", "''" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(256);
        sk_cli_path(&out, rows[i].path);
        assert_true(sk_buf_ok(&out));
        assert_string_equal(out.data, rows[i].shown);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(places), cmocka_unit_test(quoted) };
    return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}
