/*
 * files.c - what is kept on the disk beside the spool, and the thread that writes it.
 *
 *     <dir>/hub.json          configuration, modules and leaves, as the agent said them last
 *     <dir>/sessions.json     of each identity: its instances, their roles, what they subscribed
 * to, hashes of the tokens that candidates were signed <dir>/twins/<id>.json   a twin's mirror
 *
 * Each file is replaced whole, and ends in a line with the digest of the rest. Who needs to know
 * that a change is on the disk leaves a `later`; all that wait for a file share the one write that
 * follows. After a failure those that wait are told, and the file is tried again a second later, so
 * that memory and disk meet.
 */
#include "localhub/localhub_priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <string.h>

enum {
    RETRY_MS = 1000,
    SESSIONS_MAX = 8 << 20,
    TWIN_MAX = 16 * SK_TWIN_SECTION_MAX,
    NAME_PLAIN = 200 /* bytes of a file's name that may still be read */
};

/* ---- paths ---- */

static char *twin_path(const struct sk_lh *h, const char *key)
{
    char hash[SK_SHA256_HEX];
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_LH_PATH + 4 * SK_IOT_KEY_MAX);
    sk_buf_percent(&b, key, strlen(key), "$");
    if (sk_buf_ok(&b) && b.len > NAME_PLAIN) {
        if (sk_sha256_hex(key, strlen(key), hash, &err) < 0)
            return NULL;
        sk_buf_clear(&b);
        sk_buf_str(&b, hash);
    }
    sk_buf_str(&b, ".json");
    if (!sk_buf_ok(&b))
        return NULL;
    SK_OWN(free) char *twins = sk_path_join(h->dir, "twins");
    return twins ? sk_path_join(twins, b.data) : NULL;
}

/* text: lines of JSON; its digest becomes the last one. */
static int write_path(const char *path, struct sk_buf *text, struct sk_err *err)
{
    if (sk_buf_ok(text) && text->len > 0 && text->data[text->len - 1] != '\n')
        sk_buf_chr(text, '\n');
    if (sk_digest_line(text, err) < 0)
        return -1;
    return sk_file_write(path, text->data, text->len, 0600, err);
}

static int write_text(const struct sk_lh *h, const char *name, struct sk_buf *text,
                      struct sk_err *err)
{
    SK_OWN(free) char *path = sk_path_join(h->dir, name);
    return path ? write_path(path, text, err) : sk_nomem(err);
}

/* ---- sessions ---- */

static void write_instance(const struct sk_lh_instance *i, struct sk_buf *out)
{
    bool is_first = true;
    sk_buf_str(out, "{\"instance\":");
    sk_buf_json_str(out, i->name);
    sk_buf_fmt(out, ",\"role\":\"%s\",\"subs\":%u,\"signed\":[", sk_lh_role_name(i->role), i->subs);
    for (size_t k = 0; k < SK_LH_SIGNED; k++) {
        if (!*i->signatures[k].hash)
            continue;
        sk_buf_fmt(out, "%s\"%s\"", is_first ? "" : ",", i->signatures[k].hash);
        is_first = false;
    }
    sk_buf_str(out, "]}");
}

static void write_sessions(const struct sk_lh *h, struct sk_buf *out)
{
    bool is_first = true;
    sk_buf_str(out, "{\"sessions\":[");
    for (const struct sk_lh_ident *id = h->idents; id; id = id->next) {
        bool is_first_instance = true;
        for (size_t k = 0; k < SK_LH_INSTANCES; k++) {
            if (!id->instances[k].is_there)
                continue;
            if (is_first_instance) {
                sk_buf_str(out, is_first ? "\n{\"id\":" : ",\n{\"id\":");
                sk_buf_json_str(out, id->key);
                sk_buf_str(out, ",\"releasing\":");
                sk_buf_json_str(out, id->releasing);
                sk_buf_str(out, ",\"instances\":[");
            } else {
                sk_buf_chr(out, ',');
            }
            is_first = is_first_instance = false;
            write_instance(&id->instances[k], out);
        }
        if (!is_first_instance)
            sk_buf_str(out, "]}");
    }
    sk_buf_chr(out, ']');
    if (h->routes_text) {
        sk_buf_str(out, ",\n\"routes\":");
        sk_buf_str(out, h->routes_text);
    }
    sk_buf_str(out, "}\n");
}

static void read_instance(const struct sk_json *o, struct sk_lh_instance *out)
{
    const char *name = sk_json_get_text(o, "instance", "");
    const char *role = sk_json_get_text(o, "role", "");
    const struct sk_json *list = sk_json_get(o, "signed");
    memset(out, 0, sizeof *out);
    (void)snprintf(out->name, sizeof out->name, "%s", name);
    (void)sk_lh_role_find(role, &out->role);
    out->is_there = true;
    out->desired_seen = -1;
    out->subs = (unsigned)sk_json_int(sk_json_get(o, "subs"), 0);
    for (size_t k = 0; k < sk_json_count(list) && k < SK_LH_SIGNED; k++)
        (void)snprintf(out->signatures[k].hash, sizeof out->signatures[k].hash, "%s",
                       sk_json_text(sk_json_at(list, k), ""));
}

/* "device" or "device/module". */
static struct sk_lh_ident *ident_of(struct sk_lh *h, const char *key)
{
    char device[SK_IOT_KEY_MAX];
    (void)snprintf(device, sizeof device, "%s", key);
    char *slash = strchr(device, '/');
    if (slash)
        *slash++ = '\0';
    if (!sk_iot_id_valid(sk_view_of(device)) || (slash && !sk_iot_id_valid(sk_view_of(slash))))
        return NULL;
    return sk_lh_ident_get(h, device, slash ? slash : "");
}

/* Those that were taken last; the twin may have others by now, and they may be worse. */
static void read_routes(struct sk_lh *h, const struct sk_json *routes)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SESSIONS_MAX);
    if (!routes || sk_lh_routes_parse(routes, &h->routes, &err) < 0)
        return;
    sk_json_dump(routes, &text);
    h->routes_text = sk_buf_take(&text);
    for (size_t i = 0; i < h->routes->count; i++)
        sk_lh_pump_endpoint(h, h->routes->items[i].endpoint);
}

static void read_sessions(struct sk_lh *h, const struct sk_json *doc)
{
    read_routes(h, sk_json_get(doc, "routes"));

    const struct sk_json *list = sk_json_get(doc, "sessions");
    for (size_t n = 0; n < sk_json_count(list); n++) {
        const struct sk_json *o = sk_json_at(list, n), *instances = sk_json_get(o, "instances");
        struct sk_lh_ident *id = ident_of(h, sk_json_get_text(o, "id", ""));
        if (!id)
            continue;
        (void)snprintf(id->releasing, sizeof id->releasing, "%s",
                       sk_json_get_text(o, "releasing", ""));
        for (size_t k = 0; k < sk_json_count(instances) && k < SK_LH_INSTANCES; k++)
            read_instance(sk_json_at(instances, k), &id->instances[k]);
    }
}

/* ---- the thread ---- */

static void tell(struct sk_lh_later *list, const struct sk_err *failed)
{
    while (list) {
        struct sk_lh_later *next = list->next;
        list->run(list, failed);
        list = next;
    }
}

static void add(struct sk_lh_later ***last, struct sk_lh_later *later)
{
    if (!later)
        return;
    later->next = NULL;
    **last = later;
    *last = &later->next;
}

void sk_lh_files_sessions(struct sk_lh *h, struct sk_lh_later *later)
{
    struct sk_lh_files *f = &h->files;
    f->is_dirty = true;
    if (!f->last)
        f->last = &f->waiting;
    add(&f->last, later);
    if (later)
        f->retry_at_ms = 0;
    (void)pthread_cond_signal(&f->wake);
}

void sk_lh_files_twin(struct sk_lh *h, struct sk_lh_ident *id, struct sk_lh_later *later)
{
    struct sk_lh_files *f = &h->files;
    struct sk_lh_twin *t = &id->twin;
    add(&t->last, later);
    if (later)
        f->retry_at_ms = 0;
    if (!t->is_dirty) {
        t->is_dirty = true;
        t->next_dirty = NULL;
        if (!f->twins_last)
            f->twins_last = &f->twins;
        *f->twins_last = id;
        f->twins_last = &t->next_dirty;
    }
    (void)pthread_cond_signal(&f->wake);
}

static void note_failure(struct sk_lh *h, const char *what, const struct sk_err *err)
{
    sk_log(SK_WARN, "state_not_written", "file=\"%s\" error=\"%s\" next=\"again in a second\"",
           what, err->text);
    h->files.retry_at_ms = sk_now_ms() + RETRY_MS;
}

/* With the lock held, which is given up for the write. */
static void write_out_sessions(struct sk_lh *h)
{
    struct sk_lh_files *f = &h->files;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SESSIONS_MAX);
    struct sk_lh_later *waiting = f->waiting;
    f->waiting = NULL;
    f->last = &f->waiting;
    f->is_dirty = false;
    write_sessions(h, &text);
    (void)pthread_mutex_unlock(&h->lock);
    const int rc = write_text(h, "sessions.json", &text, &err);
    tell(waiting, rc < 0 ? &err : NULL);
    (void)pthread_mutex_lock(&h->lock);
    if (rc < 0) {
        f->is_dirty = true;
        note_failure(h, "sessions.json", &err);
    }
}

static void write_out_twin(struct sk_lh *h)
{
    struct sk_lh_files *f = &h->files;
    struct sk_lh_ident *id = f->twins;
    struct sk_lh_twin *t = &id->twin;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(TWIN_MAX);
    struct sk_lh_later *waiting = t->waiting;
    int rc = -1;
    f->twins = t->next_dirty;
    if (!f->twins)
        f->twins_last = &f->twins;
    t->is_dirty = false;
    t->is_writing = true;
    t->waiting = NULL;
    t->last = &t->waiting;
    sk_lh_twin_write(id, &text);
    (void)pthread_mutex_unlock(&h->lock);
    SK_OWN(free) char *path = twin_path(h, id->key);
    if (!path)
        (void)sk_nomem(&err);
    else
        rc = write_path(path, &text, &err);
    tell(waiting, rc < 0 ? &err : NULL);
    (void)pthread_mutex_lock(&h->lock);
    t->is_writing = false;
    if (rc < 0) {
        sk_lh_files_twin(h, id, NULL);
        note_failure(h, id->key, &err);
    }
}

static void *run(void *arg)
{
    struct sk_lh *h = arg;
    struct sk_lh_files *f = &h->files;
    SK_LOCK(&h->lock);
    for (;;) {
        const bool is_due = f->is_dirty || f->twins;
        if (f->is_stopping && (!is_due || f->retry_at_ms != 0))
            return NULL;
        if (!is_due || sk_now_ms() < f->retry_at_ms) {
            (void)sk_cond_wait_until(&f->wake, &h->lock,
                                     is_due ? f->retry_at_ms * UINT64_C(1000000) : UINT64_MAX);
            continue;
        }
        f->retry_at_ms = 0;
        size_t twins = 0; /* each once, then the sessions again */
        for (const struct sk_lh_ident *id = f->twins; id; id = id->twin.next_dirty)
            twins++;
        if (f->is_dirty)
            write_out_sessions(h);
        for (; twins > 0 && f->twins; twins--)
            write_out_twin(h);
    }
}

int sk_lh_files_start(struct sk_lh *h, struct sk_err *err)
{
    struct sk_lh_files *f = &h->files;
    if (sk_cond_init(&f->wake, err) < 0 || sk_thread_start(&f->thread, "sk-disk", run, h, err) < 0)
        return -1;
    f->has_thread = true;
    return 0;
}

/* A disk that fails up to the end: nobody is left without an answer. */
static void end_waiting(struct sk_lh *h)
{
    struct sk_err err = SK_ERR_INIT;
    (void)sk_fail(&err, SK_CANCELLED, "the local hub stops");
    tell(SK_TAKE(h->files.waiting), &err);
    for (struct sk_lh_ident *id = h->files.twins; id; id = id->twin.next_dirty)
        tell(SK_TAKE(id->twin.waiting), &err);
}

void sk_lh_files_stop(struct sk_lh *h)
{
    struct sk_lh_files *f = &h->files;
    if (!f->has_thread)
        return;
    {
        SK_LOCK(&h->lock);
        f->is_stopping = true;
        (void)pthread_cond_signal(&f->wake);
    }
    (void)pthread_join(f->thread, NULL);
    f->has_thread = false;
    end_waiting(h);
}

/* ---- reading ---- */

/* *out NULL: there is none, or it cannot be read, or is damaged, and is put aside: a bad sector
 * must not keep us from starting. -1: out of memory, which passes: to go on without the file would
 * write over it. */
static int read_file(const char *path, struct sk_json **out, struct sk_err *failed)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_json *doc = NULL;
    char *text = NULL;
    size_t len = 0;
    const struct sk_json_limits limits = { .max_values = 400000 };
    *out = NULL;
    int rc = sk_file_read(path, SESSIONS_MAX, &text, &len, &err);
    SK_OWN(free) char *own = text;
    if (rc < 0 && err.code == SK_NOT_FOUND)
        return 0;
    if (rc == 0 && sk_digest_line_check(own, &len, &err) == 0 &&
        sk_json_parse(own, len, &limits, &doc, &err) == 0 && sk_json_type(doc) == SK_JSON_OBJECT) {
        *out = doc;
        return 0;
    }
    sk_json_free(doc);
    if (err.code == SK_NOMEM) {
        *failed = err;
        return -1;
    }
    SK_OWN(free) char *aside = malloc(strlen(path) + sizeof ".damaged");
    if (aside) {
        memcpy(aside, path, strlen(path));
        memcpy(aside + strlen(path), ".damaged", sizeof ".damaged");
    }
    const bool is_moved = aside && rename(path, aside) == 0;
    sk_log(SK_ERROR, "state_damaged", "file=\"%s\" error=\"%s\" next=\"%s\"", path,
           err.code != SK_OK ? err.text : "no object",
           is_moved ? "put aside, going on without" : "going on without");
    return 0;
}

static int read_named(struct sk_lh *h, const char *name, struct sk_json **out, struct sk_err *err)
{
    SK_OWN(free) char *path = sk_path_join(h->dir, name);
    return path ? read_file(path, out, err) : sk_nomem(err);
}

static int read_twin(struct sk_lh *h, const char *path, struct sk_err *failed)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    if (read_file(path, &doc, failed) < 0)
        return -1;
    struct sk_lh_ident *id = doc ? ident_of(h, sk_json_get_text(doc, "id", "")) : NULL;
    if (!id)
        return 0;
    if (sk_lh_twin_read(doc, &id->twin, &err) < 0)
        sk_log(SK_ERROR, "state_damaged", "file=\"%s\" error=\"%s\" next=\"going on without\"",
               path, err.text);
    return 0;
}

static int read_twins(struct sk_lh *h, struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir names = { 0 };
    SK_OWN(free) char *twins = sk_path_join(h->dir, "twins");
    if (!twins)
        return sk_nomem(err);
    if (sk_mkdirs(twins, 0700, err) < 0 || sk_dir_read(twins, &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        SK_OWN(free) char *path = sk_path_join(twins, names.names[i]);
        if (!path)
            return sk_nomem(err);
        if (sk_ends_with(path, ".json") && read_twin(h, path, err) < 0)
            return -1;
        if (!sk_ends_with(path, ".json") && strstr(names.names[i], ".json.") &&
            !sk_ends_with(path, ".damaged"))
            (void)unlink(path); /* what a crash left of a write */
    }
    return 0;
}

int sk_lh_files_read(struct sk_lh *h, struct sk_err *err)
{
    struct sk_err why = SK_ERR_INIT;
    SK_OWN(sk_json_free) struct sk_json *hub = NULL;
    SK_OWN(sk_json_free) struct sk_json *sessions = NULL;
    if (read_named(h, "hub.json", &hub, err) < 0 ||
        read_named(h, "sessions.json", &sessions, err) < 0)
        return -1;
    const struct sk_json *config = sk_json_get(hub, "config");
    if (config && sk_lh_take_config(h, config, &why) < 0)
        sk_log(SK_ERROR, "state_damaged",
               "file=hub.json error=\"%s\" next=\"waiting for the agent\"", why.text);
    {
        SK_LOCK(&h->lock);
        if (sessions)
            read_sessions(h, sessions);
        if (read_twins(h, err) < 0)
            return -1;
    }
    if (sk_json_get(hub, "leaves") && sk_lh_take_leaves(h, sk_json_get(hub, "leaves"), &why) < 0)
        sk_log(SK_ERROR, "state_damaged", "file=hub.json error=\"%s\"", why.text);
    if (sk_json_get(hub, "modules") && sk_lh_take_modules(h, sk_json_get(hub, "modules"), &why) < 0)
        sk_log(SK_ERROR, "state_damaged", "file=hub.json error=\"%s\"", why.text);
    return 0;
}

static void write_member(const char *name, const struct sk_json *v, bool *is_first,
                         struct sk_buf *out)
{
    if (!v)
        return;
    sk_buf_fmt(out, "%s\"%s\":", *is_first ? "" : ",\n", name);
    sk_json_dump(v, out);
    *is_first = false;
}

int sk_lh_files_save(struct sk_lh *h, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SESSIONS_MAX);
    bool is_first = true;
    {
        SK_LOCK(&h->lock);
        sk_buf_chr(&text, '{');
        write_member("config", h->said_config, &is_first, &text);
        write_member("leaves", h->said_leaves, &is_first, &text);
        write_member("modules", h->said_modules, &is_first, &text);
        sk_buf_str(&text, "}\n");
    }
    return write_text(h, "hub.json", &text, err);
}
