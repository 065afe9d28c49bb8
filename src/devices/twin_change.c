/*
 * twin_change.c - changes of twins: by the service, by deployments, and reports of clients.
 *
 * Each reads the section, merges, writes, within the writer's transaction, so versions are those of
 * one order. tags and desired move the twin's etag and version; a report moves that of its section
 * only. A report's text is parsed and checked before it goes to the writer, whose time is the
 * scarce one.
 */
#include "devices/devices_priv.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* IoT Hub's name of a failed merge. */
static int name_failure(struct sk_err *err)
{
    if (err->code == SK_TOO_LARGE)
        return sk_wrap(err, "DeviceModelMaxPropertiesExceeded");
    if (err->code == SK_INVALID || err->code == SK_LIMIT)
        return sk_wrap(err, "ArgumentInvalid");
    return -1;
}

static int tell(struct sk_change *c, enum sk_device_event_kind kind, const struct sk_identity *i,
                int64_t version, const struct sk_buf *body, struct sk_err *err)
{
    const struct sk_device_event e = { .kind = kind,
                                       .identity = i->id,
                                       .device = i->device,
                                       .module = i->module,
                                       .generation = i->generation,
                                       .version = version,
                                       .body = { body->data, body->len } };
    return sk_change_tell(c, &e, err);
}

/* ---- by the service ---- */

static int change_tags(struct sk_change *c, const struct sk_twin *t, const struct sk_json *tags,
                       bool replace, struct sk_err *err)
{
    SK_AUTO(sk_twin_result_done) struct sk_twin_result r = { .is_changed = false };
    const struct sk_twin_section old = { .body = t->tags, .meta = "{}" };
    if ((replace ? sk_twin_replace : sk_twin_merge)(SK_TWIN_TAGS, &old, tags, t->version + 1,
                                                    (int64_t)sk_wall_ms(), &r, err) < 0)
        return name_failure(err);
    const struct sk_view body = { r.body.data, r.body.len };
    if (sk_tx_run(c->tx, err, "UPDATE twin SET tags = ?2 WHERE identity = ?1", "iv", t->identity.id,
                  body) < 0)
        return -1;
    return tell(c, SK_EVENT_TAGS, &t->identity, t->version + 1, &r.body, err);
}

static int change_desired(struct sk_change *c, const struct sk_twin *t,
                          const struct sk_json *desired, bool replace, struct sk_err *err)
{
    SK_AUTO(sk_twin_result_done) struct sk_twin_result r = { .is_changed = false };
    const struct sk_twin_section old = { t->desired, t->desired_meta, t->desired_version };
    const int64_t version = t->desired_version + 1;
    if ((replace ? sk_twin_replace : sk_twin_merge)(SK_TWIN_DESIRED, &old, desired, version,
                                                    (int64_t)sk_wall_ms(), &r, err) < 0)
        return name_failure(err);
    const struct sk_view body = { r.body.data, r.body.len }, meta = { r.meta.data, r.meta.len };
    if (sk_tx_run(c->tx, err,
                  "UPDATE twin SET desired = ?2, desired_meta = ?3, desired_version = ?4 "
                  "WHERE identity = ?1",
                  "ivvi", t->identity.id, body, meta, version) < 0)
        return -1;
    return tell(c, SK_EVENT_DESIRED, &t->identity, version, &r.patch, err);
}

/* {"tags","properties":{"desired"}}; NULL for what it does not have. */
static int read_change(const struct sk_json *change, const struct sk_json **tags,
                       const struct sk_json **desired, struct sk_err *err)
{
    const struct sk_json *properties = NULL;
    *tags = *desired = NULL;
    if (sk_json_type(change) != SK_JSON_OBJECT)
        return sk_fail(err, SK_INVALID, "ArgumentInvalid: a twin is an object");
    if (sk_json_want_object(change, "tags", tags, err) < 0 ||
        sk_json_want_object(change, "properties", &properties, err) < 0 ||
        (properties && sk_json_want_object(properties, "desired", desired, err) < 0))
        return sk_wrap(err, "ArgumentInvalid");
    return 0;
}

static int apply(struct sk_change *c, const struct sk_twin *t, const struct sk_json *change,
                 bool replace, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *empty = NULL;
    const struct sk_json *tags, *desired;
    if (read_change(change, &tags, &desired, err) < 0)
        return -1;
    if (replace && (!tags || !desired)) {
        if (sk_json_parse("{}", 2, NULL, &empty, err) < 0)
            return -1;
        tags = tags ? tags : empty;
        desired = desired ? desired : empty;
    }
    if (!tags && !desired)
        return 0;
    if ((tags && change_tags(c, t, tags, replace, err) < 0) ||
        (desired && change_desired(c, t, desired, replace, err) < 0))
        return -1;
    return sk_tx_run(c->tx, err,
                     "UPDATE twin SET etag = etag + 1, version = version + 1 WHERE identity = ?1",
                     "i", t->identity.id);
}

int sk_twin_change_in(struct sk_change *c, const struct sk_who *who, const char *device,
                      const char *module, const struct sk_json *change, bool replace,
                      const char *if_match, struct sk_err *err)
{
    SK_AUTO(sk_twin_done) struct sk_twin t = { .tags = NULL };
    struct sk_identity i;
    char name[SK_DEVICES_NAME_MAX];
    if (sk_who_may(who, SK_RIGHT_SERVICE, err) < 0 ||
        sk_identity_need(c->tx, device, module, &i, err) < 0 ||
        sk_twin_read_id(c->tx, i.id, &t, err) < 0 || sk_etag_check(t.etag, if_match, err) < 0 ||
        apply(c, &t, change, replace, err) < 0)
        return -1;
    sk_identity_name(i.device, i.module, name);
    return sk_audit(c->tx, who, "twin.update", name, NULL, err);
}

struct change_request {
    const struct sk_who *who;
    const char *device, *module, *if_match;
    const struct sk_json *change;
    bool replace, wants_twin;
    struct sk_twin twin;
};

static int run_change(struct sk_change *c, void *ctx, struct sk_err *err)
{
    struct change_request *r = ctx;
    struct sk_identity i;
    sk_twin_done(&r->twin);
    if (sk_twin_change_in(c, r->who, r->device, r->module, r->change, r->replace, r->if_match,
                          err) < 0)
        return -1;
    if (!r->wants_twin)
        return 0;
    if (sk_identity_need(c->tx, r->device, r->module, &i, err) < 0)
        return -1;
    return sk_twin_read_id(c->tx, i.id, &r->twin, err);
}

int sk_twin_change(struct sk_devices *d, const struct sk_who *who, const char *device,
                   const char *module, const struct sk_json *change, bool replace,
                   const char *if_match, struct sk_twin *out, struct sk_err *err)
{
    struct change_request r = { .who = who,
                                .device = device,
                                .module = sk_module_of(module),
                                .if_match = if_match,
                                .change = change,
                                .replace = replace,
                                .wants_twin = out != NULL };
    if (sk_devices_write(d, run_change, &r, err) < 0) {
        sk_twin_done(&r.twin);
        return -1;
    }
    if (out)
        *out = r.twin;
    return 0;
}

/* ---- by deployments ---- */

/* What set_desired needs of a twin; texts live as long as the statement. */
struct target {
    struct sk_identity identity; /* id and names only */
    struct sk_twin_section old;
    const char *configurations;
};

static int find_target(struct sk_tx *tx, const char *device, const char *module, struct sk_stmt **s,
                       struct target *out, struct sk_err *err)
{
    if (sk_tx_query(tx, s, err,
                    "SELECT i.id, i.generation, t.configurations, t.desired, t.desired_meta, "
                    "t.desired_version FROM identity i JOIN twin t ON t.identity = i.id "
                    "WHERE i.device = ?1 AND i.module = ?2",
                    "ss", device, module) < 0)
        return -1;
    int found = sk_stmt_next(*s, err);
    if (found == 0)
        return sk_identity_missing(tx, device, module, err);
    if (found < 0)
        return -1;
    out->identity.id = sk_stmt_int(*s, 0);
    (void)snprintf(out->identity.generation, sizeof out->identity.generation, "%s",
                   sk_stmt_text(*s, 1));
    (void)snprintf(out->identity.device, sizeof out->identity.device, "%s", device);
    (void)snprintf(out->identity.module, sizeof out->identity.module, "%s", module);
    out->configurations = sk_stmt_text(*s, 2);
    out->old = (struct sk_twin_section){ sk_stmt_text(*s, 3), sk_stmt_text(*s, 4),
                                         sk_stmt_int(*s, 5) };
    return 0;
}

static int store_desired(struct sk_change *c, const struct target *t, const char *configurations,
                         const struct sk_twin_result *r, struct sk_err *err)
{
    const struct sk_view body = { r->body.data, r->body.len }, meta = { r->meta.data, r->meta.len };
    int64_t version = t->old.version + 1;
    if (sk_tx_run(c->tx, err,
                  "UPDATE twin SET desired = ?2, desired_meta = ?3, desired_version = ?4, "
                  "configurations = coalesce(?5, configurations), etag = etag + 1, "
                  "version = version + 1 WHERE identity = ?1",
                  "ivvis", t->identity.id, body, meta, version, configurations) < 0)
        return -1;
    return tell(c, SK_EVENT_DESIRED, &t->identity, version, &r->patch, err);
}

int sk_twin_set_desired(struct sk_change *c, const char *device, const char *module,
                        const struct sk_json *desired, const char *configurations,
                        struct sk_err *err)
{
    SK_AUTO(sk_twin_result_done) struct sk_twin_result r = { .is_changed = false };
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    struct target t = { .configurations = "" };
    if (find_target(c->tx, device, sk_module_of(module), &s, &t, err) < 0)
        return -1;
    if (sk_twin_replace(SK_TWIN_DESIRED, &t.old, desired, t.old.version + 1, (int64_t)sk_wall_ms(),
                        &r, err) < 0)
        return name_failure(err);
    if (r.is_changed)
        return store_desired(c, &t, configurations, &r, err);
    if (!configurations || strcmp(configurations, t.configurations) == 0)
        return 0;
    return sk_tx_run(c->tx, err, "UPDATE twin SET configurations = ?2 WHERE identity = ?1", "is",
                     t.identity.id, configurations);
}

/* ---- by clients ---- */

struct report {
    int64_t identity, version;
    struct sk_json *patch;
    void (*done)(void *ctx, int64_t version, const struct sk_err *failed);
    void *ctx;
};

static void free_report(struct report *r)
{
    if (r)
        sk_json_free(r->patch);
    free(r);
}

SK_DEFINE_OWN(struct report, free_report);

static int merge_report(struct sk_change *c, struct report *r, struct sk_identity *i,
                        struct sk_twin_result *out, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_tx_query(c->tx, &s, err,
                    "SELECT i.device, i.module, i.generation, t.reported, t.reported_meta, "
                    "t.reported_version FROM twin t JOIN identity i ON i.id = t.identity "
                    "WHERE t.identity = ?1",
                    "i", r->identity) < 0)
        return -1;
    int found = sk_stmt_next(s, err);
    if (found == 0)
        return sk_identity_gone(err);
    if (found < 0)
        return -1;
    i->id = r->identity;
    (void)snprintf(i->device, sizeof i->device, "%s", sk_stmt_text(s, 0));
    (void)snprintf(i->module, sizeof i->module, "%s", sk_stmt_text(s, 1));
    (void)snprintf(i->generation, sizeof i->generation, "%s", sk_stmt_text(s, 2));
    const struct sk_twin_section old = { sk_stmt_text(s, 3), sk_stmt_text(s, 4),
                                         sk_stmt_int(s, 5) };
    r->version = old.version + 1;
    if (sk_twin_merge(SK_TWIN_REPORTED, &old, r->patch, r->version, (int64_t)sk_wall_ms(), out,
                      err) < 0)
        return name_failure(err);
    return 0;
}

static int run_report(struct sk_change *c, void *ctx, struct sk_err *err)
{
    struct report *r = ctx;
    SK_AUTO(sk_twin_result_done) struct sk_twin_result merged = { .is_changed = false };
    struct sk_identity i;
    if (merge_report(c, r, &i, &merged, err) < 0)
        return -1;
    const struct sk_view body = { merged.body.data, merged.body.len };
    const struct sk_view meta = { merged.meta.data, merged.meta.len };
    if (sk_tx_run(c->tx, err,
                  "UPDATE twin SET reported = ?2, reported_meta = ?3, reported_version = ?4 "
                  "WHERE identity = ?1",
                  "ivvi", r->identity, body, meta, r->version) < 0)
        return -1;
    return tell(c, SK_EVENT_REPORTED, &i, r->version, &merged.patch, err);
}

static void end_report(void *ctx, const struct sk_err *failed)
{
    struct report *r = ctx;
    if (r->done)
        r->done(r->ctx, failed ? 0 : r->version, failed);
    free_report(r);
}

int sk_twin_report(struct sk_devices *d, int64_t identity, struct sk_view patch,
                   void (*done)(void *ctx, int64_t version, const struct sk_err *failed), void *ctx,
                   struct sk_err *err)
{
    SK_OWN(free_report) struct report *r = calloc(1, sizeof *r);
    if (!r)
        return sk_nomem(err);
    *r = (struct report){ .identity = identity, .done = done, .ctx = ctx };
    if (sk_json_parse(patch.ptr, patch.len, NULL, &r->patch, err) < 0 ||
        sk_twin_check(SK_TWIN_REPORTED, r->patch, err) < 0)
        return name_failure(err);
    if (sk_devices_push(d, run_report, end_report, r, err) < 0)
        return -1;
    (void)SK_TAKE(r);
    return 0;
}
