/* identity.c - reading identities: one, a device's modules, pages of devices, how many. */
#include "devices/devices_priv.h"

#include <stdio.h>
#include <string.h>

static const char *const auth_names[] = {
    [SK_IDENTITY_SAS] = "sas",
    [SK_IDENTITY_SELF_SIGNED] = "selfSigned",
    [SK_IDENTITY_CA] = "certificateAuthority",
    [SK_IDENTITY_NONE] = "none",
};

const char *sk_identity_auth_name(enum sk_identity_auth auth)
{
    return auth_names[auth];
}

static enum sk_identity_auth auth_of(const char *name)
{
    for (unsigned i = 0; i < SK_IDENTITY_NONE; i++)
        if (strcmp(auth_names[i], name) == 0)
            return (enum sk_identity_auth)i;
    return SK_IDENTITY_NONE;
}

const char *sk_module_of(const char *module)
{
    return module ? module : "";
}

bool sk_module_is_system(const char *module)
{
    return strcmp(module, "$edgeAgent") == 0 || strcmp(module, "$edgeHub") == 0;
}

void sk_identity_name(const char *device, const char *module, char out[SK_DEVICES_NAME_MAX])
{
    (void)snprintf(out, SK_DEVICES_NAME_MAX, "%s%s%s", device, module[0] ? "/" : "", module);
}

#define COPY(field, col) (void)snprintf(out->field, sizeof out->field, "%s", sk_stmt_text(s, col))

void sk_identity_row(struct sk_stmt *s, struct sk_identity *out)
{
    *out = (struct sk_identity){
        .id = sk_stmt_int(s, 0),
        .etag = sk_stmt_int(s, 4),
        .is_enabled = sk_stmt_int(s, 5) != 0,
        .status_ms = sk_stmt_int(s, 7),
        .is_edge = sk_stmt_int(s, 8) != 0,
        .auth = auth_of(sk_stmt_text(s, 9)),
        .is_connected = sk_stmt_int(s, 17) != 0,
        .connection_ms = sk_stmt_int(s, 18),
        .activity_ms = sk_stmt_int(s, 19),
        .created_ms = sk_stmt_int(s, 20),
        .waiting = (unsigned)sk_stmt_int(s, 21),
    };
    COPY(device, 1);
    COPY(module, 2);
    COPY(generation, 3);
    COPY(status_reason, 6);
    COPY(primary_key, 10);
    COPY(secondary_key, 11);
    COPY(primary_thumbprint, 12);
    COPY(secondary_thumbprint, 13);
    COPY(managed_by, 14);
    COPY(scope, 15);
    COPY(parent_scope, 16);
}

int sk_identity_find(struct sk_tx *tx, const char *device, const char *module,
                     struct sk_identity *out, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_tx_query(tx, &s, err,
                    "SELECT " SK_IDENTITY_COLUMNS
                    " FROM identity i WHERE i.device = ?1 AND i.module = ?2",
                    "ss", device, sk_module_of(module)) < 0)
        return -1;
    int found = sk_stmt_next(s, err);
    if (found == 1)
        sk_identity_row(s, out);
    return found;
}

int sk_identity_missing(struct sk_tx *tx, const char *device, const char *module,
                        struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int found = 0;
    if (sk_module_of(module)[0]) {
        if (sk_tx_query(tx, &s, err, "SELECT 1 FROM identity WHERE device = ?1 AND module = ''",
                        "s", device) < 0)
            return -1;
        found = sk_stmt_next(s, err);
        if (found < 0)
            return -1;
    }
    if (found == 1)
        return sk_fail(err, SK_NOT_FOUND,
                       "ModuleNotFound: there is no module '%.128s' on device '%.128s'", module,
                       device);
    return sk_fail(err, SK_NOT_FOUND, "DeviceNotFound: there is no device '%.128s'", device);
}

int sk_identity_gone(struct sk_err *err)
{
    return sk_fail(err, SK_NOT_FOUND, "DeviceNotFound: the device is no longer there");
}

int sk_identity_need(struct sk_tx *tx, const char *device, const char *module,
                     struct sk_identity *out, struct sk_err *err)
{
    int found = sk_identity_find(tx, device, module, out, err);
    if (found == 0)
        return sk_identity_missing(tx, device, module, err);
    return found < 0 ? -1 : 0;
}

int sk_identity_get(struct sk_devices *d, const char *device, const char *module,
                    struct sk_identity *out, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    if (sk_db_begin(d->db, SK_DB_READ, &tx, err) < 0)
        return -1;
    return sk_identity_need(tx, device, module, out, err);
}

static int each_row(struct sk_stmt *s,
                    int (*each)(void *ctx, const struct sk_identity *i, struct sk_err *err),
                    void *ctx, struct sk_err *err)
{
    struct sk_identity i;
    int more;
    while ((more = sk_stmt_next(s, err)) == 1) {
        sk_identity_row(s, &i);
        if (each(ctx, &i, err) < 0)
            return -1;
    }
    return more;
}

int sk_identity_list(struct sk_devices *d, int64_t after, unsigned max,
                     int (*each)(void *ctx, const struct sk_identity *i, struct sk_err *err),
                     void *ctx, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_db_begin(d->db, SK_DB_READ, &tx, err) < 0 ||
        sk_tx_query(tx, &s, err,
                    "SELECT " SK_IDENTITY_COLUMNS
                    " FROM identity i WHERE i.id > ?1 AND i.module = '' ORDER BY i.id LIMIT ?2",
                    "ii", after,
                    (int64_t)(max < SK_DEVICES_PAGE_MAX ? max : SK_DEVICES_PAGE_MAX)) < 0)
        return -1;
    return each_row(s, each, ctx, err);
}

int sk_identity_modules(struct sk_devices *d, const char *device,
                        int (*each)(void *ctx, const struct sk_identity *i, struct sk_err *err),
                        void *ctx, struct sk_err *err)
{
    struct sk_identity i;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_db_begin(d->db, SK_DB_READ, &tx, err) < 0 ||
        sk_identity_need(tx, device, "", &i, err) < 0 ||
        sk_tx_query(tx, &s, err,
                    "SELECT " SK_IDENTITY_COLUMNS
                    " FROM identity i WHERE i.device = ?1 AND i.module <> '' ORDER BY i.module",
                    "s", device) < 0)
        return -1;
    return each_row(s, each, ctx, err);
}

int sk_devices_count(struct sk_devices *d, struct sk_device_counts *out, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_db_begin(d->db, SK_DB_READ, &tx, err) < 0 ||
        sk_tx_query(tx, &s, err,
                    "SELECT count(*) FILTER (WHERE module = ''), "
                    "count(*) FILTER (WHERE module = '' AND is_enabled = 1), "
                    "count(*) FILTER (WHERE module <> ''), "
                    "count(*) FILTER (WHERE module = '' AND is_connected = 1) FROM identity",
                    "") < 0 ||
        sk_stmt_next(s, err) < 0)
        return -1;
    *out = (struct sk_device_counts){
        .devices = (uint64_t)sk_stmt_int(s, 0),
        .enabled = (uint64_t)sk_stmt_int(s, 1),
        .modules = (uint64_t)sk_stmt_int(s, 2),
        .connected = (uint64_t)sk_stmt_int(s, 3),
    };
    out->disabled = out->devices - out->enabled;
    return 0;
}
