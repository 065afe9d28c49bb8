/*
 * certs.c - the edge's own certificate authority, and what it signs.
 *
 *     tls/ca.pem      what modules and leaf devices trust; no end (9999-12-31, RFC 5280, 4.1.2.5)
 *     tls/ca.key      0600
 *     tls/server.pem  0600: the local hub's certificate, the CA, and the key, in one file, so that
 *                     no crash leaves two that do not fit; 90 days, renewed at 60. Where the local
 *                     hub has a user of its own: 0640, and of its group
 *
 * The authority is valid at any clock, since modules take it once, when they start. A certificate
 * below it is made again as soon as the clock says that it is not valid now, or will not be for a
 * third of its life: so it follows a clock that was wrong by decades within a tick.
 */
#include "agent/agent_priv.h"

#include "base/file.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CA_FROM INT64_C(0)            /* 1970-01-01: clocks without a battery start there */
#define CA_END  INT64_C(253402300799) /* 9999-12-31 23:59:59 */

enum {
    PEM_BYTES = 64 << 10,
    DAY_S = 86400,
    SERVER_S = 90 * DAY_S,
    SKEW_S = 3600
};

static int write_tls(const char *dir, const char *name, const struct sk_buf *pem, unsigned mode,
                     struct sk_err *err)
{
    SK_OWN(free) char *path = sk_agent_path(dir, "tls", name);
    if (!path)
        return sk_nomem(err);
    return sk_file_write(path, pem->data, pem->len, mode, err);
}

static int read_tls(const char *dir, const char *name, char **out, size_t *len, struct sk_err *err)
{
    SK_OWN(free) char *path = sk_agent_path(dir, "tls", name);
    if (!path)
        return sk_nomem(err);
    return sk_file_read(path, PEM_BYTES, out, len, err);
}

/* The local hub may read it from the moment that it is there. */
static int write_server(const char *dir, const struct sk_buf *pem, struct sk_err *err)
{
    SK_OWN(free) char *path = sk_agent_path(dir, "tls", "server.pem");
    SK_AUTO(sk_file_out_done) struct sk_file_out f = SK_FILE_OUT_INIT;
    const gid_t reader = sk_agent_hub_uid();
    if (!path)
        return sk_nomem(err);
    if (sk_file_begin(&f, path, err) < 0 || sk_file_put(&f, pem->data, pem->len, err) < 0)
        return -1;
    if (reader != 0 && fchown(f.fd, 0, reader) < 0)
        return sk_fail_errno(err, "'%s': its group", path);
    return sk_file_end(&f, reader != 0 ? 0640 : 0600, err);
}

/* An agent that was not root, or did not give the local hub a user, has made another one. */
static bool can_be_read(const char *dir)
{
    SK_OWN(free) char *path = sk_agent_path(dir, "tls", "server.pem");
    const gid_t reader = sk_agent_hub_uid();
    struct stat st;
    return path && stat(path, &st) == 0 &&
           (reader == 0 || (st.st_gid == reader && (st.st_mode & 07777) == 0640));
}

static int make_ca(const char *dir, const struct sk_agent_config *c, struct sk_err *err)
{
    SK_OWN(sk_key_free) struct sk_key *key = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf pem = SK_BUF_INIT(PEM_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf secret = SK_BUF_INIT(PEM_BYTES);
    char name[SK_AGENT_NAME + 32];
    (void)snprintf(name, sizeof name, "Skerry edge CA %.40s", c->device);
    if (sk_key_make(&key, err) < 0 || sk_key_private_pem(key, &secret, err) < 0)
        return -1;
    const struct sk_cert_request r = {
        .common_name = name,
        .is_ca = true,
        .not_before = CA_FROM,
        .not_after = CA_END,
        .key = key,
    };
    if (sk_cert_make(&r, &pem, err) < 0 || write_tls(dir, "ca.key", &secret, 0600, err) < 0)
        return -1;
    explicit_bzero(secret.data, secret.len);
    return write_tls(dir, "ca.pem", &pem, 0644, err);
}

/* A leaf and the CA behind it. names: none for a client's. */
static int make_leaf(const char *dir, const char *common_name, const char *const *names,
                     int64_t now_s, int64_t until_s, struct sk_buf *key_pem, struct sk_buf *chain,
                     struct sk_err *err)
{
    SK_OWN(sk_key_free) struct sk_key *key = NULL;
    SK_OWN(sk_key_free) struct sk_key *ca_key = NULL;
    SK_OWN(free) char *ca = NULL;
    SK_OWN(free) char *secret = NULL;
    size_t ca_len = 0, secret_len = 0;
    if (read_tls(dir, "ca.pem", &ca, &ca_len, err) < 0 ||
        read_tls(dir, "ca.key", &secret, &secret_len, err) < 0)
        return -1;
    int rc = sk_key_parse(secret, secret_len, &ca_key, err);
    explicit_bzero(secret, secret_len);
    if (rc < 0 || sk_key_make(&key, err) < 0)
        return -1;
    int64_t from_s = now_s - SKEW_S < CA_FROM ? CA_FROM : now_s - SKEW_S;
    const struct sk_cert_request r = {
        .common_name = common_name,
        .names = names,
        .not_before = from_s,
        .not_after = until_s > from_s ? until_s : from_s + SERVER_S,
        .key = key,
        .issuer_pem = ca,
        .issuer_key = ca_key,
    };
    if (sk_cert_make(&r, chain, err) < 0 || sk_key_private_pem(key, key_pem, err) < 0)
        return -1;
    sk_buf_add(chain, ca, ca_len);
    return sk_buf_ok(chain) ? 0 : sk_buf_fail(chain, err);
}

/* Gateway name, addresses that are listened on, "edgeHub"; each once. */
static void server_names(const struct sk_agent_config *c, const char *bridge, const char **out,
                         size_t max)
{
    size_t count = 0;
    out[count++] = c->gateway;
    out[count++] = "edgeHub";
    for (size_t i = 0; c->listen[i] && count < max - 1; i++) {
        unsigned char raw[16];
        bool is_address = inet_pton(AF_INET, c->listen[i], raw) == 1 ||
                          inet_pton(AF_INET6, c->listen[i], raw) == 1;
        if (is_address && strcmp(c->listen[i], "0.0.0.0") != 0 && strcmp(c->listen[i], "::") != 0 &&
            strcmp(c->listen[i], c->gateway) != 0)
            out[count++] = c->listen[i];
    }
    if (*bridge && count < max - 1)
        out[count++] = bridge;
    out[count] = NULL;
}

static void join(const char *const *names, struct sk_buf *out)
{
    for (size_t i = 0; names[i]; i++)
        sk_buf_fmt(out, "%s\n", names[i]);
}

/* The digest stands behind the names: a damaged file is made again, whatever in it is damaged. */
static int add_digest(struct sk_buf *names, const char *pem, size_t len, struct sk_err *err)
{
    char digest[SK_SHA256_HEX];
    if (sk_sha256_hex(pem, len, digest, err) < 0)
        return -1;
    sk_buf_fmt(names, "%s\n", digest);
    return sk_buf_ok(names) ? 0 : sk_buf_fail(names, err);
}

static bool is_good(const char *dir, const struct sk_buf *names, int64_t now_s)
{
    SK_AUTO(sk_buf_done) struct sk_buf wanted = SK_BUF_INIT(PEM_BYTES);
    SK_OWN(free) char *has = NULL;
    SK_OWN(free) char *pem = NULL;
    struct sk_cert_info info;
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0, has_len = 0;
    sk_buf_add(&wanted, names->data, names->len);
    if (read_tls(dir, "server.names", &has, &has_len, &err) < 0 ||
        read_tls(dir, "server.pem", &pem, &len, &err) < 0 ||
        add_digest(&wanted, pem, len, &err) < 0)
        return false;
    bool is_same = has_len == wanted.len && memcmp(has, wanted.data, has_len) == 0;
    if (!is_same || sk_cert_info(pem, len, &info, &err) < 0)
        return false;
    return now_s >= info.not_before && now_s < info.not_after - (int64_t)SERVER_S / 3;
}

int sk_agent_certs(const char *dir, const struct sk_agent_config *c, const char *bridge,
                   int64_t now_s, bool *is_new, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf listed = SK_BUF_INIT(PEM_BYTES);
    SK_OWN(free) char *folder = sk_agent_path(dir, "tls", NULL);
    SK_OWN(free) char *ca = sk_agent_path(dir, "tls", "ca.pem");
    const char *names[16];
    *is_new = false;
    if (!folder || !ca)
        return sk_nomem(err);
    if (sk_mkdirs(folder, 0755, err) < 0 || (!sk_is_file(ca) && make_ca(dir, c, err) < 0))
        return sk_wrap(err, "the edge's CA");
    server_names(c, bridge, names, sizeof names / sizeof *names);
    join(names, &listed);
    if (is_good(dir, &listed, now_s) && can_be_read(dir))
        return 0;
    SK_AUTO(sk_buf_done) struct sk_buf key = SK_BUF_INIT(PEM_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf chain = SK_BUF_INIT(PEM_BYTES);
    if (make_leaf(dir, c->gateway, names, now_s, now_s + SERVER_S, &key, &chain, err) < 0)
        return sk_wrap(err, "the local hub's certificate");
    sk_buf_add(&chain, key.data, key.len);
    if (!sk_buf_ok(&chain))
        return sk_buf_fail(&chain, err);
    if (add_digest(&listed, chain.data, chain.len, err) < 0 || write_server(dir, &chain, err) < 0 ||
        write_tls(dir, "server.names", &listed, 0644, err) < 0)
        return -1;
    explicit_bzero(key.data, key.len);
    *is_new = true;
    return 0;
}

int sk_agent_cert_for(const char *dir, const struct sk_agent_config *c, const char *kind,
                      const char *module, const char *name, int64_t now_s, int64_t until_s,
                      struct sk_buf *key, struct sk_buf *chain, int64_t *expires_s,
                      struct sk_err *err)
{
    bool is_server = strcmp(kind, "server") == 0;
    char identity[2 * SK_AGENT_NAME + 2];
    const char *bare = *module == '$' ? module + 1 : module;
    const char *names[] = { name, bare, NULL };
    int64_t end = until_s > now_s && until_s < now_s + SERVER_S ? until_s : now_s + SERVER_S;
    if (!is_server && strcmp(kind, "identity") != 0)
        return sk_fail(err, SK_INVALID, "no such kind of certificate: '%s'", kind);
    if (is_server && !*name)
        return sk_fail(err, SK_INVALID, "commonName is missing");
    (void)snprintf(identity, sizeof identity, "%.63s", module);
    if (make_leaf(dir, is_server ? name : identity, is_server ? names : NULL, now_s, end, key,
                  chain, err) < 0)
        return sk_wrap(err, "a certificate for module '%s' of %s", module, c->device);
    *expires_s = end;
    return 0;
}
