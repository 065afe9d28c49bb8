/*
 * method_logs.c - GetModuleLogs of $edgeAgent (azure-iot-protocol 4.5): the output of the modules
 * whose names fit, filtered by time, number, level and a regular expression; as text or JSON, plain
 * or gzip.
 *
 * The level of a line: "<n>" in front, as IoT Edge recommends; the word in a line of our own log;
 * else 6, informational.
 */
#include "agent/agent_priv.h"

#include "archive/archive.h"
#include "base/file.h"

#include <regex.h>
#include <stdio.h>
#include <string.h>

enum {
    TAIL_MAX = 10000,
    LEVEL_INFO = 6,
    ANSWER_MAX = 128 << 10,
    LINES_MAX = 32 * SK_AGENT_LOGS_MAX, /* what JSON may make of them */
    GZIP_MS = 20000,
    PATTERN_MAX = 8 << 10
};

struct request {
    struct sk_agent_log_filter filter;
    int64_t level;       /* -1: all */
    const char *pattern; /* NULL: all; of the payload */
    bool is_json, is_gzip;
};

static int read_filter(const struct sk_json *item, struct request *r, struct sk_err *err)
{
    const struct sk_json *filter = sk_json_get(item, "filter");
    struct sk_agent_log_filter *f = &r->filter;
    int64_t tail = 0;
    memset(f, 0, sizeof *f);
    r->level = -1;
    r->pattern = sk_json_get_text(filter, "regex", NULL);
    if (sk_json_want_int(filter, "tail", 1, TAIL_MAX, &tail, err) < 0 ||
        sk_json_want_int(filter, "loglevel", 0, 7, &r->level, err) < 0 ||
        sk_agent_parse_since(sk_json_get_text(filter, "since", NULL), &f->since_s, err) < 0 ||
        sk_agent_parse_since(sk_json_get_text(filter, "until", NULL), &f->until_s, err) < 0)
        return -1;
    f->tail = (unsigned)tail;
    return 0;
}

/* ---- lines ---- */

/* A line's level, its time ("" or as it stands there), and its text behind both. */
struct line {
    int level;
    struct sk_view time, text;
};

static struct sk_view word_of(struct sk_view *rest)
{
    size_t n = 0;
    while (n < rest->len && rest->ptr[n] != ' ')
        n++;
    struct sk_view word = { rest->ptr, n };
    while (n < rest->len && rest->ptr[n] == ' ')
        n++;
    *rest = (struct sk_view){ rest->ptr + n, rest->len - n };
    return word;
}

static bool take_level(struct sk_view word, int *level)
{
    static const struct {
        const char *name;
        int level;
    } ours[] = { { "error", 3 }, { "warn", 4 }, { "info", LEVEL_INFO }, { "debug", 7 } };

    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (sk_view_eq(word, ours[i].name)) {
            *level = ours[i].level;
            return true;
        }
    return false;
}

static void read_line(struct sk_view line, struct line *out)
{
    static const char json[] = "{\"time\":\"", level[] = "\",\"level\":\"";
    int64_t ms = 0;
    *out = (struct line){ .level = LEVEL_INFO, .time = SK_VIEW(""), .text = line };
    if (line.len >= 3 && line.ptr[0] == '<' && line.ptr[1] >= '0' && line.ptr[1] <= '7' &&
        line.ptr[2] == '>') {
        out->level = line.ptr[1] - '0';
        struct sk_view rest = { line.ptr + 3, line.len - 3 };
        if (rest.len > 0 && *rest.ptr == ' ')
            rest = (struct sk_view){ rest.ptr + 1, rest.len - 1 };
        out->text = rest;
        return;
    }
    if (line.len > sizeof json - 1 && memcmp(line.ptr, json, sizeof json - 1) == 0) {
        struct sk_view rest = { line.ptr + sizeof json - 1, line.len - (sizeof json - 1) };
        const char *end = memmem(rest.ptr, rest.len, level, sizeof level - 1);
        if (!end)
            return;
        out->time = (struct sk_view){ rest.ptr, (size_t)(end - rest.ptr) };
        const char *name = end + sizeof level - 1, *all = line.ptr + line.len;
        const char *quote = memchr(name, '"', (size_t)(all - name));
        (void)take_level((struct sk_view){ name, quote ? (size_t)(quote - name) : 0 }, &out->level);
        return;
    }
    struct sk_view rest = line, time = word_of(&rest), word = word_of(&rest);
    if (sk_time_parse(time, &ms) && take_level(word, &out->level)) {
        out->time = time;
        out->text = rest;
    }
}

static void put_json_line(struct sk_agent *a, const char *module, const struct line *line,
                          struct sk_buf *out)
{
    sk_buf_str(out, out->len > 1 ? ",{\"iothub\":" : "{\"iothub\":");
    sk_buf_json_str(out, a->config.hub_name);
    sk_buf_str(out, ",\"device\":");
    sk_buf_json_str(out, a->config.device);
    sk_buf_str(out, ",\"id\":");
    sk_buf_json_str(out, module);
    sk_buf_fmt(out, ",\"stream\":\"stdout\",\"loglevel\":%d,\"text\":", line->level);
    sk_buf_json(out, line->text.ptr, line->text.len);
    if (line->time.len > 0) {
        sk_buf_str(out, ",\"timestamp\":");
        sk_buf_json(out, line->time.ptr, line->time.len);
    }
    sk_buf_chr(out, '}');
}

/* The lines of `text` that pass, in the form that was asked for. */
static int put_lines(struct sk_agent *a, const char *module, struct sk_buf *text,
                     const struct request *r, const regex_t *re, struct sk_buf *out)
{
    if (r->is_json)
        sk_buf_chr(out, '[');
    for (size_t at = 0; at < text->len;) {
        char *begin = text->data + at;
        char *end = memchr(begin, '\n', text->len - at);
        size_t len = end ? (size_t)(end - begin) : text->len - at;
        struct line line;
        char last = begin[len];
        at += end ? len + 1 : len;
        read_line((struct sk_view){ begin, len }, &line);
        if (r->level >= 0 && line.level != r->level)
            continue;
        begin[len] = '\0';
        bool fits = !re || regexec(re, begin, 0, NULL, 0) == 0;
        begin[len] = last;
        if (!fits)
            continue;
        if (r->is_json)
            put_json_line(a, module, &line, out);
        else
            sk_buf_add(out, begin, end ? len + 1 : len);
    }
    if (r->is_json)
        sk_buf_chr(out, ']');
    return sk_buf_ok(out) ? 0 : -1;
}

/* ---- modules ---- */

/* What stands for an escape between brackets, where POSIX has none; NULL: cannot be said there. */
static const char *in_brackets(char c)
{
    static const struct {
        char c;
        const char *text;
    } rows[] = { { 'd', "0-9" }, { 's', "[:space:]" }, { 'w', "[:alnum:]_" },
                 { '\\', "\\" }, { '.', "." },         { '/', "/" } };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].c == c)
            return rows[i].text;
    return NULL;
}

/* A bracket expression; returns what comes after it, NULL: it cannot be said in POSIX, or has no
 * end. */
static const char *copy_brackets(const char *p, struct sk_buf *out)
{
    sk_buf_chr(out, *p++);
    if (*p == '^')
        sk_buf_chr(out, *p++);
    if (*p == ']') /* the first one is a character */
        sk_buf_chr(out, *p++);
    while (*p && *p != ']') {
        const char *named = p[0] == '[' && p[1] == ':' ? strstr(p + 2, ":]") : NULL;
        const char *text = *p == '\\' ? in_brackets(p[1]) : NULL;
        if (*p == '\\' && !text)
            return NULL;
        const size_t len = named ? (size_t)(named + 2 - p) : 1;
        if (text)
            sk_buf_str(out, text);
        else
            sk_buf_add(out, p, len);
        p += text ? 2 : len;
    }
    if (!*p)
        return NULL;
    sk_buf_chr(out, *p);
    return p + 1;
}

/* As a POSIX expression, which has no \d and \D of its own; the rest of what people type outside
 * brackets it has. False: it is none. */
static bool compile(const char *pattern, regex_t *re)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(PATTERN_MAX);
    for (const char *p = pattern; p && *p;) {
        if (*p == '[') {
            p = copy_brackets(p, &text);
            if (!p)
                return false;
        } else if (*p != '\\' || !p[1]) {
            sk_buf_chr(&text, *p++);
        } else {
            if (p[1] == 'd' || p[1] == 'D')
                sk_buf_str(&text, p[1] == 'd' ? "[0-9]" : "[^0-9]");
            else
                sk_buf_add(&text, p, 2);
            p += 2;
        }
    }
    sk_buf_chr(&text, '\0');
    return sk_buf_ok(&text) && regcomp(re, text.data, REG_EXTENDED | REG_NOSUB) == 0;
}

static int filter_lines(struct sk_agent *a, const char *module, struct sk_buf *text,
                        const struct request *r, struct sk_buf *out, struct sk_err *err)
{
    regex_t re;
    if (r->pattern && !compile(r->pattern, &re))
        return sk_fail(err, SK_INVALID, "'%s' is no regular expression", r->pattern);
    int rc = put_lines(a, module, text, r, r->pattern ? &re : NULL, out);
    if (r->pattern)
        regfree(&re);
    return rc < 0 ? sk_buf_fail(out, err) : 0;
}

static int put_logs(struct sk_agent *a, const char *name, const struct request *r,
                    struct sk_buf *out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(2 * SK_AGENT_LOGS_MAX);
    SK_AUTO(sk_buf_done) struct sk_buf lines = SK_BUF_INIT(LINES_MAX);
    if (sk_agent_logs(a, name, &r->filter, &text, err) < 0)
        return -1;
    sk_buf_chr(&text, '\0');
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    text.len--;
    if (filter_lines(a, name, &text, r, &lines, err) < 0)
        return -1;
    const struct sk_view all = { lines.len > 0 ? lines.data : "", lines.len };
    sk_buf_str(out, out->len > 1 ? ",{\"id\":" : "{\"id\":");
    sk_buf_json_str(out, name);
    if (r->is_gzip) {
        SK_AUTO(sk_buf_done) struct sk_buf packed = SK_BUF_INIT(LINES_MAX);
        if (sk_agent_child_call(a, "edge-gzip", all, GZIP_MS, &packed, err) < 0)
            return -1;
        sk_buf_str(out, ",\"payloadBytes\":\"");
        sk_base64(out, packed.data, packed.len);
        sk_buf_chr(out, '"');
    } else {
        sk_buf_str(out, ",\"payload\":");
        sk_buf_json(out, all.ptr, all.len);
    }
    sk_buf_chr(out, '}');
    return 0;
}

static int put_matching(struct sk_agent *a, const struct sk_json *item, struct request *r,
                        struct sk_buf *out, struct sk_err *err)
{
    char names[SK_AGENT_MODULES_MAX][SK_AGENT_NAME];
    const char *id = sk_json_get_text(item, "id", NULL);
    char pattern[300];
    size_t count = 0;
    regex_t re;
    if (read_filter(item, r, err) < 0)
        return -1;
    if (!id || (size_t)snprintf(pattern, sizeof pattern, "^(%s)$", id) >= sizeof pattern ||
        !compile(pattern, &re))
        return sk_fail(err, SK_INVALID, "items[].id: a regular expression of modules is needed");
    {
        SK_LOCK(&a->lock);
        for (size_t i = 0; i < a->module_count; i++)
            if (regexec(&re, a->modules[i]->name, 0, NULL, 0) == 0)
                (void)snprintf(names[count++], SK_AGENT_NAME, "%s", a->modules[i]->name);
    }
    regfree(&re);
    for (size_t i = 0; i < count; i++)
        if (put_logs(a, names[i], r, out, err) < 0)
            return -1;
    return 0;
}

/* One of two words, the first when there is none; false: neither. */
static bool choose(const struct sk_json *payload, const char *key, const char *first,
                   const char *second, bool *is_second)
{
    const char *word = sk_json_get_text(payload, key, first);
    *is_second = strcasecmp(word, second) == 0;
    return *is_second || strcasecmp(word, first) == 0;
}

int sk_agent_method_logs(struct sk_agent *a, const struct sk_json *payload, struct sk_buf *out)
{
    struct sk_err err = SK_ERR_INIT;
    const struct sk_json *items = sk_json_get(payload, "items");
    struct request r = { 0 };
    if (!choose(payload, "encoding", "none", "gzip", &r.is_gzip))
        return sk_agent_method_answer(out, 400, "encoding: 'none' or 'gzip'");
    if (!choose(payload, "contentType", "text", "json", &r.is_json))
        return sk_agent_method_answer(out, 400, "contentType: 'text' or 'json'");
    if (sk_json_type(items) != SK_JSON_ARRAY)
        return sk_agent_method_answer(
            out, 400, "expected {\"schemaVersion\":\"1.0\",\"items\":[{\"id\":\"..\"}]}");
    sk_buf_chr(out, '[');
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sk_json_count(items); i++)
        rc = put_matching(a, sk_json_at(items, i), &r, out, &err);
    sk_buf_chr(out, ']');
    if (rc == 0 && !sk_buf_ok(out))
        rc = sk_buf_fail(out, &err);
    if (err.code == SK_LIMIT || (rc == 0 && out->len > ANSWER_MAX))
        return sk_agent_method_answer(
            out, 413, "more than 128 KiB: narrow it with tail, since or regex, or ask for gzip");
    if (rc < 0)
        return sk_agent_method_answer(out, err.code == SK_INVALID ? 400 : 500, err.text);
    return 200;
}

int sk_agent_gzip_main(struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf packed = SK_BUF_INIT(LINES_MAX);
    SK_OWN(free) char *text = NULL;
    size_t len = 0;
    if (sk_file_read("-", LINES_MAX, &text, &len, err) < 0 || sk_gzip(text, len, &packed, err) < 0)
        return -1;
    if (sk_write_all(STDOUT_FILENO, packed.data, packed.len) < 0)
        return sk_fail_errno(err, "standard output");
    return 0;
}
