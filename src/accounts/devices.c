/* devices.c - devices as the hidden commands make them, and what each may pull. */
#include "accounts/accounts_priv.h"

#include "base/clock.h"
#include "base/str.h"

#include <ctype.h>
#include <string.h>

/* IoT Hub's characters. */
bool sk_device_id_valid(const char *id)
{
    size_t len = strlen(id);
    if (len == 0 || len > SK_DEVICE_ID_MAX)
        return false;
    for (const char *p = id; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("-:.+%_#*?!(),=@$'", *p))
            return false;
    return true;
}

/* Hex of any case, with or without colons, into 64 lower-case digits. */
static int read_thumbprint(const char *text, char out[SK_SHA256_HEX], struct sk_err *err)
{
    size_t used = 0;
    for (const char *p = text; *p; p++) {
        if (*p == ':')
            continue;
        if (!isxdigit((unsigned char)*p) || used >= SK_SHA256_HEX - 1)
            return sk_fail(err, SK_INVALID,
                           "the thumbprint must be a SHA-256, 64 hex digits with or without ':'");
        out[used++] = (char)tolower((unsigned char)*p);
    }
    out[used] = '\0';
    if (used != SK_SHA256_HEX - 1)
        return sk_fail(err, SK_INVALID, "the thumbprint has %zu hex digits, a SHA-256 has 64",
                       used);
    return 0;
}

int sk_device_make_key(char out[64], struct sk_err *err)
{
    unsigned char bytes[SK_DEVICE_KEY_BYTES];
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(64);
    if (sk_random(bytes, sizeof bytes, err) < 0)
        return -1;
    sk_base64(&b, bytes, sizeof bytes);
    explicit_bzero(bytes, sizeof bytes);
    if (!sk_buf_ok(&b))
        return sk_buf_fail(&b, err);
    memcpy(out, b.data, b.len + 1);
    explicit_bzero(b.data, b.len);
    return 0;
}

static int choose_key(const char *given, char out[64], struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(64);
    if (!given)
        return sk_device_make_key(out, err);
    bool is_read = strlen(given) < 64 && sk_base64_decode(given, strlen(given), &b, err) == 0;
    if (!is_read && err->code == SK_NOMEM)
        return -1;
    if (!is_read || b.len < 16)
        return sk_fail(err, SK_INVALID, "a device's key must be base64 of 16 to 47 bytes");
    memcpy(out, given, strlen(given) + 1);
    return 0;
}

/* 18 digits, another for each identity that is made: a device that is deleted and made again is
 * told from the one before. */
static int make_generation(int64_t now_ms, char out[24], struct sk_err *err)
{
    uint32_t salt;
    if (sk_random(&salt, sizeof salt, err) < 0)
        return -1;
    (void)snprintf(out, 24, "%lld%05u", (long long)now_ms, (unsigned)(salt % 100000));
    return 0;
}

/* 1: another device has this certificate, 0, -1. */
static int is_taken(struct sk_tx *tx, const char *id, const char *thumbprint, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_tx_query(tx, &s, err,
                    "SELECT 1 FROM identity WHERE primary_thumbprint = ?2 "
                    "AND primary_thumbprint <> '' AND (device <> ?1 OR module <> '') LIMIT 1",
                    "ss", id, thumbprint) < 0)
        return -1;
    return sk_stmt_next(s, err);
}

static int put_row(struct sk_tx *tx, const char *id, const char *key, const char *thumbprint,
                   struct sk_err *err)
{
    int64_t now_ms = (int64_t)sk_wall_ms();
    char generation[24];
    if (make_generation(now_ms, generation, err) < 0 ||
        sk_tx_run(tx, err,
                  "INSERT INTO identity(device, generation, auth, primary_key, "
                  "primary_thumbprint, created_ms) VALUES(?1, ?2, ?3, ?4, ?5, ?6) "
                  "ON CONFLICT(device, module) DO UPDATE SET etag = etag + 1, "
                  "auth = excluded.auth, primary_key = excluded.primary_key, secondary_key = '', "
                  "primary_thumbprint = excluded.primary_thumbprint, secondary_thumbprint = ''",
                  "sssssi", id, generation, *thumbprint ? "selfSigned" : "sas", key, thumbprint,
                  now_ms) < 0)
        return -1;
    return sk_tx_run(tx, err,
                     "INSERT OR IGNORE INTO twin(identity) "
                     "SELECT id FROM identity WHERE device = ?1 AND module = ''",
                     "s", id);
}

int sk_device_put(struct sk_accounts *a, const struct sk_who *who, const char *id,
                  const char *primary_key, const char *thumbprint, char key_out[64],
                  struct sk_err *err)
{
    char key[64], print[SK_SHA256_HEX] = "";
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    if (sk_who_need(who, SK_ROLE_DEPLOYER, err) < 0)
        return -1;
    if (!sk_device_id_valid(id))
        return sk_fail(err, SK_INVALID,
                       "'%.140s' is no device id: 1 to %d letters, digits and -:.+%%_#*?!(),=@$'",
                       id, SK_DEVICE_ID_MAX);
    if (choose_key(primary_key, key, err) < 0 ||
        (thumbprint && read_thumbprint(thumbprint, print, err) < 0) ||
        sk_db_begin(a->db, SK_DB_WRITE, &tx, err) < 0)
        return -1;
    int taken = is_taken(tx, id, print, err);
    if (taken != 0)
        return taken < 0 ? -1
                         : sk_fail(err, SK_EXISTS, "another device has the certificate %s", print);
    if (put_row(tx, id, key, print, err) < 0 ||
        sk_audit(tx, who, "device.put", id, thumbprint ? print : NULL, err) < 0 ||
        sk_tx_commit(&tx, err) < 0)
        return -1;
    memcpy(key_out, key, sizeof key);
    return 0;
}

/* ---- what a device may pull ---- */

int sk_device_pulls_set(struct sk_tx *tx, const char *device, const char *const *repositories,
                        size_t count, struct sk_err *err)
{
    if (count > SK_DEVICE_PULLS)
        return sk_fail(err, SK_LIMIT, "a device may pull at most %d repositories, not %zu",
                       SK_DEVICE_PULLS, count);
    if (sk_tx_run(tx, err, "DELETE FROM pull WHERE device = ?1", "s", device) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (sk_accounts_text("a repository's name", repositories[i], 255, err) < 0 ||
            sk_tx_run(tx, err, "INSERT OR IGNORE INTO pull VALUES(?1, ?2)", "ss", device,
                      repositories[i]) < 0)
            return -1;
    return 0;
}

/* As many of the names as the log takes. */
static void list_names(struct sk_buf *out, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count && out->len < SK_AUDIT_TEXT_MAX; i++)
        sk_buf_fmt(out, "%s%s", i > 0 ? " " : "", names[i]);
}

int sk_device_allow(struct sk_accounts *a, const struct sk_who *who, const char *id,
                    const char *const *repositories, size_t count, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf detail = SK_BUF_INIT(4096);
    struct sk_login_row row;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    if (sk_who_need(who, SK_ROLE_DEPLOYER, err) < 0 ||
        sk_db_begin(a->db, SK_DB_WRITE, &tx, err) < 0)
        return -1;
    int found = sk_login_read(tx, id, "", true, &row, err);
    if (found == 0)
        return sk_fail(err, SK_NOT_FOUND, "there is no device '%.140s'", id);
    if (found < 0 || sk_device_pulls_set(tx, id, repositories, count, err) < 0)
        return -1;
    list_names(&detail, repositories, count);
    if (!sk_buf_ok(&detail))
        return sk_buf_fail(&detail, err);
    if (sk_audit(tx, who, "device.allow", id, detail.data ? detail.data : "", err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

bool sk_accounts_device_may_pull(struct sk_accounts *a, const char *device, const char *repository)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    return sk_db_begin(a->db, SK_DB_READ, &tx, &err) == 0 &&
           sk_tx_query(tx, &s, &err,
                       "SELECT 1 FROM pull JOIN identity i ON i.device = pull.device "
                       "AND i.module = '' "
                       "WHERE pull.device = ?1 AND repository = ?2 AND i.is_enabled",
                       "ss", device, repository) == 0 &&
           sk_stmt_next(s, &err) == 1;
}
