/*
 * login.c - identities of devices and modules, and what proves them: a SAS token or a certificate.
 *
 * A login costs one short read of the database; then the reader is given back, and the signatures
 * are checked. An unknown identity costs the same two signatures as a known one. Which means an
 * identity has is fixed: one with a certificate takes no key of its own, and the other way round.
 * A policy that may speak as any device needs no key of the identity.
 */
#include "accounts/accounts_priv.h"

#include "base/clock.h"

#include <string.h>
#include <strings.h>

#define COLUMNS                                                                                    \
    "i.id, i.device, i.module, i.generation, i.auth, i.primary_key, i.secondary_key, "             \
    "i.primary_thumbprint, i.secondary_thumbprint, i.is_enabled AND d.is_enabled, i.is_edge "      \
    "FROM identity i JOIN identity d ON d.device = i.device AND d.module = '' "

static enum sk_login_auth auth_of(const char *text)
{
    return strcmp(text, "sas") == 0                    ? SK_LOGIN_SAS
           : strcmp(text, "selfSigned") == 0           ? SK_LOGIN_SELF_SIGNED
           : strcmp(text, "certificateAuthority") == 0 ? SK_LOGIN_CA
                                                       : SK_LOGIN_NONE;
}

/* As sk_stmt_next. */
static int next_row(struct sk_stmt *s, struct sk_login_row *out, struct sk_err *err)
{
    int found = sk_stmt_next(s, err);
    if (found != 1)
        return found;
    *out = (struct sk_login_row){ .id = sk_stmt_int(s, 0),
                                  .auth = auth_of(sk_stmt_text(s, 4)),
                                  .is_enabled = sk_stmt_int(s, 9) != 0,
                                  .is_edge = sk_stmt_int(s, 10) != 0 };
    (void)snprintf(out->device, sizeof out->device, "%s", sk_stmt_text(s, 1));
    (void)snprintf(out->module, sizeof out->module, "%s", sk_stmt_text(s, 2));
    (void)snprintf(out->generation, sizeof out->generation, "%s", sk_stmt_text(s, 3));
    (void)snprintf(out->primary_key, sizeof out->primary_key, "%s", sk_stmt_text(s, 5));
    (void)snprintf(out->secondary_key, sizeof out->secondary_key, "%s", sk_stmt_text(s, 6));
    (void)snprintf(out->primary_thumbprint, sizeof out->primary_thumbprint, "%s",
                   sk_stmt_text(s, 7));
    (void)snprintf(out->secondary_thumbprint, sizeof out->secondary_thumbprint, "%s",
                   sk_stmt_text(s, 8));
    return 1;
}

int sk_login_read(struct sk_tx *tx, const char *device, const char *module, bool is_exact,
                  struct sk_login_row *out, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_tx_query(tx, &s, err,
                    is_exact ? "SELECT " COLUMNS "WHERE i.device = ?1 AND i.module = ?2"
                             : "SELECT " COLUMNS "WHERE i.device = ?1 COLLATE NOCASE "
                               "AND i.module = ?2 COLLATE NOCASE "
                               "ORDER BY i.device = ?1 DESC, i.module = ?2 DESC, i.id LIMIT 1",
                    "ss", device, module) < 0)
        return -1;
    return next_row(s, out, err);
}

/* One certificate may be that of several: devices go before modules, the oldest first. */
static int read_by_thumbprint(struct sk_tx *tx, const struct sk_cert_info *info,
                              struct sk_login_row *out, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_tx_query(tx, &s, err,
                    "SELECT " COLUMNS "WHERE i.auth = 'selfSigned' AND i.id IN ("
                    "SELECT id FROM identity WHERE primary_thumbprint <> '' "
                    "AND primary_thumbprint IN (?1, ?2) UNION ALL "
                    "SELECT id FROM identity WHERE secondary_thumbprint <> '' "
                    "AND secondary_thumbprint IN (?1, ?2)) "
                    "ORDER BY i.module <> '', i.id LIMIT 1",
                    "ss", info->sha256, info->sha1) < 0)
        return -1;
    return next_row(s, out, err);
}

static int denied(const struct sk_login_row *row, struct sk_err *err)
{
    return sk_fail(err, SK_DENIED, "'%s%s%s' or its device is disabled", row->device,
                   row->module[0] ? "/" : "", row->module);
}

/* ---- SAS tokens ---- */

/* What the database knows of whom a token names; unknown ones stay empty. */
static int read_named(struct sk_accounts *a, const struct sk_sas *sas, const char *device,
                      const char *module, bool is_exact, struct sk_policy *policy,
                      struct sk_login_row *row, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    if (sk_db_begin(a->db, SK_DB_READ, &tx, err) < 0 ||
        (sas->policy[0] && sk_policy_read(tx, sas->policy, policy, err) < 0) ||
        (*device && sk_login_read(tx, device, module, is_exact, row, err) < 0))
        return -1;
    return 0;
}

int sk_login_by_sas(struct sk_accounts *a, const char *text, const char *device, const char *module,
                    const char *const *hub_names, struct sk_login *out, struct sk_err *err)
{
    struct sk_sas sas;
    struct sk_policy policy = { .name = "" };
    struct sk_login l = { .is_cert = false };
    bool is_primary = false, is_secondary = false, is_exact = device != NULL;
    if (sk_sas_parse(text, &sas, err) < 0)
        return err->code == SK_INVALID ? sk_accounts_refuse(err) : -1;
    if (device && sas.device[0] &&
        (strcasecmp(device, sas.device) != 0 || strcasecmp(module, sas.module) != 0))
        return sk_accounts_refuse(err);
    if (!device) {
        device = sas.device;
        module = sas.module;
    }
    if (read_named(a, &sas, device, module, is_exact, &policy, &l.identity, err) < 0)
        return -1;
    bool has_key = !sas.policy[0] && l.identity.auth == SK_LOGIN_SAS;
    const char *primary = sas.policy[0] ? policy.primary_key
                          : has_key     ? l.identity.primary_key
                                        : "";
    const char *secondary = sas.policy[0] ? policy.secondary_key
                            : has_key     ? l.identity.secondary_key
                                          : "";
    if (sk_sas_signed_by(&sas, primary, &is_primary, err) < 0 ||
        sk_sas_signed_by(&sas, secondary, &is_secondary, err) < 0)
        return -1;
    int64_t now_s = (int64_t)(sk_wall_ms() / 1000);
    bool is_identity_right = l.identity.auth != SK_LOGIN_NONE &&
                             (!sas.policy[0] || (policy.rights & SK_RIGHT_DEVICE) != 0);
    if (!(is_primary || is_secondary) || sas.expires_s < now_s - SK_SAS_SKEW_S ||
        !sk_host_is_ours(sas.host, hub_names) || (*device && !is_identity_right))
        return sk_accounts_refuse(err);
    if (*device && !l.identity.is_enabled)
        return denied(&l.identity, err);
    memcpy(l.policy, sas.policy, sizeof l.policy);
    l.rights = policy.rights;
    l.expires_s = sas.expires_s;
    *out = l;
    return 0;
}

/* ---- certificates ---- */

static bool is_thumbprint(const char *kept, const struct sk_cert_info *info)
{
    return kept[0] && (strcasecmp(kept, info->sha256) == 0 || strcasecmp(kept, info->sha1) == 0);
}

/* 1: it chains to a CA of devices, 0: not, -1. */
static int is_signed(struct sk_accounts *a, const void *der, size_t len, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf ca = SK_BUF_INIT(SK_DEVICE_CA_BYTES + 1);
    {
        SK_LOCK(&a->lock);
        sk_buf_add(&ca, a->device_ca.data, a->device_ca.len);
    }

    if (!sk_buf_ok(&ca))
        return sk_buf_fail(&ca, err);
    if (ca.len == 0)
        return 0;
    if (sk_cert_verify(der, len, ca.data, ca.len, (int64_t)(sk_wall_ms() / 1000), err) == 0)
        return 1;
    return err->code == SK_DENIED || err->code == SK_INVALID ? 0 : -1;
}

/* 1: the certificate is this identity's, 0: not, -1. */
static int is_of(struct sk_accounts *a, const struct sk_login_row *row,
                 const struct sk_cert_info *info, const void *der, size_t len, struct sk_err *err)
{
    char name[sizeof row->device + sizeof row->module + 1];
    if (row->auth == SK_LOGIN_SELF_SIGNED)
        return is_thumbprint(row->primary_thumbprint, info) ||
               is_thumbprint(row->secondary_thumbprint, info);
    (void)snprintf(name, sizeof name, "%s%s%s", row->device, row->module[0] ? "/" : "",
                   row->module);
    return row->auth == SK_LOGIN_CA && strcmp(name, info->common_name) == 0
               ? is_signed(a, der, len, err)
               : 0;
}

/* device NULL: by the thumbprint, else by the common name. */
static int read_of_cert(struct sk_accounts *a, const struct sk_cert_info *info, const char *device,
                        const char *module, struct sk_login_row *row, struct sk_err *err)
{
    char name[sizeof info->common_name];
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    if (sk_db_begin(a->db, SK_DB_READ, &tx, err) < 0)
        return -1;
    if (device)
        return sk_login_read(tx, device, module, true, row, err);
    int found = read_by_thumbprint(tx, info, row, err);
    if (found != 0)
        return found;
    memcpy(name, info->common_name, sizeof name);
    char *slash = strchr(name, '/');
    if (slash)
        *slash++ = '\0';
    return sk_login_read(tx, name, slash ? slash : "", true, row, err);
}

int sk_login_by_cert(struct sk_accounts *a, const void *der, size_t len, const char *device,
                     const char *module, struct sk_login *out, struct sk_err *err)
{
    struct sk_cert_info info;
    struct sk_login l = { .is_cert = true };
    int64_t now_s = (int64_t)(sk_wall_ms() / 1000);
    if (sk_cert_info_der(der, len, &info, err) < 0)
        return err->code == SK_INVALID ? sk_accounts_refuse(err) : -1;
    if (info.not_after < now_s - SK_SAS_SKEW_S || info.not_before > now_s + SK_SAS_SKEW_S)
        return sk_accounts_refuse(err);
    int is_right = read_of_cert(a, &info, device, module, &l.identity, err);
    if (is_right == 1)
        is_right = is_of(a, &l.identity, &info, der, len, err);
    if (is_right != 1)
        return is_right < 0 ? -1 : sk_accounts_refuse(err);
    if (!l.identity.is_enabled)
        return denied(&l.identity, err);
    l.expires_s = info.not_after;
    *out = l;
    return 0;
}

/* The first certificate of a PEM text that has one. */
static int first_der(const char *pem, size_t len, struct sk_buf *out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_DEVICE_CA_BYTES);
    const char *begin = memmem(pem, len, "-----BEGIN", 10), *end = pem + len;
    begin = begin ? memchr(begin, '\n', (size_t)(end - begin)) : NULL;
    for (const char *p = begin; p && p < end && *p != '-'; p++)
        if (!strchr("\r\n \t", *p))
            sk_buf_chr(&text, *p);
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    return sk_base64_decode(text.data ? text.data : "", text.len, out, err);
}

/* All of them are looked at when a certificate is verified, so one of them is: whether it is a
 * device's does not matter, but a text that could never verify any is told of now. */
static int check_ca(const char *pem, size_t len, struct sk_err *err)
{
    struct sk_cert_info first;
    struct sk_err why = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf der = SK_BUF_INIT(SK_DEVICE_CA_BYTES);
    if (sk_cert_info(pem, len, &first, err) < 0 || first_der(pem, len, &der, err) < 0)
        return -1;
    if (sk_cert_verify(der.data, der.len, pem, len, first.not_before, &why) == 0 ||
        why.code == SK_DENIED)
        return 0;
    *err = why;
    return -1;
}

int sk_accounts_set_device_ca(struct sk_accounts *a, const char *pem, size_t len,
                              struct sk_err *err)
{
    if (len > SK_DEVICE_CA_BYTES)
        return sk_fail(err, SK_LIMIT, "the CA certificates of devices have %zu bytes, at most %d",
                       len, SK_DEVICE_CA_BYTES);
    if (len > 0 && check_ca(pem, len, err) < 0)
        return sk_wrap(err, "the CA certificates of devices");
    SK_AUTO(sk_buf_done) struct sk_buf copy = SK_BUF_INIT(SK_DEVICE_CA_BYTES + 1);
    sk_buf_add(&copy, pem, len);
    if (!sk_buf_ok(&copy))
        return sk_buf_fail(&copy, err);
    SK_LOCK(&a->lock);
    struct sk_buf old = a->device_ca;
    a->device_ca = copy;
    copy = old;
    return 0;
}

/* ---- devices that connect ---- */

static int log_in(struct sk_accounts *a, const struct sk_device_login *login, struct sk_login *out,
                  struct sk_err *err)
{
    const char *module = login->module ? login->module : "";
    if (!sk_host_is_ours(login->host, login->hub_names) || !*login->device)
        return sk_accounts_refuse(err);
    if (login->sas && *login->sas)
        return sk_login_by_sas(a, login->sas, login->device, module, login->hub_names, out, err);
    if (login->cert && login->cert_len > 0)
        return sk_login_by_cert(a, login->cert, login->cert_len, login->device, module, out, err);
    return sk_accounts_refuse(err);
}

int sk_accounts_check_device(struct sk_accounts *a, const struct sk_device_login *login,
                             struct sk_device_pass *out, struct sk_err *err)
{
    struct sk_err why = SK_ERR_INIT;
    struct sk_login l;
    if (login->sas && *login->sas && sk_accounts_may_try(a, login->peer, err) < 0)
        return -1;
    if (log_in(a, login, &l, &why) < 0) {
        if (why.code == SK_UNAUTHENTICATED)
            return sk_accounts_failed(a, login->peer, err);
        *err = why;
        return -1;
    }
    struct sk_device_pass pass = { .identity = l.identity.id,
                                   .expires_s = l.expires_s,
                                   .is_edge = l.identity.is_edge };
    memcpy(pass.generation, l.identity.generation, sizeof pass.generation);
    (void)snprintf(pass.auth_method, sizeof pass.auth_method,
                   "{\"scope\":\"%s\",\"type\":\"%s\",\"issuer\":\"%s\"}",
                   l.policy[0]            ? "hub"
                   : l.identity.module[0] ? "module"
                                          : "device",
                   l.is_cert ? "x509" : "sas", l.is_cert ? "external" : "iothub");
    *out = pass;
    return 0;
}
