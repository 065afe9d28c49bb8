/* policy_login.c - see policy_login_priv.h. */
#include "cli/policy_login_priv.h"

#include "base/clock.h"
#include "cli/remote_priv.h"
#include "iot/iot.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    LIFE_S = 600
};

static bool has_host(const struct sk_context *c, const char *host)
{
    const size_t len = strcspn(c->host, ":");

    return len == strlen(host) && strncasecmp(c->host, host, len) == 0;
}

static int copy(const struct sk_context *from, struct sk_context *to, struct sk_err *err)
{
    char *ca_file = from->ca_file ? strdup(from->ca_file) : NULL;

    if (from->ca_file && !ca_file)
        return sk_nomem(err);
    free(to->ca_file);
    *to = *from;
    to->ca_file = ca_file;
    to->token = NULL;
    return 0;
}

struct search {
    const char *host;
    struct sk_context *found;
};

/* The current context goes before others. */
static int look_at(void *ctx, const struct sk_context *c, bool is_current, struct sk_err *err)
{
    struct search *s = ctx;

    if (!has_host(c, s->host) || (s->found->url[0] && !is_current))
        return 0;
    return copy(c, s->found, err);
}

static int find_by_name(const char *host, struct sk_context *out, struct sk_err *err)
{
    SK_AUTO(sk_context_done) struct sk_context now = { 0 };
    struct sk_err unused = SK_ERR_INIT;
    struct search search = { host, out };
    char url[300];

    if (sk_context_load(NULL, &now, &unused) == 0 && has_host(&now, host))
        return copy(&now, out, err);
    if (sk_context_list(look_at, &search, err) < 0)
        return -1;
    if (out->url[0])
        return 0;
    (void)snprintf(url, sizeof url, "https://%s:443", host);
    return sk_context_set_url(out, url, err);
}

static int find_by_port(const char *host, struct sk_context *out, struct sk_err *err)
{
    SK_AUTO(sk_context_done) struct sk_context stored = { 0 };
    SK_AUTO(sk_context_done) struct sk_context now = { 0 };
    struct sk_err unused = SK_ERR_INIT;

    if (sk_context_load(NULL, &now, &unused) == 0 && strcasecmp(now.host, host) == 0)
        return copy(&now, out, err);
    if (sk_context_of_host(host, &stored, &unused) == 0)
        return copy(&stored, out, err);
    return sk_context_set_url(out, host, err);
}

/* SKERRY_CA_FILE goes before what is stored, and that before what all programs of this machine are
 * told to believe. */
static int set_ca(struct sk_context *c, struct sk_err *err)
{
    static const char *const names[] = { "SKERRY_CA_FILE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE" };

    for (size_t i = 0; i < sizeof names / sizeof names[0] && (i == 0 || !c->ca_file); i++) {
        const char *file = getenv(names[i]);
        if (!file || !*file)
            continue;
        char *given = strdup(file);
        if (!given)
            return sk_nomem(err);
        free(c->ca_file);
        c->ca_file = given;
    }
    return 0;
}

static int add_header(const struct sk_iot_connection *c, struct sk_buf *out, struct sk_err *err)
{
    char resource[256];

    (void)snprintf(resource, sizeof resource, "%.*s", (int)strcspn(c->host, ":"), c->host);
    sk_buf_str(out, "Authorization: ");
    if (sk_iot_sas_make(resource, c->key, c->policy, (int64_t)(sk_wall_ms() / 1000) + LIFE_S, out,
                        err) < 0)
        return sk_wrap(err, "--login");
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

static int log_in(const struct sk_iot_connection *c, struct sk_remote **out, struct sk_buf *header,
                  struct sk_err *err)
{
    SK_AUTO(sk_context_done) struct sk_context context = { 0 };

    if (!c->policy[0] || !c->key[0])
        return sk_fail(
            err, SK_INVALID,
            "--login: a policy's connection string is needed, "
            "HostName=..;SharedAccessKeyName=..;SharedAccessKey=..: see hub policy show");
    if ((strchr(c->host, ':') ? find_by_port : find_by_name)(c->host, &context, err) < 0 ||
        set_ca(&context, err) < 0 || add_header(c, header, err) < 0)
        return -1;
    return sk_cli_remote_new(&context, out, err);
}

int sk_cli_policy_login(const char *login, struct sk_remote **out, struct sk_buf *header,
                        struct sk_err *err)
{
    struct sk_iot_connection c;
    int rc = sk_iot_connection_parse(login, &c, err);

    rc = rc < 0 ? sk_wrap(err, "--login") : log_in(&c, out, header, err);
    explicit_bzero(&c, sizeof c);
    return rc;
}
