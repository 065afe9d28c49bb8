/* keeper_util.c - see the header. Everything waits with a deadline, so that a fault ends a test. */
#include "keeper_util.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    WAIT_MS = 20000
};

static void pause_ms(unsigned ms)
{
    (void)usleep(ms * 1000);
}

/* In a child: what the test has open is not its. */
static void forget_descriptors(void)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)close_range(3, UINT32_MAX, 0);
}

/* ---- the keeper ---- */

void rig_start(struct rig *r)
{
    struct sk_err err = SK_ERR_INIT;
    uint64_t end = sk_now_ms() + WAIT_MS;

    r->pid = fork();
    assert_true(r->pid >= 0);
    if (r->pid == 0) {
        const struct rlimit few = { r->descriptors, r->descriptors };
        forget_descriptors();
        if (r->descriptors)
            (void)setrlimit(RLIMIT_NOFILE, &few);
        int rc = sk_keeper_run(r->socket, &err);
        if (rc < 0)
            (void)fprintf(stderr, "# keeper: %s\n", err.text);
        _exit(rc < 0);
    }
    SK_OWN(sk_keeper_free) struct sk_keeper *first = NULL;
    while (sk_keeper_connect(r->socket, &first, &err) < 0) {
        if (sk_now_ms() > end)
            fail_msg("no keeper: %s", err.text);
        pause_ms(2);
    }
    if (!r->agent)
        r->agent = SK_TAKE(first);
}

void rig_begin_few(struct rig *r, rlim_t descriptors)
{
    *r = (struct rig){ .dir = "/tmp/skerry-keeper-XXXXXX", .descriptors = descriptors };
    assert_non_null(mkdtemp(r->dir));
    (void)snprintf(r->socket, sizeof r->socket, "%s/k.sock", r->dir);
    rig_start(r);
}

void rig_begin(struct rig *r)
{
    rig_begin_few(r, 0);
}

void child_end(pid_t pid)
{
    if (pid <= 0)
        return;
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

void rig_kill(struct rig *r)
{
    child_end(r->pid);
    r->pid = 0;
}

void rig_end(struct rig *r)
{
    struct sk_err err = SK_ERR_INIT;
    int status = 0;

    if (r->pid && r->agent) {
        if (sk_keeper_stop(r->agent, &err) < 0)
            fail_msg("%s", err.text);
        assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
        assert_int_equal(status, 0);
        assert_int_equal(access(r->socket, F_OK), -1);
    }
    sk_keeper_free(r->agent);
    assert_int_equal(sk_remove_tree(r->dir, &err), 0);
}

uint16_t rig_forward(struct rig *r, const char *name)
{
    struct sk_err err = SK_ERR_INIT;
    int fd = -1;

    if (sk_keeper_listen(r->agent, name, "127.0.0.1", 0, true, &fd, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    uint16_t port = sk_port_of(fd);
    (void)close(fd);
    return port;
}

void rig_target(struct rig *r, const char *name, uint16_t port)
{
    struct sk_err err = SK_ERR_INIT;
    char target[32];

    (void)snprintf(target, sizeof target, "127.0.0.1:%u", port);
    if (sk_keeper_forward(r->agent, name, port ? target : NULL, &err) < 0)
        fail_msg("%s: %s", name, err.text);
}

struct wanted {
    const char *name;
    struct sk_keeper_port port;
};

static int look(void *ctx, const struct sk_keeper_port *p, struct sk_err *err)
{
    struct wanted *w = ctx;

    (void)err;
    if (strcmp(p->name, w->name) == 0)
        w->port = *p;
    return 0;
}

struct sk_keeper_port rig_port(struct rig *r, const char *name)
{
    struct sk_err err = SK_ERR_INIT;
    struct wanted w = { .name = name };

    if (sk_keeper_list(r->agent, look, &w, &err) < 0)
        fail_msg("%s", err.text);
    return w.port;
}

void rig_wait_connections(struct rig *r, const char *name, uint64_t wanted)
{
    uint64_t end = sk_now_ms() + WAIT_MS;
    uint64_t have;

    while ((have = rig_port(r, name).connections) != wanted) {
        if (sk_now_ms() > end)
            fail_msg("%s: %llu connections", name, (unsigned long long)have);
        pause_ms(5);
    }
}

/* ---- servers ---- */

int listener(uint16_t *port)
{
    struct sk_err err = SK_ERR_INIT;
    int fd = -1;

    if (sk_listen("127.0.0.1", *port, 1024, &fd, &err) < 0)
        fail_msg("%s", err.text);
    *port = sk_port_of(fd);
    return fd;
}

uint16_t free_port(void)
{
    uint16_t port = 0;

    (void)close(listener(&port));
    return port;
}

static void set_deadline(int fd)
{
    const struct timeval most = { .tv_sec = WAIT_MS / 1000 };

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
}

int take_one(int listener)
{
    struct pollfd p = { .fd = listener, .events = POLLIN };

    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    int fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    set_deadline(fd);
    return fd;
}

enum {
    SERVED_MOST = 4096
};

/* Lines are short and come whole, since clients wait for the answer. */
static bool answer_lines(int fd, char tag)
{
    char line[256], out[2 * sizeof line + 4];
    ssize_t n = recv(fd, line, sizeof line, MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN)
        return true;
    if (n <= 0)
        return false;
    int len = snprintf(out, sizeof out, "%c %.*s", tag, (int)n, line);
    return send(fd, out, (size_t)len, MSG_NOSIGNAL) == len;
}

static void serve_for_ever(int door, char tag)
{
    static struct pollfd p[SERVED_MOST];
    nfds_t count = 1;

    p[0] = (struct pollfd){ .fd = door, .events = POLLIN };
    while (poll(p, count, -1) > 0) {
        for (nfds_t i = count - 1; i > 0; i--) {
            if (!p[i].revents || answer_lines(p[i].fd, tag))
                continue;
            (void)close(p[i].fd);
            p[i] = p[--count];
        }
        if (p[0].revents && count < SERVED_MOST) {
            int fd = accept(door, NULL, NULL);
            if (fd >= 0)
                p[count++] = (struct pollfd){ .fd = fd, .events = POLLIN };
        }
    }
}

pid_t server_start(char tag, uint16_t *port)
{
    int door = listener(port);
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        (void)dup2(door, 0);
        forget_descriptors();
        serve_for_ever(0, tag);
        _exit(0);
    }
    (void)close(door);
    return pid;
}

/* ---- clients ---- */

int dial(uint16_t port)
{
    const struct sockaddr_in a = { .sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    set_deadline(fd);
    if (connect(fd, (const struct sockaddr *)&a, sizeof a) < 0)
        fail_msg("connecting to port %u: %s", port, strerror(errno));
    return fd;
}

void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

size_t hear(int fd, char *out, size_t n)
{
    size_t have = 0;

    while (have < n) {
        ssize_t got = recv(fd, out + have, n - have, 0);
        if (got <= 0) {
            if (got == 0)
                errno = 0;
            break;
        }
        have += (size_t)got;
    }
    out[have] = '\0';
    return have;
}

void expect_answer(int fd, const char *line, char tag)
{
    char wanted[300], got[300];
    int len = snprintf(wanted, sizeof wanted, "%c %s", tag, line);

    say(fd, line);
    (void)hear(fd, got, (size_t)len);
    assert_string_equal(got, wanted);
}

void expect_end(int fd)
{
    char c[2];

    assert_int_equal(hear(fd, c, 1), 0);
    assert_int_equal(errno, 0);
}

void expect_reset(int fd)
{
    char c[2];

    assert_int_equal(hear(fd, c, 1), 0);
    assert_int_equal(errno, ECONNRESET);
}
