/*
 * pull.c - a pull, as the agent sees it: a child that is given an order, and told on.
 *
 * The child (fetch.c) runs as a user of its own when we are root, sees the system's libraries and
 * certificates and its work folder, and gets the order on a pipe, never in arguments. Here its
 * answers are data from outside: lines with limits, digests that must look like digests, and a
 * folder that is taken over only after the child is gone.
 *
 * The work folder belongs to the reference, so that the next pull of it goes on from what is there.
 * It is locked while a child works in it.
 */
#include "runtime/runtime_priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum {
    LINE_MAX_BYTES = 3 << 20,
    SILENCE_MS = 15 * 60 * 1000, /* a large layer is unpacked without a word */
    FILES = 256,
    PEM_MAX = 1 << 20,
    ORDER_BYTES = 8 << 20
};

/* ---- the order ---- */

static int add_pem(struct sk_buf *out, const char *path, struct sk_err *err)
{
    SK_OWN(free) char *text = NULL;
    size_t len = 0;

    if (sk_file_read(path, PEM_MAX, &text, &len, err) < 0)
        return -1;
    sk_buf_json(out, text, len);
    return 0;
}

static int add_login(const struct sk_runtime_host *h, const char *host,
                     const struct sk_runtime_auth *auth, struct sk_buf *out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf token = SK_BUF_INIT(64 << 10);
    const char *username = NULL, *password = NULL;

    if (auth && auth->username) {
        username = auth->username;
        password = auth->password;
    } else if (sk_rt_is_hub(h, host) && h->token) {
        if (h->token(h->ctx, &token, err) < 0)
            return sk_wrap(err, "a token for pulls from the hub");
        username = h->hub_user ? h->hub_user : "device";
        password = token.data;
    }
    if (!username)
        return 0;
    sk_buf_str(out, ",\"username\":");
    sk_buf_json_str(out, username);
    sk_buf_str(out, ",\"password\":");
    sk_buf_json_str(out, password ? password : "");
    return 0;
}

/* Layers that are here, so that the child leaves them. */
static int add_layers(const struct sk_runtime_host *h, struct sk_buf *out, struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    char path[SK_RT_PATH];
    size_t count = 0;

    if (sk_rt_images_path(h, "models", NULL, path, err) < 0 || sk_dir_read(path, &dir, err) < 0)
        return -1;
    sk_buf_str(out, ",\"layers\":[");
    for (size_t i = 0; i < dir.count; i++) {
        char digest[SK_DIGEST_TEXT];

        (void)snprintf(digest, sizeof digest, "%s:%.128s",
                       strlen(dir.names[i]) == 64 ? "sha256" : "sha512", dir.names[i]);
        if (sk_digest_valid(digest))
            sk_buf_fmt(out, "%s\"%s\"", count++ ? "," : "", digest);
    }
    sk_buf_chr(out, ']');
    return 0;
}

static int write_order(const struct sk_runtime_host *h, const char *image, const char *work,
                       const struct sk_runtime_auth *auth, struct sk_buf *out, struct sk_err *err)
{
    struct sk_oci_ref ref;

    if (sk_oci_ref_parse(image, NULL, &ref, err) < 0)
        return -1;
    sk_buf_str(out, "{\"image\":");
    sk_buf_json_str(out, image);
    sk_buf_str(out, ",\"work\":");
    sk_buf_json_str(out, work);
    if (h->hub_ca_file && sk_rt_is_hub(h, ref.host)) {
        sk_buf_str(out, ",\"ca\":");
        if (add_pem(out, h->hub_ca_file, err) < 0)
            return sk_wrap(err, "the hub's CA");
    }
    sk_buf_str(out, ",\"keys\":[");
    for (size_t i = 0; h->verify_keys && h->verify_keys[i]; i++) {
        sk_buf_str(out, i ? "," : "");
        if (add_pem(out, h->verify_keys[i], err) < 0)
            return sk_wrap(err, "a key that images must be signed by");
    }
    sk_buf_chr(out, ']');
    if (add_login(h, ref.host, auth, out, err) < 0 || add_layers(h, out, err) < 0)
        return -1;
    sk_buf_str(out, "}\n");
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

/* ---- the answers ---- */

struct talk {
    struct sk_rt_pulled *out;
    SK_RT_PROGRESS;
    void *ctx;
    bool is_unpacked, has_result;
    const char *last;
    char what[160];
    uint64_t done, total;
};

static enum sk_code code_of(const char *name)
{
    for (int i = 0; i < SK_CODE_COUNT; i++)
        if (strcmp(sk_code_name((enum sk_code)i), name) == 0)
            return (enum sk_code)i;
    return SK_REMOTE;
}

static int take_result(struct talk *t, const struct sk_json *doc, struct sk_err *err)
{
    struct sk_rt_pulled *out = t->out;
    const char *digest = sk_json_get_text(doc, "digest", "");
    const char *layer = sk_json_get_text(doc, "layer", "");

    out->is_native = sk_json_bool(sk_json_get(doc, "native"), false);
    if (!sk_digest_valid(digest) || (out->is_native && !sk_digest_valid(layer)))
        return sk_fail(err, SK_BUG, "the download child answered without digests");
    (void)snprintf(out->digest, sizeof out->digest, "%s", digest);
    (void)snprintf(out->layer, sizeof out->layer, "%s", layer);
    (void)snprintf(out->why, sizeof out->why, "%s", sk_json_get_text(doc, "why", ""));
    sk_json_dump(sk_json_get(doc, "config"), &out->config);
    t->is_unpacked = sk_json_bool(sk_json_get(doc, "unpacked"), false);
    t->has_result = true;
    return sk_buf_ok(&out->config) ? 0 : sk_buf_fail(&out->config, err);
}

static int take_line(struct talk *t, const char *line, size_t len, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    if (sk_json_parse(line, len, NULL, &doc, err) < 0)
        return sk_wrap(err, "the download child's answer");
    const char *event = sk_json_get_text(doc, "event", "");

    if (strcmp(event, "progress") == 0) {
        (void)snprintf(t->what, sizeof t->what, "%s", sk_json_get_text(doc, "what", ""));
        t->done = (uint64_t)sk_json_int(sk_json_get(doc, "done"), 0);
        t->total = (uint64_t)sk_json_int(sk_json_get(doc, "total"), 0);
        return 0;
    }
    if (strcmp(event, "error") == 0)
        return sk_fail(err, code_of(sk_json_get_text(doc, "code", "")), "%s",
                       sk_json_get_text(doc, "text", "no reason"));
    return strcmp(event, "result") == 0 ? take_result(t, doc, err) : 0;
}

/* Whole lines of what came. */
static int take_lines(struct talk *t, struct sk_buf *in, struct sk_err *err)
{
    size_t from = 0;
    char *end;

    while (from < in->len && (end = memchr(in->data + from, '\n', in->len - from)) != NULL) {
        size_t len = (size_t)(end - in->data) - from;

        if (take_line(t, in->data + from, len, err) < 0)
            return -1;
        from += len + 1;
    }
    if (from > 0) {
        memmove(in->data, in->data + from, in->len - from);
        in->len -= from;
    }
    return 0;
}

static int listen_to(struct talk *t, int fd, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf in = SK_BUF_INIT(LINE_MAX_BYTES);
    uint64_t heard_ms = sk_now_ms();

    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int rc = poll(&p, 1, 1000);

        if (rc < 0 && errno != EINTR)
            return sk_fail_errno(err, "poll");
        if (t->progress && !t->progress(t->ctx, t->what, t->done, t->total))
            return sk_fail(err, SK_CANCELLED, "stopped");
        if (rc <= 0) {
            if (sk_now_ms() - heard_ms > SILENCE_MS)
                return sk_fail(err, SK_TIMEOUT, "the download makes no progress");
            continue;
        }
        heard_ms = sk_now_ms();
        char *to = sk_buf_reserve(&in, 64 << 10);
        ssize_t n = to ? read(fd, to, 64 << 10) : -1;
        if (!to)
            return sk_buf_fail(&in, err);
        if (n == 0)
            return 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sk_fail_errno(err, "the download child's answer");
        sk_buf_commit(&in, (size_t)n);
        if (take_lines(t, &in, err) < 0)
            return -1;
    }
}

/* ---- the child ---- */

static int add_env(struct sk_buf *out, char **env, size_t *count, const char *work,
                   struct sk_err *err)
{
    static const char *const passed[] = { "http_proxy",  "https_proxy", "no_proxy",  "all_proxy",
                                          "HTTPS_PROXY", "NO_PROXY",    "ALL_PROXY", "TZ" };

    sk_buf_fmt(out, "PATH=/usr/bin:/bin%cHOME=%s%cTMPDIR=%s%cLANG=C.UTF-8%c", 0, work, 0, work, 0,
               0);
    for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++)
        if (getenv(passed[i]))
            sk_buf_fmt(out, "%s=%s%c", passed[i], getenv(passed[i]), 0);
    if (sk_rt_child_sanitizer())
        sk_buf_fmt(out, "%s%c", sk_rt_child_sanitizer(), 0);
    if (!sk_buf_ok(out))
        return sk_buf_fail(out, err);
    *count = 0;
    for (char *at = out->data; at < out->data + out->len; at += strlen(at) + 1)
        env[(*count)++] = at;
    env[*count] = NULL;
    return 0;
}

static uid_t user_of(const struct sk_runtime_host *h)
{
    return h->first_uid - 1;
}

static bool has_own_user(const struct sk_runtime_host *h)
{
    return geteuid() == 0 && h->first_uid > 1;
}

static int sandbox(const struct sk_runtime_host *h, const char *program, const char *work, int *out,
                   struct sk_err *err)
{
    SK_AUTO(sk_rt_paths_done) struct sk_rt_paths paths = { .count = 0 };

    (void)h;
    sk_rt_paths_system(&paths);
    sk_rt_paths_add(&paths, SK_RT_PATH_WRITE, work);
    if (sk_rt_paths_program(&paths, program, err) < 0)
        return -1;
    if (paths.has_failed)
        return sk_nomem(err);
    return sk_rt_landlock_make(&paths, true, out, err);
}

static int lock_work(const char *image, const char *work, int *lock, struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = open(work, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return sk_fail_errno(err, "'%s'", work);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return sk_fail(err, SK_BUSY, "image '%s' is being pulled already", image);
    *lock = sk_take_fd(&fd);
    return 0;
}

/* What an agent that died was taking over belongs to it already, so the child could not remove it.
 */
static int clean_work(const char *work, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf tree = SK_BUF_INIT(SK_RT_PATH + 8);

    sk_buf_fmt(&tree, "%s/tree", work);
    return sk_buf_ok(&tree) ? sk_remove_tree(tree.data, err) : sk_buf_fail(&tree, err);
}

/* The work folder, locked: *lock. What a child of another user left there is of no use. */
static int open_work(const struct sk_runtime_host *h, const char *image, char work[SK_RT_PATH],
                     int *lock, struct sk_err *err)
{
    SK_AUTO(sk_close) int held = -1;
    char ref[SK_RT_REF];
    struct stat st;

    if (sk_rt_images_open(h, err) < 0 || sk_rt_images_ref(image, ref, err) < 0 ||
        sk_rt_images_path(h, "incoming", ref, work, err) < 0 || sk_mkdirs(work, 0700, err) < 0 ||
        lock_work(image, work, &held, err) < 0 || clean_work(work, err) < 0)
        return -1;
    if (has_own_user(h)) {
        if (sk_rt_check_passable(work, user_of(h), err) < 0)
            return sk_wrap(err, "downloads");
        if (fstat(held, &st) < 0)
            return sk_fail_errno(err, "'%s'", work);
        if (st.st_uid != user_of(h)) { /* a new one, or of former times */
            sk_close(&held);
            if (sk_remove_tree(work, err) < 0 || sk_mkdirs(work, 0700, err) < 0 ||
                lock_work(image, work, &held, err) < 0)
                return -1;
        }
        if (fchown(held, user_of(h), user_of(h)) < 0)
            return sk_fail_errno(err, "'%s'", work);
    }
    *lock = sk_take_fd(&held);
    return 0;
}

bool sk_rt_pull_is_busy(const char *work)
{
    SK_AUTO(sk_close) int fd = open(work, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

/* order_fd: the child's input; *answers: its output. */
static int fork_child(const struct sk_runtime_host *h, const char *work, int order_fd,
                      struct sk_rt_started *out, int *answers, struct sk_err *err)
{
    static char word[] = "edge-fetch";
    SK_OWN(free) char *program = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf env_text = SK_BUF_INIT(64 << 10);
    SK_AUTO(sk_close) int landlock = -1;
    char *env[16];
    size_t env_count = 0;
    struct sk_filter filter;
    int pipes[2];

    if (sk_rt_program(h->program, &program, err) < 0 ||
        add_env(&env_text, env, &env_count, work, err) < 0 ||
        sandbox(h, program, work, &landlock, err) < 0)
        return -1;
    sk_rt_seccomp_make(&filter, false);
    if (pipe2(pipes, O_CLOEXEC) < 0)
        return sk_fail_errno(err, "pipe");
    SK_AUTO(sk_close) int from = pipes[0];
    SK_AUTO(sk_close) int to = pipes[1];
    char *argv[] = { program, word, NULL };
    const struct sk_rt_child c = { .program = program,
                                   .argv = argv,
                                   .env = env,
                                   .folder = work,
                                   .in = order_fd,
                                   .out = to,
                                   .error = STDERR_FILENO,
                                   .changes_user = has_own_user(h),
                                   .uid = user_of(h),
                                   .nice = 5,
                                   .oom_score = 500,
                                   .rlimits = { { RLIMIT_CORE, { 0, 0 } },
                                                { RLIMIT_NOFILE, { FILES, FILES } } },
                                   .rlimit_count = 2,
                                   .landlock = landlock,
                                   .filter = &filter,
                                   .dies_with_us = true };
    if (sk_rt_child_fork(&c, out, err) < 0 || sk_rt_child_go(out, err) < 0)
        return -1;
    *answers = sk_take_fd(&from);
    return 0;
}

/* A file nobody else can open, read from its start: an order may be larger than a pipe. */
static int order_file(const struct sk_buf *order, struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = memfd_create("order", MFD_CLOEXEC);

    if (fd < 0 || sk_write_all(fd, order->data, order->len) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return sk_fail_errno(err, "order");
    return sk_take_fd(&fd);
}

static int end_child(struct sk_rt_started *s, bool is_killed, struct sk_err *err)
{
    int status = 0;

    if (is_killed)
        (void)kill(s->pid, SIGKILL);
    while (waitpid(s->pid, &status, 0) < 0)
        if (errno != EINTR)
            return sk_fail_errno(err, "the download child");
    s->pid = -1;
    if (is_killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
        return 0;
    return sk_fail(err, SK_BUG, "the download child ended with %s %d",
                   WIFSIGNALED(status) ? "signal" : "status",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

int sk_rt_pull_ask(const struct sk_runtime_host *h, const char *image,
                   const struct sk_runtime_auth *auth, SK_RT_PROGRESS, void *ctx,
                   struct sk_rt_pulled *out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf order = SK_BUF_INIT(ORDER_BYTES);
    struct talk t = { .out = out, .progress = progress, .ctx = ctx };
    struct sk_rt_started child = SK_RT_STARTED_INIT;
    SK_AUTO(sk_close) int lock = -1;
    SK_AUTO(sk_close) int order_fd = -1;
    SK_AUTO(sk_close) int answers = -1;
    char work[SK_RT_PATH], tree[SK_RT_PATH + 8];

    if (open_work(h, image, work, &lock, err) < 0 ||
        write_order(h, image, work, auth, &order, err) < 0)
        return -1;
    order_fd = order_file(&order, err);
    if (order_fd < 0 || fork_child(h, work, order_fd, &child, &answers, err) < 0)
        return -1;
    int rc = listen_to(&t, answers, err);
    struct sk_err why = SK_ERR_INIT;
    if (end_child(&child, rc < 0, &why) < 0 && rc == 0)
        rc = sk_fail(err, why.code, "%s", why.text);
    if (rc < 0)
        return sk_wrap(err, "image '%s'", image);
    if (!t.has_result)
        return sk_fail(err, SK_BUG, "image '%s': the download child gave no answer", image);
    (void)snprintf(tree, sizeof tree, "%s/tree", work);
    if ((t.is_unpacked && sk_rt_images_adopt(h, tree, out->layer, err) < 0) ||
        sk_rt_images_keep(h, image, out, err) < 0)
        return sk_wrap(err, "image '%s'", image);
    if (out->is_native)
        sk_rt_images_touch(h, out->layer);
    return sk_remove_tree(work, err);
}
