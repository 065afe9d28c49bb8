/* image.c - images and the network of an Engine. */
#include "docker/docker_priv.h"

#include <stdio.h>
#include <string.h>

enum {
    PATH_BYTES = 8 << 10,
    PULL_QUIET_MS = 600000, /* unpacking a large layer tells nothing meanwhile */
    REMOVE_MS = 300000
};

/* "/images/<name><suffix>" of what would be pulled. */
static int image_path(const char *image, const char *suffix, struct sk_buf *out, struct sk_err *err)
{
    char repository[SK_DOCKER_NAME_MAX], tag[SK_DOCKER_NAME_MAX];

    if (sk_starts_with(image, "sha256:")) { /* an id */
        (void)snprintf(repository, sizeof repository, "%s", image);
        tag[0] = '\0';
    } else if (sk_docker_split(image, repository, tag, err) < 0) {
        return -1;
    }
    sk_buf_str(out, "/images/");
    sk_buf_percent(out, repository, strlen(repository), "/:");
    if (tag[0])
        sk_buf_chr(out, strchr(tag, ':') ? '@' : ':');
    sk_buf_percent(out, tag, strlen(tag), ":");
    sk_buf_str(out, suffix);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

int sk_docker_image(const struct sk_docker *d, const char *image, struct sk_json **out,
                    struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(PATH_BYTES);

    if (image_path(image, "/json", &path, err) < 0)
        return -1;
    return sk_docker_ask_json(d, &(struct sk_docker_call){ .path = path.data }, out, err);
}

int sk_docker_image_remove(const struct sk_docker *d, const char *image, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(PATH_BYTES);
    SK_AUTO(sk_unixhttp_answer_done) struct sk_unixhttp_answer a = { .status = 0 };

    if (image_path(image, "", &path, err) < 0)
        return -1;
    return sk_docker_ask(
        d,
        &(struct sk_docker_call){ .method = "DELETE", .path = path.data, .timeout_ms = REMOVE_MS },
        &a, err);
}

/* ---- pulls ---- */

static int feed(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    return sk_docker_progress_feed(ctx, bytes, len, err);
}

static int pull_path(const char *image, struct sk_buf *out, struct sk_err *err)
{
    char repository[SK_DOCKER_NAME_MAX], tag[SK_DOCKER_NAME_MAX];

    if (sk_docker_split(image, repository, tag, err) < 0)
        return -1;
    sk_buf_str(out, "/images/create?fromImage=");
    sk_buf_percent(out, repository, strlen(repository), "");
    sk_buf_str(out, "&tag=");
    sk_buf_percent(out, tag, strlen(tag), "");
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

static int run_pull(const struct sk_docker *d, const char *path, const char *header,
                    struct sk_docker_progress *p, struct sk_err *err)
{
    SK_AUTO(sk_unixhttp_answer_done) struct sk_unixhttp_answer a = { .status = 0 };
    const struct sk_docker_call c = { .method = "POST",
                                      .path = path,
                                      .header = header,
                                      .timeout_ms = PULL_QUIET_MS,
                                      .sink = feed,
                                      .ctx = p };

    if (sk_docker_ask(d, &c, &a, err) < 0)
        return -1;
    return sk_docker_progress_end(p, err);
}

int sk_docker_pull(const struct sk_docker *d, const char *image, const struct sk_docker_auth *auth,
                   bool (*progress)(void *ctx, const char *what), void *ctx, char id[80],
                   struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(PATH_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf header = SK_BUF_INIT(48 << 10);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_docker_progress p = { .progress = progress,
                                    .ctx = ctx,
                                    .line = SK_BUF_INIT(SK_DOCKER_LINE_MAX) };

    sk_buf_str(&header, "X-Registry-Auth: ");
    if (pull_path(image, &path, err) < 0 || sk_docker_auth_header(auth, &header, err) < 0)
        return sk_wrap(err, "pulling '%s'", image);
    int rc = run_pull(d, path.data, header.data, &p, err);
    sk_buf_done(&p.line);
    if (rc < 0 || sk_docker_image(d, image, &doc, err) < 0)
        return sk_wrap(err, "pulling '%s'", image);
    (void)snprintf(id, 80, "%s", sk_json_get_text(doc, "Id", ""));
    return 0;
}

/* ---- the network ---- */

/* The first IPv4 gateway, else the first; without a mask, which older Engines add. */
static void read_gateway(const struct sk_json *doc, char *out)
{
    const struct sk_json *configs = sk_json_get(sk_json_get(doc, "IPAM"), "Config");

    out[0] = '\0';
    for (size_t i = 0; i < sk_json_count(configs); i++) {
        const char *gateway = sk_json_get_text(sk_json_at(configs, i), "Gateway", "");
        size_t len = strcspn(gateway, "/");
        if (len == 0 || len >= 64 || (out[0] && strchr(gateway, ':')))
            continue;
        (void)snprintf(out, 64, "%.*s", (int)len, gateway);
        if (!strchr(out, ':'))
            return;
    }
}

static int look_at_network(const struct sk_docker *d, const char *name, char *gateway,
                           struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(PATH_BYTES);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    sk_buf_str(&path, "/networks/");
    sk_buf_percent(&path, name, strlen(name), "");
    if (!sk_buf_ok(&path))
        return sk_buf_fail(&path, err);
    if (sk_docker_ask_json(d, &(struct sk_docker_call){ .path = path.data }, &doc, err) < 0)
        return -1;
    read_gateway(doc, gateway);
    return 0;
}

static int make_network(const struct sk_docker *d, const char *name, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(PATH_BYTES);
    SK_AUTO(sk_unixhttp_answer_done) struct sk_unixhttp_answer a = { .status = 0 };

    sk_buf_str(&body, "{\"Name\":");
    sk_buf_json_str(&body, name);
    sk_buf_str(&body, ",\"Driver\":\"bridge\",\"CheckDuplicate\":true}");
    if (!sk_buf_ok(&body))
        return sk_buf_fail(&body, err);
    const struct sk_docker_call c = { .method = "POST", .path = "/networks/create", .body = &body };
    if (sk_docker_ask(d, &c, &a, err) < 0 && err->code != SK_EXISTS)
        return sk_wrap(err, "making the network '%s'", name);
    return 0; /* somebody else may have made it meanwhile */
}

int sk_docker_network(const struct sk_docker *d, const char *name, char *gateway,
                      struct sk_err *err)
{
    if (look_at_network(d, name, gateway, err) == 0)
        return 0;
    if (err->code != SK_NOT_FOUND)
        return -1;
    if (make_network(d, name, err) < 0)
        return -1;
    return look_at_network(d, name, gateway, err);
}
