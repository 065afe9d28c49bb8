/*
 * init.c - a new hub: folder, database, CA, server certificate, the owner's token.
 *
 * Everything is made in a folder beside the final one, which is renamed at the end. So the folder
 * is either whole or not there, and a second init of the same place says that there is one.
 */
#include "hub/hub_priv.h"

#include "base/file.h"
#include "crypto/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char owner_file[] = "owner.token";

/* Names that clients on the same machine use. */
static const char *const local_names[] = { "localhost", "127.0.0.1", "::1" };

enum {
    LOCAL_NAMES = sizeof local_names / sizeof local_names[0]
};

static bool is_among(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(names[i], name) == 0)
            return true;
    return false;
}

/* NULL-terminated; free(). */
static const char **all_names(const struct sk_hub_init *opts, size_t *count)
{
    const char **names = calloc(opts->hostname_count + LOCAL_NAMES + 1, sizeof *names);
    *count = 0;
    for (size_t i = 0; names && i < opts->hostname_count; i++)
        if (!is_among(names, *count, opts->hostnames[i]))
            names[(*count)++] = opts->hostnames[i];
    for (size_t i = 0; names && i < LOCAL_NAMES; i++)
        if (!is_among(names, *count, local_names[i]))
            names[(*count)++] = local_names[i];
    return names;
}

static int make_owner(const char *dir, char token[SK_TOKEN_TEXT], struct sk_err *err)
{
    SK_OWN(sk_store_close) struct sk_store *store = NULL;
    SK_OWN(sk_accounts_free) struct sk_accounts *accounts = NULL;
    SK_OWN(free) char *path = sk_path_join(dir, owner_file);
    struct sk_who who;
    char line[SK_TOKEN_TEXT + 1];
    if (!path)
        return sk_nomem(err);
    sk_who_local(&who);
    if (sk_store_open(dir, &store, err) < 0 || sk_accounts_new(store, &accounts, err) < 0 ||
        sk_token_create(accounts, &who, "owner", SK_ROLE_OWNER, "made by hub init", 0, token, NULL,
                        err) < 0)
        return -1;
    int len = snprintf(line, sizeof line, "%s\n", token);
    int rc = sk_file_write(path, line, (size_t)len, 0600, err);
    explicit_bzero(line, sizeof line);
    return rc;
}

static int fill(const char *dir, const struct sk_hub_init *opts, struct sk_hub_made *out,
                struct sk_err *err)
{
    size_t count = 0;
    SK_OWN(free) const char **names = all_names(opts, &count);
    if (!names)
        return sk_nomem(err);
    if (sk_store_create(dir, err) < 0 ||
        sk_hub_config_write(dir, names, count, opts->port, err) < 0 ||
        sk_hub_certs_make(dir, names, out->ca_sha256, err) < 0 ||
        make_owner(dir, out->owner_token, err) < 0)
        return -1;
    return 0;
}

static int sync_folder(const char *path, struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return sk_fail_errno(err, "'%s'", path);
    return 0;
}

/* The folder above, "." for none; malloc'd. */
static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

/* An empty folder may be there (rename replaces it); anything else is in the way. */
static int check_place(const char *dir, struct sk_err *err)
{
    struct sk_dir found = { 0 };
    if (access(dir, F_OK) != 0)
        return 0;
    if (!sk_is_dir(dir))
        return sk_fail(err, SK_EXISTS, "'%s' is not a folder", dir);
    if (sk_dir_read(dir, &found, err) < 0)
        return -1;
    size_t count = found.count;
    sk_dir_done(&found);
    if (count > 0)
        return sk_fail(err, SK_EXISTS,
                       "'%s' is not empty: a hub is there already, or something else", dir);
    return 0;
}

static int put_in_place(const char *temp, const char *dir, const char *parent, struct sk_err *err)
{
    if (sync_folder(temp, err) < 0)
        return -1;
    if (rename(temp, dir) < 0) {
        if (errno == ENOTEMPTY || errno == EEXIST)
            return sk_fail(err, SK_EXISTS, "'%s' is not empty: a hub is there already", dir);
        return sk_fail_errno(err, "'%s'", dir);
    }
    return sync_folder(parent, err);
}

static int make_beside(const char *dir, const struct sk_hub_init *opts, struct sk_hub_made *out,
                       struct sk_err *err)
{
    unsigned char random[8];
    SK_AUTO(sk_buf_done) struct sk_buf temp = SK_BUF_INIT(8192);
    SK_OWN(free) char *parent = parent_of(dir);
    struct sk_err other = SK_ERR_INIT;
    if (!parent)
        return sk_nomem(err);
    if (sk_random(random, sizeof random, err) < 0 || sk_mkdirs(parent, 0755, err) < 0)
        return -1;
    sk_buf_fmt(&temp, "%s.init-", dir);
    for (size_t i = 0; i < sizeof random; i++)
        sk_buf_fmt(&temp, "%02x", random[i]);
    if (!sk_buf_ok(&temp))
        return sk_buf_fail(&temp, err);
    if (fill(temp.data, opts, out, err) < 0 || put_in_place(temp.data, dir, parent, err) < 0) {
        if (sk_remove_tree(temp.data, &other) < 0)
            return sk_wrap(err, "'%s' is left behind", temp.data);
        return -1;
    }
    return 0;
}

int sk_hub_init(const struct sk_hub_init *opts, struct sk_hub_made *out, struct sk_err *err)
{
    struct sk_hub_made made = { 0 };
    SK_OWN(free) char *dir = strdup(opts->dir);
    if (!dir)
        return sk_nomem(err);
    for (size_t len = strlen(dir); len > 1 && dir[len - 1] == '/'; len--)
        dir[len - 1] = '\0';
    if (opts->hostname_count == 0)
        return sk_fail(err, SK_INVALID, "a hub needs a host name (--hostname)");
    const char *name = opts->hostnames[0];
    if (strlen(dir) + 32 > sizeof made.ca_file || strlen(name) > 253)
        return sk_fail(err, SK_INVALID, "the folder's or the host's name is too long");
    if (check_place(dir, err) < 0 || make_beside(dir, opts, &made, err) < 0)
        return sk_wrap(err, "hub init");
    bool is_v6 = strchr(name, ':') != NULL;
    (void)snprintf(made.url, sizeof made.url, "https://%s%.253s%s:%u", is_v6 ? "[" : "", name,
                   is_v6 ? "]" : "", opts->port);
    (void)snprintf(made.ca_file, sizeof made.ca_file, "%s/tls/ca.pem", dir);
    (void)snprintf(made.token_file, sizeof made.token_file, "%s/%s", dir, owner_file);
    *out = made;
    return 0;
}
