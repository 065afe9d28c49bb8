/*
 * sync.c - twins and the cloud, over each identity's line.
 *
 *     line up -> get -> (desired, reported of the cloud) -> current
 *     current, desired patch: version + 1: merged; older: ignored; newer: get
 *     current, reported differs from base: patch -> 204: base is what was sent
 *     line down, no answer in 60 s, 4xx, 5xx: again, later and later
 *
 * One request at a time for each identity; what changes meanwhile goes with the next, so a busy
 * module costs no more than the cloud takes. At a get what is not sent yet is put on top of what
 * the cloud has: changes made there survive beside ours.
 */
#include "localhub/localhub_priv.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

enum {
    ANSWER_MS = 60000,
    RETRY_MIN_MS = 1000,
    RETRY_MAX_MS = 60000,
    TOPIC_MAX = 256,
    TWIN_BYTES = 8 * SK_TWIN_SECTION_MAX
};

static void replace(char **to, char *text)
{
    free(*to);
    *to = text;
}

static void try_later(struct sk_lh_ident *id, const char *what, int status)
{
    struct sk_lh_twin *t = &id->twin;
    const unsigned shift = t->failures < 6 ? t->failures : 6;
    const unsigned wait = RETRY_MIN_MS << shift;
    const unsigned bounded = wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS;
    t->failures++;
    t->retry_at_ms = sk_now_ms() + bounded;
    sk_log(SK_WARN, "twin_not_synced", "id=\"%s\" what=%s status=%d next=\"again in %u s\"",
           id->key, what, status, bounded / 1000);
}

void sk_lh_sync_up(struct sk_lh_ident *id)
{
    struct sk_lh_twin *t = &id->twin;
    t->is_current = false;
    *t->rid = '\0';
    t->retry_at_ms = 0;
    t->failures = 0;
    sk_lh_sync(id);
}

void sk_lh_sync_down(struct sk_lh_ident *id)
{
    id->twin.is_current = false;
    *id->twin.rid = '\0';
}

/* ---- requests ---- */

static void new_rid(struct sk_lh_twin *t, bool is_getting)
{
    (void)snprintf(t->rid, sizeof t->rid, "%llx", (unsigned long long)sk_now_ns());
    t->is_getting = is_getting;
    t->was_patched = false;
    t->asked_ms = sk_now_ms();
}

static bool ask(struct sk_lh_ident *id, const char *path, struct sk_view payload)
{
    struct sk_err err = SK_ERR_INIT;
    char topic[TOPIC_MAX];
    const int len = snprintf(topic, sizeof topic, "$iothub/twin/%s/?$rid=%s", path, id->twin.rid);
    if (sk_mqtt_line_publish(id->line, (struct sk_view){ topic, (size_t)len }, payload, 0, 0,
                             &err) == 0)
        return true;
    *id->twin.rid = '\0'; /* the tick tries again */
    return false;
}

static void send_patch(struct sk_lh_ident *id)
{
    struct sk_lh_twin *t = &id->twin;
    SK_AUTO(sk_buf_done) struct sk_buf patch = SK_BUF_INIT(TWIN_BYTES);
    struct sk_err err = SK_ERR_INIT;
    bool is_empty = true;
    if (sk_lh_twin_diff(t->base, t->reported, &patch, &is_empty, &err) < 0) {
        sk_log(SK_ERROR, "twin_not_synced", "id=\"%s\" error=\"%s\"", id->key, err.text);
        t->retry_at_ms = sk_now_ms() + RETRY_MAX_MS;
        return;
    }
    char *target = strdup(t->reported);
    if (!target)
        return;
    if (is_empty) { /* the same in other words */
        replace(&t->base, target);
        return;
    }
    replace(&t->sending, target);
    new_rid(t, false);
    (void)ask(id, "PATCH/properties/reported", (struct sk_view){ patch.data, patch.len });
}

void sk_lh_sync(struct sk_lh_ident *id)
{
    struct sk_lh_twin *t = &id->twin;
    if (!id->is_up || !id->line || *t->rid || sk_now_ms() < t->retry_at_ms)
        return;
    if (!t->is_current) {
        new_rid(t, true);
        (void)ask(id, "GET", SK_VIEW(" "));
    } else if (strcmp(t->base, t->reported) != 0) {
        send_patch(id);
    }
}

void sk_lh_sync_tick(struct sk_lh *h, uint64_t now_ms)
{
    SK_LOCK(&h->lock);
    for (struct sk_lh_ident *id = h->idents; id; id = id->next) {
        struct sk_lh_twin *t = &id->twin;
        if (!id->is_up)
            continue;
        if (*t->rid && now_ms > t->asked_ms + ANSWER_MS) {
            *t->rid = '\0';
            t->is_current = false; /* whether a patch was taken, only a get can tell */
            try_later(id, "no answer", 0);
        }
        sk_lh_sync(id);
    }
}

/* ---- what comes ---- */

/* Desired is another one now: tells whom it concerns. patch has "$version" in it. */
static void tell(struct sk_lh_ident *id, struct sk_view patch)
{
    switch (id->kind) {
    case SK_LH_AGENT:
        sk_lh_tell_desired(id->hub);
        break;
    case SK_LH_HUB:
        sk_lh_routes_take(id->hub);
        break;
    case SK_LH_MODULE:
    case SK_LH_LEAF:
        sk_lh_twin_tell_patch(id, patch);
        break;
    }
}

static int take_desired(struct sk_lh_ident *id, const struct sk_json *section, struct sk_err *err)
{
    struct sk_lh_twin *t = &id->twin;
    const int64_t version = sk_json_int(sk_json_get(section, "$version"), -1);
    const struct sk_twin_section old = { .body = t->desired, .meta = "{}" };
    SK_AUTO(sk_twin_result_done) struct sk_twin_result r = { 0 };
    if (version < 0)
        return sk_fail(err, SK_INVALID, "desired has no $version");
    if (sk_twin_replace(SK_TWIN_DESIRED, &old, section, version, (int64_t)sk_wall_ms(), &r, err) <
        0)
        return -1;
    if (t->is_seen && version == t->desired_version && !r.is_changed)
        return 0;
    char *body = sk_buf_take(&r.body);
    if (!body)
        return sk_nomem(err);
    const bool is_new = !t->is_seen || version != t->desired_version || r.is_changed;
    replace(&t->desired, body);
    t->desired_version = version;
    t->is_seen = true;
    if (is_new)
        tell(id, (struct sk_view){ r.patch.data, r.patch.len });
    return 0;
}

/* What the cloud has, with what was not sent yet on top. */
static int take_reported(struct sk_lh_ident *id, const struct sk_json *section, struct sk_err *err)
{
    struct sk_lh_twin *t = &id->twin;
    SK_AUTO(sk_buf_done) struct sk_buf diff = SK_BUF_INIT(TWIN_BYTES);
    SK_OWN(sk_json_free) struct sk_json *ours = NULL;
    SK_OWN(free) char *base = NULL;
    SK_OWN(free) char *reported = NULL;
    bool is_empty = true;
    if (sk_lh_twin_section(SK_TWIN_REPORTED, section, &base, err) < 0 ||
        sk_lh_twin_diff(t->base, t->reported, &diff, &is_empty, err) < 0)
        return -1;
    if (is_empty) {
        reported = strdup(base);
        if (!reported)
            return sk_nomem(err);
    } else if (sk_json_parse(diff.data, diff.len, NULL, &ours, err) < 0 ||
               sk_lh_twin_merge(SK_TWIN_REPORTED, base, ours, &reported, err) < 0) {
        return -1;
    }
    const int64_t version = sk_json_int(sk_json_get(section, "$version"), 0);
    replace(&t->base, SK_TAKE(base));
    replace(&t->reported, SK_TAKE(reported));
    t->reported_version = version > t->reported_version ? version : t->reported_version;
    return 0;
}

static int take_twin(struct sk_lh_ident *id, struct sk_view payload, struct sk_err *err)
{
    const struct sk_json_limits limits = { .max_values = 400000 };
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    const struct sk_json *desired = NULL, *reported = NULL;
    if (sk_json_parse(payload.ptr, payload.len, &limits, &doc, err) < 0 ||
        sk_json_want_object(doc, "desired", &desired, err) < 0 ||
        sk_json_want_object(doc, "reported", &reported, err) < 0)
        return -1;
    if (!desired || !reported)
        return sk_fail(err, SK_INVALID, "a twin without desired or reported");
    if (take_reported(id, reported, err) < 0 || take_desired(id, desired, err) < 0)
        return -1;
    return 0;
}

/* A get that overlapped a patch may be older than that. */
static bool is_stale(const struct sk_lh_ident *id, struct sk_view payload)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    if (!id->twin.was_patched || sk_json_parse(payload.ptr, payload.len, NULL, &doc, &err) < 0)
        return false;
    return sk_json_int(sk_json_get(sk_json_get(doc, "desired"), "$version"), 0) <
           id->twin.desired_version;
}

static void take_get(struct sk_lh_ident *id, int status, struct sk_view payload)
{
    struct sk_lh_twin *t = &id->twin;
    struct sk_err err = SK_ERR_INIT;
    if (status != 200) {
        try_later(id, "get", status);
        return;
    }
    if (is_stale(id, payload))
        return;
    if (take_twin(id, payload, &err) < 0) {
        sk_log(SK_WARN, "twin_not_read", "id=\"%s\" error=\"%s\"", id->key, err.text);
        try_later(id, "get", status);
        return;
    }
    t->is_current = true;
    t->failures = 0;
    sk_lh_files_twin(id->hub, id, NULL);
    sk_lh_twin_seen(id);
}

static void take_patched(struct sk_lh_ident *id, int status)
{
    struct sk_lh_twin *t = &id->twin;
    const char *const labels[] = { "target", "upstream", "id", id->key, NULL };
    if (status < 200 || status > 299) {
        replace(&t->sending, NULL);
        try_later(id, "patch", status);
        return;
    }
    t->failures = 0;
    if (t->sending)
        replace(&t->base, SK_TAKE(t->sending));
    sk_lh_count(id->hub, SK_LH_M_REPORTED, 1, labels);
    sk_lh_count(id->hub, SK_LH_M_REPORTED_S, (double)(sk_now_ms() - t->asked_ms) / 1e3, labels);
    sk_lh_files_twin(id->hub, id, NULL);
}

void sk_lh_sync_answer(struct sk_lh_ident *id, const struct sk_lh_down *d, struct sk_view payload)
{
    struct sk_lh_twin *t = &id->twin;
    if (!*t->rid || !sk_view_eq(d->rid, t->rid))
        return;
    *t->rid = '\0';
    if (t->is_getting)
        take_get(id, d->status, payload);
    else
        take_patched(id, d->status);
    sk_lh_sync(id);
}

static int merge_desired(struct sk_lh_ident *id, int64_t version, struct sk_view payload,
                         struct sk_err *err)
{
    struct sk_lh_twin *t = &id->twin;
    const struct sk_twin_section old = { .body = t->desired, .meta = "{}" };
    const struct sk_json_limits limits = { .max_values = 200000 };
    SK_OWN(sk_json_free) struct sk_json *patch = NULL;
    SK_AUTO(sk_twin_result_done) struct sk_twin_result r = { 0 };
    if (sk_json_parse(payload.ptr, payload.len, &limits, &patch, err) < 0 ||
        sk_twin_merge(SK_TWIN_DESIRED, &old, patch, version, (int64_t)sk_wall_ms(), &r, err) < 0)
        return -1;
    char *body = sk_buf_take(&r.body);
    if (!body)
        return sk_nomem(err);
    replace(&t->desired, body);
    t->desired_version = version;
    t->was_patched = true;
    sk_lh_files_twin(id->hub, id, NULL);
    tell(id, (struct sk_view){ r.patch.data, r.patch.len });
    return 0;
}

void sk_lh_sync_desired(struct sk_lh_ident *id, int64_t version, struct sk_view payload)
{
    struct sk_lh_twin *t = &id->twin;
    struct sk_err err = SK_ERR_INIT;
    if (t->is_seen && version <= t->desired_version)
        return;
    if (t->is_seen && version == t->desired_version + 1) {
        if (merge_desired(id, version, payload, &err) == 0)
            return;
        sk_log(SK_WARN, "desired_not_read", "id=\"%s\" error=\"%s\" next=\"the whole twin\"",
               id->key, err.text);
    }
    t->is_current = false;
    sk_lh_sync(id);
}
