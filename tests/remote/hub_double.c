/* hub_double.c - see hub_double.h. */
#include "hub_double.h"

#include "base/file.h"
#include "crypto/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    BYTES_MAX = 64 << 20
};

static void answer(struct sk_http_req *r, int status, const char *json)
{
    sk_http_set_status(r, status);
    sk_buf_str(sk_http_out(r), json);
    sk_http_answer(r);
}

static void note(struct hub_double *h, const struct sk_http_req *r)
{
    const char *text = sk_http_header(r, "Authorization");
    (void)snprintf(h->authorization, sizeof h->authorization, "%s", text ? text : "");
}

static void begin(struct sk_http_req *r, void *ctx)
{
    struct hub_double *h = ctx;
    char json[64];
    note(h, r);
    sk_buf_clear(&h->upload);
    (void)snprintf(h->id, sizeof h->id, "id%u", ++h->posts);
    (void)snprintf(json, sizeof json, "{\"id\": \"%s\"}", h->id);
    answer(r, 202, json);
}

static bool is_here(struct hub_double *h, struct sk_http_req *r)
{
    if (h->id[0] && strcmp(sk_http_rest(r), h->id) == 0)
        return true;
    answer(r, 404, "{\"error\": \"no such upload\"}");
    return false;
}

static void status(struct sk_http_req *r, void *ctx)
{
    struct hub_double *h = ctx;
    char json[64];
    if (!is_here(h, r))
        return;
    (void)snprintf(json, sizeof json, "{\"size\": %zu}", h->upload.len);
    answer(r, 200, h->size ? h->size : json);
}

static int take(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    struct hub_double *h = ctx;
    uint64_t room = h->cut_puts && h->upload.len < h->cut_after ? h->cut_after - h->upload.len : 0;
    bool cuts = h->cut_puts > 0 && len > room;
    sk_buf_add(&h->upload, bytes, cuts ? (size_t)room : len);
    h->received += len;
    return cuts ? sk_fail(err, SK_IO, "cut") : 0;
}

static void finish(struct sk_http_req *r, const struct sk_err *failed, void *ctx)
{
    struct hub_double *h = ctx;
    const char *wanted = sk_http_query(r, "digest");
    char digest[80];
    if (failed) {
        h->cut_puts -= h->cut_puts > 0;
        sk_http_error(r, failed);
        sk_http_answer(r);
        return;
    }
    digest_of(h->upload.data ? h->upload.data : "", h->upload.len, digest);
    if (!wanted || strcmp(wanted, digest) != 0) {
        answer(r, 400, "{\"error\": \"the digest does not fit\"}");
        return;
    }
    hub_double_put(h, h->upload.data, h->upload.len);
    h->id[0] = '\0';
    if (h->lose_answers > 0) {
        h->lose_answers--;
        answer(r, 500, "{\"error\": \"lost\"}");
        return;
    }
    answer(r, 201, "{}");
}

static void put(struct sk_http_req *r, void *ctx)
{
    struct hub_double *h = ctx;
    const char *offset = sk_http_header(r, "Upload-Offset");
    h->puts++;
    note(h, r);
    if (h->busy > 0) {
        h->busy--;
        answer(r, 503, "{\"error\": \"busy\"}");
        return;
    }
    if (h->is_full) {
        answer(r, 507, "{\"error\": \"disk is full\"}");
        return;
    }
    if (h->forget > 0) {
        h->forget--;
        h->id[0] = '\0';
    }
    if (!is_here(h, r))
        return;
    if (!offset || strtoull(offset, NULL, 10) != h->upload.len) {
        answer(r, 416, "{\"error\": \"not there\"}");
        return;
    }
    sk_http_take_body(r, take, finish, h);
}

static void get(struct sk_http_req *r, void *ctx)
{
    struct hub_double *h = ctx;
    bool is_head = strcmp(sk_http_method(r), "HEAD") == 0;
    *(is_head ? &h->heads : &h->reads) += 1;
    note(h, r);
    if (!is_head && h->busy > 0) {
        h->busy--;
        answer(r, 503, "{\"error\": \"busy\"}");
        return;
    }
    if (strcmp(sk_http_rest(r), h->digest) != 0) {
        answer(r, 404, "{\"error\": \"no such blob\"}");
        return;
    }
    size_t len = h->blob.len;
    int fd = memfd_create("blob", MFD_CLOEXEC);
    if (fd < 0 || sk_write_all(fd, h->blob.data ? h->blob.data : "", len) < 0)
        abort();
    if (h->lies && pwrite(fd, "?", 1, 0) != 1)
        abort();
    if (h->ignores_range)
        sk_http_set_file(r, fd, 0, len);
    else
        (void)sk_http_send_range(r, fd, len, h->digest);
    sk_http_answer(r);
}

static void say(struct sk_http_req *r, void *ctx)
{
    const char *form = sk_http_query(r, "form"), *text = sk_http_query(r, "text");
    struct sk_buf *out = sk_http_out(r);
    note(ctx, r);
    text = text ? text : "";
    if (strcmp(form, "error") == 0)
        sk_buf_fmt(out, "{\"error\": \"%s\"}", text);
    else if (strcmp(form, "message") == 0)
        sk_buf_fmt(out, "{\"error_code\": \"RESOURCE_ALREADY_EXISTS\", \"message\": \"%s\"}", text);
    else if (strcmp(form, "errors") == 0)
        sk_buf_fmt(out, "{\"errors\": [{\"code\": \"X\", \"message\": \"%s\"}]}", text);
    else if (strcmp(form, "iot") == 0)
        sk_buf_fmt(out, "{\"Message\": \"ErrorCode:%s\"}", text);
    else if (strcmp(form, "garbage") == 0)
        sk_buf_str(out, "<html>");
    sk_http_set_status(r, (int)strtol(sk_http_query(r, "status"), NULL, 10));
    sk_http_answer(r);
}

/* Two events, of which the first says behind which one they come. */
static void stream(struct sk_http_req *r, void *ctx)
{
    const char *last = sk_http_header(r, "Last-Event-ID");
    note(ctx, r);
    sk_http_set_type(r, "text/event-stream");
    sk_buf_fmt(sk_http_out(r), ":\n\nid: 1\ndata: from %s\n\nid: 2\ndata: b\n\n", last ? last : "");
    sk_http_answer(r);
}

/* What came, and a field of its own: "TYPE,X-TEST,BODY". */
static void echo(struct sk_http_req *r, void *ctx)
{
    const char *type = sk_http_header(r, "Content-Type"), *test = sk_http_header(r, "X-Test");
    struct sk_view body = sk_http_body(r);
    note(ctx, r);
    sk_http_set_header(r, "X-Answer", "yes");
    sk_buf_fmt(sk_http_out(r), "%s,%s,%.*s", type ? type : "", test ? test : "", (int)body.len,
               body.len > 0 ? body.ptr : "");
    sk_http_answer(r);
}

static const struct sk_http_route routes[] = {
    { "POST", "/api/v1/uploads", 0, begin, NULL, 0 },
    { "GET", "/api/v1/uploads/", SK_HTTP_PREFIX, status, NULL, 0 },
    { "PUT", "/api/v1/uploads/", SK_HTTP_PREFIX | SK_HTTP_STREAM, put, NULL, BYTES_MAX },
    { "GET", "/api/v1/blobs/", SK_HTTP_PREFIX, get, NULL, 0 },
    { "GET", "/api/v1/say", 0, say, NULL, 0 },
    { "POST", "/api/v1/say", 0, say, NULL, 0 },
    { "GET", "/api/v1/stream", 0, stream, NULL, 0 },
    { "GET", "/api/v1/echo", 0, echo, NULL, 0 },
    { "POST", "/api/v1/echo", 0, echo, NULL, 4096 },
    { NULL, NULL, 0, NULL, NULL, 0 },
};

void hub_double_start(struct hub_double *h)
{
    struct sk_err err = SK_ERR_INIT;
    *h = (struct hub_double){ .upload = SK_BUF_INIT(BYTES_MAX), .blob = SK_BUF_INIT(BYTES_MAX) };
    const struct sk_http_options o = { .routes = routes, .listen_fd = -1, .threads = 1, .ctx = h };
    if (sk_http_start(&o, &h->server, &err) < 0)
        fail_msg("%s", err.text);
    (void)snprintf(h->url, sizeof h->url, "http://127.0.0.1:%u", sk_http_port(h->server));
}

void hub_double_stop(struct hub_double *h)
{
    sk_http_stop(h->server);
    sk_buf_done(&h->upload);
    sk_buf_done(&h->blob);
}

struct sk_remote *hub_double_remote(const struct hub_double *h, const char *token)
{
    struct sk_context c = { .name = "double" };
    struct sk_remote *r = NULL;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *copy = token ? strdup(token) : NULL;
    c.token = copy;
    if (sk_context_set_url(&c, h->url, &err) < 0 || sk_remote_new(&c, &r, &err) < 0)
        fail_msg("%s", err.text);
    return r;
}

void hub_double_put(struct hub_double *h, const void *bytes, size_t len)
{
    sk_buf_clear(&h->blob);
    sk_buf_add(&h->blob, bytes ? bytes : "", len);
    digest_of(bytes ? bytes : "", len, h->digest);
}

void make_bytes(struct sk_buf *out, size_t len, unsigned seed)
{
    sk_buf_clear(out);
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1103515245u + 12345u;
        sk_buf_chr(out, (char)(seed >> 16));
    }
    assert_true(sk_buf_ok(out));
}

void digest_of(const void *bytes, size_t len, char out[80])
{
    struct sk_err err = SK_ERR_INIT;
    (void)snprintf(out, 80, "sha256:");
    if (sk_sha256_hex(bytes, len, out + 7, &err) < 0)
        abort();
}

void enter_folder(char path[64])
{
    (void)snprintf(path, 64, "/tmp/skerry-remote-XXXXXX");
    assert_non_null(mkdtemp(path));
    assert_int_equal(setenv("SKERRY_CACHE_DIR", path, 1), 0);
    assert_int_equal(setenv("SKERRY_CONFIG_DIR", path, 1), 0);
    (void)unsetenv("SKERRY_HUB");
    (void)unsetenv("SKERRY_TOKEN");
    (void)unsetenv("SKERRY_CA_FILE");
}

void leave_folder(const char *path)
{
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(sk_remove_tree(path, &err), 0);
}
