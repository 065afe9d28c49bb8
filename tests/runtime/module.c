/* module.c - see module.h. */
#include "runtime/module.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static FILE *open_home(const char *name)
{
    char path[1024];

    (void)snprintf(path, sizeof path, "%s/%s", getenv("HOME"), name);
    return fopen(path, "we");
}

static void tell_ready(void)
{
    FILE *f = open_home("ready");

    if (f)
        (void)fclose(f);
}

static void wait_for_ever(void)
{
    for (;;)
        (void)pause();
}

static void wait_after(int sig, void (*handler)(int))
{
    if (signal(sig, handler) == SIG_ERR)
        return;
    tell_ready();
    wait_for_ever();
}

static void have_children(void)
{
    int ends[2];
    char byte = 0;

    if (pipe(ends) < 0)
        _exit(9);
    for (int i = 0; i < 2; i++) {
        if (fork() != 0)
            continue;
        if (i == 1)
            (void)setsid();
        (void)signal(SIGTERM, SIG_IGN);
        (void)alarm(30); /* without control groups nobody finds the one that left the session */
        (void)!write(ends[1], "", 1);
        wait_for_ever();
    }
    for (int i = 0; i < 2; i++)
        (void)!read(ends[0], &byte, 1);
    tell_ready();
    wait_for_ever();
}

static void eat(void)
{
    for (;;) {
        volatile char *p = malloc(1 << 20);
        if (!p)
            _exit(9);
        for (size_t i = 0; i < 1 << 20; i += 512)
            p[i] = 1;
    }
}

static void spin(long ms)
{
    struct timespec t, used;
    FILE *f = open_home("cpu");
    long until;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    until = t.tv_sec * 1000 + t.tv_nsec / 1000000 + ms;
    do
        (void)clock_gettime(CLOCK_MONOTONIC, &t);
    while (t.tv_sec * 1000 + t.tv_nsec / 1000000 < until);
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    if (f) {
        (void)fprintf(f, "%ld\n", used.tv_sec * 1000 + used.tv_nsec / 1000000);
        (void)fclose(f);
    }
}

static int fork_until_it_fails(void)
{
    int count = 0;

    for (; count < 100; count++) {
        pid_t pid = fork();
        if (pid < 0)
            break;
        if (pid == 0)
            wait_for_ever();
    }
    return count;
}

static void write_lines(long count)
{
    for (long i = 0; i < count; i++)
        (void)fprintf(stderr, "2026-11-29T10:%02ld:%02ld.000Z INFO line n=%ld\n", i / 60 % 60,
                      i % 60, i);
    (void)fprintf(stderr, "no date, and no end");
}

/* ---- what it may do ---- */

static FILE *report;

static void say(const char *what, bool is_done)
{
    (void)fprintf(report, "%s %s\n", what, is_done ? "ok" : strerrorname_np(errno));
}

static void try_open(const char *what, const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);

    say(what, fd >= 0);
    if (fd >= 0)
        (void)close(fd);
}

static void *nothing(void *ctx)
{
    return ctx;
}

static void try_thread(void)
{
    pthread_t t;

    errno = pthread_create(&t, NULL, nothing, NULL);
    say("thread", errno == 0);
    if (errno == 0)
        (void)pthread_join(t, NULL);
}

static void try_bind(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    say("bind", fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0);
    (void)close(fd);
}

static void try_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    const struct dirent *e;
    int count = 0;

    while (d && (e = readdir(d)) != NULL)
        count += e->d_name[0] != '.';
    (void)fprintf(report, "descriptors %d\n", count - 2); /* the folder, and the report */
    if (d)
        (void)closedir(d);
}

static void try_program(void)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        (void)execl("/bin/true", "true", (char *)NULL);
        _exit(errno);
    }
    (void)waitpid(pid, &status, 0);
    errno = WEXITSTATUS(status);
    say("program", errno == 0);
}

static void probe(char **argv)
{
    char path[1024];
    struct rlimit core;

    report = open_home("report");
    if (!report)
        _exit(8);
    (void)fprintf(report, "uid %u\nsession %d\n", (unsigned)getuid(), getsid(0) == getpid());
    (void)fprintf(report, "no_new_privs %d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    (void)fprintf(report, "nice %d\n", getpriority(PRIO_PROCESS, 0));
    if (getrlimit(RLIMIT_CORE, &core) == 0)
        (void)fprintf(report, "core %lu\n", (unsigned long)core.rlim_cur);
    for (char **e = environ; *e; e++)
        (void)fprintf(report, "env %s\n", *e);
    for (int i = 1; argv[i]; i++)
        (void)fprintf(report, "arg %s\n", argv[i]);
    try_descriptors();
    (void)snprintf(path, sizeof path, "%s/model.onnx", argv[2] ? argv[2] : "");
    try_open("model", path, O_RDONLY);
    try_open("model_write", path, O_WRONLY);
    (void)snprintf(path, sizeof path, "%s/new", getenv("SKERRY_CACHE_DIR"));
    try_open("graphs", path, O_WRONLY | O_CREAT);
    try_open("shadow", "/etc/shadow", O_RDONLY);
    try_open("passwd", "/etc/passwd", O_RDONLY);
    try_open("tmp", "/tmp/skerry-runtime-probe", O_WRONLY | O_CREAT);
    try_open("sources", "/work", O_RDONLY);
    try_open("init", "/proc/1/environ", O_RDONLY);
    try_open("self", "/proc/self/status", O_RDONLY);
    try_open("cpuinfo", "/proc/cpuinfo", O_RDONLY);
    try_open("null", "/dev/null", O_RDWR);
    say("mount", mount("none", "/mnt", "tmpfs", 0, NULL) == 0);
    say("ptrace", ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0);
    say("unshare", unshare(CLONE_NEWUSER) == 0);
    say("clone", syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL) >= 0);
    say("keyctl", syscall(SYS_keyctl, 0, 0, 0, 0, 0) >= 0);
    say("uring", syscall(SYS_io_uring_setup, 1, NULL) >= 0);
    say("packet", socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0) >= 0);
    say("signal", kill(getppid(), 0) == 0);
    say("setuid", setuid(0) == 0);
    try_thread();
    try_bind();
    try_program();
    (void)fclose(report);
}

void module_main(int argc, char **argv)
{
    const char *what = getenv("MODULE_DOES");
    const char *colon = what ? strchr(what, ':') : NULL;
    const long n = colon ? strtol(colon + 1, NULL, 10) : 0;
    int code = 0;

    if (argc < 2 || strcmp(argv[1], "serve") != 0 || !what)
        return;
    if (strncmp(what, "exit", 4) == 0)
        code = (int)n;
    else if (strcmp(what, "sleep") == 0)
        wait_after(SIGSEGV, SIG_DFL);
    else if (strcmp(what, "stubborn") == 0)
        wait_after(SIGTERM, SIG_IGN);
    else if (strcmp(what, "children") == 0)
        have_children();
    else if (strcmp(what, "eat") == 0)
        eat();
    else if (strncmp(what, "spin", 4) == 0)
        spin(n);
    else if (strcmp(what, "fork") == 0)
        code = fork_until_it_fails();
    else if (strncmp(what, "lines", 5) == 0)
        write_lines(n);
    else if (strcmp(what, "probe") == 0)
        probe(argv);
    (void)fflush(NULL);
    _exit(code); /* what sanitizers do at exit it may not do */
}
