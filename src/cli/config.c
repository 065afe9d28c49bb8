/*
 * config.c - the configuration file as a list of keys with values in the form of command line
 * words.
 *
 * JSON has types and words have none; so a number is written as it would be typed and true and
 * false stay words. The texts live in the parsed document or in `made`, as long as the
 * configuration does.
 */
#include "cli/cli_priv.h"

#include "base/file.h"
#include "base/str.h"
#include "json/json.h"

#include <stdint.h>

enum {
    KEYS_MAX = 128
};

struct entry {
    const char *key;
    char *text;
};

struct sk_config {
    struct entry entries[KEYS_MAX];
    size_t count;
    struct sk_json *doc;
};

void sk_config_free(struct sk_config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++)
        free(c->entries[i].text);
    sk_json_free(c->doc);
    free(c);
}

const char *sk_config_get(void *config, const char *key)
{
    const struct sk_config *c = config;

    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->entries[i].key, key) == 0)
            return c->entries[i].text;
    return NULL;
}

/* Is key an option of any command? Else the nearest name goes to *near. */
static bool is_known(const struct sk_cmd *const *all, const char *key, const char **near)
{
    int best = (int)(strlen(key) / 3) + 2;

    for (; *all; all++) {
        if (sk_cmd_option(*all, key))
            return true;
        for (const struct sk_opt *o = (*all)->options; o && o->name; o++) {
            int d = sk_edit_distance(key, o->name);
            if (d >= 0 && d < best) {
                best = d;
                *near = o->name;
            }
        }
    }
    return false;
}

/* The value as one would type it. */
static int value_text(const char *key, const struct sk_json *v, char **out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(65536);

    switch (sk_json_type(v)) {
    case SK_JSON_STRING:
        sk_buf_add(&text, sk_json_text(v, ""), sk_json_text_len(v));
        break;
    case SK_JSON_BOOL:
        sk_buf_str(&text, sk_json_bool(v, false) ? "true" : "false");
        break;
    case SK_JSON_INT:
        sk_buf_i64(&text, sk_json_int(v, 0));
        break;
    case SK_JSON_REAL:
        sk_buf_num(&text, sk_json_num(v, 0), 17);
        break;
    default:
        return sk_fail(err, SK_USAGE, "'%s': expected a text, a number, true or false, got %s", key,
                       sk_json_type_name(sk_json_type(v)));
    }
    sk_buf_add(&text, "", 0);
    *out = sk_buf_take(&text);
    return *out ? 0 : sk_buf_fail(&text, err);
}

static int read_entries(struct sk_config *c, const struct sk_cmd *const *all, struct sk_err *err)
{
    if (sk_json_type(c->doc) != SK_JSON_OBJECT)
        return sk_fail(err, SK_USAGE, "expected an object with option names as keys");
    for (void *it = sk_json_first(c->doc); it; it = sk_json_next(c->doc, it)) {
        const char *key = sk_json_key(it);
        const char *near = NULL;

        if (!is_known(all, key, &near))
            return near ? sk_fail(err, SK_USAGE, "unknown key '%s'; did you mean '%s'?", key, near)
                        : sk_fail(err, SK_USAGE, "unknown key '%s'", key);
        if (c->count == KEYS_MAX)
            return sk_fail(err, SK_USAGE, "more than %d keys", KEYS_MAX);
        if (value_text(key, sk_json_value(it), &c->entries[c->count].text, err) < 0)
            return -1;
        c->entries[c->count++].key = key;
    }
    return 0;
}

int sk_config_load(const struct sk_cmd *cmd, const struct sk_cmd *const *all,
                   struct sk_config **out, struct sk_err *err)
{
    SK_OWN(sk_config_free) struct sk_config *c = NULL;
    const char *named = getenv("SKERRY_CONFIG");
    char usual[128];

    (void)snprintf(usual, sizeof usual, "/etc/skerry/%s.json", cmd->name);
    for (char *p = usual; *p; p++)
        *p = *p == ' ' ? '-' : *p;
    const char *path = named && *named ? named : usual;
    *out = NULL;
    if (path == usual && !sk_is_file(path))
        return 0;
    c = calloc(1, sizeof *c);
    if (!c)
        return sk_nomem(err);
    if (sk_json_file(path, &c->doc, err) < 0) {
        err->code = err->code == SK_NOMEM ? SK_NOMEM : SK_USAGE;
        return -1;
    }
    if (read_entries(c, all, err) < 0)
        return sk_wrap(err, "'%s'", path);
    *out = SK_TAKE(c);
    return 0;
}
