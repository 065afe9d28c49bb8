/*
 * identity_change.c - creating, updating and deleting devices and modules.
 *
 * Each is a change of the writer: read, check, write, audit, tell. A device that is an edge device
 * has the two system modules from then on, which nobody can delete alone.
 */
#include "devices/devices_priv.h"

#include "base/clock.h"
#include "crypto/crypto.h"

#include <stdio.h>
#include <string.h>

int sk_who_may(const struct sk_who *who, enum sk_right right, struct sk_err *err)
{
    return who ? sk_who_need_right(who, right, err) : 0;
}

/* The right to change identities, or a device that changes a module of its own. */
static int may_change(const struct sk_who *who, const char *device, const char *module,
                      struct sk_err *err)
{
    if (!who || !who->is_device)
        return sk_who_may(who, SK_RIGHT_REGISTRY_WRITE, err);
    if (!who->module[0] && module[0] && strcmp(who->name, device) == 0)
        return 0;
    return sk_fail(err, SK_DENIED,
                   "IotHubUnauthorizedAccess: device '%.128s' may change modules of its own only",
                   who->name);
}

static int audit(struct sk_change *c, const struct sk_who *who, const char *verb,
                 const struct sk_identity *i, struct sk_err *err)
{
    char action[32], name[SK_DEVICES_NAME_MAX];
    (void)snprintf(action, sizeof action, "%s.%s", i->module[0] ? "module" : "device", verb);
    sk_identity_name(i->device, i->module, name);
    return sk_audit(c->tx, who, action, name, NULL, err);
}

/* ---- creating ---- */

/* 18 decimal digits: the time and a random part. */
static int make_generation(int64_t now_ms, char *out, size_t cap, struct sk_err *err)
{
    uint32_t random = 0;
    if (sk_random(&random, sizeof random, err) < 0)
        return -1;
    (void)snprintf(out, cap, "%013lld%05u", (long long)now_ms, (unsigned)(random % 100000));
    return 0;
}

static int insert(struct sk_change *c, struct sk_identity *i, struct sk_err *err)
{
    if (sk_tx_run(c->tx, err,
                  "INSERT INTO identity(device, module, generation, etag, is_enabled, "
                  "status_reason, status_ms, is_edge, auth, primary_key, secondary_key, "
                  "primary_thumbprint, secondary_thumbprint, managed_by, scope, parent_scope, "
                  "created_ms) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, "
                  "?14, ?15, ?16, ?17)",
                  "sssiisiissssssssi", i->device, i->module, i->generation, i->etag,
                  (int64_t)i->is_enabled, i->status_reason, i->status_ms, (int64_t)i->is_edge,
                  sk_identity_auth_name(i->auth), i->primary_key, i->secondary_key,
                  i->primary_thumbprint, i->secondary_thumbprint, i->managed_by, i->scope,
                  i->parent_scope, i->created_ms) < 0)
        return -1;
    i->id = sk_tx_last_id(c->tx);
    if (sk_tx_run(c->tx, err, "INSERT INTO twin(identity) VALUES(?1)", "i", i->id) < 0)
        return -1;
    return sk_change_tell_of(c, SK_EVENT_CREATED, i, err);
}

static int exists(const char *device, const char *module, struct sk_err *err)
{
    if (module[0])
        return sk_fail(err, SK_EXISTS,
                       "ModuleAlreadyExistsOnDevice: device '%.128s' has a module '%.128s'", device,
                       module);
    return sk_fail(err, SK_EXISTS, "DeviceAlreadyExists: there is a device '%.128s'", device);
}

/* A module needs its device, and room on it. */
static int check_room(struct sk_tx *tx, const char *device, struct sk_err *err)
{
    struct sk_identity parent;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_identity_need(tx, device, "", &parent, err) < 0 ||
        sk_tx_query(tx, &s, err,
                    "SELECT count(*) FROM identity WHERE device = ?1 "
                    "AND module NOT IN ('', '$edgeAgent', '$edgeHub')",
                    "s", device) < 0 ||
        sk_stmt_next(s, err) < 0)
        return -1;
    if (sk_stmt_int(s, 0) >= SK_DEVICES_MODULES_MAX)
        return sk_fail(err, SK_LIMIT, "TooManyModulesOnDevice: device '%.128s' has %d modules",
                       device, SK_DEVICES_MODULES_MAX);
    return 0;
}

static int check_id(const char *what, const char *id, struct sk_err *err)
{
    if (id && sk_iot_id_valid(sk_view_of(id)))
        return 0;
    return sk_fail(err, SK_INVALID,
                   "ArgumentInvalid: %s '%.140s' is not 1 to %d letters, digits and "
                   "-.+%%_#*?!(),:=@$'",
                   what, id ? id : "", SK_IOT_ID_MAX);
}

static int check_new(struct sk_change *c, const char *device, const char *module,
                     struct sk_err *err)
{
    struct sk_identity there;
    if (check_id("deviceId", device, err) < 0 ||
        (module[0] && check_id("moduleId", module, err) < 0))
        return -1;
    int found = sk_identity_find(c->tx, device, module, &there, err);
    if (found != 0)
        return found < 0 ? -1 : exists(device, module, err);
    if (!module[0])
        return 0;
    if (sk_module_is_system(module))
        return sk_fail(err, SK_INVALID,
                       "ArgumentInvalid: '%s' is for edge devices, which have it by themselves",
                       module);
    return check_room(c->tx, device, err);
}

static int init_new(const char *device, const char *module, struct sk_identity *out,
                    struct sk_err *err)
{
    *out = (struct sk_identity){ .is_enabled = true, .created_ms = (int64_t)sk_wall_ms() };
    (void)snprintf(out->device, sizeof out->device, "%s", device);
    (void)snprintf(out->module, sizeof out->module, "%s", module);
    return make_generation(out->created_ms, out->generation, sizeof out->generation, err);
}

static int create_managed(struct sk_change *c, const char *device, const char *module,
                          struct sk_err *err)
{
    const struct sk_identity_spec spec = { .auth = "none", .managed_by = "iotEdge", .is_edge = -1 };
    struct sk_identity i;
    if (init_new(device, module, &i, err) < 0 || sk_identity_apply(&spec, &i, err) < 0)
        return -1;
    i.etag = 1;
    return insert(c, &i, err);
}

static int create_system(struct sk_change *c, const char *device, struct sk_err *err)
{
    if (create_managed(c, device, "$edgeAgent", err) < 0)
        return -1;
    return create_managed(c, device, "$edgeHub", err);
}

int sk_identity_create_in(struct sk_change *c, const struct sk_who *who,
                          const struct sk_identity_spec *spec, struct sk_identity *out,
                          struct sk_err *err)
{
    const char *device = spec->device ? spec->device : "", *module = sk_module_of(spec->module);
    if (may_change(who, device, module, err) < 0 || check_new(c, device, module, err) < 0 ||
        init_new(device, module, out, err) < 0 || sk_identity_apply(spec, out, err) < 0)
        return -1;
    out->etag = 1;
    if (insert(c, out, err) < 0 || audit(c, who, "create", out, err) < 0)
        return -1;
    return out->is_edge ? create_system(c, device, err) : 0;
}

int sk_identity_ensure_module(struct sk_change *c, const char *device, const char *module,
                              struct sk_err *err)
{
    struct sk_identity there;
    int found = sk_identity_find(c->tx, device, module, &there, err);
    if (found != 0)
        return found < 0 ? -1 : 0;
    if (check_new(c, device, module, err) < 0 || create_managed(c, device, module, err) < 0)
        return -1;
    return 1;
}

/* ---- updating ---- */

static int store(struct sk_change *c, const struct sk_identity *i, struct sk_err *err)
{
    return sk_tx_run(c->tx, err,
                     "UPDATE identity SET etag = ?2, is_enabled = ?3, status_reason = ?4, "
                     "status_ms = ?5, is_edge = ?6, auth = ?7, primary_key = ?8, "
                     "secondary_key = ?9, primary_thumbprint = ?10, secondary_thumbprint = ?11, "
                     "managed_by = ?12, scope = ?13, parent_scope = ?14 WHERE id = ?1",
                     "iiisiissssssss", i->id, i->etag, (int64_t)i->is_enabled, i->status_reason,
                     i->status_ms, (int64_t)i->is_edge, sk_identity_auth_name(i->auth),
                     i->primary_key, i->secondary_key, i->primary_thumbprint,
                     i->secondary_thumbprint, i->managed_by, i->scope, i->parent_scope);
}

static bool proves_otherwise(const struct sk_identity *a, const struct sk_identity *b)
{
    return a->is_enabled != b->is_enabled || a->auth != b->auth ||
           strcmp(a->primary_key, b->primary_key) != 0 ||
           strcmp(a->secondary_key, b->secondary_key) != 0 ||
           strcmp(a->primary_thumbprint, b->primary_thumbprint) != 0 ||
           strcmp(a->secondary_thumbprint, b->secondary_thumbprint) != 0;
}

/* The same event for each module of a device. */
static int tell_modules(struct sk_change *c, enum sk_device_event_kind kind, const char *device,
                        struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    struct sk_identity i;
    int more;
    if (sk_tx_query(c->tx, &s, err,
                    "SELECT " SK_IDENTITY_COLUMNS
                    " FROM identity i WHERE i.device = ?1 AND i.module <> '' ORDER BY i.module",
                    "s", device) < 0)
        return -1;
    while ((more = sk_stmt_next(s, err)) == 1) {
        sk_identity_row(s, &i);
        if (sk_change_tell_of(c, kind, &i, err) < 0)
            return -1;
    }
    return more;
}

/* Modules of a disabled device may not be there either. */
static int tell_update(struct sk_change *c, const struct sk_identity *old,
                       const struct sk_identity *now, struct sk_err *err)
{
    if (!proves_otherwise(old, now))
        return 0;
    if (sk_change_tell_of(c, SK_EVENT_CHANGED, now, err) < 0)
        return -1;
    if (now->module[0] || old->is_enabled == now->is_enabled)
        return 0;
    return tell_modules(c, SK_EVENT_CHANGED, now->device, err);
}

int sk_identity_update_in(struct sk_change *c, const struct sk_who *who,
                          const struct sk_identity_spec *spec, const char *if_match,
                          struct sk_identity *out, struct sk_err *err)
{
    const char *device = spec->device ? spec->device : "", *module = sk_module_of(spec->module);
    struct sk_identity old;
    if (may_change(who, device, module, err) < 0 ||
        sk_identity_need(c->tx, device, module, &old, err) < 0 ||
        sk_etag_check(old.etag, if_match, err) < 0)
        return -1;
    *out = old;
    if (sk_identity_apply(spec, out, err) < 0)
        return -1;
    out->etag++;
    if (store(c, out, err) < 0 || audit(c, who, "update", out, err) < 0 ||
        tell_update(c, &old, out, err) < 0)
        return -1;
    return out->is_edge && !old.is_edge ? create_system(c, device, err) : 0;
}

/* ---- deleting ---- */

static int remove_device(struct sk_change *c, const struct sk_identity *i, struct sk_err *err)
{
    if (tell_modules(c, SK_EVENT_DELETED, i->device, err) < 0 ||
        sk_device_pulls_set(c->tx, i->device, NULL, 0, err) < 0 ||
        sk_tx_run(c->tx, err, "DELETE FROM deploy_warning WHERE device = ?1", "s", i->device) < 0)
        return -1;
    return sk_tx_run(c->tx, err, "DELETE FROM identity WHERE device = ?1", "s", i->device);
}

int sk_identity_delete_in(struct sk_change *c, const struct sk_who *who, const char *device,
                          const char *module, const char *if_match, struct sk_err *err)
{
    struct sk_identity i;
    if (may_change(who, device, module, err) < 0 ||
        sk_identity_need(c->tx, device, module, &i, err) < 0)
        return -1;
    if (sk_module_is_system(module))
        return sk_fail(err, SK_DENIED,
                       "SystemModuleModifyUnauthorizedAccess: '%s' goes with its device only",
                       module);
    if (sk_etag_check(i.etag, if_match, err) < 0)
        return -1;
    if (module[0] ? sk_tx_run(c->tx, err, "DELETE FROM identity WHERE id = ?1", "i", i.id) < 0
                  : remove_device(c, &i, err) < 0)
        return -1;
    if (audit(c, who, "delete", &i, err) < 0)
        return -1;
    return sk_change_tell_of(c, SK_EVENT_DELETED, &i, err);
}

/* ---- each as a change of its own ---- */

struct request {
    const struct sk_who *who;
    const struct sk_identity_spec *spec;
    const char *device, *module, *if_match;
    struct sk_identity identity;
};

static int run_create(struct sk_change *c, void *ctx, struct sk_err *err)
{
    struct request *r = ctx;
    return sk_identity_create_in(c, r->who, r->spec, &r->identity, err);
}

static int run_update(struct sk_change *c, void *ctx, struct sk_err *err)
{
    struct request *r = ctx;
    return sk_identity_update_in(c, r->who, r->spec, r->if_match, &r->identity, err);
}

static int run_delete(struct sk_change *c, void *ctx, struct sk_err *err)
{
    const struct request *r = ctx;
    return sk_identity_delete_in(c, r->who, r->device, r->module, r->if_match, err);
}

int sk_identity_create(struct sk_devices *d, const struct sk_who *who,
                       const struct sk_identity_spec *spec, struct sk_identity *out,
                       struct sk_err *err)
{
    struct request r = { .who = who, .spec = spec };
    if (sk_devices_write(d, run_create, &r, err) < 0)
        return -1;
    if (out)
        *out = r.identity;
    return 0;
}

int sk_identity_update(struct sk_devices *d, const struct sk_who *who,
                       const struct sk_identity_spec *spec, const char *if_match,
                       struct sk_identity *out, struct sk_err *err)
{
    struct request r = { .who = who, .spec = spec, .if_match = if_match };
    if (sk_devices_write(d, run_update, &r, err) < 0)
        return -1;
    if (out)
        *out = r.identity;
    return 0;
}

int sk_identity_delete(struct sk_devices *d, const struct sk_who *who, const char *device,
                       const char *module, const char *if_match, struct sk_err *err)
{
    struct request r = {
        .who = who, .device = device, .module = sk_module_of(module), .if_match = if_match
    };
    return sk_devices_shrink(d, run_delete, &r, err);
}
