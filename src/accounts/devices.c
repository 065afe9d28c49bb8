/* devices.c - identities of devices and what each may pull. */
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

int sk_device_read(struct sk_db *db, const char *id, const char *thumbprint,
                   struct sk_device_row *out, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_db_begin(db, SK_DB_READ, &tx, err) < 0 ||
        sk_tx_query(tx, &s, err,
                    id ? "SELECT id, primary_key, secondary_key, is_enabled FROM device "
                         "WHERE id = ?1"
                       : "SELECT id, primary_key, secondary_key, is_enabled FROM device "
                         "WHERE thumbprint = ?1",
                    "s", id ? id : thumbprint) < 0)
        return -1;
    int found = sk_stmt_next(s, err);
    if (found != 1)
        return found;
    *out = (struct sk_device_row){ .is_enabled = sk_stmt_int(s, 3) != 0 };
    (void)snprintf(out->id, sizeof out->id, "%s", sk_stmt_text(s, 0));
    (void)snprintf(out->primary_key, sizeof out->primary_key, "%s", sk_stmt_text(s, 1));
    (void)snprintf(out->secondary_key, sizeof out->secondary_key, "%s", sk_stmt_text(s, 2));
    return 1;
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

static int choose_key(const char *given, char out[64], struct sk_err *err)
{
    unsigned char bytes[SK_DEVICE_KEY_BYTES];
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(64);
    if (!given) {
        if (sk_random(bytes, sizeof bytes, err) < 0)
            return -1;
        sk_base64(&b, bytes, sizeof bytes);
        if (!sk_buf_ok(&b))
            return sk_buf_fail(&b, err);
        memcpy(out, b.data, b.len + 1);
        return 0;
    }
    bool is_read = strlen(given) < 64 && sk_base64_decode(given, strlen(given), &b, err) == 0;
    if (!is_read && err->code == SK_NOMEM)
        return -1;
    if (!is_read || b.len < 16)
        return sk_fail(err, SK_INVALID, "a device's key must be base64 of 16 to 47 bytes");
    memcpy(out, given, strlen(given) + 1);
    return 0;
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
    if (sk_tx_run(tx, err,
                  "INSERT INTO device(id, primary_key, thumbprint, created_ms) "
                  "VALUES(?1, ?2, ?3, ?4) ON CONFLICT(id) DO UPDATE SET "
                  "primary_key = excluded.primary_key, secondary_key = '', "
                  "thumbprint = excluded.thumbprint",
                  "sssi", id, key, thumbprint ? print : NULL, (int64_t)sk_wall_ms()) < 0)
        return err->code == SK_EXISTS
                   ? sk_fail(err, SK_EXISTS, "another device has the certificate %s", print)
                   : -1;
    if (sk_audit(tx, who, "device.put", id, thumbprint ? print : NULL, err) < 0 ||
        sk_tx_commit(&tx, err) < 0)
        return -1;
    memcpy(key_out, key, sizeof key);
    return 0;
}

static int add_pulls(struct sk_tx *tx, const char *id, const char *const *repositories,
                     size_t count, struct sk_buf *detail, struct sk_err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (sk_accounts_text("a repository's name", repositories[i], 255, err) < 0 ||
            sk_tx_run(tx, err, "INSERT OR IGNORE INTO device_pull VALUES(?1, ?2)", "ss", id,
                      repositories[i]) < 0)
            return -1;
        if (detail->len < SK_AUDIT_TEXT_MAX)
            sk_buf_fmt(detail, "%s%s", i > 0 ? " " : "", repositories[i]);
    }
    return sk_buf_ok(detail) ? 0 : sk_buf_fail(detail, err);
}

int sk_device_allow(struct sk_accounts *a, const struct sk_who *who, const char *id,
                    const char *const *repositories, size_t count, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf detail = SK_BUF_INIT(4096);
    struct sk_device_row row;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    if (sk_who_need(who, SK_ROLE_DEPLOYER, err) < 0)
        return -1;
    if (count > SK_DEVICE_PULLS)
        return sk_fail(err, SK_LIMIT, "a device may pull at most %d repositories, not %zu",
                       SK_DEVICE_PULLS, count);
    int found = sk_device_read(a->db, id, NULL, &row, err);
    if (found == 0)
        return sk_fail(err, SK_NOT_FOUND, "there is no device '%.140s'", id);
    if (found < 0 || sk_db_begin(a->db, SK_DB_WRITE, &tx, err) < 0 ||
        sk_tx_run(tx, err, "DELETE FROM device_pull WHERE device = ?1", "s", id) < 0 ||
        add_pulls(tx, id, repositories, count, &detail, err) < 0 ||
        sk_audit(tx, who, "device.allow", id, detail.data ? detail.data : "", err) < 0)
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
                       "SELECT 1 FROM device_pull JOIN device ON device.id = device "
                       "WHERE device = ?1 AND repository = ?2 AND is_enabled",
                       "ss", device, repository) == 0 &&
           sk_stmt_next(s, &err) == 1;
}
