/* cmd_hub_token.c - `skerry hub token create`, `list`, `revoke`. */
#include "base/str.h"
#include "cli/cli_priv.h"
#include "cli/hub_door_priv.h"

#include <stdlib.h>
#include <string.h>

struct args {
    const char *data_dir, *hub;
    const char *user, *role, *note;
    uint64_t days;
    bool json;
};

#define AT(field) .offset = offsetof(struct args, field)

enum {
    LIST_BYTES = 64 << 20,
    DAY_MS = 86400000,
    DAYS_MAX = 36500
};

/* clang-format off */
#define WHERE                                                                                      \
    { "data-dir", 'd', SK_OPT_TEXT, "DIR", "the hub's folder, opened here instead of asking the hub",          \
      AT(data_dir), .group = "Hub" },                                                              \
    SK_CLI_HUB_OPTION(struct args)

static const struct sk_opt create_options[] = {
    { "user", 'u', SK_OPT_TEXT, "NAME", "whom the token names", AT(user) },
    { "role", 'r', SK_OPT_CHOICE, "ROLE",
      "reader: list and download; publisher: also register, push and delete; deployer: read, and "
      "devices; owner: all", .choices = "reader|publisher|deployer|owner", AT(role) },
    { "note", 0, SK_OPT_TEXT, "TEXT", "what it is for", AT(note) },
    { "days", 0, SK_OPT_U64, "N", "days until it expires; 0: never",
      .def = "0", .max = DAYS_MAX, AT(days) },
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", AT(json) },
    WHERE,
    { .name = NULL },
};

static const struct sk_opt list_options[] = {
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", AT(json) },
    WHERE,
    { .name = NULL },
};

static const struct sk_opt revoke_options[] = {
    WHERE,
    { .name = NULL },
};

/* clang-format on */

/* ---- create ---- */

static int create_here(struct sk_hub_door *d, const struct args *a, struct sk_json **out,
                       struct sk_err *err)
{
    char secret[SK_TOKEN_TEXT], id[20];
    enum sk_role role;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(4096);
    if (sk_role_parse(a->role, &role, err) < 0 ||
        sk_token_create(d->accounts, &d->who, a->user, role, a->note, a->days * DAY_MS, secret, id,
                        err) < 0)
        return -1;
    sk_buf_fmt(&b, "{\"id\":\"%s\",\"role\":\"%s\",\"user\":", id, a->role);
    sk_buf_json_str(&b, a->user);
    sk_buf_fmt(&b, ",\"secret\":\"%s\"}", secret);
    explicit_bzero(secret, sizeof secret);
    return sk_hub_door_parse(&b, out, err);
}

static int create_there(struct sk_hub_door *d, const struct args *a, struct sk_json **out,
                        struct sk_err *err)
{
    const char *note = a->note ? a->note : "";
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(65536);
    sk_buf_str(&b, "{\"user\":");
    sk_buf_json_str(&b, a->user);
    sk_buf_fmt(&b, ",\"role\":\"%s\",\"note\":", a->role);
    sk_buf_json_str(&b, note);
    sk_buf_fmt(&b, ",\"life_ms\":%llu}", (unsigned long long)a->days * DAY_MS);
    if (!sk_buf_ok(&b))
        return sk_buf_fail(&b, err);
    return sk_remote_call(d->remote, "POST", "/api/v1/tokens", b.data, out, err);
}

static int run_create(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_AUTO(sk_hub_door_close) struct sk_hub_door d = { 0 };
    SK_OWN(sk_json_free) struct sk_json *made = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(4096);
    (void)operands;
    (void)count;
    if (!a->user || !a->role)
        return sk_fail(err, SK_USAGE, "%s is missing", a->user ? "--role" : "--user");
    if (sk_hub_door_open(&d, a->data_dir, a->hub, err) < 0 ||
        (d.remote ? create_there : create_here)(&d, a, &made, err) < 0)
        return -1;
    if (a->json)
        return sk_cli_print_json(made, err);
    (void)fprintf(stderr, "token %s for %s, role %s; it is shown this once:\n",
                  sk_json_get_text(made, "id", ""), a->user, a->role);
    sk_buf_fmt(&out, "%s\n", sk_json_get_text(made, "secret", ""));
    return sk_cli_print(&out, err);
}

/* ---- list ---- */

static int add_token(void *ctx, const struct sk_token *t, struct sk_err *err)
{
    struct sk_buf *b = ctx;
    if (sk_ends_with(b->data, "}"))
        sk_buf_chr(b, ',');
    sk_token_json(t, b);
    return sk_buf_ok(b) ? 0 : sk_buf_fail(b, err);
}

static int list_here(struct sk_hub_door *d, struct sk_json **out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(LIST_BYTES);
    sk_buf_str(&b, "{\"tokens\":[");
    if (!sk_buf_ok(&b))
        return sk_buf_fail(&b, err);
    if (sk_token_list(d->accounts, add_token, &b, err) < 0)
        return -1;
    sk_buf_str(&b, "]}");
    return sk_hub_door_parse(&b, out, err);
}

/* "2026-11-28T22:46:01.123Z" as a cell. */
static void add_time(struct sk_buf *out, const struct sk_json *t, const char *key)
{
    const char *text = sk_json_get_text(t, key, "");
    char cell[20] = "-";
    if (strlen(text) > 16)
        (void)snprintf(cell, sizeof cell, "%.10s %.5s", text, text + 11);
    sk_cli_cell(out, cell, 16);
}

static int run_list(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_AUTO(sk_hub_door_close) struct sk_hub_door d = { 0 };
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(LIST_BYTES);
    (void)operands;
    (void)count;
    if (sk_hub_door_open(&d, a->data_dir, a->hub, err) < 0)
        return -1;
    if (d.remote ? sk_remote_call(d.remote, "GET", "/api/v1/tokens", NULL, &doc, err) < 0
                 : list_here(&d, &doc, err) < 0)
        return -1;
    const struct sk_json *list = sk_json_get(doc, "tokens");
    if (a->json)
        return sk_cli_print_json(list, err);
    sk_buf_fmt(&out, "%-16s  %-9s  %-8s  %-16s  %-16s  %-20s  %s\n", "ID", "ROLE", "STATE",
               "EXPIRES", "USED", "USER", "NOTE");
    for (size_t i = 0; i < sk_json_count(list); i++) {
        const struct sk_json *t = sk_json_at(list, i);
        sk_cli_cell(&out, sk_json_get_text(t, "id", ""), 16);
        sk_cli_cell(&out, sk_json_get_text(t, "role", ""), 9);
        sk_cli_cell(&out, sk_json_get_text(t, "state", ""), 8);
        add_time(&out, t, "expires");
        add_time(&out, t, "used");
        sk_cli_cell(&out, sk_json_get_text(t, "user", ""), 20);
        sk_cli_cell(&out, sk_json_get_text(t, "note", ""), 0);
        sk_buf_chr(&out, '\n');
    }
    return sk_cli_print(&out, err);
}

/* ---- revoke ---- */

static int run_revoke(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_AUTO(sk_hub_door_close) struct sk_hub_door d = { 0 };
    if (sk_hub_door_open(&d, a->data_dir, a->hub, err) < 0)
        return -1;
    for (unsigned i = 0; i < count; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(4096);
        sk_buf_str(&path, "/api/v1/tokens/");
        sk_url_escape(&path, operands[i]);
        if (!sk_buf_ok(&path))
            return sk_buf_fail(&path, err);
        if (d.remote ? sk_remote_call(d.remote, "DELETE", path.data, NULL, NULL, err) < 0
                     : sk_token_revoke(d.accounts, &d.who, operands[i], err) < 0)
            return -1;

        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(4096);
        sk_buf_fmt(&out, "token %s is revoked\n", operands[i]);
        if (sk_cli_print(&out, err) < 0)
            return -1;
    }
    return 0;
}

const struct sk_cmd sk_cli_hub_token_create = {
    .name = "hub token create",
    .summary = "Makes a token for a user or a program",
    .details = "The token is printed on standard output, this once: the hub keeps a digest of it. "
               "Clients show it as bearer, or as the password of basic authentication with any "
               "user name.",
    .examples = "skerry hub token create --user ci --role publisher # to push and register\n"
                "skerry hub token create -u eve -r reader --days 30 --data-dir /srv/hub # on the "
                "hub's folder",
    .options = create_options,
    .args_size = sizeof(struct args),
    .run = run_create,
};

const struct sk_cmd sk_cli_hub_token_list = {
    .name = "hub token list",
    .summary = "Shows the tokens of a hub, without their secrets",
    .examples = "skerry hub token list # of the current hub",
    .options = list_options,
    .args_size = sizeof(struct args),
    .run = run_list,
};

const struct sk_cmd sk_cli_hub_token_revoke = {
    .name = "hub token revoke",
    .operands = "ID...",
    .summary = "Ends tokens",
    .details = "A hub that runs on the same folder takes note within two seconds. The last owner's "
               "token cannot be revoked.",
    .examples = "skerry hub token revoke 64a5fa17f00c2314 # as hub token list shows it",
    .options = revoke_options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1000,
    .run = run_revoke,
};
