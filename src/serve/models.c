/*
 * models.c - the table of served models.
 *
 * Two locks. `mutex` guards the table and is held for moments only: lookups of requests take it.
 * `loading` is held for the whole of a load, unload or rescan, so they happen one after the other;
 * it is always taken first. What only loads read and write (place, signature, the last scan) is
 * guarded by `loading`. A path belongs to one entry at most.
 *
 * Slots are never removed: metrics keep their counters, the index keeps the reason why a model is
 * gone.
 */
#include "serve/models_priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "serve/sources_priv.h"
#include "serve/upload_priv.h"

#include <malloc.h>
#include <string.h>

enum {
    SLOTS_MAX = 4096,
    KEPT_FREE = 4 << 20
};

/* A slot with what only this file knows about it. */
struct entry {
    struct sk_slot slot; /* first: the two are one allocation */
    enum sk_slot_state state;
    char reason[SK_ERR_TEXT];
    struct sk_loaded *loaded; /* one reference; NULL: none */

    /* guarded by `loading` */
    char *path;         /* where it comes from; NULL: an upload, or gone */
    uint64_t signature; /* of what was loaded from there, or failed to load, or was unloaded */
};

struct sk_models {
    struct sk_models_options opts;
    pthread_mutex_t loading; /* guards seen */
    struct sk_sources seen;  /* what the last scan found, to see whether a change has settled */

    pthread_mutex_t mutex;  /* guards the rest; entries come only under `loading` as well */
    struct entry **entries; /* sorted by name, then version as a number */
    size_t count;
};

/* ---- loaded instances ---- */

struct sk_loaded *sk_loaded_ref(struct sk_loaded *l)
{
    atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
    return l;
}

void sk_loaded_unref(struct sk_loaded *l)
{
    if (!l || atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned i = 0; l->lanes && i < l->lane_count; i++)
        sk_lane_free(l->lanes[i]);
    free(l->lanes);
    sk_classifier_unref(l->classifier);
    sk_upload_discard(l->upload_folder);
    free(l);
    sk_engine_trim();
}

int sk_loaded_lane(struct sk_loaded *l, unsigned worker, struct sk_lane **out, struct sk_err *err)
{
    if (!l->lanes[worker] && sk_lane_new(l->classifier, &l->lanes[worker], err) < 0)
        return -1;
    *out = l->lanes[worker];
    return 0;
}

/* Loads and warms. */
static int load_instance(struct sk_models *m, const char *path, struct sk_loaded **out,
                         struct sk_err *err)
{
    SK_OWN(sk_loaded_unref) struct sk_loaded *l = calloc(1, sizeof *l);

    if (!l)
        return sk_nomem(err);
    atomic_init(&l->refs, 1);
    l->lane_count = m->opts.workers;
    l->lanes = calloc(l->lane_count, sizeof *l->lanes);
    if (!l->lanes)
        return sk_nomem(err);
    if (sk_classifier_load(m->opts.engine, path, m->opts.labels_file, &l->classifier, err) < 0 ||
        sk_lane_new(l->classifier, &l->lanes[0], err) < 0 || sk_lane_warm(l->lanes[0], err) < 0)
        return -1;
    sk_engine_trim();
    *out = SK_TAKE(l);
    return 0;
}

/* What classified pictures is not replaced by what does not: a label file or a graph went wrong.
 * Whoever means it unloads the old one first. */
static int check_kind(const struct sk_loaded *old, const struct sk_loaded *l, struct sk_err *err)
{
    const char *reason = sk_classifier_refusal(l->classifier);

    if (!old || sk_classifier_refusal(old->classifier) || !reason)
        return 0;
    return sk_fail(err, SK_INVALID, "it would not classify pictures any more: %s", reason);
}

/* ---- the table ---- */

static int compare(const char *name, const char *version, const struct entry *e)
{
    int by_name = strcmp(name, e->slot.name);

    if (by_name != 0)
        return by_name;
    uint64_t a = strtoull(version, NULL, 10), b = strtoull(e->slot.version, NULL, 10);
    return a < b ? -1 : a > b;
}

/* Under mutex. */
static struct entry *find(struct sk_models *m, const char *name, const char *version)
{
    for (size_t i = 0; i < m->count; i++)
        if (compare(name, version, m->entries[i]) == 0)
            return m->entries[i];
    return NULL;
}

static void entry_free(struct entry *e)
{
    if (!e)
        return;
    free(e->slot.name);
    free(e->slot.version);
    free(e->path);
    free(e);
}

/* Finds or makes the slot. */
static int claim(struct sk_models *m, const char *name, const char *version, struct entry **out,
                 struct sk_err *err)
{
    SK_LOCK(&m->mutex);
    struct entry *e = find(m, name, version);

    if (!e) {
        if (m->count == SLOTS_MAX)
            return sk_fail(err, SK_LIMIT, "more than %d models and versions were seen", SLOTS_MAX);
        struct entry **entries = realloc(m->entries, (m->count + 1) * sizeof(struct entry *));
        if (!entries)
            return sk_nomem(err);
        m->entries = entries;
        e = calloc(1, sizeof *e);
        if (!e)
            return sk_nomem(err);
        e->slot.name = strdup(name);
        e->slot.version = strdup(version);
        if (!e->slot.name || !e->slot.version) {
            entry_free(e);
            return sk_nomem(err);
        }
        size_t at = m->count;
        while (at > 0 && compare(name, version, m->entries[at - 1]) < 0) {
            m->entries[at] = m->entries[at - 1];
            at--;
        }
        m->entries[at] = e;
        m->count++;
    }
    *out = e;
    return 0;
}

/* Something is being loaded for the slot. */
static void expect(struct sk_models *m, struct entry *e)
{
    SK_LOCK(&m->mutex);
    if (!e->loaded)
        e->state = SK_SLOT_LOADING;
}

/* Puts a new instance (or none) in place and lets the old one go when its last request ends. */
static void place(struct sk_models *m, struct entry *e, struct sk_loaded *l, const char *reason)
{
    struct sk_loaded *old;

    if (l)
        l->slot = &e->slot;
    {
        SK_LOCK(&m->mutex);
        old = e->loaded;
        e->loaded = l;
        e->state = l ? SK_SLOT_READY : SK_SLOT_UNAVAILABLE;
        (void)snprintf(e->reason, sizeof e->reason, "%s", reason);
    }
    sk_loaded_unref(old);
}

/* A load failed: what is in place stays. */
static void keep(struct sk_models *m, struct entry *e, const struct sk_err *why)
{
    SK_LOCK(&m->mutex);
    e->state = e->loaded ? SK_SLOT_READY : SK_SLOT_UNAVAILABLE;
    (void)snprintf(e->reason, sizeof e->reason, "%s", why->text);
}

static void log_loaded(const struct entry *e, const struct sk_loaded *l, uint64_t took_ns)
{
    const struct sk_bundle *b = sk_classifier_bundle(l->classifier);
    const struct sk_net_info *net = sk_net_info(sk_classifier_net(l->classifier));

    sk_log(SK_INFO, "model_loaded", "name=%s version=%s ms=%llu cached=%s sha256=%.12s path=\"%s\"",
           e->slot.name, e->slot.version, (unsigned long long)(took_ns / 1000000),
           net->from_cache ? "yes" : "no", sk_classifier_digest(l->classifier), b->path);
    if (b->warnings)
        sk_log(SK_WARN, "model_warning", "name=%s warning=\"%s\"", e->slot.name, b->warnings);
}

/* Under loading. The slot for what lies at path, under the first name that no other place holds. */
static int claim_for(struct sk_models *m, const char *const names[3], const char *version,
                     const char *path, struct entry **out, struct sk_err *err)
{
    for (unsigned i = 0; i < 3; i++) {
        if (!names[i])
            continue;
        if (claim(m, names[i], version, out, err) < 0)
            return -1;
        struct entry *e = *out;
        if (!path || !e->path || strcmp(e->path, path) == 0)
            return 0;
        sk_log(SK_WARN, "name_taken",
               "name=%s path=\"%s\" by=\"%s\" next=\"serving it under another name\"", names[i],
               path, e->path);
    }
    return sk_fail(err, SK_EXISTS, "'%s': the name is taken", path);
}

/* Under loading. */
static struct entry *entry_of_path(struct sk_models *m, const char *path)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->entries[i]->path && strcmp(m->entries[i]->path, path) == 0)
            return m->entries[i];
    return NULL;
}

/* Under loading. What a source is called: by the one who named it, by its bundle, and when that
 * cannot be read as before or as its folder. NULL: out of memory. */
static char *name_of(const struct sk_models *m, const struct sk_source *src,
                     const struct entry *before)
{
    SK_OWN(sk_bundle_free) struct sk_bundle *b = NULL;
    struct sk_err unsaid = SK_ERR_INIT; /* the load will say it */

    if (src->name)
        return strdup(src->name);
    if (sk_bundle_open(src->path, m->opts.labels_file, &b, &unsaid) == 0)
        return SK_TAKE(b->name);
    return before ? strdup(before->slot.name) : sk_path_name(src->path);
}

/* Under loading. The place has no model any more, or another slot's. */
static void retire(struct sk_models *m, struct entry *e, const char *reason)
{
    sk_log(SK_INFO, "model_removed", "name=%s version=%s reason=\"%s\"", e->slot.name,
           e->slot.version, reason);
    free(SK_TAKE(e->path));
    place(m, e, NULL, reason);
}

/* Under loading. A model that cannot be loaded leaves what its place gave before, under the name
 * that it had. An upload has no place of its own: `path` stays with what the folders hold, so that
 * a rescan compares with that. */
static int load_into(struct sk_models *m, const struct sk_source *src, char *upload_folder,
                     struct sk_err *err)
{
    SK_OWN(sk_loaded_unref) struct sk_loaded *l = NULL;
    struct entry *before = upload_folder ? NULL : entry_of_path(m, src->path);
    SK_OWN(free) char *own = name_of(m, src, before);
    SK_OWN(free) char *folder = sk_path_name(src->path);
    SK_OWN(free) char *path = strdup(src->path);
    const char *const names[3] = { own, folder, src->path };
    uint64_t start = sk_now_ns();
    struct entry *e = NULL;

    if (!own || !folder || !path)
        return sk_nomem(err);
    if (claim_for(m, names, src->version, upload_folder ? NULL : path, &e, err) < 0)
        return -1;
    expect(m, e);
    int rc = load_instance(m, path, &l, err);
    if (rc == 0)
        rc = check_kind(before ? before->loaded : e->loaded, l, err);
    if (!upload_folder) {
        struct entry *holder = rc < 0 && before ? before : e;
        free(holder->path);
        holder->path = SK_TAKE(path);
        holder->signature = src->signature;
    }
    if (rc < 0) {
        keep(m, e, err);
        if (before && before != e)
            keep(m, before, err);
        sk_log(SK_ERROR, "model_failed", "name=%s version=%s kept_old=%s error=\"%s\"",
               e->slot.name, e->slot.version,
               e->loaded || (before && before->loaded) ? "yes" : "no", err->text);
        return -1;
    }
    atomic_store(&e->slot.stats.load_ns, sk_now_ns() - start);
    log_loaded(e, l, sk_now_ns() - start);
    l->upload_folder = upload_folder;
    place(m, e, SK_TAKE(l), "");
    if (before && before != e)
        retire(m, before, "its place has a model of another name now");
    return 0;
}

/* ---- the world outside: scans ---- */

/* Under loading: one source that is there. True when something changed. */
static bool follow(struct sk_models *m, const struct sk_source *src, bool settled)
{
    const struct entry *e = entry_of_path(m, src->path);
    const struct sk_source *before = sk_sources_find(&m->seen, src->path);
    struct sk_err err = SK_ERR_INIT;

    if (e && e->signature == src->signature)
        return false;
    if (!settled && (!before || before->signature != src->signature))
        return false; /* new or changed since the last look: wait until it stands still */
    (void)load_into(m, src, NULL, &err);
    return true;
}

unsigned sk_models_rescan(struct sk_models *m, bool settled)
{
    SK_AUTO(sk_sources_done) struct sk_sources found = { 0 };
    struct sk_err err = SK_ERR_INIT;
    unsigned changes = 0;

    SK_LOCK(&m->loading);
    if (sk_sources_scan(m->opts.paths, m->opts.path_count, &found, &err) < 0) {
        sk_log(SK_WARN, "scan_failed", "error=\"%s\" next=\"the loaded models go on\"", err.text);
        return 0;
    }
    for (size_t i = 0; i < found.count; i++)
        changes += follow(m, &found.items[i], settled);
    for (size_t i = 0; i < m->count; i++) {
        struct entry *e = m->entries[i];
        if (!e->path || sk_sources_find(&found, e->path))
            continue;
        retire(m, e, "removed from its folder");
        changes++;
    }
    sk_sources_done(&m->seen);
    m->seen = found;
    found = (struct sk_sources){ 0 };
    return changes;
}

/* The allocator would keep up to 32 MiB free at the end of each arena once it has seen a block as
 * large as a model's, and malloc_trim() reaches only the first arena's end. */
static void give_memory_back(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, KEPT_FREE);
    (void)mallopt(M_TRIM_THRESHOLD, KEPT_FREE);
}

int sk_models_new(const struct sk_models_options *opts, struct sk_models **out, struct sk_err *err)
{
    SK_AUTO(sk_sources_done) struct sk_sources found = { 0 };
    SK_OWN(sk_models_free) struct sk_models *m = calloc(1, sizeof *m);
    size_t loaded = 0;

    if (!m)
        return sk_nomem(err);
    give_memory_back();
    m->opts = *opts;
    (void)pthread_mutex_init(&m->loading, NULL);
    (void)pthread_mutex_init(&m->mutex, NULL);
    if (sk_sources_scan(opts->paths, opts->path_count, &found, err) < 0)
        return -1;
    for (size_t i = 0; i < found.count; i++) {
        const struct sk_source *src = &found.items[i];
        if (load_into(m, src, NULL, err) == 0)
            loaded++;
    }
    if (loaded == 0)
        return found.count > 1
                   ? sk_wrap(err, "none of %zu models could be loaded; the last", found.count)
                   : -1;
    m->seen = found;
    found = (struct sk_sources){ 0 };
    *out = SK_TAKE(m);
    return 0;
}

void sk_models_free(struct sk_models *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->count; i++) {
        sk_loaded_unref(m->entries[i]->loaded);
        entry_free(m->entries[i]);
    }
    free(m->entries);
    sk_sources_done(&m->seen);
    (void)pthread_mutex_destroy(&m->loading);
    (void)pthread_mutex_destroy(&m->mutex);
    free(m);
}

/* ---- lookups ---- */

/* Under mutex: the names that are ready, "a, b, ...". */
static void list_names(struct sk_models *m, char *out, size_t cap)
{
    size_t used = 0;
    const char *last = NULL;

    out[0] = '\0';
    for (size_t i = 0; i < m->count; i++) {
        const struct entry *e = m->entries[i];
        if (!e->loaded || (last && strcmp(last, e->slot.name) == 0))
            continue;
        int n = snprintf(out + used, cap - used, "%s%s", last ? ", " : "", e->slot.name);
        if (n < 0 || (size_t)n >= cap - used)
            break;
        used += (size_t)n;
        last = e->slot.name;
    }
}

/* Under mutex. The highest ready version of name, or of the only model when name is NULL. */
static struct entry *pick(struct sk_models *m, const char *name, bool *is_ambiguous)
{
    struct entry *best = NULL;

    *is_ambiguous = false;
    for (size_t i = 0; i < m->count; i++) {
        struct entry *e = m->entries[i];
        if (!e->loaded || (name && strcmp(name, e->slot.name) != 0))
            continue;
        if (!name && best && strcmp(best->slot.name, e->slot.name) != 0)
            *is_ambiguous = true;
        best = e; /* sorted: later versions are higher */
    }
    return best;
}

/* Under mutex: why there is nothing to give. */
static int explain(struct sk_models *m, const char *name, const char *version, bool is_ambiguous,
                   struct sk_err *err)
{
    char names[256];

    list_names(m, names, sizeof names);
    if (is_ambiguous)
        return sk_fail(err, SK_INVALID,
                       "several models are served, say which: ?model=NAME with one of %s", names);
    for (size_t i = 0; name && i < m->count; i++) {
        const struct entry *e = m->entries[i];
        if (strcmp(name, e->slot.name) == 0 && (!version || strcmp(version, e->slot.version) == 0))
            return sk_fail(err, SK_INVALID, "model '%s' version %s is not ready: %s", name,
                           e->slot.version,
                           e->state == SK_SLOT_LOADING ? "it is being loaded" : e->reason);
    }
    if (version)
        return sk_fail(err, SK_NOT_FOUND, "unknown model '%s' version '%s'", name ? name : "",
                       version);
    return sk_fail(err, SK_NOT_FOUND, "unknown model '%s'; served: %s", name ? name : "",
                   names[0] ? names : "none");
}

int sk_models_get(struct sk_models *m, const char *name, const char *version,
                  struct sk_loaded **out, struct sk_err *err)
{
    bool is_ambiguous = false;

    if (version && (!*version || version[strspn(version, "0123456789")]))
        return sk_fail(err, SK_INVALID, "version '%.40s' is not a number", version);
    SK_LOCK(&m->mutex);
    struct entry *e = pick(m, name, &is_ambiguous);
    if (e && version && !is_ambiguous)
        e = find(m, e->slot.name, version);
    if (is_ambiguous || !e || !e->loaded)
        return explain(m, name, version, is_ambiguous, err);
    *out = sk_loaded_ref(e->loaded);
    return 0;
}

void sk_models_each(struct sk_models *m, sk_slot_visit *visit, void *ctx)
{
    struct entry *e = NULL;

    for (size_t i = 0;; i++) {
        SK_OWN(sk_loaded_unref) struct sk_loaded *loaded = NULL;
        char reason[SK_ERR_TEXT];

        enum sk_slot_state state;
        {
            SK_LOCK(&m->mutex);
            while (i > 0 && m->entries[i - 1] != e) /* one that came in front has moved it */
                i++;
            if (i == m->count)
                return;
            e = m->entries[i];
            state = e->state;
            memcpy(reason, e->reason, sizeof reason);
            loaded = e->loaded ? sk_loaded_ref(e->loaded) : NULL;
        }

        visit(ctx, &e->slot, state, reason, loaded);
    }
}

bool sk_models_ready(struct sk_models *m)
{
    SK_LOCK(&m->mutex);
    for (size_t i = 0; i < m->count; i++)
        if (m->entries[i]->loaded)
            return true;
    return false;
}

/* ---- the repository API ---- */

int sk_models_load(struct sk_models *m, const char *name, struct sk_err *err)
{
    SK_AUTO(sk_sources_done) struct sk_sources found = { 0 };
    unsigned tried = 0;

    SK_LOCK(&m->loading);
    if (sk_sources_scan(m->opts.paths, m->opts.path_count, &found, err) < 0)
        return -1;
    for (size_t i = 0; i < found.count; i++) {
        const struct sk_source *src = &found.items[i];
        const struct entry *e = entry_of_path(m, src->path);
        SK_OWN(free) char *folder = sk_path_name(src->path);
        const char *known = src->name ? src->name : e ? e->slot.name : folder;
        if (!known || strcmp(known, name) != 0)
            continue;
        tried++;
        if (e && e->loaded && !e->loaded->upload_folder && e->signature == src->signature)
            continue; /* what is loaded is what is there */
        if (load_into(m, src, NULL, err) < 0)
            return sk_wrap(err, "model '%s' version %s", name, src->version);
    }
    return tried > 0
               ? 0
               : sk_fail(err, SK_NOT_FOUND,
                         "unknown model '%s': nothing of that name in the served folders", name);
}

int sk_models_load_upload(struct sk_models *m, const char *name, char *upload_folder,
                          struct sk_err *err)
{
    SK_LOCK(&m->loading);
    struct sk_source src = { .name = name, .version = "1", .path = upload_folder };
    if (load_into(m, &src, upload_folder, err) < 0) {
        sk_upload_discard(upload_folder);
        return -1;
    }
    return 0;
}

int sk_models_unload(struct sk_models *m, const char *name, struct sk_err *err)
{
    unsigned found = 0;

    SK_LOCK(&m->loading);
    for (size_t i = 0; i < m->count; i++) {
        struct entry *e = m->entries[i];
        if (strcmp(e->slot.name, name) != 0)
            continue;
        found++;
        if (!e->loaded)
            continue;
        place(m, e, NULL, "unloaded");
        sk_log(SK_INFO, "model_unloaded", "name=%s version=%s", name, e->slot.version);
    }
    return found > 0 ? 0 : sk_fail(err, SK_NOT_FOUND, "unknown model '%s'", name);
}
