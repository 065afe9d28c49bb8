/*
 * docker_config.c - logins that docker, podman and others have stored: $DOCKER_CONFIG/config.json,
 * else ~/.docker/config.json.
 *
 *     { "auths":       { "HOST": { "auth": base64("USER:PASSWORD"), "identitytoken": "..." } },
 *       "credHelpers": { "HOST": "NAME" },       a helper for this host
 *       "credsStore":  "NAME" }                  a helper for all others
 *
 * docker.io is kept under "https://index.docker.io/v1/". Keys of auths may have a scheme and a
 * path.
 */
#include "oci/oci_priv.h"

#include "base/file.h"
#include "crypto/crypto.h"
#include "json/json.h"

#define DOCKER_HUB "https://index.docker.io/v1/"

enum {
    SECRET_BYTES = 64 << 10
};

void sk_oci_login_done(struct sk_oci_login *l)
{
    free(l->username);
    free(l->password);
    free(l->identity_token);
    free(l->registry_token);
    *l = (struct sk_oci_login){ 0 };
}

/* *out stays NULL when there is no place for such a file. */
static int find_file(char **out, struct sk_err *err)
{
    const char *dir = getenv("DOCKER_CONFIG"), *home = getenv("HOME");

    if (dir && *dir)
        *out = sk_path_join(dir, "config.json");
    else if (home && *home)
        *out = sk_path_join(home, ".docker/config.json");
    else
        return 0;
    return *out ? 0 : sk_nomem(err);
}

static const char *server_of(const char *host)
{
    return strcmp(host, "docker.io") == 0 ? DOCKER_HUB : host;
}

/* Does a key of auths stand for the host? */
static bool is_key_of(const char *key, const char *host)
{
    const char *scheme = strstr(key, "://");
    const char *start = scheme ? scheme + 3 : key;
    struct sk_view name = { start, strcspn(start, "/") };

    if (strcmp(host, "docker.io") == 0 &&
        (sk_view_eq(name, "index.docker.io") || sk_view_eq(name, "registry-1.docker.io")))
        return true;
    return sk_view_eq(name, host);
}

static const struct sk_json *find_entry(const struct sk_json *auths, const char *host)
{
    const struct sk_json *entry = sk_json_get(auths, server_of(host));

    for (void *it = sk_json_first(auths); it && !entry; it = sk_json_next(auths, it))
        if (is_key_of(sk_json_key(it), host))
            entry = sk_json_value(it);
    return entry;
}

static int copy_text(const struct sk_json *entry, const char *key, char **out, struct sk_err *err)
{
    const char *text = NULL;

    if (sk_json_want_text(entry, key, &text, err) < 0)
        return -1;
    if (!text || text[0] == '\0')
        return 0;
    free(*out);
    *out = strdup(text);
    return *out ? 0 : sk_nomem(err);
}

/* "auth": base64 of USER:PASSWORD; the password may be padded with zero bytes. */
static int read_auth(const struct sk_json *entry, struct sk_oci_login *out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf plain = SK_BUF_INIT(SECRET_BYTES);
    const char *text = NULL;

    if (sk_json_want_text(entry, "auth", &text, err) < 0)
        return -1;
    if (!text || text[0] == '\0')
        return 0;
    if (sk_base64_decode(text, strlen(text), &plain, err) < 0)
        return sk_wrap(err, "'auth'");
    char *colon = plain.data ? memchr(plain.data, ':', plain.len) : NULL;
    if (!colon)
        return sk_fail(err, SK_INVALID, "'auth' is not USER:PASSWORD in base64");
    free(out->username);
    free(out->password);
    out->username = strndup(plain.data, (size_t)(colon - plain.data));
    out->password = strdup(colon + 1);
    return out->username && out->password ? 0 : sk_nomem(err);
}

static int read_entry(const struct sk_json *entry, struct sk_oci_login *out, struct sk_err *err)
{
    if (sk_json_type(entry) != SK_JSON_OBJECT)
        return sk_fail(err, SK_INVALID, "expected an object");
    if (copy_text(entry, "username", &out->username, err) < 0 ||
        copy_text(entry, "password", &out->password, err) < 0 ||
        copy_text(entry, "identitytoken", &out->identity_token, err) < 0 ||
        copy_text(entry, "registrytoken", &out->registry_token, err) < 0)
        return -1;
    return read_auth(entry, out, err);
}

static bool is_empty(const struct sk_oci_login *l)
{
    return !l->username && !l->identity_token && !l->registry_token;
}

/* The helper of the host, else the one of all hosts. */
static int ask_helper(const struct sk_json *doc, const char *host, struct sk_oci_login *out,
                      struct sk_err *err)
{
    const struct sk_json *helpers = NULL;
    const char *name = NULL;

    if (sk_json_want_object(doc, "credHelpers", &helpers, err) < 0 ||
        (helpers && sk_json_want_text(helpers, server_of(host), &name, err) < 0) ||
        (helpers && !name && sk_json_want_text(helpers, host, &name, err) < 0) ||
        (!name && sk_json_want_text(doc, "credsStore", &name, err) < 0))
        return -1;
    return name && name[0] ? sk_oci_helper_get(name, server_of(host), out, err) : 0;
}

static int read_doc(const struct sk_json *doc, const char *host, struct sk_oci_login *out,
                    struct sk_err *err)
{
    const struct sk_json *auths = NULL, *entry;

    if (sk_json_type(doc) != SK_JSON_OBJECT)
        return sk_fail(err, SK_INVALID, "expected an object");
    if (ask_helper(doc, host, out, err) < 0)
        return -1;
    if (!is_empty(out))
        return 0;
    if (sk_json_want_object(doc, "auths", &auths, err) < 0)
        return -1;
    entry = auths ? find_entry(auths, host) : NULL;
    if (entry && read_entry(entry, out, err) < 0)
        return sk_wrap(err, "auths: '%s'", host);
    return 0;
}

int sk_oci_login_find(const char *host, struct sk_oci_login *out, struct sk_err *err)
{
    SK_AUTO(sk_oci_login_done) struct sk_oci_login login = { 0 };
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    SK_OWN(free) char *path = NULL;
    struct sk_err why = SK_ERR_INIT;

    *out = login;
    if (find_file(&path, err) < 0)
        return -1;
    if (!path)
        return 0;
    if (sk_json_file(path, &doc, &why) < 0) {
        if (why.code == SK_NOT_FOUND)
            return 0;
        *err = why;
        return -1;
    }
    if (read_doc(doc, host, &login, err) < 0)
        return sk_wrap(err, "%s", path);
    *out = login;
    login = (struct sk_oci_login){ 0 };
    return 0;
}
