/*
 * read.c - messages out of the journal, by device, module, output, source and time.
 *
 * The journal finds a key's records by its index. A device's messages are those of the keys
 * "device" and "device/...": asked for by prefix, and looked at once more, as "device2" has it too.
 */
#include "telemetry/telemetry_priv.h"

#include <stdlib.h>
#include <string.h>

struct sk_telemetry_reader {
    struct sk_journal_cursor *cursor;
    char *device, *module, *output, *source; /* NULL: any */
};

static int keep(const char *text, char **out, struct sk_err *err)
{
    if (!text)
        return 0;
    *out = strdup(text);
    return *out ? 0 : sk_nomem(err);
}

int sk_telemetry_read(struct sk_telemetry *t, const struct sk_telemetry_filter *f,
                      struct sk_telemetry_reader **out, struct sk_err *err)
{
    char key[SK_IOT_KEY_MAX] = "";
    SK_OWN(sk_telemetry_reader_free) struct sk_telemetry_reader *r = calloc(1, sizeof *r);
    if (!r)
        return sk_nomem(err);
    if (keep(f->device, &r->device, err) < 0 || keep(f->module, &r->module, err) < 0 ||
        keep(f->output, &r->output, err) < 0 || keep(f->source, &r->source, err) < 0)
        return -1;
    bool has_module = f->device && f->module && *f->module;
    if (f->device)
        (void)snprintf(key, sizeof key, "%s%s%s", f->device, has_module ? "/" : "",
                       has_module ? f->module : "");
    const struct sk_journal_filter filter = {
        .key = sk_view_of(key),
        .key_is_prefix = !f->module,
        .from_ms = f->from_ms,
        .until_ms = f->until_ms,
        .from_seq = f->from_seq,
        .is_backwards = f->is_backwards,
    };
    if (sk_journal_cursor(t->journal, &filter, &r->cursor, err) < 0)
        return -1;
    *out = SK_TAKE(r);
    return 0;
}

void sk_telemetry_reader_free(struct sk_telemetry_reader *r)
{
    if (!r)
        return;
    sk_journal_cursor_free(r->cursor);
    free(r->device);
    free(r->module);
    free(r->output);
    free(r->source);
    free(r);
}

static bool fits(const struct sk_telemetry_reader *r, const struct sk_stored *rec)
{
    return (!r->device || sk_view_eq(rec->device, r->device)) &&
           (!r->module || sk_view_eq(rec->module, r->module)) &&
           (!r->source || sk_view_eq(rec->source, r->source)) &&
           (!r->output || sk_view_eq(sk_stored_find(rec, "$.on"), r->output));
}

/* A record that is none of ours costs itself, not those behind it. */
static int next(struct sk_telemetry_reader *r, struct sk_journal_item *item, struct sk_stored *rec,
                struct sk_err *err)
{
    for (;;) {
        int got = sk_journal_next(r->cursor, item, err);
        if (got != 1)
            return got;
        struct sk_err ignored = SK_ERR_INIT;
        if (sk_stored_read(item->key, item->body, rec, &ignored) == 0 && fits(r, rec))
            return 1;
    }
}

int sk_telemetry_next(struct sk_telemetry_reader *r, struct sk_buf *json, uint64_t *seq,
                      struct sk_err *err)
{
    struct sk_journal_item item;
    struct sk_stored rec;
    int got = next(r, &item, &rec, err);
    if (got != 1)
        return got;
    *seq = item.seq;
    if (json)
        sk_stored_json(&rec, item.seq, item.time_ms, json);
    return json && !sk_buf_ok(json) ? sk_buf_fail(json, err) : 1;
}

int sk_telemetry_next_csv(struct sk_telemetry_reader *r, struct sk_buf *csv, uint64_t *seq,
                          struct sk_err *err)
{
    struct sk_journal_item item;
    struct sk_stored rec;
    int got = next(r, &item, &rec, err);
    if (got != 1)
        return got;
    *seq = item.seq;
    sk_stored_csv(&rec, item.seq, item.time_ms, csv);
    return sk_buf_ok(csv) ? 1 : sk_buf_fail(csv, err);
}
