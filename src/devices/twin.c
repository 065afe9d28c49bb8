/* twin.c - reading twins: whole, for the service, and the two sections that a device gets. */
#include "devices/devices_priv.h"

#include <stdlib.h>
#include <string.h>

/* Behind those of the identity. */
#define TWIN_COLUMNS                                                                               \
    "t.etag, t.version, t.tags, t.configurations, t.desired, t.desired_meta, t.desired_version, "  \
    "t.reported, t.reported_meta, t.reported_version"

void sk_twin_done(struct sk_twin *t)
{
    if (!t)
        return;
    free(t->tags);
    free(t->configurations);
    free(t->desired);
    free(t->desired_meta);
    free(t->reported);
    free(t->reported_meta);
    t->tags = t->configurations = NULL;
    t->desired = t->desired_meta = t->reported = t->reported_meta = NULL;
}

static bool copy_texts(struct sk_stmt *s, int first, struct sk_twin *out)
{
    out->tags = strdup(sk_stmt_text(s, first + 2));
    out->configurations = strdup(sk_stmt_text(s, first + 3));
    out->desired = strdup(sk_stmt_text(s, first + 4));
    out->desired_meta = strdup(sk_stmt_text(s, first + 5));
    out->reported = strdup(sk_stmt_text(s, first + 7));
    out->reported_meta = strdup(sk_stmt_text(s, first + 8));
    return out->tags && out->configurations && out->desired && out->desired_meta && out->reported &&
           out->reported_meta;
}

static int read_row(struct sk_stmt *s, struct sk_twin *out, struct sk_err *err)
{
    const int first = SK_IDENTITY_COLUMN_COUNT;
    SK_AUTO(sk_twin_done)
    struct sk_twin t = { .etag = sk_stmt_int(s, first),
                         .version = sk_stmt_int(s, first + 1),
                         .desired_version = sk_stmt_int(s, first + 6),
                         .reported_version = sk_stmt_int(s, first + 9) };
    sk_identity_row(s, &t.identity);
    if (!copy_texts(s, first, &t))
        return sk_nomem(err);
    *out = t;
    memset(&t, 0, sizeof t);
    return 0;
}

int sk_twin_read_id(struct sk_tx *tx, int64_t identity, struct sk_twin *out, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_tx_query(tx, &s, err,
                    "SELECT " SK_IDENTITY_COLUMNS ", " TWIN_COLUMNS
                    " FROM identity i JOIN twin t ON t.identity = i.id WHERE i.id = ?1",
                    "i", identity) < 0)
        return -1;
    int found = sk_stmt_next(s, err);
    if (found == 0)
        return sk_identity_gone(err);
    return found < 0 ? -1 : read_row(s, out, err);
}

int sk_twin_get(struct sk_devices *d, const char *device, const char *module, struct sk_twin *out,
                struct sk_err *err)
{
    struct sk_identity i;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    if (sk_db_begin(d->db, SK_DB_READ, &tx, err) < 0 ||
        sk_identity_need(tx, device, module, &i, err) < 0)
        return -1;
    return sk_twin_read_id(tx, i.id, out, err);
}

int sk_twin_device_get(struct sk_devices *d, int64_t identity, struct sk_buf *out,
                       struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_db_begin(d->db, SK_DB_READ, &tx, err) < 0 ||
        sk_tx_query(tx, &s, err,
                    "SELECT desired, desired_version, reported, reported_version FROM twin "
                    "WHERE identity = ?1",
                    "i", identity) < 0)
        return -1;
    int found = sk_stmt_next(s, err);
    if (found == 0)
        return sk_identity_gone(err);
    if (found < 0)
        return -1;
    const struct sk_twin_section desired = { .body = sk_stmt_text(s, 0),
                                             .version = sk_stmt_int(s, 1) };
    const struct sk_twin_section reported = { .body = sk_stmt_text(s, 2),
                                              .version = sk_stmt_int(s, 3) };
    sk_twin_device_json(&desired, &reported, out);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}
