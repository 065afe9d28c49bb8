/* runtime_util.c - see runtime_util.h. */
#include "runtime/runtime_util.h"

#include "archive/archive.h"
#include "base/clock.h"
#include "base/str.h"
#include "crypto/crypto.h"
#include "harness/golden.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TEST_UID = 54000
};

int host_set_up(void **state)
{
    struct host *p = calloc(1, sizeof *p);

    assert_non_null(p);
    (void)snprintf(p->dir, sizeof p->dir, "/tmp/skerry-runtime-test.XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    assert_int_equal(chmod(p->dir, 0711), 0);
    (void)snprintf(p->data, sizeof p->data, "%s/data", p->dir);
    (void)snprintf(p->run, sizeof p->run, "%s/run", p->dir);
    assert_int_equal(mkdir(p->data, 0711), 0);
    assert_int_equal(mkdir(p->run, 0711), 0);
    p->h = (struct sk_runtime_host){ .data_dir = p->data,
                                     .run_dir = p->run,
                                     .program = getenv("SKERRY"),
                                     .docker_socket = "/nowhere/docker.sock" };
    p->registry = registry_start();
    *state = p;
    return 0;
}

int host_tear_down(void **state)
{
    struct host *p = *state;
    struct sk_err err = SK_ERR_INIT;

    DONE(sk_native_rt.sweep(&p->h, NULL, 0, &err));
    registry_free(p->registry);
    struct sk_rt_cgroups cg;
    DONE(sk_rt_cgroups_find(p->h.cgroup_root, p->run, &cg, &err));
    for (size_t i = 0; i < cg.count; i++) {
        char path[SK_RT_CGROUP_PATH];
        (void)snprintf(path, sizeof path, "%s/%s", cg.trees[i].root, cg.group);
        (void)rmdir(path);
    }
    DONE(sk_remove_tree(p->dir, &err));
    free(p);
    return 0;
}

const char *host_at(struct host *p, const char *name)
{
    static char names[8][512];
    static unsigned used;
    char *out = names[used++ % 8];

    (void)snprintf(out, sizeof names[0], "%s/%s", p->dir, name);
    return out;
}

bool host_with_users(struct host *p)
{
    if (geteuid() != 0)
        return false;
    p->h.first_uid = TEST_UID;
    return true;
}

/* ---- images ---- */

static int add_bytes(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    (void)err;
    sk_buf_add(ctx, bytes, len);
    return 0;
}

static void make_layer(const struct image *i, struct sk_buf *out)
{
    SK_OWN(sk_tar_writer_free) struct sk_tar_writer *w = NULL;
    SK_OWN(free) char *model = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;
    char name[128];

    if (i->model) {
        model = strdup(i->model);
        len = strlen(i->model);
    } else {
        DONE(sk_file_read(sk_source_path("tests/data/models/scores.onnx"), 64 << 20, &model, &len,
                          &err));
    }
    DONE(sk_tar_writer_new(SK_ARCHIVE_PLAIN, add_bytes, out, &w, &err));
    DONE(sk_tar_dir(w, "models", 0755, &err));
    (void)snprintf(name, sizeof name, "models/%s", i->name);
    DONE(sk_tar_dir(w, name, 0755, &err));
    (void)snprintf(name, sizeof name, "models/%s/model.onnx", i->name);
    DONE(sk_tar_file(w, name, 0644, len, &err));
    DONE(sk_tar_bytes(w, model, len, &err));
    if (i->padding > 0) {
        SK_OWN(free) char *zeros = calloc(1, i->padding);
        assert_non_null(zeros);
        (void)snprintf(name, sizeof name, "models/%s/padding", i->name);
        DONE(sk_tar_file(w, name, 0644, i->padding, &err));
        DONE(sk_tar_bytes(w, zeros, i->padding, &err));
    }
    DONE(sk_tar_finish(w, &err));
}

/* Under its digest, which is digest[] then. */
static void put_blob(struct host *p, const struct image *i, const struct sk_buf *b, char *digest)
{
    struct sk_err err = SK_ERR_INIT;
    char path[256];

    DONE(sk_digest_of(SK_SHA256, b->data, b->len, digest, &err));
    (void)snprintf(path, sizeof path, "/v2/%s/blobs/%s", i->name, digest);
    registry_put(p->registry, path, "application/octet-stream", b->data, b->len);
}

static void make_config(const struct image *i, const char *layer, struct sk_buf *out)
{
    const char *format = i->format ? i->format : "1";
    char cmd[160], labels[64] = "{}";

    (void)snprintf(cmd, sizeof cmd, "[\"/models/%s\"]", i->name);
    if (format[0])
        (void)snprintf(labels, sizeof labels, "{\"skerry.bundle\":\"%s\"}", format);
    sk_buf_fmt(out,
               "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Entrypoint\":%s,"
               "\"Env\":[\"PATH=/usr/bin\",\"SKERRY_HOST=0.0.0.0\",\"SKERRY_PORT=5001\"],"
               "\"Cmd\":%s,\"Labels\":%s},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[",
               i->entry ? i->entry : "[\"/usr/bin/skerry\",\"serve\"]", i->cmd ? i->cmd : cmd,
               labels);
    sk_buf_fmt(out, "\"sha256:%064d\",\"%s\"%s%s%s]}}", 1,
               i->is_wrong_id ? "sha256:"
                                "1111111111111111111111111111111111111111111111111111111111111111"
                              : layer,
               i->has_two_models ? ",\"" : "", i->has_two_models ? layer : "",
               i->has_two_models ? "\"" : "");
}

static void add_layer(struct sk_buf *out, const char *layer, size_t len, const char *kind)
{
    sk_buf_fmt(out,
               ",{\"mediaType\":\"" SK_OCI_LAYER "\",\"digest\":\"%s\",\"size\":%zu,"
               "\"annotations\":{\"skerry.layer\":\"%s\"}}",
               layer, len, kind);
}

void publish(struct host *p, const struct image *i, char *text)
{
    SK_AUTO(sk_buf_done) struct sk_buf layer = SK_BUF_INIT(64 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf config = SK_BUF_INIT(64 << 10);
    SK_AUTO(sk_buf_done) struct sk_buf manifest = SK_BUF_INIT(64 << 10);
    char layer_digest[SK_DIGEST_TEXT], config_digest[SK_DIGEST_TEXT], digest[SK_DIGEST_TEXT];
    struct sk_err err = SK_ERR_INIT;
    const char *tag = i->tag ? i->tag : "v1";
    char path[256];

    make_layer(i, &layer);
    put_blob(p, i, &layer, layer_digest);
    make_config(i, layer_digest, &config);
    put_blob(p, i, &config, config_digest);
    sk_buf_fmt(&manifest,
               "{\"schemaVersion\":2,\"mediaType\":\"" SK_OCI_MANIFEST "\",\"config\":{"
               "\"mediaType\":\"" SK_OCI_CONFIG "\",\"digest\":\"%s\",\"size\":%zu},\"layers\":["
               "{\"mediaType\":\"" SK_OCI_LAYER_GZIP "\",\"digest\":\"sha256:%064d\",\"size\":99,"
               "\"annotations\":{\"skerry.layer\":\"base\"}}",
               config_digest, config.len, 2);
    add_layer(&manifest, layer_digest, layer.len, i->has_no_model ? "other" : "model");
    if (i->has_two_models)
        add_layer(&manifest, layer_digest, layer.len, "model");
    sk_buf_str(&manifest, "]}");
    assert_true(sk_buf_ok(&manifest));
    DONE(sk_digest_of(SK_SHA256, manifest.data, manifest.len, digest, &err));
    (void)snprintf(path, sizeof path, "/v2/%s/manifests/%s", i->name, tag);
    registry_put(p->registry, path, SK_OCI_MANIFEST, manifest.data, manifest.len);
    (void)snprintf(path, sizeof path, "/v2/%s/manifests/%s", i->name, digest);
    registry_put(p->registry, path, SK_OCI_MANIFEST, manifest.data, manifest.len);
    (void)snprintf(text, 128, "%s/%s:%s", p->registry->host, i->name, tag);
}

struct sk_runtime_image pull(struct host *p, const char *image)
{
    struct sk_runtime_host h = p->h;
    struct sk_runtime_image out;
    struct sk_err err = SK_ERR_INIT;

    h.program = getenv("SKERRY");
    DONE(sk_runtime_pull(&h, image, NULL, NULL, true, NULL, NULL, &out, &err));
    return out;
}

/* ---- modules ---- */

void module_prepare(struct host *p, struct module *m, const char *does)
{
    static char self[512];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    assert_true(n > 0);
    self[n] = '\0';
    *m = (struct module){ .host = p, .socket = { "5001/tcp", -1 } };
    publish(p, &(struct image){ .name = "cats" }, m->name);
    m->image = pull(p, m->name);
    assert_int_equal(m->image.kind, SK_RUNTIME_NATIVE);
    m->s = (struct sk_runtime_start){ .module = "cats",
                                      .instance = "cats-1",
                                      .image = &m->image,
                                      .image_name = m->name,
                                      .create_options = "{}",
                                      .env = m->env };
    if (does) {
        (void)snprintf(m->does, sizeof m->does, "MODULE_DOES=%s", does);
        m->env[0] = m->does;
        p->h.program = self;
        return;
    }
    m->socket.fd = listen_somewhere(&m->port);
    m->s.sockets = &m->socket;
    m->s.socket_count = 1;
    m->s.create_options =
        "{\"HostConfig\":{\"PortBindings\":{\"5001/tcp\":[{\"HostPort\":\"5001\"}]}}}";
}

void module_wait_ready(const struct module *m)
{
    const uint64_t until = sk_now_ms() + 30000;
    struct sk_err err = SK_ERR_INIT;
    char path[SK_RT_PATH];

    DONE(sk_rt_keep_path(&m->host->h, m->s.instance, "home/ready", path, &err));
    while (access(path, F_OK) < 0 && sk_now_ms() < until)
        (void)usleep(1000);
    if (access(path, F_OK) < 0)
        fail_msg("'%s' does not get ready", m->does);
}

char *module_result(struct module *m, const char *name, struct sk_runtime_status *st)
{
    struct sk_err err = SK_ERR_INIT;
    char path[SK_RT_PATH], file[64];
    char *text = NULL;
    size_t len = 0;

    DONE(sk_runtime_start(&m->host->h, &m->s, &m->i, &err));
    assert_int_not_equal(wait_for_end(m->host, &m->i, 30000, st), SK_RUNTIME_RUNNING);
    (void)snprintf(file, sizeof file, "home/%s", name);
    DONE(sk_rt_keep_path(&m->host->h, m->s.instance, file, path, &err));
    DONE(sk_file_read(path, 1 << 20, &text, &len, &err));
    return text;
}

void module_done(struct module *m)
{
    struct sk_err err = SK_ERR_INIT;

    if (m->i.pid > 0) {
        DONE(sk_runtime_stop(&m->host->h, &m->i, 5000, &err));
        DONE(sk_runtime_remove(&m->host->h, &m->i, &err));
    }
    sk_close(&m->socket.fd);
}

/* ---- servers ---- */

int listen_somewhere(int *port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

int ask(int port, const char *request, char *body)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port) };
    struct timeval wait = { .tv_sec = 30 };
    char text[8192];
    size_t len = 0;
    ssize_t n;
    int status = 0;
    SK_AUTO(sk_close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
        return 0;
    (void)snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                   request);
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        return 0;
    while (len < sizeof text - 1 && (n = recv(fd, text + len, sizeof text - 1 - len, 0)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    if (sscanf(text, "HTTP/1.1 %d", &status) != 1)
        return 0;
    const char *end = strstr(text, "\r\n\r\n");
    if (body)
        (void)snprintf(body, 4096, "%s", end ? end + 4 : "");
    return status;
}

enum sk_runtime_state wait_for_end(struct host *p, const struct sk_instance *i, unsigned ms,
                                   struct sk_runtime_status *out)
{
    const uint64_t until = sk_now_ms() + ms;
    struct sk_err err = SK_ERR_INIT;

    for (;;) {
        DONE(sk_runtime_status(&p->h, i, out, &err));
        if (out->state != SK_RUNTIME_RUNNING || sk_now_ms() > until)
            return out->state;
        (void)usleep(10000);
    }
}
