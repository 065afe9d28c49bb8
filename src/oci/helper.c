/*
 * helper.c - credential helpers: programs docker-credential-NAME that keep secrets elsewhere.
 *
 * The protocol is Docker's: "get" as argument, the server on standard input, JSON with Username and
 * Secret on standard output; "credentials not found in native keychain" and a status that is not 0
 * when there are none. A user name "<token>" says that the secret is an identity token.
 */
#include "oci/oci_priv.h"

#include "base/clock.h"
#include "json/json.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

enum {
    OUTPUT_BYTES = 64 << 10,
    PATIENCE_MS = 60000, /* it may ask a person to unlock something */
    NAME_MAX_BYTES = 64
};

struct child {
    pid_t pid;
    int out;
};

static void child_done(struct child *c)
{
    sk_close(&c->out);
    if (c->pid > 0) {
        (void)kill(c->pid, SIGKILL);
        (void)waitpid(c->pid, NULL, 0);
    }
}

static bool is_name(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    return len > 0 && len <= NAME_MAX_BYTES && name[len] == '\0';
}

/* A pipe that holds the text already: nobody has to write while the child may be gone. */
static int pipe_with(const char *text, int *out, struct sk_err *err)
{
    SK_AUTO(sk_close) int to = -1;
    SK_AUTO(sk_close) int from = -1;
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return sk_fail_errno(err, "a pipe");
    from = ends[0];
    to = ends[1];
    size_t len = strlen(text);
    if (write(to, text, len) != (ssize_t)len)
        return sk_fail_errno(err, "a pipe");
    *out = sk_take_fd(&from);
    return 0;
}

static int start(const char *program, const char *server, struct child *c, struct sk_err *err)
{
    SK_AUTO(sk_close) int in = -1;
    SK_AUTO(sk_close) int out = -1;
    char verb[] = "get";
    char name[NAME_MAX_BYTES + 32];
    char *const argv[] = { name, verb, NULL };
    posix_spawn_file_actions_t actions;
    int ends[2];

    (void)snprintf(name, sizeof name, "%s", program);
    if (pipe_with(server, &in, err) < 0)
        return -1;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return sk_fail_errno(err, "a pipe");
    c->out = ends[0];
    out = ends[1];
    if (posix_spawn_file_actions_init(&actions) != 0)
        return sk_nomem(err);
    int rc = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (rc == 0)
        rc = posix_spawnp(&c->pid, name, &actions, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    if (rc != 0) {
        c->pid = 0;
        errno = rc;
        return sk_fail_errno(err, "the credential helper '%s'", program);
    }
    return 0;
}

static int read_all(struct child *c, struct sk_buf *text, struct sk_err *err)
{
    uint64_t until_ms = sk_now_ms() + PATIENCE_MS;

    for (;;) {
        struct pollfd p = { .fd = c->out, .events = POLLIN };
        uint64_t now_ms = sk_now_ms();
        if (now_ms >= until_ms)
            return sk_fail(err, SK_TIMEOUT, "no answer within %d s", PATIENCE_MS / 1000);
        if (poll(&p, 1, (int)(until_ms - now_ms)) <= 0)
            continue;
        char *room = sk_buf_reserve(text, 4096);
        if (!room)
            return sk_buf_fail(text, err);
        ssize_t n = read(c->out, room, 4096);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sk_fail_errno(err, "its answer");
        if (n == 0)
            return 0;
        sk_buf_commit(text, (size_t)n);
    }
}

static int finish(struct child *c, bool *is_success, struct sk_err *err)
{
    int status = 0;

    while (waitpid(c->pid, &status, 0) < 0)
        if (errno != EINTR)
            return sk_fail_errno(err, "its end");
    c->pid = 0;
    *is_success = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    return 0;
}

static int read_answer(const struct sk_buf *text, struct sk_oci_login *out, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    const char *username = NULL, *secret = NULL;

    if (sk_json_parse(text->data ? text->data : "", text->len, NULL, &doc, err) < 0 ||
        sk_json_want_text(doc, "Username", &username, err) < 0 ||
        sk_json_want_text(doc, "Secret", &secret, err) < 0)
        return -1;
    if (!username || !secret)
        return sk_fail(err, SK_INVALID, "its answer has no Username and Secret");
    char *copy = strdup(secret);
    if (!copy)
        return sk_nomem(err);
    if (strcmp(username, "<token>") == 0) {
        out->identity_token = copy;
        return 0;
    }
    out->password = copy;
    out->username = strdup(username);
    return out->username ? 0 : sk_nomem(err);
}

/* One line without control characters. */
static void flatten(struct sk_buf *text)
{
    for (size_t i = 0; i < text->len; i++)
        if ((unsigned char)text->data[i] < ' ' || text->data[i] == 0x7f)
            text->data[i] = ' ';
}

int sk_oci_helper_get(const char *name, const char *server, struct sk_oci_login *out,
                      struct sk_err *err)
{
    SK_AUTO(child_done) struct child c = { .out = -1 };
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(OUTPUT_BYTES);
    char program[NAME_MAX_BYTES + 32];
    bool is_success = false;

    if (!is_name(name))
        return sk_fail(err, SK_INVALID, "'%.100s' is no name of a credential helper", name);
    (void)snprintf(program, sizeof program, "docker-credential-%s", name);
    if (start(program, server, &c, err) < 0)
        return -1;
    if (read_all(&c, &text, err) < 0 || finish(&c, &is_success, err) < 0)
        return sk_wrap(err, "the credential helper '%s'", program);
    if (is_success)
        return read_answer(&text, out, err) < 0
                   ? sk_wrap(err, "the credential helper '%s'", program)
                   : 0;
    flatten(&text);
    if (text.len > 0 && strstr(text.data, "credentials not found"))
        return 0;
    return sk_fail(err, SK_DENIED, "the credential helper '%s' failed: %.200s", program,
                   text.len > 0 ? text.data : "it said nothing");
}
