/* test_confine.c - what a confined process can do and what not; each in a child of its own. */
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <sys/wait.h>

static char *top;

static const char *at(const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % COUNT(paths)];
    (void)snprintf(path, sizeof paths[0], "%s/%s", top, name);
    return path;
}

static int set_up(void **state)
{
    static const char *const folders[] = {
        "d", "r/hub", "r/workload", "r/control", "tls", "secrets"
    };
    struct sk_err err = SK_ERR_INIT;
    (void)state;
    top = sk_test_dir();
    for (size_t i = 0; i < COUNT(folders); i++)
        DONE(sk_mkdirs(at(folders[i]), 0755, &err));
    DONE(sk_file_write(at("tls/server.pem"), "x", 1, 0644, &err));
    DONE(sk_file_write(at("secrets/key"), "x", 1, 0644, &err));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sk_test_dir_free(top);
    return 0;
}

static struct sk_localhub_options options(void)
{
    return (struct sk_localhub_options){
        .dir = at("d"),
        .run_dir = at("r"),
        .wire_path = at("r/hub/hub.sock"),
        .certs_dir = at("tls"),
    };
}

/* errno of what is done; 0: it can be. */
static int try_it(long (*call)(void))
{
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct sk_err err = SK_ERR_INIT;
        const struct sk_localhub_options o = options();
        sk_log_setup(SK_LEVEL_COUNT, SK_LOG_TEXT, STDERR_FILENO);
        if (sk_localhub_confine(&o, &err) < 0)
            _exit(255);
        errno = 0;
        _exit(call() >= 0 ? 0 : errno);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

#define CALL(name, expression)                                                                     \
    static long name(void)                                                                         \
    {                                                                                              \
        return (long)(expression);                                                                 \
    }

static void *nothing(void *ctx)
{
    return ctx;
}

static long make_thread(void)
{
    pthread_t t;
    errno = pthread_create(&t, NULL, nothing, NULL);
    return errno || pthread_join(t, NULL) != 0 ? -1 : 0;
}

static long make_child(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid;
}

static long look_up(void)
{
    struct addrinfo *list = NULL;
    if (getaddrinfo("localhost", "443", NULL, &list) != 0)
        return -1;
    freeaddrinfo(list);
    return 0;
}

static long bind_at(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(a.sun_path, sizeof a.sun_path, "%.100s", path);
    return fd < 0 ? -1 : bind(fd, (const struct sockaddr *)&a, sizeof a);
}

static long write_at(const char *path)
{
    struct sk_err err = SK_ERR_INIT;
    return sk_file_write(path, "x", 1, 0600, &err);
}

static long read_clock(void)
{
    struct timex t = { .modes = 0 };
    return adjtimex(&t) >= 0 ? 0 : -1;
}

static long ask_random(void)
{
    char bytes[8];
    return getrandom(bytes, sizeof bytes, 0);
}

CALL(run_program, execl("/bin/true", "true", (char *)NULL))
CALL(trace, ptrace(PTRACE_TRACEME, 0, NULL, NULL))
CALL(look_into, syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0))
CALL(mount_it, syscall(SYS_mount, NULL, NULL, NULL, 0, NULL))
CALL(unshare_it, unshare(CLONE_NEWUSER))
CALL(new_space, syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL))
CALL(clone_three, syscall(SYS_clone3, NULL, 0))
CALL(newest, syscall(1000, 0))
CALL(bpf, syscall(SYS_bpf, 0, NULL, 0))
CALL(uring, syscall(SYS_io_uring_setup, 1, NULL))
CALL(kill_parent, kill(getppid(), 0))
CALL(new_owner, chown(at("d"), getuid(), getgid()))
CALL(new_user, setuid(getuid()))
CALL(make_link, symlink("x", at("d/link")))
CALL(packets, socket(AF_PACKET, SOCK_RAW, 0))
CALL(inet, socket(AF_INET, SOCK_STREAM, 0))
CALL(inet6, socket(AF_INET6, SOCK_STREAM, 0))
CALL(look_at_process, syscall(SYS_pidfd_open, getppid(), 0))
CALL(read_cert, open(at("tls/server.pem"), O_RDONLY))
CALL(write_cert, open(at("tls/server.pem"), O_WRONLY))
CALL(read_secret, open(at("secrets/key"), O_RDONLY))
CALL(list_top, open(top, O_RDONLY | O_DIRECTORY))
CALL(read_etc, open("/etc/hosts", O_RDONLY))
CALL(write_etc, open("/etc/hosts", O_WRONLY))
CALL(read_root, open("/", O_RDONLY | O_DIRECTORY))
CALL(read_self, open("/proc/self/status", O_RDONLY))
CALL(write_null, open("/dev/null", O_RDWR))
CALL(write_state, write_at(at("d/hub.json")))
CALL(write_run, write_at(at("r/x")))
CALL(make_folder, mkdir(at("r/workload/m-1"), 0755))
CALL(bind_wire, bind_at(at("r/hub/hub.sock")))
CALL(bind_workload, bind_at(at("r/workload/w.sock")))
CALL(bind_control, bind_at(at("r/control/x.sock")))

static bool has_landlock(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
}

static void rows(void **state)
{
    static const struct {
        const char *name;
        long (*call)(void);
        int error;
        bool is_of_landlock;
    } rows[] = {
        { "a thread", make_thread, 0, false },
        { "a name", look_up, 0, false },
        { "the clock", read_clock, 0, false },
        { "random bytes", ask_random, 0, false },
        { "IPv4", inet, 0, false },
        { "IPv6", inet6, 0, false },
        { "a peer's pidfd", look_at_process, 0, false },
        { "a program", run_program, EPERM, false },
        { "a child", make_child, EPERM, false },
        { "ptrace", trace, EPERM, false },
        { "another's memory", look_into, EPERM, false },
        { "mount", mount_it, EPERM, false },
        { "unshare", unshare_it, EPERM, false },
        { "a clone with a namespace", new_space, EPERM, false },
        { "clone3", clone_three, ENOSYS, false },
        { "a call of the future", newest, ENOSYS, false },
        { "bpf", bpf, EPERM, false },
        { "io_uring", uring, EPERM, false },
        { "kill", kill_parent, EPERM, false },
        { "chown", new_owner, EPERM, false },
        { "setuid", new_user, EPERM, false },
        { "symlink", make_link, EPERM, false },
        { "a packet socket", packets, EAFNOSUPPORT, false },
        { "read the certificate", read_cert, 0, true },
        { "write the certificate", write_cert, EACCES, true },
        { "read a secret", read_secret, EACCES, true },
        { "list the folder above", list_top, EACCES, true },
        { "read /etc", read_etc, 0, true },
        { "write /etc", write_etc, EACCES, true },
        { "list /", read_root, EACCES, true },
        { "read /proc/self", read_self, 0, true },
        { "write /dev/null", write_null, 0, true },
        { "write its state", write_state, 0, true },
        { "write in the run folder", write_run, EACCES, true },
        { "a workload folder", make_folder, 0, true },
        { "the wire's socket", bind_wire, 0, true },
        { "a workload socket", bind_workload, 0, true },
        { "a control socket", bind_control, EACCES, true },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (rows[i].is_of_landlock && rows[i].error && !has_landlock())
            continue;
        const int error = try_it(rows[i].call);
        if (error != rows[i].error)
            fail_msg("%s: %d, expected %d", rows[i].name, error, rows[i].error);
    }
}

/* The wire's socket beside the others, and folders that are not there yet. */
static long nothing_special(void)
{
    return 0;
}

static void folders_are_made(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    (void)state;
    DONE(sk_remove_tree(at("d"), &err));
    DONE(sk_remove_tree(at("r/workload"), &err));
    assert_int_equal(try_it(nothing_special), 0);
    assert_true(sk_is_dir(at("d")) && sk_is_dir(at("r/workload")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(folders_are_made, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("localhub/confine", tests, NULL, NULL);
}
