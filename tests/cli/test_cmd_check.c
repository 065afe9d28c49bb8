/* test_cmd_check.c - `skerry model check`, in a child, for it limits the process that it runs in.
 */
#include "cli/cli.h"

#include "base/err.h"
#include "base/file.h"
#include "cli_test.h"
#include "harness/golden.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const struct {
    const char *model; /* under tests/data/models; in a bundle when there are labels */
    const char *labels;
    int status;
    const char *text; /* how the first line of the output begins */
} rows[] = {
    { "scores.onnx", NULL, 0, "works: classifier, 2 classes, softmax: " },
    { "scores.onnx", "cat\ndog\n", 0, "works: classifier, 2 classes, softmax: " },
    { "scores.onnx", "cat\ndog\ncow\n", 1, "skerry: 'm' has labels, but cannot classify: there" },
    { "types.onnx", NULL, 0, "works, tensors only: the model takes more than a picture" },
    { "types.onnx", "cat\ndog\n", 0, "works, tensors only: the model takes more than a picture" },
    { "unknown_op.onnx", NULL, 1, "skerry: " },
    { "nothing.onnx", NULL, 1, "skerry: " },
};

/* The command's memory limit leaves no room for the address space of AddressSanitizer: there only
 * a refusal before that is tested. */
#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED true
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED false
#endif

static char program[4096]; /* this test; with arguments it is skerry itself */

/* A bundle of the model and labels, made anew in dir. */
static void make_bundle(const char *dir, const char *model, const char *labels)
{
    SK_OWN(free) char *bytes = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;
    char path[4096];

    (void)snprintf(path, sizeof path, "%s/m", dir);
    if (mkdir(path, 0700) < 0)
        assert_int_equal(errno, EEXIST);
    if (sk_file_read(model, 1 << 20, &bytes, &len, &err) < 0)
        fail_msg("%s", err.text);
    (void)snprintf(path, sizeof path, "%s/m/model.onnx", dir);
    if (sk_file_write(path, bytes, len, 0600, &err) < 0)
        fail_msg("%s", err.text);
    write_text(dir, "m/labels.txt", labels);
}

/* Runs the command; fills text with the first line that it writes and returns its status. */
static int check(const char *model, char *text, size_t cap)
{
    char command[8192];
    int n = snprintf(command, sizeof command, "'%s' model check '%s' 2>&1", program, model);

    assert_in_range(n, 1, sizeof command - 1);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    if (!fgets(text, (int)cap, f))
        text[0] = '\0';
    int status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_check(void **state)
{
    char *dir = sk_test_dir();

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char model[4096];
        char text[1024];

        if (IS_SANITIZED && strcmp(rows[i].model, "nothing.onnx") != 0)
            continue;
        (void)snprintf(model, sizeof model, "%s/%s", sk_source_path("tests/data/models"),
                       rows[i].model);
        if (rows[i].labels) {
            make_bundle(dir, model, rows[i].labels);
            (void)snprintf(model, sizeof model, "%s/m", dir);
        }
        int status = check(model, text, sizeof text);
        if (status != rows[i].status || strncmp(text, rows[i].text, strlen(rows[i].text)) != 0)
            fail_msg("row %zu, %s: status %d, %s", i, rows[i].model, status, text);
    }
    sk_test_dir_free(dir);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_check) };

    if (argc > 1)
        return sk_cli_main(argc, argv);
    if (readlink("/proc/self/exe", program, sizeof program - 1) < 0)
        return 1;
    return cmocka_run_group_tests_name("cmd_check", tests, NULL, NULL);
}
