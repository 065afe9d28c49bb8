/*
 * runtime.c - the two runtimes as rows, and which of them an image is for.
 *
 *     wanted      the image                     runs
 *     native      skerry serve, known bundle    natively
 *     native      another                       not at all: SK_UNSUPPORTED
 *     docker      any                           by Docker
 *     -           skerry serve, known bundle    natively
 *     -           another                       by Docker
 */
#include "runtime/runtime_priv.h"

#include "base/log.h"
#include "base/str.h"
#include "unixhttp/unixhttp.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct sk_rt_row *row_of(enum sk_runtime_kind kind)
{
    static const struct sk_rt_row *const rows[] = {
        [SK_RUNTIME_NATIVE] = &sk_native_rt,
        [SK_RUNTIME_DOCKER] = &sk_docker_rt,
    };

    return rows[kind];
}

void sk_rt_note(char *note, const char *fmt, ...)
{
    size_t have = strlen(note);
    va_list args;

    if (have > 0 && have + 2 < SK_RT_NOTE) {
        memcpy(note + have, "; ", 3);
        have += 2;
    }
    va_start(args, fmt);
    (void)vsnprintf(note + have, SK_RT_NOTE - have, fmt, args);
    va_end(args);
}

/* "NAME", or "NAME:443", is the same as "NAME:443" and "NAME". */
bool sk_rt_is_hub(const struct sk_runtime_host *h, const char *host)
{
    const char *hub = h->hub_host;
    size_t len = hub ? strlen(hub) : 0, other = strlen(host);

    if (!hub)
        return false;
    len -= sk_ends_with(hub, ":443") ? 4 : 0;
    other -= sk_ends_with(host, ":443") ? 4 : 0;
    return len == other && strncasecmp(hub, host, len) == 0;
}

/* ---- pulls ---- */

/* The registry cannot be asked now, which says nothing about the image. */
static bool is_offline(const struct sk_err *why)
{
    return why->code == SK_IO || why->code == SK_TIMEOUT || why->code == SK_BUSY ||
           why->code == SK_REMOTE;
}

static void pulled_done(struct sk_rt_pulled *p)
{
    sk_buf_done(&p->config);
}

static int pull_native(const struct sk_runtime_host *h, const char *image,
                       const struct sk_runtime_auth *auth, bool may_pull, SK_RT_PROGRESS, void *ctx,
                       struct sk_runtime_image *out, struct sk_err *err)
{
    SK_AUTO(pulled_done) struct sk_rt_pulled p = { .config = SK_BUF_INIT(SK_OCI_MANIFEST_MAX) };
    struct sk_err why = SK_ERR_INIT, ignored = SK_ERR_INIT;

    if (!may_pull)
        return sk_rt_images_find(h, image, out, err);
    int rc = sk_rt_pull_ask(h, image, auth, progress, ctx, &p, &why);
    if (rc == 0)
        return sk_rt_images_find(h, image, out, err);
    if (is_offline(&why) && sk_rt_images_find(h, image, out, &ignored) == 0) {
        sk_log(SK_WARN, "pull_failed", "image=%s reason=\"%s\" next=\"using what is here\"", image,
               why.text);
        return 0;
    }
    *err = why;
    return -1;
}

int sk_runtime_pull(const struct sk_runtime_host *h, const char *image, const char *wanted,
                    const struct sk_runtime_auth *auth, bool may_pull, SK_RT_PROGRESS, void *ctx,
                    struct sk_runtime_image *out, struct sk_err *err)
{
    struct sk_runtime_image found = { .kind = SK_RUNTIME_DOCKER };
    struct sk_err why = SK_ERR_INIT;
    const bool is_native = wanted && strcmp(wanted, "native") == 0;

    if (wanted && !is_native && strcmp(wanted, "docker") != 0)
        return sk_fail(err, SK_INVALID, "SKERRY_RUNTIME: '%.60s' is none of native, docker",
                       wanted);
    if (!wanted || is_native) {
        int rc = pull_native(h, image, auth, may_pull, progress, ctx, &found, &why);
        const bool may_be_docker = !is_native && !may_pull && why.code == SK_NOT_FOUND;

        if (rc < 0 && !may_be_docker) {
            *err = why;
            return -1;
        }
        if (rc == 0 && found.kind == SK_RUNTIME_NATIVE) {
            *out = found;
            return 0;
        }
        if (is_native)
            return sk_fail(err, SK_UNSUPPORTED,
                           "image '%s' cannot run natively: %s; SKERRY_RUNTIME=docker runs it on a "
                           "Docker Engine",
                           image, found.why);
    } else {
        (void)snprintf(found.why, sizeof found.why, "SKERRY_RUNTIME=docker");
    }
    if (sk_docker_rt_pull(h, image, auth, may_pull, progress, ctx, &found, err) < 0)
        return found.why[0] ? sk_wrap(err, "for Docker, since %s", found.why) : -1;
    found.kind = SK_RUNTIME_DOCKER;
    found.layer[0] = found.model_path[0] = '\0';
    *out = found;
    return 0;
}

/* ---- instances ---- */

int sk_runtime_check(const struct sk_runtime_host *h, const struct sk_runtime_start *s, char *note,
                     struct sk_err *err)
{
    note[0] = '\0';
    return row_of(s->image->kind)->check(h, s, note, err);
}

int sk_runtime_start(const struct sk_runtime_host *h, const struct sk_runtime_start *s,
                     struct sk_instance *out, struct sk_err *err)
{
    struct sk_instance i = { .kind = s->image->kind };

    if (snprintf(i.module, sizeof i.module, "%s", s->module) >= (int)sizeof i.module ||
        snprintf(i.instance, sizeof i.instance, "%s", s->instance) >= (int)sizeof i.instance)
        return sk_fail(err, SK_LIMIT, "module '%.130s...': the name is too long", s->module);
    if (row_of(i.kind)->start(h, s, &i, err) < 0)
        return -1;
    *out = i;
    return 0;
}

int sk_runtime_status(const struct sk_runtime_host *h, const struct sk_instance *i,
                      struct sk_runtime_status *out, struct sk_err *err)
{
    return row_of(i->kind)->status(h, i, out, err);
}

int sk_runtime_watch(const struct sk_instance *i)
{
    return row_of(i->kind)->watch(i);
}

int sk_runtime_stop(const struct sk_runtime_host *h, const struct sk_instance *i, unsigned grace_ms,
                    struct sk_err *err)
{
    return row_of(i->kind)->stop(h, i, grace_ms, err);
}

int sk_runtime_remove(const struct sk_runtime_host *h, const struct sk_instance *i,
                      struct sk_err *err)
{
    return row_of(i->kind)->remove(h, i, err);
}

bool sk_runtime_has_process(const struct sk_runtime_host *h, const struct sk_instance *i, pid_t pid,
                            uid_t uid)
{
    return row_of(i->kind)->has_process(h, i, pid, uid);
}

int sk_runtime_logs(const struct sk_runtime_host *h, const struct sk_instance *i, unsigned tail,
                    int64_t since_s, int64_t until_s, bool follow, SK_RT_SINK, void *ctx,
                    struct sk_err *err)
{
    return row_of(i->kind)->logs(h, i, tail, since_s, until_s, follow, sink, ctx, err);
}

int sk_runtime_sweep(const struct sk_runtime_host *h, const struct sk_instance *known, size_t count,
                     struct sk_err *err)
{
    if (sk_native_rt.sweep(h, known, count, err) < 0)
        return -1;
    return sk_docker_rt.sweep(h, known, count, err);
}

void sk_runtime_awake(const struct sk_instance *i)
{
    if (i->kind == SK_RUNTIME_NATIVE)
        sk_rt_native_awake(i);
}

int sk_runtime_control(const struct sk_instance *i, const char *what, uint64_t timeout_ms,
                       struct sk_json **out, struct sk_err *err)
{
    struct sk_unixhttp_answer a = { 0 };
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    char target[80];
    const bool is_question = strcmp(what, "state") == 0;

    if (out)
        *out = NULL;
    if (i->kind == SK_RUNTIME_DOCKER)
        return sk_docker_rt_control(i, what, err);
    if (!i->control[0])
        return sk_fail(err, SK_UNSUPPORTED, "instance '%s' has no control socket", i->instance);
    if (strcmp(what, "accept") == 0 || strcmp(what, "test") == 0)
        sk_rt_native_awake(i);
    (void)snprintf(target, sizeof target, "/control/%.60s", what);
    const struct sk_unixhttp_request q = { .socket = i->control,
                                           .method = is_question ? "GET" : "POST",
                                           .target = target,
                                           .timeout_ms = timeout_ms };
    int rc = sk_unixhttp_do(&q, &a, err);
    if (rc == 0)
        rc = sk_json_parse(a.body.data ? a.body.data : "", a.body.len, NULL, &doc, err);
    sk_unixhttp_answer_done(&a);
    if (rc < 0)
        return sk_wrap(err, "instance '%s', %s", i->instance, what);
    if (out)
        *out = SK_TAKE(doc);
    return 0;
}
