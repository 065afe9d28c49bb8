/*
 * image_common.c - which registry a command talks to, and as whom.
 *
 * A name without a host is the hub's, when one is logged in to, else docker.io's. A hub's registry
 * gets the token of the context that has its host and is checked with its CA, whether that context
 * is the current one or not; other registries get what --username or docker's configuration say,
 * and never a hub's token.
 */
#include "cli/image_priv.h"

#include "base/file.h"
#include "base/str.h"
#include "cli/cli_priv.h"

#include <strings.h>

enum {
    PASSWORD_BYTES = 64 << 10,
    RETRIES = 3
};

static bool show(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    return what ? sk_transfer_progress(ctx, what, done, total) : true;
}

/* The context, or an empty one when there is none and none was asked for. */
static int find_context(const char *hub, struct sk_context *out, struct sk_err *err)
{
    struct sk_err why = SK_ERR_INIT;

    if (sk_context_load(hub, out, &why) == 0)
        return 0;
    *out = (struct sk_context){ 0 };
    if (hub || why.code != SK_NOT_FOUND || getenv("SKERRY_HUB")) {
        *err = why;
        return -1;
    }
    return 0;
}

/* A host that is not c's may be that of another hub that was logged in to; then c becomes that. */
static int find_other(const char *host, struct sk_context *c, struct sk_err *err)
{
    SK_AUTO(sk_context_done) struct sk_context other = { 0 };
    struct sk_err why = SK_ERR_INIT;

    if (strcasecmp(c->host, host) == 0)
        return 0;
    if (sk_context_of_host(host, &other, &why) < 0) {
        if (why.code != SK_NOMEM)
            return 0; /* a registry as others are */
        *err = why;
        return -1;
    }
    sk_context_done(c);
    *c = other;
    other = (struct sk_context){ 0 };
    return 0;
}

/* Without the line's end. */
static int read_password(const char *path, char **out, struct sk_err *err)
{
    size_t len = 0;

    if (!path)
        return 0;
    if (sk_file_read(path, PASSWORD_BYTES, out, &len, err) < 0)
        return sk_wrap(err, "--password-file");
    while (len > 0 && ((*out)[len - 1] == '\n' || (*out)[len - 1] == '\r'))
        (*out)[--len] = '\0';
    return 0;
}

static int open_registry(const struct sk_cli_registry *opts, struct sk_context *c,
                         const char *mount_from, struct sk_cli_image *out, struct sk_err *err)
{
    SK_OWN(free) char *password = NULL;
    if (opts->username && !opts->password_file)
        return sk_fail(err, SK_USAGE, "--username needs --password-file");
    if (opts->password_file && !opts->username)
        return sk_fail(err, SK_USAGE, "--password-file needs --username");
    if (read_password(opts->password_file, &password, err) < 0 ||
        find_other(out->ref.host, c, err) < 0)
        return -1;

    bool is_hub = strcasecmp(c->host, out->ref.host) == 0;
    const struct sk_oci_options o = {
        .host = out->ref.host,
        .ca_file = opts->ca_file ? opts->ca_file
                   : is_hub      ? c->ca_file
                                 : NULL,
        .username = opts->username,
        .password = password,
        .token = is_hub && !opts->username ? c->token : NULL,
        .plain_http = opts->plain_http || (is_hub && sk_starts_with(c->url, "http://")),
        .retries = RETRIES,
        .mount_from = mount_from,
        .progress = show,
        .ctx = &out->transfer,
        .waiting = sk_cli_waiting,
    };
    return sk_oci_registry_new(&o, &out->registry, err);
}

int sk_cli_image_open(const struct sk_cli_registry *opts, const char *reference, const char *verb,
                      const char *mount_from, struct sk_cli_image *out, struct sk_err *err)
{
    SK_AUTO(sk_context_done) struct sk_context c = { 0 };

    *out = (struct sk_cli_image){ .transfer.verb = verb };
    if (find_context(opts->hub, &c, err) < 0 ||
        sk_oci_ref_parse(reference, c.host[0] ? c.host : NULL, &out->ref, err) < 0)
        return -1;
    return open_registry(opts, &c, mount_from, out, err);
}

int sk_cli_registry_open(const struct sk_cli_registry *opts, const char *host, const char *verb,
                         struct sk_cli_image *out, struct sk_err *err)
{
    SK_AUTO(sk_context_done) struct sk_context c = { 0 };

    *out = (struct sk_cli_image){ .transfer.verb = verb };
    if (find_context(opts->hub, &c, err) < 0)
        return -1;
    if (!host && !c.host[0])
        return sk_fail(err, SK_NOT_FOUND,
                       "no hub: run 'skerry login HUB', or name a registry: HOST[:PORT]");
    if (strlen(host ? host : c.host) >= sizeof out->ref.host)
        return sk_fail(err, SK_INVALID, "'%.100s' is no host: NAME or NAME:PORT", host);
    (void)snprintf(out->ref.host, sizeof out->ref.host, "%s", host ? host : c.host);
    return open_registry(opts, &c, NULL, out, err);
}

void sk_cli_image_done(struct sk_cli_image *i)
{
    sk_transfer_end(&i->transfer);
    sk_oci_registry_free(i->registry);
    i->registry = NULL;
}

const char *sk_cli_image_reference(const struct sk_oci_ref *ref)
{
    return ref->digest[0] ? ref->digest : ref->tag;
}
