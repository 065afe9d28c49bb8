/*
 * bench_target.c - the server to measure: one that runs somewhere, or a child that runs `skerry
 * serve`.
 *
 * The child takes a free port and logs into an unnamed file; its "ready" line tells the address. It
 * gets SIGTERM when we are done, and from the kernel when we die first (PR_SET_PDEATHSIG), so none
 * is left behind.
 */
#include "cli/bench_priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum {
    START_MS = 60000,
    STOP_MS = 10000,
    KEY_BYTES = 4096,
    LOG_BYTES = 1 << 20
};

/* "host:port" or "[::1]:port" up to the first slash. */
static int resolve(const char *authority, struct sk_bench_target *out, struct sk_err *err)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct addrinfo *list = NULL;
    char host[256];
    const char *port = "80";
    size_t len = strcspn(authority, "/");

    (void)snprintf(out->host, sizeof out->host, "%.*s", (int)(len < 255 ? len : 255), authority);
    (void)snprintf(host, sizeof host, "%.255s", out->host);
    char *colon = strrchr(host, ':');
    if (colon && !strchr(colon, ']')) {
        *colon = '\0';
        port = colon + 1;
    }
    char *name = host;
    size_t n = strlen(host);
    if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
        host[n - 1] = '\0';
        name++;
    }
    int rc = getaddrinfo(name, port, &hints, &list);
    if (rc != 0)
        return sk_fail(err, SK_NOT_FOUND, "'%s': %s", out->host, gai_strerror(rc));
    memcpy(&out->addr, list->ai_addr, list->ai_addrlen);
    out->addr_len = list->ai_addrlen;
    freeaddrinfo(list);
    return 0;
}

static int read_key(const char *file, char **out, struct sk_err *err)
{
    SK_OWN(free) char *text = NULL;
    size_t len = 0;

    if (sk_file_read(file, KEY_BYTES, &text, &len, err) < 0)
        return sk_wrap(err, "API key");
    text[strcspn(text, "\r\n")] = '\0';
    *out = SK_TAKE(text);
    return 0;
}

/* In the child: becomes `skerry serve`. Does not return. */
static void become_server(const char *model, const struct sk_bench_child_options *o, int log_fd)
{
    char threads[24];
    const char *argv[20] = { "skerry",      "serve", "--port",       "0",
                             "--log-level", "info",  "--log-format", "text" };
    size_t n = 8;

    (void)snprintf(threads, sizeof threads, "%llu", (unsigned long long)o->threads);
    argv[n++] = "--threads";
    argv[n++] = threads;
    argv[n++] = "--device";
    argv[n++] = o->device;
    argv[n++] = o->cache ? "--cache" : "--no-cache";
    if (o->onnxruntime) {
        argv[n++] = "--onnxruntime";
        argv[n++] = o->onnxruntime;
    }
    if (o->labels) {
        argv[n++] = "--labels";
        argv[n++] = o->labels;
    }
    argv[n++] = "--";
    argv[n++] = model;
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (dup2(log_fd, STDOUT_FILENO) >= 0 && dup2(log_fd, STDERR_FILENO) >= 0)
        (void)execv("/proc/self/exe", (char *const *)(uintptr_t)argv); /* exec does not write to
                                                                          them */
    _exit(127);
}

/* Everything that the child has logged. */
static void read_log(FILE *log, struct sk_buf *out)
{
    char bytes[4096];
    ssize_t n = 0;

    sk_buf_clear(out);
    while ((n = pread(fileno(log), bytes, sizeof bytes, (off_t)out->len)) > 0 && sk_buf_ok(out))
        sk_buf_add(out, bytes, (size_t)n);
}

/* The last line, which says why the child ended. */
static int child_failed(struct sk_buf *log, struct sk_err *err)
{
    while (log->len > 0 && log->data[log->len - 1] == '\n')
        log->data[--log->len] = '\0';
    const char *line = log->data ? strrchr(log->data, '\n') : NULL;
    line = line ? line + 1 : log->data;
    if (line && sk_starts_with(line, "skerry: "))
        line += strlen("skerry: ");
    return sk_fail(err, SK_REMOTE, "the server did not start: %s",
                   line ? line : "it logged nothing");
}

/* Waits for "ready url=http://..." in the log. */
static int await_ready(int pid, FILE *log, struct sk_bench_target *out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(LOG_BYTES);
    const uint64_t end = sk_now_ms() + START_MS;

    for (;;) {
        int status = 0;
        bool ended = waitpid(pid, &status, WNOHANG) == pid;

        read_log(log, &text);
        if (ended) {
            out->pid = 0;
            return child_failed(&text, err);
        }
        const char *ready = text.data ? strstr(text.data, " ready url=http://") : NULL;
        if (ready && strchr(ready, '\n')) {
            char authority[300];
            ready += strlen(" ready url=http://");
            (void)snprintf(authority, sizeof authority, "%.*s", (int)(strcspn(ready, " \n") & 255),
                           ready);
            return resolve(authority, out, err);
        }
        if (sk_now_ms() > end)
            return sk_fail(err, SK_TIMEOUT, "the server was not ready within %d s",
                           START_MS / 1000);
        (void)usleep(2000);
    }
}

static int start_child(const char *model, const struct sk_bench_child_options *o,
                       struct sk_bench_target *out, struct sk_err *err)
{
    SK_OWN(fclose) FILE *log = tmpfile();

    if (!log)
        return sk_fail_errno(err, "temporary file");
    int pid = fork();
    if (pid < 0)
        return sk_fail_errno(err, "fork");
    if (pid == 0)
        become_server(model, o, fileno(log));
    out->pid = pid;
    return await_ready(pid, log, out, err);
}

int sk_bench_target_open(const char *what, const struct sk_bench_child_options *child,
                         const char *api_key_file, struct sk_bench_target *out, struct sk_err *err)
{
    SK_AUTO(sk_bench_target_done) struct sk_bench_target t = { 0 };

    if (sk_starts_with(what, "https://"))
        return sk_fail(err, SK_UNSUPPORTED,
                       "'%s': only http is measured; take the server without TLS", what);
    if (api_key_file && read_key(api_key_file, &t.api_key, err) < 0)
        return -1;
    int rc = sk_starts_with(what, "http://") ? resolve(what + 7, &t, err)
                                             : start_child(what, child, &t, err);
    if (rc < 0)
        return -1;
    *out = t;
    t = (struct sk_bench_target){ 0 };
    return 0;
}

void sk_bench_target_done(struct sk_bench_target *t)
{
    if (!t)
        return;
    free(t->api_key);
    t->api_key = NULL;
    if (t->pid <= 0)
        return;
    const uint64_t end = sk_now_ms() + STOP_MS;
    (void)kill(t->pid, SIGTERM);
    while (waitpid(t->pid, NULL, WNOHANG) == 0) {
        if (sk_now_ms() > end)
            (void)kill(t->pid, SIGKILL);
        (void)usleep(2000);
    }
    t->pid = 0;
}
