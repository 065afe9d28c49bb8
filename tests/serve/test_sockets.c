/* test_sockets.c - sockets from outside. Each row runs in a child, whose descriptors from 3 on
 * are ours to fill. */
#include "serve/sockets_priv.h"

#include "base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    SAME = 0,
    DIFFERS = 1,
    NO_SETUP = 2
};

struct row {
    const char *name;
    const char *pid, *fds, *names, *start; /* pid "me": ours; NULL: not set */
    int open;                              /* sockets from 3 on */
    int http_fd, control_fd, closed_fd;    /* expected; 0: none */
    bool is_paused;
    const char *error; /* part of it; NULL: fine */
};

static const struct row rows[] = {
    { "nothing", NULL, NULL, NULL, NULL, 0, 0, 0, 0, false, NULL },
    { "one without a name", "me", "1", NULL, NULL, 1, 3, 0, 0, false, NULL },
    { "systemd's own name", "me", "1", "skerry.socket", NULL, 1, 3, 0, 0, false, NULL },
    { "both", "me", "2", "http:control", NULL, 2, 3, 4, 0, false, NULL },
    { "the other way round", "me", "2", "control:http", NULL, 2, 4, 3, 0, false, NULL },
    { "only control", "me", "1", "control", NULL, 1, 0, 3, 0, false, NULL },
    { "all three", "me", "3", "http:inside:control", NULL, 3, 3, 5, 0, false, NULL },
    { "none that is served", "me", "2", "inside:control", NULL, 2, 0, 4, 0, false, NULL },
    { "paused", "me", "2", "http:control", "paused", 2, 3, 4, 0, true, NULL },
    { "start is empty", "me", "1", "http", "", 1, 3, 0, 0, false, NULL },
    { "others are closed", "me", "3", "a:http:b", NULL, 3, 4, 0, 5, false, NULL },
    { "fewer names", "me", "2", "control", NULL, 2, 4, 3, 0, false, NULL },
    { "no sockets", "me", "0", "", NULL, 0, 0, 0, 0, false, NULL },
    { "another's", "1", "2", "http:control", NULL, 2, 0, 0, 0, false, NULL },
    { "without a pid", NULL, "2", "http:control", NULL, 2, 0, 0, 0, false, NULL },
    { "no number", "me", "two", NULL, NULL, 0, 0, 0, 0, false, "LISTEN_FDS" },
    { "pid no number", "x", "1", NULL, NULL, 0, 0, 0, 0, false, "LISTEN_PID" },
    { "too many", "me", "65", NULL, NULL, 0, 0, 0, 0, false, "LISTEN_FDS" },
    { "not open", "me", "2", NULL, NULL, 1, 0, 0, 0, false, "descriptor 4" },
    { "twice", "me", "2", "http:http", NULL, 2, 0, 0, 0, false, "two sockets named 'http'" },
    { "unknown start", NULL, NULL, NULL, "later", 0, 0, 0, 0, false, "only 'paused' is known" },
    { "paused for ever", "me", "1", "http", "paused", 1, 0, 0, 0, false,
      "a socket named 'control'" },
};

static void set(const char *name, const char *value)
{
    char own[16];

    (void)snprintf(own, sizeof own, "%d", (int)getpid());
    if (value)
        (void)setenv(name, strcmp(value, "me") == 0 ? own : value, 1);
    else
        (void)unsetenv(name);
}

static int check(const struct row *r)
{
    struct sk_sockets a = { -5, -5, -5, false };
    struct sk_err err = SK_ERR_INIT;

    int rc = sk_sockets_take(&a, &err);
    if (r->error)
        return rc < 0 && strstr(err.text, r->error) ? SAME : DIFFERS;
    if (rc < 0 || a.http_fd != r->http_fd || a.control_fd != r->control_fd ||
        a.is_paused != r->is_paused || getenv("LISTEN_FDS") || getenv("LISTEN_PID"))
        return DIFFERS;
    if (r->http_fd && fcntl(r->http_fd, F_GETFD) != FD_CLOEXEC)
        return DIFFERS;
    if (r->control_fd && fcntl(r->control_fd, F_GETFD) != FD_CLOEXEC)
        return DIFFERS;
    return r->closed_fd && fcntl(r->closed_fd, F_GETFD) >= 0 ? DIFFERS : SAME;
}

static int run_child(const struct row *r)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    fd = fcntl(fd, F_DUPFD, 100);
    for (int i = 3; i < 10; i++)
        (void)close(i);
    for (int i = 0; i < r->open; i++)
        if (dup2(fd, 3 + i) < 0)
            return NO_SETUP;
    set("LISTEN_PID", r->pid);
    set("LISTEN_FDS", r->fds);
    set("LISTEN_FDNAMES", r->names);
    set("SKERRY_START", r->start);
    return check(r);
}

/* [serve-80] [serve-81] */
static void sockets_from_outside(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int status = 0;
        (void)fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            _exit(run_child(&rows[i]));
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != SAME)
            fail_msg("%s: status %d", rows[i].name, status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(sockets_from_outside) };

    sk_log_setup(SK_LEVEL_COUNT, SK_LOG_TEXT, 2);
    return cmocka_run_group_tests_name("serve/sockets", tests, NULL, NULL);
}
