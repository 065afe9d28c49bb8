/*
 * read.c - messages out of the journal, by device, module, output, source and time.
 *
 * The journal finds a key's records by its index. A device's messages are those of the key "device"
 * and of the keys that begin with "device/": two cursors, of which the one with the next number is
 * taken. The prefix "device" alone would have "device2" too, which may be a thousand devices.
 *
 * Both are asked for what was committed before the number that is taken: whoever was asked before
 * the other gave one is asked once more. So no message is passed over that comes in meanwhile.
 */
#include "telemetry/telemetry_priv.h"

#include <stdlib.h>
#include <string.h>

struct side {
    struct sk_journal_cursor *cursor; /* NULL: there is no such side */
    struct sk_journal_item item;
    bool has_item;
};

struct sk_telemetry_reader {
    struct side sides[2];
    bool is_backwards;
    unsigned patience;                       /* 0: without end */
    char *device, *module, *output, *source; /* NULL: any */
};

static int keep(const char *text, char **out, struct sk_err *err)
{
    if (!text)
        return 0;
    *out = strdup(text);
    return *out ? 0 : sk_nomem(err);
}

static int open_side(struct sk_telemetry *t, const struct sk_telemetry_filter *f, const char *key,
                     bool is_prefix, struct side *side, struct sk_err *err)
{
    const struct sk_journal_filter filter = {
        .key = sk_view_of(key),
        .key_is_prefix = is_prefix,
        .from_ms = f->from_ms,
        .until_ms = f->until_ms,
        .from_seq = f->from_seq,
        .is_backwards = f->is_backwards,
    };
    return sk_journal_cursor(t->journal, &filter, &side->cursor, err);
}

/* Nobody's name would be any key. */
static int check_names(const struct sk_telemetry_filter *f, struct sk_err *err)
{
    if (f->device && !sk_iot_id_valid(sk_view_of(f->device)))
        return sk_fail(err, SK_INVALID, "device: '%.140s' is no device's id", f->device);
    if (f->module && *f->module && !sk_iot_id_valid(sk_view_of(f->module)))
        return sk_fail(err, SK_INVALID, "module: '%.140s' is no module's id", f->module);
    return 0;
}

int sk_telemetry_read(struct sk_telemetry *t, const struct sk_telemetry_filter *f,
                      struct sk_telemetry_reader **out, struct sk_err *err)
{
    char key[SK_IOT_KEY_MAX] = "", below[SK_IOT_KEY_MAX];
    if (check_names(f, err) < 0)
        return -1;
    SK_OWN(sk_telemetry_reader_free) struct sk_telemetry_reader *r = calloc(1, sizeof *r);
    if (!r)
        return sk_nomem(err);
    r->is_backwards = f->is_backwards;
    if (keep(f->device, &r->device, err) < 0 || keep(f->module, &r->module, err) < 0 ||
        keep(f->output, &r->output, err) < 0 || keep(f->source, &r->source, err) < 0)
        return -1;
    const bool has_module = f->module && *f->module;
    if (f->device)
        (void)snprintf(key, sizeof key, "%s%s%s", f->device, has_module ? "/" : "",
                       has_module ? f->module : "");
    if (open_side(t, f, key, false, &r->sides[0], err) < 0)
        return -1;
    (void)snprintf(below, sizeof below, "%s/", f->device ? f->device : "");
    if (f->device && !f->module && open_side(t, f, below, true, &r->sides[1], err) < 0)
        return -1;
    *out = SK_TAKE(r);
    return 0;
}

void sk_telemetry_reader_free(struct sk_telemetry_reader *r)
{
    if (!r)
        return;
    sk_journal_cursor_free(r->sides[0].cursor);
    sk_journal_cursor_free(r->sides[1].cursor);
    free(r->device);
    free(r->module);
    free(r->output);
    free(r->source);
    free(r);
}

void sk_telemetry_reader_patience(struct sk_telemetry_reader *r, unsigned records)
{
    r->patience = records;
}

static bool fits(const struct sk_telemetry_reader *r, const struct sk_stored *rec)
{
    return (!r->device || sk_view_eq(rec->device, r->device)) &&
           (!r->module || sk_view_eq(rec->module, r->module)) &&
           (!r->source || sk_view_eq(rec->source, r->source)) &&
           (!r->output || sk_view_eq(sk_stored_find(rec, "$.on"), r->output));
}

static int look(struct side *s, struct sk_err *err)
{
    if (s->has_item || !s->cursor)
        return 0;
    int got = sk_journal_next(s->cursor, &s->item, err);
    s->has_item = got == 1;
    return got < 0 ? -1 : 0;
}

static int next_item(struct sk_telemetry_reader *r, struct sk_journal_item *item,
                     struct sk_err *err)
{
    struct side *a = &r->sides[0], *b = &r->sides[1];
    if (look(a, err) < 0 || look(b, err) < 0 || (b->has_item && look(a, err) < 0))
        return -1;
    if (!a->has_item && !b->has_item)
        return 0;
    const bool is_a = a->has_item &&
                      (!b->has_item || (a->item.seq < b->item.seq) != r->is_backwards);
    struct side *s = is_a ? a : b;
    *item = s->item;
    s->has_item = false;
    return 1;
}

/* A record that is none of ours costs itself, not those behind it. *seq: of 1 and LATER, the
 * last that was looked at. */
static int next(struct sk_telemetry_reader *r, struct sk_journal_item *item, struct sk_stored *rec,
                uint64_t *seq, struct sk_err *err)
{
    for (unsigned passed = 0; r->patience == 0 || passed < r->patience; passed++) {
        int got = next_item(r, item, err);
        if (got != 1)
            return got;
        struct sk_err ignored = SK_ERR_INIT;
        if (sk_stored_read(item->key, item->body, rec, &ignored) == 0 && fits(r, rec)) {
            *seq = item->seq;
            return 1;
        }
    }
    *seq = item->seq;
    return SK_TELEMETRY_LATER;
}

int sk_telemetry_next(struct sk_telemetry_reader *r, struct sk_buf *json, uint64_t *seq,
                      struct sk_err *err)
{
    struct sk_journal_item item;
    struct sk_stored rec;
    int got = next(r, &item, &rec, seq, err);
    if (got != 1)
        return got;
    return json && sk_stored_json(&rec, item.seq, item.time_ms, json, err) < 0 ? -1 : 1;
}

int sk_telemetry_next_csv(struct sk_telemetry_reader *r, struct sk_buf *csv, uint64_t *seq,
                          struct sk_err *err)
{
    struct sk_journal_item item;
    struct sk_stored rec;
    int got = next(r, &item, &rec, seq, err);
    if (got != 1)
        return got;
    return sk_stored_csv(&rec, item.seq, item.time_ms, csv, err) < 0 ? -1 : 1;
}
