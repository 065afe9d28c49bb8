/* test_landlock.c - a set as it is made, filled and entered; each try in a child of its own. */
#include "harness/golden.h"
#include "sandbox/sandbox.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int try_open(const struct sk_landlock *set, const char *path, int flags)
{
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || sk_landlock_enter(set->fd) < 0)
            _exit(255);
        _exit(open(path, flags | O_CLOEXEC, 0600) >= 0 ? 0 : errno);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_a_set(void **state)
{
    static const struct {
        const char *name;
        uint64_t access; /* as the set has it; 0: not in it */
        int flags, error;
    } rows[] = {
        { "read", SK_LL_READ, O_RDONLY, 0 },
        { "read", SK_LL_READ, O_WRONLY, EACCES },
        { "write", SK_LL_READ_FILE | SK_LL_WRITE_FILE, O_RDWR, 0 },
        { "other", 0, O_RDONLY, EACCES },
    };

    char *dir = sk_test_dir();
    struct sk_landlock set;
    struct sk_err err = SK_ERR_INIT;
    (void)state;
    assert_int_equal(sk_landlock_make(true, &set, &err), 0);
    assert_int_equal(set.version, sk_landlock_version());
    if (set.version == 0) {
        assert_int_equal(set.fd, -1);
        sk_test_dir_free(dir);
        skip();
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char path[700];
        (void)snprintf(path, sizeof path, "%s/%s", dir, rows[i].name);
        assert_int_equal(sk_file_write(path, "x", 1, 0600, &err), 0);
        if (rows[i].access)
            assert_int_equal(sk_landlock_allow(set.fd, set.known, path, rows[i].access), 0);
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char path[700];
        (void)snprintf(path, sizeof path, "%s/%s", dir, rows[i].name);
        if (try_open(&set, path, rows[i].flags) != rows[i].error)
            fail_msg("%s, flags %d", rows[i].name, rows[i].flags);
    }
    assert_int_equal(sk_landlock_allow(set.fd, set.known, "/nowhere/at/all", SK_LL_READ), 0);
    assert_int_equal(sk_landlock_allow(-1, set.known, dir, SK_LL_READ), -1);
    sk_close(&set.fd);
    sk_test_dir_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_a_set) };
    return cmocka_run_group_tests_name("sandbox/landlock", tests, NULL, NULL);
}
