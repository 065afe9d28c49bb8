/*
 * child.c - from fork to exec.
 *
 * The agent has threads, so between the two only system calls are made: everything that needs
 * memory (arguments, environment, rules) was prepared before. The order matters: groups and limits
 * while it may still set them, then the user, then what cannot be taken back.
 *
 *     agent                              child
 *       fork ---------------------------> session, signals, cgroups, limits, descriptors, user,
 *                                         landlock, seccomp
 *       reads its start time
 *       keeps it on disk                  waits on `go`
 *       go ------------------------------> exec; `told` closes by itself
 *       reads `told`: closed, or where and why it failed
 *
 * When the agent dies before go, the pipe ends, and so does the child: nothing runs that was not
 * kept before.
 */
#include "runtime/runtime_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define LISTEN_PID "LISTEN_PID="

enum step {
    SESSION,
    CGROUP,
    LIMITS,
    PRIORITY,
    CPUS,
    OOM,
    BINDS,
    DESCRIPTORS,
    USER,
    FOLDER,
    LANDLOCK,
    SECCOMP,
    EXEC
};

static const char *const step_names[] = {
    [SESSION] = "a session of its own",
    [CGROUP] = "joining its control group",
    [LIMITS] = "its limits (HostConfig.Ulimits)",
    [PRIORITY] = "its priority",
    [CPUS] = "its cores (HostConfig.CpusetCpus)",
    [OOM] = "its place in want of memory (HostConfig.OomScoreAdj)",
    [BINDS] = "its view of the files (HostConfig.Binds)",
    [DESCRIPTORS] = "its descriptors",
    [USER] = "its user",
    [FOLDER] = "its folder",
    [LANDLOCK] = "landlock",
    [SECCOMP] = "seccomp",
    [EXEC] = "starting the program",
};

struct failure {
    int step, error;
};

enum {
    HIGH = 100, /* above all that the child keeps */
    ENV_DIGITS = 10
};

static void fail_child(int told, enum step step) __attribute__((noreturn));

static void fail_child(int told, enum step step)
{
    const struct failure f = { .step = (int)step, .error = errno };

    (void)!write(told, &f, sizeof f);
    _exit(127);
}

/* Without printf, which is not for between fork and exec. */
static void set_listen_pid(char *const *env)
{
    for (; *env; env++) {
        unsigned long pid = (unsigned long)getpid();

        if (strncmp(*env, LISTEN_PID, sizeof LISTEN_PID - 1) != 0)
            continue;
        char *digits = *env + sizeof LISTEN_PID - 1;
        for (int i = ENV_DIGITS - 1; i >= 0; i--, pid /= 10)
            digits[i] = (char)('0' + pid % 10);
    }
}

static void reset_signals(void)
{
    struct sigaction plain;
    sigset_t none;

    memset(&plain, 0, sizeof plain);
    plain.sa_handler = SIG_DFL;
    for (int sig = 1; sig < NSIG; sig++)
        (void)sigaction(sig, &plain, NULL); /* SIGKILL and SIGSTOP cannot be, and need not */
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int set_limits(const struct sk_rt_child *c)
{
    for (size_t i = 0; i < c->rlimit_count; i++)
        if (setrlimit((__rlimit_resource_t)c->rlimits[i].resource, &c->rlimits[i].limit) < 0)
            return -1;
    return 0;
}

static int set_oom_score(int score)
{
    unsigned value;
    char text[16];
    size_t n = sizeof text;
    int fd, rc;

    if (score == INT32_MIN)
        return 0;
    value = (unsigned)(score < 0 ? -score : score);
    do {
        text[--n] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    if (score < 0)
        text[--n] = '-';
    fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    rc = fd >= 0 && write(fd, text + n, sizeof text - n) > 0 ? 0 : -1;
    if (fd >= 0)
        (void)close(fd);
    return rc;
}

/* To their places; first all out of the way of each other. */
static int place_descriptors(const struct sk_rt_child *c, int *go, int *told, int *landlock)
{
    int high[3 + SK_RT_LISTEN_MAX];
    size_t count = 3 + c->listen_count;
    int in = c->in >= 0 ? c->in : open("/dev/null", O_RDONLY | O_CLOEXEC);

    for (size_t i = 0; i < count; i++) {
        int from = i == 0 ? in : i == 1 ? c->out : i == 2 ? c->error : c->listen[i - 3];
        high[i] = fcntl(from, F_DUPFD_CLOEXEC, HIGH);
        if (high[i] < 0)
            return -1;
    }
    *go = fcntl(*go, F_DUPFD_CLOEXEC, HIGH);
    *told = fcntl(*told, F_DUPFD_CLOEXEC, HIGH);
    if (*landlock >= 0)
        *landlock = fcntl(*landlock, F_DUPFD_CLOEXEC, HIGH);
    if (*go < 0 || *told < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (dup2(high[i], (int)i) < 0)
            return -1;
    return (int)syscall(SYS_close_range, (unsigned)count, ~0u, CLOSE_RANGE_CLOEXEC);
}

static int change_user(const struct sk_rt_child *c)
{
    const gid_t gid = c->uid;

    /* the bare calls: those of libc tell all threads, and this copy has but one */
    if (c->changes_user &&
        (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, gid, gid, gid) < 0 ||
         syscall(SYS_setresuid, c->uid, c->uid, c->uid) < 0))
        return -1;
    if (c->dies_with_us && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return -1;
    return 0;
}

static void be_child(const struct sk_rt_child *c, int go, int told) __attribute__((noreturn));

static void be_child(const struct sk_rt_child *c, int go, int told)
{
    int landlock = c->landlock;
    char word;

    reset_signals();
    if (setsid() < 0)
        fail_child(told, SESSION);
    (void)umask(027);
    for (size_t i = 0; i < c->cgroup_count; i++)
        if (write(c->cgroups[i], "0", 1) != 1)
            fail_child(told, CGROUP);
    /* Who runs at a lower one already may not raise it. */
    if (c->nice > getpriority(PRIO_PROCESS, 0) && setpriority(PRIO_PROCESS, 0, c->nice) < 0)
        fail_child(told, PRIORITY);
    if (c->cpus && sched_setaffinity(0, c->cpus_size, c->cpus) < 0)
        fail_child(told, CPUS);
    if (set_oom_score(c->oom_score) < 0)
        fail_child(told, OOM);
    if (c->binds && sk_rt_binds_enter(c->binds) < 0)
        fail_child(told, BINDS);
    if (place_descriptors(c, &go, &told, &landlock) < 0)
        fail_child(told, DESCRIPTORS);
    if (set_limits(c) < 0) /* after them: the most descriptors may be fewer than were moved */
        fail_child(told, LIMITS);
    if (change_user(c) < 0)
        fail_child(told, USER);
    if (c->folder && chdir(c->folder) < 0)
        fail_child(told, FOLDER);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        (landlock >= 0 && sk_rt_landlock_enter(landlock) < 0))
        fail_child(told, LANDLOCK);
    set_listen_pid(c->env);
    if (c->filter && sk_rt_seccomp_enter(c->filter) < 0)
        fail_child(told, SECCOMP);
    if (read(go, &word, 1) != 1)
        _exit(127);
    (void)execve(c->program, c->argv, c->env);
    fail_child(told, EXEC);
}

int sk_rt_child_fork(const struct sk_rt_child *c, struct sk_rt_started *out, struct sk_err *err)
{
    int go[2], told[2];
    struct sk_rt_proc p;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, go) < 0) /* no SIGPIPE from these */
        return sk_fail_errno(err, "socketpair");
    SK_AUTO(sk_close) int go_read = go[0];
    SK_AUTO(sk_close) int go_write = go[1];
    if (pipe2(told, O_CLOEXEC) < 0)
        return sk_fail_errno(err, "pipe");
    SK_AUTO(sk_close) int told_read = told[0];
    SK_AUTO(sk_close) int told_write = told[1];
    pid_t pid = fork();

    if (pid < 0)
        return sk_fail_errno(err, "fork");
    if (pid == 0) {
        (void)close(go_write); /* else it would wait for itself when the agent is gone */
        be_child(c, go_read, told_write);
    }
    *out = (struct sk_rt_started){ .pid = pid,
                                   .go = sk_take_fd(&go_write),
                                   .told = sk_take_fd(&told_read) };
    if (!sk_rt_proc_read(pid, &p)) { /* not reaped, so it is there, unless /proc is not */
        sk_rt_child_drop(out);
        return sk_fail(err, SK_UNSUPPORTED, "/proc/%d/stat cannot be read: is /proc mounted?",
                       (int)pid);
    }
    out->start_ticks = p.start_ticks;
    return 0;
}

static void reap(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

void sk_rt_child_drop(struct sk_rt_started *s)
{
    if (s->pid > 0) {
        (void)kill(s->pid, SIGKILL);
        reap(s->pid);
    }
    sk_close(&s->go);
    sk_close(&s->told);
    s->pid = -1;
}

int sk_rt_child_go(struct sk_rt_started *s, struct sk_err *err)
{
    struct failure f = { 0 };
    ssize_t n;

    /* a child that failed before is not reading; what it said is in the pipe */
    (void)!send(s->go, "g", 1, MSG_NOSIGNAL);
    do {
        n = read(s->told, &f, sizeof f);
    } while (n < 0 && errno == EINTR);
    if (n == (ssize_t)sizeof f && f.step >= 0 && f.step <= EXEC) {
        reap(s->pid);
        s->pid = -1;
        sk_rt_child_drop(s);
        errno = f.error;
        return sk_fail_errno(err, "%s", step_names[f.step]);
    }
    sk_close(&s->go);
    sk_close(&s->told);
    return 0;
}

int sk_rt_program(const char *program, char **out, struct sk_err *err)
{
    char *real = realpath(program ? program : "/proc/self/exe", NULL);

    if (!real)
        return sk_fail_errno(err, "'%s'", program ? program : "/proc/self/exe");
    *out = real;
    return 0;
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN
#endif

/* The search for leaks at the end of a program stops it with ptrace, which it may not use. */
const char *sk_rt_child_sanitizer(void)
{
#ifdef HAS_ASAN
    return "ASAN_OPTIONS=detect_leaks=0";
#else
    return NULL;
#endif
}

int sk_rt_check_passable(const char *path, uid_t uid, struct sk_err *err)
{
    SK_OWN(free) char *at = strdup(path);
    char *slash;

    if (!at)
        return sk_nomem(err);
    while ((slash = strrchr(at, '/')) != NULL && slash != at) {
        struct stat st;

        *slash = '\0';
        if (stat(at, &st) < 0)
            return sk_fail_errno(err, "'%s'", at);
        if (!(st.st_mode & S_IXOTH) && !(st.st_uid == uid && (st.st_mode & S_IXUSR)))
            return sk_fail(err, SK_DENIED,
                           "user %u cannot reach '%s': '%s' must be searchable for others (chmod "
                           "o+x)",
                           (unsigned)uid, path, at);
    }
    return 0;
}
