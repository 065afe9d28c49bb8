/*
 * context.c - the hubs that this user has logged in to.
 *
 *     contexts/NAME/hub.json   {"url": ..., "user": ...}
 *     contexts/NAME/ca.pem     whom to trust; absent: the system's certificates
 *     contexts/NAME/token      one line
 *     current                  a name, one line
 *
 * Each file is replaced whole. A context that is written anew loses its token first, so that a
 * crash in between never leaves a token beside another hub's address.
 */
#include "remote/remote_priv.h"

#include "base/file.h"
#include "base/str.h"
#include "json/json.h"

#include <ctype.h>
#include <errno.h>
#include <strings.h>
#include <sys/stat.h>

static const char NO_HUB[] = "no hub: run 'skerry login HUB', or set SKERRY_HUB";

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* ---- where ---- */

static int config_dir(struct sk_buf *out, struct sk_err *err)
{
    const char *own = environment("SKERRY_CONFIG_DIR");
    const char *xdg = environment("XDG_CONFIG_HOME");
    const char *home = environment("HOME");

    if (own)
        sk_buf_str(out, own);
    else if (xdg)
        sk_buf_fmt(out, "%s/skerry", xdg);
    else if (home)
        sk_buf_fmt(out, "%s/.config/skerry", home);
    else
        return sk_fail(err, SK_NOT_FOUND, "no place for contexts: set HOME or SKERRY_CONFIG_DIR");
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

/* malloc'd path of a file in a context's folder, of the folder (file NULL), or of all (name NULL).
 */
static int path_of(const char *name, const char *file, char **out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(8192);

    if (config_dir(&b, err) < 0)
        return -1;
    sk_buf_str(&b, "/contexts");
    if (name)
        sk_buf_fmt(&b, "/%s", name);
    if (file)
        sk_buf_fmt(&b, "/%s", file);
    if (!sk_buf_ok(&b))
        return sk_buf_fail(&b, err);
    *out = sk_buf_take(&b);
    return 0;
}

static int current_path(char **out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(8192);

    if (config_dir(&b, err) < 0)
        return -1;
    sk_buf_str(&b, "/current");
    if (!sk_buf_ok(&b))
        return sk_buf_fail(&b, err);
    *out = sk_buf_take(&b);
    return 0;
}

int sk_context_check_name(const char *name, struct sk_err *err)
{
    size_t len = strlen(name);

    for (const char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
            len = 0;
    if (len == 0 || len > 63 || name[0] == '.' || name[0] == '-')
        return sk_fail(err, SK_INVALID,
                       "'%.80s' is no name for a context: letters, digits, '.', '_' and '-', at "
                       "most 63",
                       name);
    return 0;
}

/* ---- reading ---- */

/* One line of a small file without its end; *out stays NULL when there is no file. */
static int read_line(const char *path, char **out, struct sk_err *err)
{
    SK_OWN(free) char *text = NULL;
    size_t len = 0;

    if (!sk_is_file(path))
        return 0;
    if (sk_file_read(path, SK_REMOTE_TOKEN_BYTES, &text, &len, err) < 0)
        return -1;
    text[strcspn(text, "\r\n")] = '\0';
    if (*text)
        *out = SK_TAKE(text);
    return 0;
}

/* The current context's name into out[64]; "" when there is none. */
static int read_current(char *out, struct sk_err *err)
{
    SK_OWN(free) char *path = NULL;
    SK_OWN(free) char *name = NULL;

    out[0] = '\0';
    if (current_path(&path, err) < 0 || read_line(path, &name, err) < 0)
        return -1;
    if (!name)
        return 0;
    if (sk_context_check_name(name, err) < 0)
        return sk_wrap(err, "%s", path);
    (void)snprintf(out, 64, "%s", name);
    return 0;
}

static int read_hub(const char *path, struct sk_context *c, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    const char *url = NULL, *user = "";

    if (sk_json_file(path, &doc, err) < 0)
        return -1;
    if (sk_json_want_text(doc, "url", &url, err) < 0 ||
        sk_json_want_text(doc, "user", &user, err) < 0)
        return sk_wrap(err, "%s", path);
    if (!url)
        return sk_fail(err, SK_CORRUPT, "%s: 'url' is missing", path);
    if (sk_context_set_url(c, url, err) < 0)
        return sk_wrap(err, "%s", path);
    (void)snprintf(c->user, sizeof c->user, "%s", user);
    return 0;
}

/* A stored context. SK_NOT_FOUND: there is none of this name. */
static int read_context(const char *name, struct sk_context *out, struct sk_err *err)
{
    SK_AUTO(sk_context_done) struct sk_context c = { 0 };
    SK_OWN(free) char *hub = NULL;
    SK_OWN(free) char *token = NULL;

    if (sk_context_check_name(name, err) < 0 || path_of(name, "hub.json", &hub, err) < 0)
        return -1;
    if (!sk_is_file(hub))
        return sk_fail(err, SK_NOT_FOUND,
                       "no context '%s': 'skerry context list' shows those there are", name);
    (void)snprintf(c.name, sizeof c.name, "%s", name);
    if (read_hub(hub, &c, err) < 0 || path_of(name, "token", &token, err) < 0 ||
        read_line(token, &c.token, err) < 0 || path_of(name, "ca.pem", &c.ca_file, err) < 0)
        return -1;
    if (!sk_is_file(c.ca_file)) {
        free(c.ca_file);
        c.ca_file = NULL;
    }
    *out = c;
    c = (struct sk_context){ 0 };
    return 0;
}

void sk_context_done(struct sk_context *c)
{
    free(c->ca_file);
    if (c->token)
        explicit_bzero(c->token, strlen(c->token));
    free(c->token);
    *c = (struct sk_context){ 0 };
}

/* ---- finding ---- */

struct search {
    const char *url, *host; /* either */
    char name[64];
};

static int compare(void *ctx, const struct sk_context *c, bool is_current, struct sk_err *err)
{
    struct search *s = ctx;

    (void)err;
    bool is_it = s->url ? strcmp(c->url, s->url) == 0 : strcasecmp(c->host, s->host) == 0;
    if (is_it && (is_current || !s->name[0]))
        memcpy(s->name, c->name, sizeof s->name);
    return 0;
}

/* A URL: the context that has it, or one without a login. */
static int find_url(const char *url, struct sk_context *out, struct sk_err *err)
{
    struct sk_context c = { .name = "" };
    struct search s = { .name = "" };

    if (sk_context_set_url(&c, url, err) < 0)
        return -1;
    s.url = c.url;
    if (sk_context_list(compare, &s, err) < 0)
        return -1;
    if (s.name[0])
        return read_context(s.name, out, err);
    *out = c;
    return 0;
}

int sk_context_of_host(const char *host, struct sk_context *out, struct sk_err *err)
{
    struct search s = { .host = host };

    if (sk_context_list(compare, &s, err) < 0)
        return -1;
    if (!s.name[0])
        return sk_fail(err, SK_NOT_FOUND, "no context has the hub %s", host);
    return read_context(s.name, out, err);
}

/* Replaces *field by the variable's value, if it has one. */
static int override(const char *variable, char **field, struct sk_err *err)
{
    const char *value = environment(variable);

    if (!value)
        return 0;
    char *copy = strdup(value);
    if (!copy)
        return sk_nomem(err);
    free(*field);
    *field = copy;
    return 0;
}

static int find(const char *name, struct sk_context *out, struct sk_err *err)
{
    char current[64];

    if (!name)
        name = environment("SKERRY_HUB");
    if (!name) {
        if (read_current(current, err) < 0)
            return -1;
        if (!current[0])
            return sk_fail(err, SK_NOT_FOUND, "%s", NO_HUB);
        name = current;
    }
    return strchr(name, ':') ? find_url(name, out, err) : read_context(name, out, err);
}

int sk_context_load(const char *name, struct sk_context *out, struct sk_err *err)
{
    SK_AUTO(sk_context_done) struct sk_context c = { 0 };

    if (find(name, &c, err) < 0 || override("SKERRY_TOKEN", &c.token, err) < 0 ||
        override("SKERRY_CA_FILE", &c.ca_file, err) < 0)
        return -1;
    *out = c;
    c = (struct sk_context){ 0 };
    return 0;
}

int sk_context_list(int (*each)(void *ctx, const struct sk_context *c, bool is_current,
                                struct sk_err *err),
                    void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    SK_OWN(free) char *all = NULL;
    char current[64];

    if (path_of(NULL, NULL, &all, err) < 0 || read_current(current, err) < 0)
        return -1;
    if (!sk_is_dir(all))
        return 0;
    if (sk_dir_read(all, &dir, err) < 0)
        return -1;
    for (size_t i = 0; i < dir.count; i++) {
        SK_AUTO(sk_context_done) struct sk_context c = { 0 };
        struct sk_err why = SK_ERR_INIT;
        if (read_context(dir.names[i], &c, &why) < 0) {
            if (why.code != SK_NOMEM)
                continue; /* a folder of somebody else's, or half removed */
            *err = why;
            return -1;
        }
        if (each(ctx, &c, strcmp(c.name, current) == 0, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- changing ---- */

static int remove_file(const char *name, const char *file, struct sk_err *err)
{
    SK_OWN(free) char *path = NULL;

    if (path_of(name, file, &path, err) < 0)
        return -1;
    if (unlink(path) < 0 && errno != ENOENT)
        return sk_fail_errno(err, "'%s'", path);
    return 0;
}

/* text NULL: no such file from now on. */
static int put_file(const char *name, const char *file, const char *text, size_t len,
                    struct sk_err *err)
{
    SK_OWN(free) char *path = NULL;

    if (!text)
        return remove_file(name, file, err);
    if (path_of(name, file, &path, err) < 0)
        return -1;
    return sk_file_write(path, text, len, 0600, err);
}

/* Folders that were there may have been made with more rights. */
static int make_folders(const char *name, struct sk_err *err)
{
    const char *levels[] = { NULL, name };

    for (size_t i = 0; i < 2; i++) {
        SK_OWN(free) char *path = NULL;
        if (path_of(levels[i], NULL, &path, err) < 0 || sk_mkdirs(path, 0700, err) < 0)
            return -1;
        if (chmod(path, 0700) < 0)
            return sk_fail_errno(err, "'%s'", path);
    }
    return 0;
}

int sk_context_use(const char *name, struct sk_err *err)
{
    SK_AUTO(sk_context_done) struct sk_context c = { 0 };
    SK_OWN(free) char *path = NULL;
    char line[80];

    if (read_context(name, &c, err) < 0 || current_path(&path, err) < 0)
        return -1;
    int len = snprintf(line, sizeof line, "%s\n", name);
    return sk_file_write(path, line, (size_t)len, 0600, err);
}

int sk_context_save(const struct sk_context *c, const char *ca_pem, size_t ca_len,
                    struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf hub = SK_BUF_INIT(4096);
    SK_AUTO(sk_buf_done) struct sk_buf token = SK_BUF_INIT(SK_REMOTE_TOKEN_BYTES);

    if (sk_context_check_name(c->name, err) < 0)
        return -1;
    sk_buf_str(&hub, "{\"url\": ");
    sk_buf_json_str(&hub, c->url);
    sk_buf_str(&hub, ", \"user\": ");
    sk_buf_json_str(&hub, c->user);
    sk_buf_str(&hub, "}\n");
    if (c->token)
        sk_buf_fmt(&token, "%s\n", c->token);
    if (!sk_buf_ok(&hub) || !sk_buf_ok(&token))
        return sk_buf_fail(sk_buf_ok(&hub) ? &token : &hub, err);
    if (make_folders(c->name, err) < 0 || remove_file(c->name, "token", err) < 0 ||
        put_file(c->name, "ca.pem", ca_pem, ca_len, err) < 0 ||
        put_file(c->name, "hub.json", hub.data, hub.len, err) < 0 ||
        put_file(c->name, "token", token.data, token.len, err) < 0)
        return -1;
    return sk_context_use(c->name, err);
}

int sk_context_forget(const char *name, struct sk_err *err)
{
    SK_AUTO(sk_context_done) struct sk_context c = { 0 };

    if (read_context(name, &c, err) < 0)
        return -1;
    return remove_file(name, "token", err);
}

int sk_context_delete(const char *name, struct sk_err *err)
{
    SK_AUTO(sk_context_done) struct sk_context c = { 0 };
    SK_OWN(free) char *folder = NULL;
    SK_OWN(free) char *path = NULL;
    char current[64];

    if (read_context(name, &c, err) < 0 || path_of(name, NULL, &folder, err) < 0 ||
        read_current(current, err) < 0 || current_path(&path, err) < 0)
        return -1;
    if (sk_remove_tree(folder, err) < 0)
        return -1;
    if (strcmp(current, name) == 0 && unlink(path) < 0 && errno != ENOENT)
        return sk_fail_errno(err, "'%s'", path);
    return 0;
}
