/* test_hubuser.c - what belongs to the local hub's user, and what one who became it can do. */
#include "agent/agent_util.h"

#include "base/file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* As root: "hub", "root", else who it is. */
static const char *owner(struct rig *r, const char *name)
{
    static char other[32];
    struct stat st;
    assert_int_equal(lstat(at(r->dir, name), &st), 0);
    (void)snprintf(other, sizeof other, "%u:%u", (unsigned)st.st_uid, (unsigned)st.st_gid);
    return st.st_uid == SK_AGENT_HUB_UID && st.st_gid == SK_AGENT_HUB_UID ? "hub"
           : st.st_uid == 0                                               ? "root"
                                                                          : other;
}

static unsigned mode(struct rig *r, const char *name)
{
    struct stat st;
    assert_int_equal(stat(at(r->dir, name), &st), 0);
    return st.st_mode & 0777;
}

static int set_up(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    if (rig_set_up(state) < 0)
        return -1;
    struct rig *r = *state;
    r->a.program = strdup("/bin/true");
    assert_int_equal(chmod(r->dir, 0711), 0);
    assert_int_equal(chmod(at(r->dir, "run"), 0755), 0);
    DONE(sk_file_write(at(r->dir, "secrets/master.key"), "secret", 6, 0600, &err));
    return 0;
}

static int tear_down(void **state)
{
    free(((struct rig *)*state)->a.program);
    return rig_tear_down(state);
}

static void folders_are_made(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    for (int i = 0; i < 2; i++) {
        DONE(sk_agent_hub_folders(&r->a, &err));
        assert_int_equal(mode(r, "hub"), 0700);
        assert_int_equal(mode(r, "run/hub"), 0700);
        assert_int_equal(mode(r, "run/workload"), 0755);
    }
    SK_OWN(free) char *path = sk_agent_hub_socket(&r->a);
    assert_string_equal(path, at(r->dir, "run/hub/hub.sock"));
    assert_int_equal(sk_agent_hub_uid(), geteuid() == 0 ? SK_AGENT_HUB_UID : 0);
}

/* What root has made there is given away, and nothing else. */
static void an_older_runs_files(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    if (geteuid() != 0)
        skip();
    DONE(sk_mkdirs(at(r->dir, "hub/spool/q"), 0755, &err));
    DONE(sk_mkdirs(at(r->dir, "run/workload/m-1"), 0755, &err));
    write_text(at(r->dir, "hub/hub.json"), "{}");
    write_text(at(r->dir, "hub/spool/q/1"), "x");
    write_text(at(r->dir, "hub/spool/users"), "x");
    assert_int_equal(chown(at(r->dir, "hub/spool/users"), 4711, 4711), 0);
    assert_int_equal(link(at(r->dir, "secrets/master.key"), at(r->dir, "hub/hard")), 0);
    assert_int_equal(symlink("../secrets", at(r->dir, "hub/soft")), 0);
    DONE(sk_agent_hub_folders(&r->a, &err));
    static const char *const given[] = { "hub",           "hub/spool",       "hub/spool/q",
                                         "hub/spool/q/1", "hub/hub.json",    "run/hub",
                                         "run/workload",  "run/workload/m-1" };
    static const char *const kept[] = { "secrets", "secrets/master.key", "hub/hard", "run", "." };
    for (size_t i = 0; i < COUNT(given); i++)
        if (strcmp(owner(r, given[i]), "hub") != 0)
            fail_msg("%s is %s's", given[i], owner(r, given[i]));
    for (size_t i = 0; i < COUNT(kept); i++)
        if (strcmp(owner(r, kept[i]), "root") != 0)
            fail_msg("%s is %s's", kept[i], owner(r, kept[i]));
    assert_string_equal(owner(r, "hub/spool/users"), "4711:4711");
}

static void out_of_reach(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(chmod(r->dir, 0700), 0);
    if (geteuid() != 0)
        DONE(sk_agent_hub_folders(&r->a, &err));
    else
        FAILS(sk_agent_hub_folders(&r->a, &err), SK_DENIED, "chmod o+x");
}

static bool can_bind(void)
{
    const struct sockaddr_in a = { .sin_family = AF_INET,
                                   .sin_port = htons(443),
                                   .sin_addr.s_addr = htonl(0x7f4d0203) }; /* 127.77.2.3 */
    SK_AUTO(sk_close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return bind(fd, (const struct sockaddr *)&a, sizeof a) == 0;
}

/* In a program that was started so: the number of what is wrong; 0. */
static int look(const char *dir)
{
    static const char *const lines[] = {
        "\nUid:\t61182\t61182\t61182\t61182\n",
        "\nGid:\t61182\t61182\t61182\t61182\n",
        "\nGroups:\t \n",
        ("\nCapInh:\t0000000000000400\nCapPrm:\t0000000000000400\nCapEff:\t0000000000000400\n"
         "CapBnd:\t0000000000000400\nCapAmb:\t0000000000000400\n"),
        "\nNoNewPrivs:\t1\n",
    };
    SK_OWN(free) char *status = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len;
    if (sk_file_read("/proc/self/status", 65536, &status, &len, &err) < 0)
        return 20;
    for (size_t i = 0; i < COUNT(lines); i++)
        if (!strstr(status, lines[i])) {
            (void)fprintf(stderr, "%s\n", status);
            return 1 + (int)i;
        }
    if (getenv("HOME") || getenv("SKERRY_CONFIG") || !getenv("PATH") || !getenv("SKERRY_LOG_LEVEL"))
        return 9;
    if (open(at(dir, "secrets/master.key"), O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES)
        return 10;
    if (open(at(dir, "tls/ca.key"), O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES)
        return 11;
    SK_AUTO(sk_close) int fd = open(at(dir, "tls/server.pem"), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 12;
    if (chmod(at(dir, "tls/server.pem"), 0666) == 0 || mkdir(at(dir, "run/new"), 0700) == 0)
        return 13;
    if (mkdir(at(dir, "hub/new"), 0700) < 0 || mkdir(at(dir, "run/workload/new"), 0755) < 0)
        return 14;
    return can_bind() ? 0 : 15;
}

static void who_became_it(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    bool is_new;
    int status = -1;
    if (geteuid() != 0 || !can_bind())
        skip();
    DONE(sk_agent_hub_folders(&r->a, &err));
    assert_int_equal(chmod(at(r->dir, "tls"), 0755), 0);
    DONE(sk_agent_certs(r->dir, &r->a.config, "", 1764000000, &is_new, &err));
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char *const words[] = { (char *)(uintptr_t) "test_hubuser", r->dir, NULL };
        (void)setenv("HOME", "/root", 1);
        (void)setenv("SKERRY_CONFIG", "/nonexistent/config.toml", 1);
        (void)setenv("SKERRY_LOG_LEVEL", "debug", 1);
        if (sk_agent_hub_become() < 0)
            _exit(99);
        (void)execv("/proc/self/exe", words);
        _exit(98);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status != 0)
        fail_msg("status %d", WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
}

int main(int argc, char **argv)
{
    if (argc == 2) /* the program of the last test */
        return look(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(folders_are_made, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_older_runs_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(out_of_reach, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_became_it, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("agent_hubuser", tests, NULL, NULL);
}
