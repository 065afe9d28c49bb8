/* cmd_context.c - `skerry context list`, `use`, `show`, `delete`: the hubs that were logged in to.
 */
#include "base/file.h"
#include "cli/cli_priv.h"
#include "cli/remote_priv.h"
#include "crypto/crypto.h"

#include <string.h>

enum {
    OUT_BYTES = 1 << 20,
    CA_BYTES = 1 << 20,
    NAME_WIDTH = 20,
    HOST_WIDTH = 32,
    USER_WIDTH = 20
};

struct args {
    bool json;
};

static const struct sk_opt options[] = {
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", .offset = offsetof(struct args, json) },
    { .name = NULL },
};
static const struct sk_opt none[] = { { .name = NULL } };

static void add_json(struct sk_buf *out, const char *key, const char *text, const char *end)
{
    sk_buf_fmt(out, "\"%s\": ", key);
    sk_buf_json_str(out, text);
    sk_buf_str(out, end);
}

/* Never the token itself. */
static void add_object(struct sk_buf *out, const struct sk_context *c, bool is_current)
{
    sk_buf_chr(out, '{');
    add_json(out, "name", c->name, ", ");
    add_json(out, "url", c->url, ", ");
    add_json(out, "user", c->user, ", ");
    sk_buf_fmt(out, "\"current\": %s, \"token\": %s, \"ca\": ", is_current ? "true" : "false",
               c->token ? "true" : "false");
    if (c->ca_file)
        sk_buf_json_str(out, c->ca_file);
    else
        sk_buf_str(out, "null");
    sk_buf_chr(out, '}');
}

/* ---- list ---- */

struct list {
    struct sk_buf *out;
    bool json;
    unsigned count;
};

static int add_context(void *ctx, const struct sk_context *c, bool is_current, struct sk_err *err)
{
    struct list *l = ctx;

    (void)err;
    if (l->json) {
        sk_buf_str(l->out, l->count++ ? ",\n " : "[");
        add_object(l->out, c, is_current);
        return 0;
    }
    if (l->count++ == 0)
        sk_buf_fmt(l->out, "  %-*s  %-*s  %-*s  %s\n", NAME_WIDTH, "NAME", HOST_WIDTH, "HUB",
                   USER_WIDTH, "USER", "TOKEN");
    sk_buf_str(l->out, is_current ? "* " : "  ");
    sk_cli_cell(l->out, c->name, NAME_WIDTH);
    sk_cli_cell(l->out, c->host, HOST_WIDTH);
    sk_cli_cell(l->out, c->user, USER_WIDTH);
    sk_buf_fmt(l->out, "%s\n", c->token ? "yes" : "no");
    return 0;
}

static int list(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(OUT_BYTES);
    struct list l = { .out = &out, .json = ((const struct args *)args)->json };

    (void)operands;
    (void)count;
    if (sk_context_list(add_context, &l, err) < 0)
        return -1;
    if (l.json)
        sk_buf_str(&out, l.count ? "]\n" : "[]\n");
    else if (l.count == 0)
        sk_buf_str(&out, "no contexts: 'skerry login HUB' makes one\n");
    return sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_context_list = {
    .name = "context list",
    .summary = "Lists the hubs that you logged in to",
    .details = "The current one, which commands use unless --hub or SKERRY_HUB names another, has "
               "a star.",
    .options = options,
    .args_size = sizeof(struct args),
    .run = list,
};

/* ---- use ---- */

static int use(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1024);

    (void)args;
    (void)count;
    if (sk_context_use(operands[0], err) < 0)
        return -1;
    sk_buf_fmt(&out, "context '%s' is current\n", operands[0]);
    return sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_context_use = {
    .name = "context use",
    .operands = "NAME",
    .summary = "Makes a context the current one",
    .options = none,
    .args_size = 0,
    .min_operands = 1,
    .max_operands = 1,
    .run = use,
};

/* ---- show ---- */

static int find_current(void *ctx, const struct sk_context *c, bool is_current, struct sk_err *err)
{
    char *name = ctx;

    (void)err;
    if (is_current)
        memcpy(name, c->name, sizeof c->name);
    return 0;
}

static void add_ca(struct sk_buf *out, const struct sk_context *c)
{
    SK_OWN(free) char *pem = NULL;
    struct sk_cert_info info;
    struct sk_err why = SK_ERR_INIT;
    size_t len = 0;

    if (!c->ca_file) {
        sk_buf_str(out, "CA     the system's certificates\n");
        return;
    }
    sk_buf_fmt(out, "CA     %s\n", c->ca_file);
    if (sk_file_read(c->ca_file, CA_BYTES, &pem, &len, &why) < 0 ||
        sk_cert_info(pem, len, &info, &why) < 0)
        sk_buf_fmt(out, "       %s\n", why.text);
    else
        sk_buf_fmt(out, "       sha256:%s\n", info.sha256);
}

static int show(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(OUT_BYTES);
    SK_AUTO(sk_context_done) struct sk_context c = { .name = "" };
    char current[sizeof c.name] = "";

    if (sk_context_load(count > 0 ? operands[0] : NULL, &c, err) < 0 ||
        sk_context_list(find_current, current, err) < 0)
        return -1;
    bool is_current = c.name[0] && strcmp(current, c.name) == 0;
    if (((const struct args *)args)->json) {
        add_object(&out, &c, is_current);
        sk_buf_chr(&out, '\n');
        return sk_cli_print(&out, err);
    }
    sk_buf_fmt(&out, "name   %s%s\n", c.name[0] ? c.name : "(none)", is_current ? ", current" : "");
    sk_buf_fmt(&out, "URL    %s\n", c.url);
    sk_buf_fmt(&out, "user   %s\n", c.user[0] ? c.user : "(unknown)");
    sk_buf_fmt(&out, "token  %s\n", c.token ? "stored" : "none");
    add_ca(&out, &c);
    return sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_context_show = {
    .name = "context show",
    .operands = "[NAME]",
    .summary = "Shows where a context leads, whom it trusts, and as whom",
    .details = "Without NAME: the hub that a command would use now, with SKERRY_HUB, SKERRY_TOKEN "
               "and SKERRY_CA_FILE looked at. The token itself is never shown.",
    .options = options,
    .args_size = sizeof(struct args),
    .max_operands = 1,
    .run = show,
};

/* ---- delete ---- */

struct others {
    struct sk_buf names;
    bool has_current;
};

static void others_done(struct others *o)
{
    sk_buf_done(&o->names);
}

static int add_other(void *ctx, const struct sk_context *c, bool is_current, struct sk_err *err)
{
    struct others *o = ctx;

    (void)err;
    o->has_current |= is_current;
    sk_buf_fmt(&o->names, "%s%s", o->names.len ? ", " : "", c->name);
    return 0;
}

/* No context is current any more: which could be. */
static int add_others(struct sk_buf *out, struct sk_err *err)
{
    SK_AUTO(others_done) struct others o = { .names = SK_BUF_INIT(OUT_BYTES) };

    if (sk_context_list(add_other, &o, err) < 0)
        return -1;
    if (!sk_buf_ok(&o.names))
        return sk_buf_fail(&o.names, err);
    if (o.names.len == 0)
        sk_buf_str(out, "no context is left: 'skerry login HUB' makes one\n");
    else if (!o.has_current)
        sk_buf_fmt(out, "no context is current now; 'skerry context use NAME' takes one of: %s\n",
                   o.names.data);
    return 0;
}

static int delete (const void *args, char **operands, unsigned count, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(2 * OUT_BYTES);

    (void)args;
    (void)count;
    if (sk_context_delete(operands[0], err) < 0)
        return -1;
    sk_buf_fmt(&out, "context '%s' is gone, with its token and CA\n", operands[0]);
    if (add_others(&out, err) < 0)
        return sk_wrap(err, "context '%s' is gone; the others", operands[0]);
    return sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_context_delete = {
    .name = "context delete",
    .operands = "NAME",
    .summary = "Removes a context with its token and CA",
    .options = none,
    .args_size = 0,
    .min_operands = 1,
    .max_operands = 1,
    .run = delete,
};
