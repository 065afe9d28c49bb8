/*
 * record.c - what is kept of a module: state/modules/NAME.json, replaced whole, the version before
 * it beside it as NAME.bak. The last line has the digest of what stands before it: a damaged file
 * is set aside as NAME.damaged, and the one before it used; what that does not know of is found by
 * the sweep of instances.
 */
#include "agent/agent_priv.h"

#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const phases[SK_PHASE_COUNT] = { "steady",    "prepare", "replace", "handover",
                                                    "probation", "commit",  "back",    "remove" };

static const char *const lingering[SK_AGENT_LINGER_MAX] = { "lingering0", "lingering1",
                                                            "lingering2" };

const char *sk_agent_phase_name(enum sk_agent_phase p)
{
    return phases[p];
}

void sk_agent_slot_clear(struct sk_agent_slot *s)
{
    sk_agent_spec_unref(s->spec);
    memset(s, 0, sizeof *s);
}

void sk_agent_slot_move(struct sk_agent_slot *to, struct sk_agent_slot *from)
{
    sk_agent_slot_clear(to);
    *to = *from;
    memset(from, 0, sizeof *from);
}

/* Names of modules may hold what a file's name may not. */
static char *path_of(const char *dir, const char *name, const char *end)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1024);
    sk_buf_percent(&b, name, strlen(name), "");
    sk_buf_str(&b, end);
    sk_buf_chr(&b, '\0');
    if (!sk_buf_ok(&b))
        return NULL;
    SK_OWN(free) char *folder = sk_agent_path(dir, "state", "modules");
    return folder ? sk_path_join(folder, b.data) : NULL;
}

bool sk_agent_record_name(const char *file, char *out, size_t cap)
{
    const char *dot = strrchr(file, '.');
    size_t n = 0;
    if (!dot || (strcmp(dot, ".json") != 0 && strcmp(dot, ".bak") != 0))
        return false;
    for (const char *p = file; p < dot; p++) {
        char c = *p;
        if (c == '%') {
            int high = p + 2 < dot ? sk_hex_digit(p[1]) : -1,
                low = high >= 0 ? sk_hex_digit(p[2]) : -1;
            if (low < 0)
                return false;
            c = (char)(high * 16 + low);
            p += 2;
        }
        if (n + 1 >= cap)
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return n > 0;
}

/* ---- writing ---- */

static void put_text(struct sk_buf *b, const char *key, const char *value)
{
    sk_buf_fmt(b, ",\"%s\":", key);
    sk_buf_json_str(b, value);
}

static void put_slot(struct sk_buf *b, const char *key, const struct sk_agent_slot *s)
{
    const struct sk_instance *i = &s->instance;
    if (!s->spec)
        return;
    sk_buf_fmt(b, ",\n\"%s\":{\"spec\":%s", key, s->spec->text);
    sk_buf_fmt(b, ",\"isStarted\":%s", s->is_started ? "true" : "false");
    sk_buf_fmt(b, ",\"imageKind\":%d", (int)s->image.kind);
    put_text(b, "digest", s->image.digest);
    put_text(b, "layer", s->image.layer);
    put_text(b, "modelPath", s->image.model_path);
    sk_buf_fmt(b, ",\"kind\":%d", (int)i->kind);
    put_text(b, "instance", i->instance);
    sk_buf_fmt(b, ",\"pid\":%lld,\"startTicks\":%llu,\"uid\":%u", (long long)i->pid,
               (unsigned long long)i->start_ticks, (unsigned)i->uid);
    put_text(b, "container", i->container);
    put_text(b, "control", i->control);
    put_text(b, "address", i->address);
    put_text(b, "note", i->note);
    sk_buf_chr(b, '}');
}

static char boot[64];

static void read_boot(void)
{
    SK_OWN(fclose) FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (f && fgets(boot, sizeof boot, f))
        boot[strcspn(boot, "\n")] = '\0';
}

/* Of this start of the machine; "": not known. */
static const char *boot_id(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, read_boot);
    return boot;
}

static void put_record(struct sk_buf *b, const struct sk_agent_record *r)
{
    sk_buf_fmt(b, "{\"format\":1,\"phase\":\"%s\",\"next\":%llu,\"probationLeftMs\":%lld",
               phases[r->phase], (unsigned long long)r->next, (long long)r->probation_left_ms);
    sk_buf_fmt(b, ",\"deaths\":%u,\"attempts\":%u,\"uidIndex\":%u", r->deaths, r->attempts,
               r->uid_index);
    put_text(b, "boot", boot_id());
    put_text(b, "tried", r->tried);
    put_text(b, "failed", r->failed);
    put_text(b, "failedWhy", r->failed_why);
    sk_buf_fmt(b, ",\"restarts\":%llu,\"lastRestartMs\":%lld,\"lastStartMs\":%lld",
               (unsigned long long)r->restarts, (long long)r->last_restart_ms,
               (long long)r->last_start_ms);
    sk_buf_fmt(b, ",\"lastExitMs\":%lld,\"lastExit\":%d", (long long)r->last_exit_ms, r->last_exit);
    put_slot(b, "active", &r->active);
    put_slot(b, "candidate", &r->candidate);
    put_slot(b, "old", &r->old);
    for (size_t i = 0; i < SK_AGENT_LINGER_MAX; i++)
        put_slot(b, lingering[i], &r->lingering[i]);
    sk_buf_str(b, "}\n");
}

int sk_agent_record_put(const struct sk_agent_record *r, struct sk_buf *b, struct sk_err *err)
{
    char digest[SK_SHA256_HEX];
    put_record(b, r);
    if (!sk_buf_ok(b))
        return sk_buf_fail(b, err);
    if (sk_sha256_hex(b->data, b->len, digest, err) < 0)
        return -1;
    sk_buf_fmt(b, "%s\n", digest);
    return sk_buf_ok(b) ? 0 : sk_buf_fail(b, err);
}

/* What is there becomes the version before, in one step. Without it (it was set aside) the one
 * before it stays: there is one of both at any time. */
static void keep_before(const char *path, const char *before, const char *spare)
{
    (void)unlink(spare);
    if (link(path, spare) < 0) {
        if (errno != ENOENT)
            sk_log(SK_DEBUG, "state_copy_failed", "path=%s", spare);
    } else if (rename(spare, before) < 0) {
        sk_log(SK_DEBUG, "state_copy_failed", "path=%s", before);
    }
}

int sk_agent_record_save(const char *dir, const char *name, const struct sk_agent_record *r,
                         struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(4 * SK_AGENT_FILE_MAX);
    SK_OWN(free) char *path = path_of(dir, name, ".json");
    SK_OWN(free) char *before = path_of(dir, name, ".bak");
    SK_OWN(free) char *spare = path_of(dir, name, ".spare");
    if (!path || !before || !spare)
        return sk_nomem(err);
    if (sk_agent_record_put(r, &b, err) < 0)
        return -1;
    keep_before(path, before, spare);
    int rc = sk_file_write(path, b.data, b.len, 0600, err);
    explicit_bzero(b.data, b.len);
    return rc;
}

/* ---- reading ---- */

static int read_slot(const struct sk_json *doc, const char *key, const char *name,
                     struct sk_agent_slot *s, struct sk_err *err)
{
    const struct sk_json *v = sk_json_get(doc, key);
    struct sk_instance *i = &s->instance;
    if (!v)
        return 0;
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_AGENT_FILE_MAX);
    sk_json_dump(sk_json_get(v, "spec"), &text);
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    if (sk_agent_spec_parse(text.data, text.len, &s->spec, err) < 0)
        return -1;
    s->is_started = sk_json_bool(sk_json_get(v, "isStarted"), false);
    s->image.kind = (enum sk_runtime_kind)sk_json_int(sk_json_get(v, "imageKind"), 0);
    i->kind = (enum sk_runtime_kind)sk_json_int(sk_json_get(v, "kind"), 0);
    i->pid = sk_json_int(sk_json_get(v, "pid"), 0);
    i->start_ticks = (uint64_t)sk_json_int(sk_json_get(v, "startTicks"), 0);
    i->uid = (uid_t)sk_json_int(sk_json_get(v, "uid"), 0);
#define TEXT(field, key) (void)snprintf(field, sizeof field, "%s", sk_json_get_text(v, key, ""))
    TEXT(s->image.digest, "digest");
    TEXT(s->image.layer, "layer");
    TEXT(s->image.model_path, "modelPath");
    TEXT(i->instance, "instance");
    TEXT(i->container, "container");
    TEXT(i->control, "control");
    TEXT(i->address, "address");
    TEXT(i->note, "note");
#undef TEXT
    (void)snprintf(i->module, sizeof i->module, "%s", name);
    return 0;
}

static int read_record(const struct sk_json *doc, const char *name, struct sk_agent_record *r,
                       struct sk_err *err)
{
    const char *phase = sk_json_get_text(doc, "phase", "");
    int found = -1;
    if (sk_json_int(sk_json_get(doc, "format"), 0) != 1)
        return sk_fail(err, SK_UNSUPPORTED, "a format of a later version");
    for (int i = 0; i < SK_PHASE_COUNT; i++)
        if (strcmp(phase, phases[i]) == 0)
            found = i;
    if (found < 0)
        return sk_fail(err, SK_CORRUPT, "phase '%s' is none", phase);
    r->phase = (enum sk_agent_phase)found;
    r->next = (uint64_t)sk_json_int(sk_json_get(doc, "next"), 1);
    r->probation_left_ms = sk_json_int(sk_json_get(doc, "probationLeftMs"), 0);
    r->deaths = (unsigned)sk_json_int(sk_json_get(doc, "deaths"), 0);
    r->attempts = (unsigned)sk_json_int(sk_json_get(doc, "attempts"), 0);
    r->uid_index = (uint32_t)sk_json_int(sk_json_get(doc, "uidIndex"), 0);
    r->restarts = (uint64_t)sk_json_int(sk_json_get(doc, "restarts"), 0);
    r->last_restart_ms = sk_json_int(sk_json_get(doc, "lastRestartMs"), 0);
    r->last_start_ms = sk_json_int(sk_json_get(doc, "lastStartMs"), 0);
    r->last_exit_ms = sk_json_int(sk_json_get(doc, "lastExitMs"), 0);
    r->last_exit = (int)sk_json_int(sk_json_get(doc, "lastExit"), 0);
    r->is_of_other_boot = strcmp(sk_json_get_text(doc, "boot", ""), boot_id()) != 0;
    (void)snprintf(r->tried, sizeof r->tried, "%s", sk_json_get_text(doc, "tried", ""));
    (void)snprintf(r->failed, sizeof r->failed, "%s", sk_json_get_text(doc, "failed", ""));
    (void)snprintf(r->failed_why, sizeof r->failed_why, "%s",
                   sk_json_get_text(doc, "failedWhy", ""));
    if (read_slot(doc, "active", name, &r->active, err) < 0 ||
        read_slot(doc, "candidate", name, &r->candidate, err) < 0)
        return -1;
    for (size_t i = 0; i < SK_AGENT_LINGER_MAX; i++)
        if (read_slot(doc, lingering[i], name, &r->lingering[i], err) < 0)
            return -1;
    return read_slot(doc, "old", name, &r->old, err);
}

void sk_agent_record_clear(struct sk_agent_record *r)
{
    sk_agent_slot_clear(&r->active);
    sk_agent_slot_clear(&r->candidate);
    sk_agent_slot_clear(&r->old);
    for (size_t i = 0; i < SK_AGENT_LINGER_MAX; i++)
        sk_agent_slot_clear(&r->lingering[i]);
    memset(r, 0, sizeof *r);
    r->next = 1;
}

size_t sk_agent_record_slots(struct sk_agent_record *r, struct sk_agent_slot **out)
{
    size_t n = 0;
    out[n++] = &r->active;
    out[n++] = &r->candidate;
    out[n++] = &r->old;
    for (size_t i = 0; i < SK_AGENT_LINGER_MAX; i++)
        out[n++] = &r->lingering[i];
    return n;
}

int sk_agent_record_parse(const char *text, size_t len, const char *name,
                          struct sk_agent_record *out, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    char digest[SK_SHA256_HEX];
    sk_agent_record_clear(out);
    if (len < SK_SHA256_HEX + 1 || text[len - 1] != '\n')
        return sk_fail(err, SK_CORRUPT, "it is cut off");
    size_t body = len - SK_SHA256_HEX;
    if (sk_sha256_hex(text, body, digest, err) < 0)
        return -1;
    if (memcmp(text + body, digest, SK_SHA256_HEX - 1) != 0)
        return sk_fail(err, SK_CORRUPT, "it is damaged");
    if (sk_json_parse(text, body, NULL, &doc, err) < 0 || read_record(doc, name, out, err) < 0) {
        sk_agent_record_clear(out);
        if (err->code != SK_NOMEM)
            err->code = SK_CORRUPT;
        return -1;
    }
    return 0;
}

/* SK_CORRUPT: it is damaged, or not ours; other codes say that it could not be read. */
static int load_file(const char *path, const char *name, struct sk_agent_record *out,
                     struct sk_err *err)
{
    SK_OWN(free) char *text = NULL;
    size_t len = 0;
    if (sk_file_read(path, 4 * SK_AGENT_FILE_MAX, &text, &len, err) < 0)
        return err->code == SK_LIMIT ? sk_fail(err, SK_CORRUPT, "'%s' is too large", path) : -1;
    if (sk_agent_record_parse(text, len, name, out, err) < 0)
        return sk_wrap(err, "'%s'", path);
    return 0;
}

int sk_agent_record_load(const char *dir, const char *name, struct sk_agent_record *out,
                         struct sk_err *err)
{
    SK_OWN(free) char *path = path_of(dir, name, ".json");
    SK_OWN(free) char *before = path_of(dir, name, ".bak");
    SK_OWN(free) char *aside = path_of(dir, name, ".damaged");
    struct sk_err first = SK_ERR_INIT;
    if (!path || !before || !aside)
        return sk_nomem(err);
    if (load_file(path, name, out, &first) == 0)
        return 0;
    if (first.code != SK_NOT_FOUND && first.code != SK_CORRUPT) {
        *err = first;
        return -1;
    }
    if (first.code == SK_CORRUPT) {
        sk_log(SK_ERROR, "state_damaged",
               "error=\"%s\" what_next=\"the version before it is used\"", first.text);
        (void)rename(path, aside);
    }
    struct sk_err second = SK_ERR_INIT;
    if (load_file(before, name, out, &second) == 0)
        return 0;
    sk_agent_record_clear(out);
    if (second.code == SK_CORRUPT) {
        (void)unlink(before);
        if (first.code == SK_NOT_FOUND)
            first = second;
    } else if (second.code != SK_NOT_FOUND) {
        *err = second;
        return -1;
    }
    if (first.code == SK_NOT_FOUND)
        return sk_fail(err, SK_NOT_FOUND, "nothing is kept of module '%s'", name);
    return sk_fail(err, SK_CORRUPT, "%s", first.text);
}

int sk_agent_record_delete(const char *dir, const char *name, struct sk_err *err)
{
    SK_OWN(free) char *path = path_of(dir, name, ".json");
    SK_OWN(free) char *before = path_of(dir, name, ".bak");
    SK_OWN(free) char *spare = path_of(dir, name, ".spare");
    SK_OWN(free) char *aside = path_of(dir, name, ".damaged");
    if (!path || !before || !spare || !aside)
        return sk_nomem(err);
    (void)unlink(before);
    (void)unlink(spare);
    (void)unlink(aside);
    if (unlink(path) < 0 && errno != ENOENT)
        return sk_fail_errno(err, "'%s'", path);
    return 0;
}
