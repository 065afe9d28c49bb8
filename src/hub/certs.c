/*
 * certs.c - the hub's CA and its server certificate.
 *
 *     tls/ca.pem       what clients trust; 10 years
 *     tls/ca.key       0600; needed at renewals only, so it may be kept elsewhere in between
 *     tls/server.pem   0600: certificate, CA and key in one file, which is replaced in one step
 */
#include "hub/hub_priv.h"

#include "base/file.h"
#include "crypto/crypto.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
    DAY_S = 86400,
    CA_DAYS = 3650,
    SERVER_DAYS = 730,
    SKEW_S = 3600, /* clocks of clients may be behind */
    PEM_BYTES = 64 << 10
};

/* "<dir>/tls/<name>"; malloc'd. */
static char *path_of(const char *dir, const char *name)
{
    SK_OWN(free) char *tls = sk_path_join(dir, "tls");
    return tls ? sk_path_join(tls, name) : NULL;
}

static int write_pem(const char *dir, const char *name, const struct sk_buf *pem, unsigned mode,
                     struct sk_err *err)
{
    SK_OWN(free) char *path = path_of(dir, name);
    if (!path)
        return sk_nomem(err);
    return sk_file_write(path, pem->data, pem->len, mode, err);
}

static int read_pem(const char *dir, const char *name, char **out, size_t *len, struct sk_err *err)
{
    SK_OWN(free) char *path = path_of(dir, name);
    if (!path)
        return sk_nomem(err);
    return sk_file_read(path, PEM_BYTES, out, len, err);
}

static int make_server(const char *dir, const char *const *hostnames, const char *ca_pem,
                       const struct sk_key *ca_key, int64_t now_s, struct sk_err *err)
{
    SK_OWN(sk_key_free) struct sk_key *key = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf pem = SK_BUF_INIT(PEM_BYTES);
    struct sk_cert_info ca;
    if (sk_key_make(&key, err) < 0 || sk_cert_info(ca_pem, strlen(ca_pem), &ca, err) < 0)
        return -1;
    int64_t end_s = now_s + (int64_t)SERVER_DAYS * DAY_S;
    const struct sk_cert_request r = {
        .common_name = hostnames[0],
        .names = hostnames,
        .not_before = now_s - SKEW_S,
        .not_after = end_s < ca.not_after ? end_s : ca.not_after,
        .key = key,
        .issuer_pem = ca_pem,
        .issuer_key = ca_key,
    };
    if (sk_cert_make(&r, &pem, err) < 0)
        return sk_wrap(err, "the server's certificate");
    sk_buf_str(&pem, ca_pem);
    if (!sk_buf_ok(&pem))
        return sk_buf_fail(&pem, err);
    if (sk_key_private_pem(key, &pem, err) < 0)
        return -1;
    int rc = write_pem(dir, "server.pem", &pem, 0600, err);
    explicit_bzero(pem.data, pem.len);
    return rc;
}

int sk_hub_certs_make(const char *dir, const char *const *hostnames, char ca_sha256[65],
                      struct sk_err *err)
{
    SK_OWN(sk_key_free) struct sk_key *key = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf pem = SK_BUF_INIT(PEM_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf secret = SK_BUF_INIT(PEM_BYTES);
    SK_OWN(free) char *folder = sk_path_join(dir, "tls");
    struct sk_cert_info info;
    char name[300];
    int64_t now_s = time(NULL);
    if (!folder)
        return sk_nomem(err);
    (void)snprintf(name, sizeof name, "Skerry CA of %s", hostnames[0]);
    if (mkdir(folder, 0700) < 0)
        return sk_fail_errno(err, "'%s'", folder);
    if (sk_key_make(&key, err) < 0 || sk_key_private_pem(key, &secret, err) < 0)
        return -1;
    const struct sk_cert_request r = {
        .common_name = name,
        .is_ca = true,
        .not_before = now_s - SKEW_S,
        .not_after = now_s + (int64_t)CA_DAYS * DAY_S,
        .key = key,
    };
    if (sk_cert_make(&r, &pem, err) < 0 || sk_cert_info(pem.data, pem.len, &info, err) < 0 ||
        write_pem(dir, "ca.key", &secret, 0600, err) < 0 ||
        write_pem(dir, "ca.pem", &pem, 0644, err) < 0 ||
        make_server(dir, hostnames, pem.data, key, now_s, err) < 0)
        return -1;
    explicit_bzero(secret.data, secret.len);
    memcpy(ca_sha256, info.sha256, sizeof info.sha256);
    return 0;
}

int sk_hub_certs_renew(const char *dir, const char *const *hostnames, int64_t now_s, bool *renewed,
                       struct sk_err *err)
{
    SK_OWN(free) char *server = NULL;
    SK_OWN(free) char *ca = NULL;
    SK_OWN(free) char *secret = NULL;
    SK_OWN(sk_key_free) struct sk_key *key = NULL;
    struct sk_cert_info info;
    size_t len;
    *renewed = false;
    if (read_pem(dir, "server.pem", &server, &len, err) < 0)
        return -1;
    int rc = sk_cert_info(server, len, &info, err);
    explicit_bzero(server, len);
    if (rc < 0)
        return sk_wrap(err, "%s/tls/server.pem", dir);
    if (info.not_after - now_s >= (info.not_after - info.not_before) / 3)
        return 0;
    if (read_pem(dir, "ca.pem", &ca, &len, err) < 0 ||
        read_pem(dir, "ca.key", &secret, &len, err) < 0)
        return sk_wrap(err, "the server's certificate is due for renewal");
    rc = sk_key_parse(secret, len, &key, err);
    explicit_bzero(secret, len);
    if (rc < 0)
        return sk_wrap(err, "%s/tls/ca.key", dir);
    if (make_server(dir, hostnames, ca, key, now_s, err) < 0)
        return -1;
    *renewed = true;
    return 0;
}
