/*
 * cmd_login.c - `skerry login HUB` and `skerry logout`.
 *
 * First whom to trust, then as whom: the CA comes from a file, from the hub itself when its
 * fingerprint was given or a person at the terminal confirmed it, from an earlier login, or is the
 * system's. Only then, over a connection that was checked with it, the token is tried; what works
 * is stored. Nothing secret is in an argument or in what is printed.
 */
#include "base/file.h"
#include "base/str.h"
#include "cli/cli_priv.h"
#include "cli/login_priv.h"
#include "cli/remote_priv.h"
#include "crypto/crypto.h"

#include <string.h>
#include <sys/mman.h>

enum {
    CA_BYTES = 1 << 20
};

struct args {
    const char *context, *ca_file, *ca_sha256, *user, *token_file;
    bool token_stdin;
};

/* clang-format off */
static const struct sk_opt options[] = {
    { "context", 0, SK_OPT_TEXT, "NAME", "name it so; else it is named after the host",
      .offset = offsetof(struct args, context) },
    { "token-file", 0, SK_OPT_TEXT, "FILE", "the token is in this file; else it is asked for",
      .offset = offsetof(struct args, token_file) },
    { "token-stdin", 0, SK_OPT_FLAG, NULL, "the token comes on standard input",
      .offset = offsetof(struct args, token_stdin) },
    { "user", 'u', SK_OPT_TEXT, "NAME", "fail unless the token is this user's",
      .offset = offsetof(struct args, user) },
    { "ca-file", 0, SK_OPT_TEXT, "FILE", "the hub's CA certificate, PEM",
      .offset = offsetof(struct args, ca_file), .group = "Trust" },
    { "ca-sha256", 0, SK_OPT_TEXT, "HEX", "take the CA that the hub shows if this is its SHA-256",
      .offset = offsetof(struct args, ca_sha256), .group = "Trust" },
    { .name = NULL },
};

/* clang-format on */

struct login {
    struct sk_context context;
    struct sk_buf ca; /* empty: the system's */
    int ca_fd;        /* the same in memory, for the library that wants a file */
};

static void login_done(struct login *l)
{
    sk_context_done(&l->context);
    sk_buf_done(&l->ca);
    sk_close(&l->ca_fd);
}

/* ---- whom to trust ---- */

/* Certificates alone: what else is in the file, a key perhaps, is not for the context. */
static void add_certificates(struct sk_buf *out, const char *pem)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----", end[] = "-----END CERTIFICATE-----";

    for (const char *p = strstr(pem, begin); p; p = strstr(p, begin)) {
        const char *stop = strstr(p, end);
        if (!stop)
            return;
        stop += sizeof end - 1;
        sk_buf_add(out, p, (size_t)(stop - p));
        sk_buf_chr(out, '\n');
        p = stop;
    }
}

static int read_ca(struct login *l, const char *path, struct sk_err *err)
{
    SK_OWN(free) char *pem = NULL;
    struct sk_cert_info info;
    size_t len = 0;

    if (sk_file_read(path, CA_BYTES, &pem, &len, err) < 0)
        return -1;
    if (sk_cert_info(pem, len, &info, err) < 0)
        return sk_wrap(err, "%s", path);
    add_certificates(&l->ca, pem);
    if (l->ca.len == 0)
        return sk_fail(err, SK_INVALID, "%s: there is no certificate in it", path);
    return sk_buf_ok(&l->ca) ? 0 : sk_buf_fail(&l->ca, err);
}

/* wanted NULL: a person is asked. */
static int take_shown_ca(struct login *l, const char *wanted, struct sk_err *err)
{
    char shown[65];
    bool yes = false;

    if (sk_remote_peek_ca(l->context.url, &l->ca, shown, err) < 0)
        return -1;
    if (wanted && strcmp(wanted, shown) != 0)
        return sk_fail(err, SK_DENIED,
                       "%s shows another CA: sha256:%s. Somebody may be between you and the hub; "
                       "compare with what 'skerry hub init' printed",
                       l->context.host, shown);
    if (wanted)
        return 0;
    if (sk_login_ask_ca(l->context.host, shown, &yes, err) < 0)
        return -1;
    return yes ? 0 : sk_fail(err, SK_DENIED, "the CA of %s was not accepted", l->context.host);
}

/* The CA of a login that is renewed. */
static int take_earlier_ca(struct login *l, bool *found, struct sk_err *err)
{
    SK_AUTO(sk_context_done) struct sk_context c = { .name = "" };

    *found = false;
    if (sk_context_load(l->context.url, &c, err) < 0)
        return -1;
    if (!c.name[0] || !c.ca_file)
        return 0;
    *found = true;
    return read_ca(l, c.ca_file, err);
}

static bool is_checked_by_system(struct login *l)
{
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    struct sk_err unused = SK_ERR_INIT;

    return sk_cli_remote_new(&l->context, &r, &unused) == 0 &&
           sk_remote_call(r, "GET", "/healthz", NULL, NULL, &unused) == 0;
}

static int find_ca(struct login *l, const struct args *a, const char *digest, struct sk_err *err)
{
    bool found = false;

    if (sk_starts_with(l->context.url, "http:"))
        return 0;
    if (a->ca_file)
        return read_ca(l, a->ca_file, err);
    if (digest[0])
        return take_shown_ca(l, digest, err);
    if (take_earlier_ca(l, &found, err) < 0)
        return -1;
    if (found || is_checked_by_system(l))
        return 0;
    return take_shown_ca(l, NULL, err);
}

static int show_ca(struct login *l, struct sk_err *err)
{
    char path[40];

    if (l->ca.len == 0)
        return 0;
    l->ca_fd = memfd_create("ca", MFD_CLOEXEC);
    if (l->ca_fd < 0 || sk_write_all(l->ca_fd, l->ca.data, l->ca.len) < 0)
        return sk_fail_errno(err, "the CA");
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", l->ca_fd);
    l->context.ca_file = strdup(path);
    return l->context.ca_file ? 0 : sk_nomem(err);
}

/* ---- as whom ---- */

static int find_token(struct login *l, const struct args *a, struct sk_err *err)
{
    const char *given = getenv("SKERRY_TOKEN");

    if (a->token_file || a->token_stdin)
        return sk_login_read_token(a->token_stdin ? "-" : a->token_file, &l->context.token, err);
    if (!given || !*given)
        return sk_login_ask_token(l->context.host, &l->context.token, err);
    l->context.token = strdup(given);
    return l->context.token ? 0 : sk_nomem(err);
}

/* Asks the hub whose token it is. */
static int try_token(struct login *l, const struct args *a, struct sk_json **out,
                     struct sk_err *err)
{
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;

    if (sk_cli_remote_new(&l->context, &r, err) < 0 ||
        sk_remote_call(r, "GET", "/api/v1/whoami", NULL, out, err) < 0)
        return -1;
    const char *name = sk_json_get_text(*out, "name", "");
    if (a->user && strcmp(a->user, name) != 0)
        return sk_fail(err, SK_DENIED, "the token is %s's, not %s's", name, a->user);
    (void)snprintf(l->context.user, sizeof l->context.user, "%s", name);
    return 0;
}

static int choose(struct login *l, const struct args *a, const char *hub, char digest[65],
                  struct sk_err *err)
{
    char host[300];

    if (a->token_file && a->token_stdin)
        return sk_fail(err, SK_USAGE, "--token-file and --token-stdin: only one can be");
    if (a->ca_file && a->ca_sha256)
        return sk_fail(err, SK_USAGE, "--ca-file and --ca-sha256: only one can be");
    if (sk_login_split(hub, host, digest, err) < 0 ||
        (a->ca_sha256 && sk_login_digest(a->ca_sha256, digest, err) < 0) ||
        sk_context_set_url(&l->context, host, err) < 0)
        return -1;
    if (!a->context) {
        sk_context_name_of(l->context.host, l->context.name);
        return 0;
    }
    if (sk_context_check_name(a->context, err) < 0)
        return -1;
    (void)snprintf(l->context.name, sizeof l->context.name, "%s", a->context);
    return 0;
}

static int login(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_AUTO(login_done) struct login l = { .ca = SK_BUF_INIT(CA_BYTES), .ca_fd = -1 };
    SK_OWN(sk_json_free) struct sk_json *who = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(8192);
    char digest[65];

    (void)count;
    if (choose(&l, a, operands[0], digest, err) < 0 || find_ca(&l, a, digest, err) < 0 ||
        show_ca(&l, err) < 0 || find_token(&l, a, err) < 0 || try_token(&l, a, &who, err) < 0)
        return -1;
    if (sk_context_save(&l.context, l.ca.data, l.ca.len, err) < 0)
        return -1;
    sk_buf_fmt(&out, "logged in to %s as %s (%s); context '%s' is current\n", l.context.host,
               l.context.user, sk_json_get_text(who, "role", "?"), l.context.name);
    return sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_login = {
    .name = "login",
    .operands = "HUB",
    .summary = "Stores a hub's CA and your token, so that later commands need neither",
    .details =
        "HUB is HOST, HOST:PORT (8443 unless given), a URL, or the connection string that "
        "'skerry hub init' prints. A hub with a CA of its own is believed only with --ca-file, "
        "with the CA's fingerprint (--ca-sha256, or in the connection string), or when you confirm "
        "the fingerprint at the terminal.\n\n"
        "The token is asked for, or comes from --token-file, --token-stdin or SKERRY_TOKEN, and is "
        "tried before anything is stored. Files are in $SKERRY_CONFIG_DIR, else ~/.config/skerry, "
        "readable by you alone.",
    .examples =
        "skerry login hub.example --ca-file ca.pem --token-file token # without a question\n"
        "skerry login 'HostName=hub.example;Port=8443;CaSha256=9f...' # asks for the token",
    .options = options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = login,
};

/* ---- logout ---- */

struct logout_args {
    bool revoke;
};

static const struct sk_opt logout_options[] = {
    { "revoke", 0, SK_OPT_FLAG, NULL, "also tell the hub not to accept the token any more",
      .offset = offsetof(struct logout_args, revoke) },
    { .name = NULL },
};

static int revoke_token(const struct sk_context *c, struct sk_err *err)
{
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_OWN(sk_json_free) struct sk_json *who = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(1024);

    if (sk_cli_remote_new(c, &r, err) < 0 ||
        sk_remote_call(r, "GET", "/api/v1/whoami", NULL, &who, err) < 0)
        return -1;
    sk_buf_str(&path, "/api/v1/tokens/");
    sk_url_escape(&path, sk_json_get_text(who, "token", ""));
    if (!sk_buf_ok(&path))
        return sk_buf_fail(&path, err);
    return sk_remote_call(r, "DELETE", path.data, NULL, NULL, err);
}

static int logout(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct logout_args *a = args;
    SK_AUTO(sk_context_done) struct sk_context c = { .name = "" };
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1024);

    if (sk_context_load(count > 0 ? operands[0] : NULL, &c, err) < 0)
        return -1;
    if (!c.name[0])
        return sk_fail(err, SK_NOT_FOUND, "there is no login for %s", c.host);
    if (a->revoke && c.token && revoke_token(&c, err) < 0)
        return sk_wrap(err, "the token was not revoked and is still stored");
    if (sk_context_forget(c.name, err) < 0)
        return -1;
    sk_buf_fmt(&out, "logged out of %s; the context '%s' and its CA stay\n", c.host, c.name);
    return sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_logout = {
    .name = "logout",
    .operands = "[CONTEXT]",
    .summary = "Forgets the token of a hub",
    .details = "CONTEXT is a context or a hub's URL; else the current one.",
    .examples = "skerry logout --revoke # and the token is of no use to who may have copied it",
    .options = logout_options,
    .args_size = sizeof(struct logout_args),
    .max_operands = 1,
    .run = logout,
};
