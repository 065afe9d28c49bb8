/*
 * call.c - one call to the Engine.
 *
 * We speak API 1.44. An Engine that is older or much newer refuses with the version that it wants,
 * and the call is made again with that: what we use is the same in all from 1.40 on. No connection
 * at all, or one that ends in the middle of an answer, means that the Engine is away, which says
 * nothing about its containers: SK_BUSY.
 */
#include "docker/docker_priv.h"

#include <stdio.h>
#include <string.h>

#define VERSION "1.44"

enum {
    PATH_BYTES = 16 << 10,
    TIMEOUT_MS = 60000
};

void sk_docker_wanted_version(const char *words, char *version)
{
    static const char *const marks[] = { "aximum supported API version is ",
                                         "inimum supported API version is " };

    version[0] = '\0';
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        const char *at = strstr(words, marks[i]);
        if (!at)
            continue;
        at += strlen(marks[i]);
        size_t len = strspn(at, "0123456789.");
        while (len && at[len - 1] == '.')
            len--;
        if (len > 2 && len < 16)
            (void)snprintf(version, 16, "%.*s", (int)len, at);
    }
}

static int ask_version(const struct sk_docker *d, const struct sk_docker_call *c,
                       const char *version, struct sk_unixhttp_answer *out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf target = SK_BUF_INIT(PATH_BYTES);
    const char *const headers[] = { c->header, NULL };

    if (version[0])
        sk_buf_fmt(&target, "/v%s", version);
    sk_buf_str(&target, c->path);
    if (!sk_buf_ok(&target))
        return sk_buf_fail(&target, err);
    const struct sk_unixhttp_request r = {
        .socket = d->socket,
        .method = c->method,
        .target = target.data,
        .headers = headers,
        .body = c->body ? (struct sk_view){ c->body->data, c->body->len }
                        : (struct sk_view){ "", 0 },
        .timeout_ms = c->timeout_ms ? c->timeout_ms : TIMEOUT_MS,
        .sink = c->sink,
        .ctx = c->ctx,
    };
    return sk_unixhttp_do(&r, out, err);
}

/* The Engine's error in our terms. */
static int judge(const struct sk_unixhttp_answer *a, struct sk_err *err)
{
    if (a->status < 400 && (err->code == SK_NOT_FOUND || err->code == SK_IO)) {
        err->code = SK_BUSY;
        return sk_wrap(err, "no Docker Engine answers");
    }
    if (a->status == 400)
        err->code = SK_INVALID;
    else if (err->code == SK_REMOTE)
        err->code = sk_docker_meaning(err->text, SK_REMOTE);
    return -1;
}

/* Tells an error of the caller's sink from one of the connection, and keeps its words. */
struct guard {
    const struct sk_docker_call *c;
    bool has_failed;
    struct sk_err said;
};

static int guarded(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    struct guard *g = ctx;

    if (g->c->sink(g->c->ctx, bytes, len, err) == 0)
        return 0;
    g->has_failed = true;
    g->said = *err;
    return -1;
}

int sk_docker_ask(const struct sk_docker *d, const struct sk_docker_call *c,
                  struct sk_unixhttp_answer *out, struct sk_err *err)
{
    struct guard g = { .c = c };
    struct sk_docker_call inner = *c;
    char version[16];

    if (c->sink) {
        inner.sink = guarded;
        inner.ctx = &g;
    }
    int rc = ask_version(d, &inner, VERSION, out, err);
    if (rc < 0 && out->status == 400) {
        sk_docker_wanted_version(err->text, version);
        if (version[0]) {
            sk_unixhttp_answer_done(out);
            rc = ask_version(d, &inner, version, out, err);
        }
    }
    if (rc < 0 && g.has_failed)
        *err = g.said;
    else if (rc < 0)
        return judge(out, err);
    return rc;
}

int sk_docker_ask_json(const struct sk_docker *d, const struct sk_docker_call *c,
                       struct sk_json **out, struct sk_err *err)
{
    SK_AUTO(sk_unixhttp_answer_done) struct sk_unixhttp_answer a = { .status = 0 };

    if (sk_docker_ask(d, c, &a, err) < 0)
        return -1;
    if (sk_json_parse(a.body.data ? a.body.data : "", a.body.len, NULL, out, err) < 0)
        return sk_wrap(err, "the Docker Engine's answer to %.*s", (int)strcspn(c->path, "?"),
                       c->path);
    return 0;
}

int sk_docker_ping(const struct sk_docker *d, char *version, struct sk_err *err)
{
    const struct sk_docker_call c = { .path = "/version", .timeout_ms = 10000 };
    SK_AUTO(sk_unixhttp_answer_done) struct sk_unixhttp_answer a = { .status = 0 };
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    if (ask_version(d, &c, "", &a, err) < 0)
        return judge(&a, err);
    if (sk_json_parse(a.body.data ? a.body.data : "", a.body.len, NULL, &doc, err) < 0)
        return sk_wrap(err, "the Docker Engine's version");
    if (version)
        (void)snprintf(version, 64, "%.32s", sk_json_get_text(doc, "Version", "unknown"));
    return 0;
}
