/*
 * twin_text.c - twins as text: their files, differences, merges.
 *
 *     <dir>/twins/<name>.json
 *     {"id":"d/m","seen":true,"desired":{..},"desiredVersion":4,"reported":{..},
 *      "reportedVersion":9,"base":{..},"aside":{..},"asideBase":{..}}
 *
 * base is what the cloud has of reported. So what has to be sent is always the difference between
 * the two, however many patches there were: nothing is sent twice, and a member that came and went
 * while the cloud was away is not sent at all.
 */
#include "localhub/localhub_priv.h"

#include "base/clock.h"

#include <string.h>

/* A part that sk_twin_merge does not need, but asks for. */
static const char no_meta[] = "{}";

static int parse_text(const char *text, struct sk_json **out, struct sk_err *err)
{
    const struct sk_json_limits limits = { .max_values = 200000 };
    return sk_json_parse(text, strlen(text), &limits, out, err);
}

/* The patch of a result without the "$version" that it ends with. */
static void cut_version(const struct sk_buf *patch, struct sk_buf *out)
{
    static const char mark[] = "\"$version\":";
    size_t len = patch->len;
    for (size_t i = len; i-- > 0;)
        if (i + sizeof mark - 1 <= len && memcmp(patch->data + i, mark, sizeof mark - 1) == 0) {
            len = i;
            break;
        }
    while (len > 1 && patch->data[len - 1] == ',')
        len--;
    sk_buf_add(out, patch->data, len);
    sk_buf_chr(out, '}');
}

int sk_lh_twin_diff(const char *from, const char *to, struct sk_buf *out, bool *is_empty,
                    struct sk_err *err)
{
    const struct sk_twin_section old = { .body = from, .meta = no_meta };
    SK_OWN(sk_json_free) struct sk_json *section = NULL;
    SK_AUTO(sk_twin_result_done) struct sk_twin_result r = { 0 };
    *is_empty = strcmp(from, to) == 0;
    if (*is_empty)
        return 0;
    if (parse_text(to, &section, err) < 0 ||
        sk_twin_replace(SK_TWIN_REPORTED, &old, section, 1, (int64_t)sk_wall_ms(), &r, err) < 0)
        return -1;
    *is_empty = !r.is_changed;
    if (!*is_empty)
        cut_version(&r.patch, out);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

static int take_body(struct sk_twin_result *r, char **out, struct sk_err *err)
{
    char *body = sk_buf_take(&r->body);
    if (!body)
        return sk_nomem(err);
    *out = body;
    return 0;
}

int sk_lh_twin_merge(enum sk_twin_part part, const char *section, const struct sk_json *patch,
                     char **out, struct sk_err *err)
{
    const struct sk_twin_section old = { .body = section, .meta = no_meta };
    SK_AUTO(sk_twin_result_done) struct sk_twin_result r = { 0 };
    if (sk_twin_merge(part, &old, patch, 1, (int64_t)sk_wall_ms(), &r, err) < 0)
        return -1;
    return take_body(&r, out, err);
}

int sk_lh_twin_section(enum sk_twin_part part, const struct sk_json *section, char **out,
                       struct sk_err *err)
{
    const struct sk_twin_section old = { .body = "{}", .meta = no_meta };
    SK_AUTO(sk_twin_result_done) struct sk_twin_result r = { 0 };
    if (sk_twin_replace(part, &old, section, 1, (int64_t)sk_wall_ms(), &r, err) < 0)
        return -1;
    return take_body(&r, out, err);
}

/* ---- the file ---- */

static void write_part(struct sk_buf *out, const char *name, const char *text)
{
    if (!text)
        return;
    sk_buf_fmt(out, ",\n\"%s\":", name);
    sk_buf_str(out, text);
}

void sk_lh_twin_write(const struct sk_lh_ident *id, struct sk_buf *out)
{
    const struct sk_lh_twin *t = &id->twin;
    sk_buf_str(out, "{\"id\":");
    sk_buf_json_str(out, id->key);
    sk_buf_fmt(out, ",\"seen\":%s,\"desiredVersion\":%lld,\"reportedVersion\":%lld",
               t->is_seen ? "true" : "false", (long long)t->desired_version,
               (long long)t->reported_version);
    write_part(out, "desired", t->desired);
    write_part(out, "reported", t->reported);
    write_part(out, "base", t->base);
    write_part(out, "aside", t->aside);
    write_part(out, "asideBase", t->aside_base);
    sk_buf_str(out, "}\n");
}

/* A member as compact text; absent: *out is what is given as missing (copied), or NULL. */
static int read_part(const struct sk_json *doc, const char *name, const char *missing, char **out,
                     struct sk_err *err)
{
    const struct sk_json *part = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(8 * SK_TWIN_SECTION_MAX);
    if (sk_json_want_object(doc, name, &part, err) < 0)
        return -1;
    *out = NULL;
    if (!part && !missing)
        return 0;
    if (part)
        sk_json_dump(part, &text);
    else
        sk_buf_str(&text, missing);
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    *out = sk_buf_take(&text);
    return *out ? 0 : sk_nomem(err);
}

int sk_lh_twin_read(const struct sk_json *doc, struct sk_lh_twin *out, struct sk_err *err)
{
    SK_AUTO(sk_lh_twin_done) struct sk_lh_twin t = { 0 };
    if (sk_json_want_bool(doc, "seen", &t.is_seen, err) < 0 ||
        sk_json_want_int(doc, "desiredVersion", 0, INT64_MAX, &t.desired_version, err) < 0 ||
        sk_json_want_int(doc, "reportedVersion", 0, INT64_MAX, &t.reported_version, err) < 0 ||
        read_part(doc, "desired", "{}", &t.desired, err) < 0 ||
        read_part(doc, "reported", "{}", &t.reported, err) < 0 ||
        read_part(doc, "base", "{}", &t.base, err) < 0 ||
        read_part(doc, "aside", NULL, &t.aside, err) < 0 ||
        read_part(doc, "asideBase", NULL, &t.aside_base, err) < 0)
        return -1;
    sk_lh_twin_done(out);
    *out = t;
    out->last = &out->waiting;
    memset(&t, 0, sizeof t);
    return 0;
}
