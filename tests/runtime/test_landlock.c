/* test_landlock.c - paths that a restricted process sees; each try in a child of its own. */
#include "runtime/runtime_util.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* errno of opening a path inside the rules; 0: it opens. */
static int try_open(int ruleset, const char *path, int flags)
{
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || sk_rt_landlock_enter(ruleset) < 0)
            _exit(255);
        _exit(open(path, flags | O_CLOEXEC, 0600) >= 0 ? 0 : errno);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void make_file(const char *folder, const char *name)
{
    struct sk_err err = SK_ERR_INIT;
    char path[700];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    DONE(sk_mkdirs(folder, 0755, &err));
    DONE(sk_file_write(path, "x", 1, 0755, &err));
}

static void test_access(void **state)
{
    static const struct {
        const char *path;
        int flags;
        int error;
    } rows[] = {
        { "read/x", O_RDONLY, 0 },
        { "read/x", O_RDWR, EACCES },
        { "read/y", O_WRONLY | O_CREAT, EACCES },
        { "read", O_RDONLY | O_DIRECTORY, 0 },
        { "write/x", O_RDWR | O_TRUNC, 0 },
        { "write/y", O_WRONLY | O_CREAT, 0 },
        { "one", O_RDONLY, 0 },
        { "one", O_WRONLY, EACCES },
        { "other/x", O_RDONLY, EACCES },
        { "other", O_RDONLY | O_DIRECTORY, EACCES },
        { "read/../other/x", O_RDONLY, EACCES },
        { "read/link", O_RDONLY, EACCES },
        { "/proc/self/stat", O_RDONLY, 0 },
        { "/proc/1/stat", O_RDONLY, EACCES },
        { "/dev/null", O_RDWR, 0 },
    };
    struct host *p = *state;
    SK_AUTO(sk_rt_paths_done) struct sk_rt_paths paths = { .count = 0 };
    struct sk_err err = SK_ERR_INIT;
    int ruleset = -1;

    if (sk_landlock_version() == 0) {
        skip();
        return;
    }
    make_file(host_at(p, "read"), "x");
    make_file(host_at(p, "write"), "x");
    make_file(host_at(p, "other"), "x");
    make_file(p->dir, "one");
    assert_int_equal(symlink(host_at(p, "other/x"), host_at(p, "read/link")), 0);
    sk_rt_paths_add(&paths, SK_RT_PATH_READ, host_at(p, "read"));
    sk_rt_paths_add(&paths, SK_RT_PATH_WRITE, host_at(p, "write"));
    sk_rt_paths_add(&paths, SK_RT_PATH_READ, host_at(p, "one"));
    sk_rt_paths_add(&paths, SK_RT_PATH_READ, host_at(p, "is not there"));
    sk_rt_paths_add(&paths, SK_RT_PATH_DEVICE, "/dev/null");
    sk_rt_paths_add(&paths, SK_RT_PATH_READ, NULL);
    assert_int_equal(paths.count, 5);
    DONE(sk_rt_landlock_make(&paths, true, &ruleset, &err));
    assert_true(ruleset >= 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *path = rows[i].path[0] == '/' ? rows[i].path : host_at(p, rows[i].path);
        int got = try_open(ruleset, path, rows[i].flags);

        if (got != rows[i].error)
            fail_msg("%s, flags %d: %s", rows[i].path, rows[i].flags, strerror(got));
    }
    (void)close(ruleset);
}

/* What the program needs to start is among them. */
static void test_program(void **state)
{
    SK_AUTO(sk_rt_paths_done) struct sk_rt_paths paths = { .count = 0 };
    struct sk_err err = SK_ERR_INIT;
    bool has_program = false;

    (void)state;
    sk_rt_paths_system(&paths);
    size_t system = paths.count;
    DONE(sk_rt_paths_program(&paths, "/opt/skerry", &err));
    assert_false(paths.has_failed);
    assert_true(paths.count > system);
    for (size_t i = 0; i < paths.count; i++)
        has_program = has_program || (strcmp(paths.items[i].path, "/opt/skerry") == 0 &&
                                      paths.items[i].access == SK_RT_PATH_RUN);
    assert_true(has_program);
}

static void test_too_many(void **state)
{
    SK_AUTO(sk_rt_paths_done) struct sk_rt_paths paths = { .count = 0 };

    (void)state;
    for (int i = 0; i < SK_RT_PATHS_MAX; i++)
        sk_rt_paths_add(&paths, SK_RT_PATH_READ, "/x");
    assert_false(paths.has_failed);
    sk_rt_paths_add(&paths, SK_RT_PATH_READ, "/x");
    assert_true(paths.has_failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_access, host_set_up, host_tear_down),
        cmocka_unit_test(test_program),
        cmocka_unit_test(test_too_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
