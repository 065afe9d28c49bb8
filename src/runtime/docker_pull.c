/*
 * docker_pull.c - images by the Engine.
 *
 * Pulls from the hub go with the device's token, others with the deployment's credentials. When the
 * registry cannot be reached, an image that is here is used: a device starts its modules without a
 * network. When it says no, that counts.
 */
#include "runtime/docker_rt_priv.h"

#include "base/log.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

struct progress {
    SK_RT_PROGRESS;
    void *ctx;
};

static bool pass_on(void *ctx, const char *what)
{
    const struct progress *p = ctx;

    return !p->progress || p->progress(p->ctx, what, 0, 0);
}

/* "hub:443" of "hub:443/team/cats:v1"; an image without a host is Docker Hub's. */
static void registry_of(const char *image, char *out, size_t size)
{
    size_t len = strcspn(image, "/");
    bool is_host = image[len] && (memchr(image, '.', len) || memchr(image, ':', len) ||
                                  sk_starts_with(image, "localhost/"));

    (void)snprintf(out, size, "%.*s", is_host ? (int)len : 0, image);
}

static int fill_auth(const struct sk_runtime_host *h, const char *registry,
                     const struct sk_runtime_auth *given, struct sk_buf *token,
                     struct sk_docker_auth *out, struct sk_err *err)
{
    *out = (struct sk_docker_auth){ NULL, NULL, NULL };
    if (given && given->username) {
        *out = (struct sk_docker_auth){ given->username, given->password,
                                        given->address ? given->address : registry };
        return 0;
    }
    if (!registry[0] || !sk_rt_is_hub(h, registry) || !h->token)
        return 0;
    if (h->token(h->ctx, token, err) < 0)
        return -1;
    if (!sk_buf_ok(token))
        return sk_buf_fail(token, err);
    *out = (struct sk_docker_auth){ h->hub_user ? h->hub_user : "device", token->data, registry };
    return 0;
}

/* Whether the registry was reached and refused, or could not be asked. */
static bool is_refusal(enum sk_code code)
{
    return code == SK_DENIED || code == SK_NOT_FOUND || code == SK_INVALID || code == SK_FULL ||
           code == SK_CANCELLED || code == SK_UNSUPPORTED || code == SK_NOMEM;
}

static int find_here(const struct sk_docker *d, const char *image, struct sk_runtime_image *out,
                     struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    if (sk_docker_image(d, image, &doc, err) < 0)
        return -1;
    (void)snprintf(out->digest, sizeof out->digest, "%s", sk_json_get_text(doc, "Id", ""));
    return 0;
}

int sk_docker_rt_pull(const struct sk_runtime_host *h, const char *image,
                      const struct sk_runtime_auth *auth, bool may_pull, SK_RT_PROGRESS, void *ctx,
                      struct sk_runtime_image *out, struct sk_err *err)
{
    const struct sk_docker d = { sk_docker_rt_socket(h) };
    SK_AUTO(sk_buf_done) struct sk_buf token = SK_BUF_INIT(8 << 10);
    struct sk_err ignored = SK_ERR_INIT;
    struct progress p = { progress, ctx };
    struct sk_docker_auth login;
    char registry[300], id[80];

    if (!may_pull)
        return find_here(&d, image, out, err);
    registry_of(image, registry, sizeof registry);
    if (fill_auth(h, registry, auth, &token, &login, err) < 0)
        return -1;
    if (sk_docker_pull(&d, image, &login, pass_on, &p, id, err) == 0) {
        (void)snprintf(out->digest, sizeof out->digest, "%s", id);
        return 0;
    }
    if (is_refusal(err->code) || find_here(&d, image, out, &ignored) < 0)
        return -1;
    sk_log(SK_WARN, "pull_failed", "image=%s reason=\"%s\" next=\"using what is here\"", image,
           err->text);
    return 0;
}
