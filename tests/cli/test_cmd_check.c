/* test_cmd_check.c - `skerry model check`, in a child, for it limits the process that it runs in.
 */
#include "cli/cli.h"

#include "cli_test.h"
#include "harness/golden.h"

#include <sys/wait.h>

static const struct {
    const char *model;
    int status;
} rows[] = {
    { "tests/data/models/scores.onnx", 0 },
    { "tests/data/models/types.onnx", 0 },
    { "tests/data/models/unknown_op.onnx", 1 },
    { "tests/data/models/nothing.onnx", 1 },
};

/* The command's memory limit leaves no room for the address space of AddressSanitizer: there only
 * refusals are tested. */
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

static void test_check(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char command[8192];
        char text[1024] = "";

        if (IS_SANITIZED && rows[i].status == 0)
            continue;
        (void)snprintf(command, sizeof command, "cd '%s' && '%s' model check %s 2>&1",
                       sk_source_path(""), program, rows[i].model);
        FILE *f = popen(command, "r");
        assert_non_null(f);
        if (!fgets(text, sizeof text, f))
            text[0] = '\0';
        int status = pclose(f);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != rows[i].status)
            fail_msg("%s: status %d, %s", rows[i].model, status, text);
        if (rows[i].status != 0)
            assert_memory_equal(text, "skerry: ", 8);
    }
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
