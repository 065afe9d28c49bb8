/* test_output.c - one training at a time in a folder; what a crash left is removed, what others
 * left is not. */
#include "base/file.h"
#include "tiny.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmocka.h>

static void one_at_a_time(void **state)
{
    struct tiny *x = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_close) int fd = -1;

    assert_int_equal(sk_mkdirs(x->out, 0755, &err), 0);
    fd = open(x->out, O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    err = tiny_fails(x);
    assert_int_equal(err.code, SK_BUSY);
    sk_close(&fd);
    (void)tiny_train(x);
    assert_null(strstr(x->notes, "replaced"));
    (void)tiny_train(x);
    assert_non_null(strstr(x->notes, "replaced"));
}

static void half_written_files_go(void **state)
{
    static const char *const gone[] = { "checkpoint.safetensors.aB3dE6", "model.onnx.000000" };
    static const char *const kept[] = { "checkpoint.safetensors.aB3dE67", "notes.txt.abcdef",
                                        "model.onnx.ab-def" };
    struct tiny *x = *state;
    struct sk_err err = SK_ERR_INIT;

    for (size_t i = 0; i < 5; i++) {
        SK_OWN(free) char *path = sk_path_join(x->out, i < 2 ? gone[i] : kept[i - 2]);

        assert_int_equal(sk_mkdirs(x->out, 0755, &err), 0);
        assert_int_equal(sk_file_write(path, "x", 1, 0600, &err), 0);
    }
    (void)tiny_train(x);
    for (size_t i = 0; i < 5; i++) {
        SK_OWN(free) char *path = sk_path_join(x->out, i < 2 ? gone[i] : kept[i - 2]);

        assert_int_equal(sk_is_file(path), i >= 2);
    }
}

/* The folder's name may have what a bundle's name may not. */
static void names_are_made_safe(void **state)
{
    struct tiny *x = *state;
    size_t len = 0;

    (void)snprintf(x->out, sizeof(x->out), "%s/my \"best\" model", x->root);
    (void)tiny_train(x);

    SK_OWN(free) char *text = tiny_read(x, "skerry.json", &len);

    assert_non_null(strstr(text, "\"my--best--model\""));
}

static void pictures_are_no_place_for_it(void **state)
{
    struct tiny *x = *state;

    (void)snprintf(x->out, sizeof(x->out), "%s/out", x->data);
    assert_non_null(strstr(tiny_fails(x).text, "folder of the pictures"));
    assert_false(sk_is_dir(x->out));
    (void)snprintf(x->out, sizeof(x->out), "%s", x->data);
    assert_non_null(strstr(tiny_fails(x).text, "folder of the pictures"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_at_a_time, tiny_setup, tiny_teardown),
        cmocka_unit_test_setup_teardown(half_written_files_go, tiny_setup, tiny_teardown),
        cmocka_unit_test_setup_teardown(names_are_made_safe, tiny_setup, tiny_teardown),
        cmocka_unit_test_setup_teardown(pictures_are_no_place_for_it, tiny_setup, tiny_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
