/*
 * context.c - where hubs are remembered: one folder each, files of our own user only.
 *
 *     ~/.config/skerry/current               the name of the one that is used
 *     ~/.config/skerry/contexts/NAME/        hub.json {"url", "user"}, ca.pem, token
 */
#include "base/file.h"
#include "base/str.h"
#include "remote/remote_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    PORT = 8443,
    TOKEN_BYTES = 4096,
    NAME_MAX_BYTES = 63
};

/* ---- names and addresses ---- */

static bool is_name(const char *text)
{
    size_t len = strlen(text);

    if (len == 0 || len > NAME_MAX_BYTES || text[0] == '.' || text[0] == '-')
        return false;
    return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

static bool is_this_machine(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strncmp(host, "localhost", 9) == 0 ||
           strncmp(host, "[::1]", 5) == 0;
}

/* HOST, HOST:PORT, [V6]:PORT: letters that an address can have. */
static int check_host(const char *host, struct sk_err *err)
{
    static const char OK[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:[]";

    if (!*host || strspn(host, OK) != strlen(host) || strlen(host) > 255)
        return sk_fail(err, SK_INVALID, "'%.200s' is no hub: https://HOST[:PORT] is needed", host);
    return 0;
}

static bool has_port(const char *host)
{
    const char *after = strrchr(host, ']');

    return strchr(after ? after : host, ':') != NULL;
}

int sk_context_set_url(struct sk_context *c, const char *text, struct sk_err *err)
{
    const char *sep = strstr(text, "://");
    const char *host = sep ? sep + 3 : text;
    bool is_plain = sep && strncmp(text, "http://", 7) == 0;
    char bare[300];
    size_t len = strlen(host);

    if (sep && !is_plain && strncmp(text, "https://", 8) != 0)
        return sk_fail(err, SK_INVALID, "'%.200s': a hub is reached by https", text);
    while (len > 0 && host[len - 1] == '/')
        len--;
    (void)snprintf(bare, sizeof(bare), "%.*s", (int)(len < 290 ? len : 290), host);
    if (check_host(bare, err) < 0)
        return -1;
    if (is_plain && !is_this_machine(bare))
        return sk_fail(err, SK_INVALID, "http://%s: without TLS only on this machine", bare);
    (void)snprintf(c->host, sizeof(c->host), "%s", bare);
    if (!has_port(bare))
        (void)snprintf(c->host, sizeof(c->host), "%s:%d", bare, PORT);
    (void)snprintf(c->url, sizeof(c->url), "%s://%s", is_plain ? "http" : "https", c->host);
    return 0;
}

/* ---- folders ---- */

static char *config_dir(struct sk_err *err)
{
    const char *own = getenv("SKERRY_CONFIG_DIR"), *xdg = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    SK_OWN(free) char *config = NULL;
    char *out = NULL;

    if (own && *own)
        out = strdup(own);
    else if (xdg && *xdg)
        out = sk_path_join(xdg, "skerry");
    else if (home && *home && (config = sk_path_join(home, ".config")))
        out = sk_path_join(config, "skerry");
    else if (!home || !*home)
        (void)sk_fail(err, SK_NOT_FOUND,
                      "no place for contexts: set HOME, XDG_CONFIG_HOME or SKERRY_CONFIG_DIR");
    if (!out && (config || (home && *home)))
        (void)sk_nomem(err);
    return out;
}

/* <config>/contexts/<name>, or below it; malloc'd. */
static char *context_path(const char *name, const char *file, struct sk_err *err)
{
    SK_OWN(free) char *config = config_dir(err);
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(8192);

    if (!config)
        return NULL;
    sk_buf_fmt(&path, "%s/contexts/%s%s%s", config, name, *file ? "/" : "", file);
    if (!sk_buf_ok(&path)) {
        (void)sk_buf_fail(&path, err);
        return NULL;
    }
    return sk_buf_take(&path);
}

/* ---- reading ---- */

void sk_context_done(struct sk_context *c)
{
    free(c->ca_file);
    if (c->token)
        explicit_bzero(c->token, strlen(c->token));
    free(c->token);
    c->ca_file = NULL;
    c->token = NULL;
}

static int replace(char **slot, const char *text, struct sk_err *err)
{
    char *copy = strdup(text);

    if (!copy)
        return sk_nomem(err);
    free(*slot);
    *slot = copy;
    return 0;
}

static int read_token(const char *path, char **out, struct sk_err *err)
{
    size_t len = 0;

    if (sk_file_read(path, TOKEN_BYTES, out, &len, err) < 0)
        return -1;
    while (len > 0 && strchr(" \t\r\n", (*out)[len - 1]))
        (*out)[--len] = '\0';
    return 0;
}

static int read_saved(const char *name, struct sk_context *c, struct sk_err *err)
{
    SK_OWN(free) char *hub = context_path(name, "hub.json", err);
    SK_OWN(free) char *ca = hub ? context_path(name, "ca.pem", err) : NULL;
    SK_OWN(free) char *token = ca ? context_path(name, "token", err) : NULL;
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    if (!token)
        return -1;
    if (!sk_is_file(hub))
        return sk_fail(err, SK_NOT_FOUND, "there is no context '%s'; 'skerry context list' has all",
                       name);
    if (sk_json_file(hub, &doc, err) < 0)
        return -1;
    if (sk_context_set_url(c, sk_json_text(sk_json_get(doc, "url"), ""), err) < 0)
        return sk_wrap(err, "%s", hub);
    (void)snprintf(c->name, sizeof(c->name), "%s", name);
    (void)snprintf(c->user, sizeof(c->user), "%s", sk_json_text(sk_json_get(doc, "user"), ""));
    if (sk_is_file(ca) && replace(&c->ca_file, ca, err) < 0)
        return -1;
    return sk_is_file(token) ? read_token(token, &c->token, err) : 0;
}

/* The current context's name into out; "" when there is none. */
static int current_name(char out[64], struct sk_err *err)
{
    SK_OWN(free) char *config = config_dir(err);
    SK_OWN(free) char *path = config ? sk_path_join(config, "current") : NULL;
    SK_OWN(free) char *text = NULL;
    size_t len = 0;

    out[0] = '\0';
    if (!config)
        return -1;
    if (!path)
        return sk_nomem(err);
    if (!sk_is_file(path))
        return 0;
    if (sk_file_read(path, 256, &text, &len, err) < 0)
        return -1;
    text[strcspn(text, "\r\n")] = '\0';
    (void)snprintf(out, 64, "%.63s", is_name(text) ? text : "");
    return 0;
}

struct find {
    const char *url;
    char name[64];
};

static int same_url(void *ctx, const struct sk_context *c, bool is_current, struct sk_err *err)
{
    struct find *f = ctx;

    (void)err;
    if (strcmp(c->url, f->url) == 0 && (!f->name[0] || is_current))
        (void)snprintf(f->name, sizeof(f->name), "%s", c->name);
    return 0;
}

/* A URL: the context that has it, so that CA and token come along; else bare. */
static int load_url(const char *text, struct sk_context *c, struct sk_err *err)
{
    struct find f = { .name = "" };

    if (sk_context_set_url(c, text, err) < 0)
        return -1;
    f.url = c->url;
    if (sk_context_list(same_url, &f, err) < 0)
        return -1;
    return f.name[0] ? read_saved(f.name, c, err) : 0;
}

int sk_context_load(const char *name, struct sk_context *out, struct sk_err *err)
{
    SK_AUTO(sk_context_done) struct sk_context c = { .name = "" };
    const char *env = getenv("SKERRY_HUB");
    const char *token = getenv("SKERRY_TOKEN"), *ca = getenv("SKERRY_CA_FILE");
    char current[64];

    if (!name)
        name = env && *env ? env : NULL;
    if (!name) {
        if (current_name(current, err) < 0)
            return -1;
        if (!current[0])
            return sk_fail(err, SK_NOT_FOUND,
                           "no hub: run 'skerry login HUB', or set SKERRY_HUB and SKERRY_TOKEN");
        name = current;
    }
    if (strchr(name, ':')
            ? load_url(name, &c, err) < 0
            : (!is_name(name) ? sk_fail(err, SK_INVALID, "'%.100s' is no context", name)
                              : read_saved(name, &c, err)) < 0)
        return -1;
    if ((token && *token && replace(&c.token, token, err) < 0) ||
        (ca && *ca && replace(&c.ca_file, ca, err) < 0))
        return -1;
    *out = c;
    c = (struct sk_context){ .name = "" };
    return 0;
}

/* ---- writing ---- */

static int write_file(const char *name, const char *file, const char *bytes, size_t len,
                      struct sk_err *err)
{
    SK_OWN(free) char *path = context_path(name, file, err);

    return path ? sk_file_write(path, bytes, len, 0600, err) : -1;
}

static int forget_file(const char *name, const char *file, struct sk_err *err)
{
    SK_OWN(free) char *path = context_path(name, file, err);

    if (!path)
        return -1;
    if (unlink(path) < 0 && errno != ENOENT)
        return sk_fail(err, SK_IO, "%s: %s", path, strerror(errno));
    return 0;
}

int sk_context_save(const struct sk_context *c, const char *ca_pem, size_t ca_len,
                    struct sk_err *err)
{
    SK_OWN(free) char *folder = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf hub = SK_BUF_INIT(8192);

    if (!is_name(c->name))
        return sk_fail(err, SK_INVALID,
                       "'%.100s': a context's name has letters, digits, '.', '_' and '-', 63 at "
                       "most",
                       c->name);
    folder = context_path(c->name, "", err);
    if (!folder || sk_mkdirs(folder, 0700, err) < 0)
        return -1;
    sk_buf_str(&hub, "{\n  \"url\": ");
    sk_buf_json(&hub, c->url, strlen(c->url));
    sk_buf_str(&hub, ",\n  \"user\": ");
    sk_buf_json(&hub, c->user, strlen(c->user));
    sk_buf_str(&hub, "\n}\n");
    if (!sk_buf_ok(&hub))
        return sk_buf_fail(&hub, err);
    if ((ca_pem ? write_file(c->name, "ca.pem", ca_pem, ca_len, err)
                : forget_file(c->name, "ca.pem", err)) < 0 ||
        (c->token ? write_file(c->name, "token", c->token, strlen(c->token), err)
                  : forget_file(c->name, "token", err)) < 0 ||
        write_file(c->name, "hub.json", hub.data, hub.len, err) < 0)
        return -1;
    return sk_context_use(c->name, err);
}

int sk_context_use(const char *name, struct sk_err *err)
{
    SK_AUTO(sk_context_done) struct sk_context c = { .name = "" };
    SK_OWN(free) char *config = NULL;
    SK_OWN(free) char *path = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf line = SK_BUF_INIT(128);

    if (!is_name(name))
        return sk_fail(err, SK_INVALID, "'%.100s' is no context", name);
    if (read_saved(name, &c, err) < 0)
        return -1;
    config = config_dir(err);
    if (!config)
        return -1;
    path = sk_path_join(config, "current");
    sk_buf_fmt(&line, "%s\n", name);
    if (!path || !sk_buf_ok(&line))
        return sk_nomem(err);
    return sk_file_write(path, line.data, line.len, 0600, err);
}

int sk_context_delete(const char *name, struct sk_err *err)
{
    SK_OWN(free) char *folder = NULL;
    SK_OWN(free) char *config = NULL;
    SK_OWN(free) char *path = NULL;
    char current[64];

    if (!is_name(name))
        return sk_fail(err, SK_INVALID, "'%.100s' is no context", name);
    folder = context_path(name, "", err);
    if (!folder || current_name(current, err) < 0)
        return -1;
    if (!sk_is_dir(folder))
        return sk_fail(err, SK_NOT_FOUND, "there is no context '%s'", name);
    if (sk_remove_tree(folder, err) < 0)
        return -1;
    if (strcmp(current, name) != 0)
        return 0;
    config = config_dir(err);
    path = config ? sk_path_join(config, "current") : NULL;
    if (!path)
        return config ? sk_nomem(err) : -1;
    if (unlink(path) < 0 && errno != ENOENT)
        return sk_fail(err, SK_IO, "%s: %s", path, strerror(errno));
    return 0;
}

int sk_context_list(int (*each)(void *ctx, const struct sk_context *c, bool is_current,
                                struct sk_err *err),
                    void *ctx, struct sk_err *err)
{
    SK_OWN(free) char *folder = context_path("", "", err);
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    char current[64];

    if (!folder || current_name(current, err) < 0)
        return -1;
    if (!sk_is_dir(folder))
        return 0;
    if (sk_dir_read(folder, &dir, err) < 0)
        return -1;
    for (size_t i = 0; i < dir.count; i++) {
        SK_AUTO(sk_context_done) struct sk_context c = { .name = "" };

        if (!is_name(dir.names[i]))
            continue;
        if (read_saved(dir.names[i], &c, err) < 0 ||
            each(ctx, &c, strcmp(current, dir.names[i]) == 0, err) < 0)
            return -1;
    }
    return 0;
}
