/*
 * check.c - a manifest is taken out of its wrapping and checked.
 *
 * Each module's desired section is walked twice: along the tables of check_shapes.c, and by the
 * rules of twins. What concerns a whole section - its size, ports of the host - is looked at in
 * what the content gives when it is composed. Everything is said to `say`; the first error also
 * goes to the caller, so that one who does not listen has a reason.
 */
#include "manifest/manifest_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    PLACE_BYTES = 16 << 10, /* a key is shown up to SHOWN_KEY, and JSON is 64 deep */
    SHOWN_KEY = 64,
    SAID_BYTES = 600,
    SECTION_BYTES = 64 << 20,
    NEAR_MAX = 3 /* as many edits are a slip of the pen */
};

/* ---- places ---- */

size_t sk_check_enter(struct sk_check *c, const char *key)
{
    size_t mark = c->place.len, len = strlen(key), shown = len;
    bool is_plain = len > 0;

    for (size_t i = 0; i < len; i++)
        is_plain &= (key[i] >= 'a' && key[i] <= 'z') || (key[i] >= 'A' && key[i] <= 'Z') ||
                    (key[i] >= '0' && key[i] <= '9' && i > 0) || key[i] == '_' || key[i] == '$';
    if (shown > SHOWN_KEY)
        for (shown = SHOWN_KEY; shown > 0 && ((unsigned char)key[shown] & 0xc0) == 0x80; shown--)
            ;
    if (is_plain && shown == len) {
        sk_buf_str(&c->place, mark ? "." : "");
        sk_buf_add(&c->place, key, len);
        return mark;
    }
    sk_buf_str(&c->place, "['");
    for (size_t i = 0; i < shown; i++) {
        if (key[i] == '\'' || key[i] == '\\')
            sk_buf_chr(&c->place, '\\');
        sk_buf_chr(&c->place, (unsigned char)key[i] < ' ' ? '?' : key[i]);
    }
    sk_buf_str(&c->place, shown < len ? "...']" : "']");
    return mark;
}

size_t sk_check_enter_index(struct sk_check *c, size_t index)
{
    size_t mark = c->place.len;

    sk_buf_fmt(&c->place, "[%zu]", index);
    return mark;
}

void sk_check_leave(struct sk_check *c, size_t mark)
{
    if (c->place.data && mark < c->place.len) {
        c->place.len = mark;
        c->place.data[mark] = 0;
    }
}

/* ---- saying ---- */

/* An error is one line: of a bad route what was expected and the route, without the caret. */
static void fail_first(struct sk_check *c, enum sk_code code, const char *text)
{
    const char *place = c->place.data ? c->place.data : "", *end = strchr(text, '\n');
    const char *route = end ? end + 1 : "";
    int len = end ? (int)(end - text) : (int)strlen(text);

    (void)sk_fail(c->err, code, "%s%s%.*s%s%.*s", place, *place ? ": " : "", len, text,
                  *route ? ": " : "", (int)strcspn(route, "\n"), route);
}

static void say(struct sk_check *c, bool is_error, enum sk_code code, const char *text)
{
    const char *place = c->place.data ? c->place.data : "";

    if (is_error && !c->has_failed) {
        c->has_failed = true;
        fail_first(c, code, text);
    }
    if (!c->opts->say || c->says > SK_MANIFEST_SAYS_MAX)
        return;
    if (c->says++ == SK_MANIFEST_SAYS_MAX)
        c->opts->say(c->opts->ctx, false, "", "there is more; the rest is not listed");
    else
        c->opts->say(c->opts->ctx, is_error, place, text);
}

/* Values of the manifest may be cut in a character, or have line ends. */
static void make_printable(char *text)
{
    size_t len = strlen(text), step;

    for (size_t i = 0; i < len; i += step) {
        step = sk_utf8_step(text + i, len - i);
        if (step == 0 || (unsigned char)text[i] < ' ')
            text[i] = '?';
        step = step ? step : 1;
    }
}

bool sk_check_listens(const struct sk_check *c, bool is_error)
{
    return (c->opts->say && c->says <= SK_MANIFEST_SAYS_MAX) || (is_error && !c->has_failed);
}

void sk_check_error(struct sk_check *c, enum sk_code code, const char *fmt, ...)
{
    char text[SAID_BYTES];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    make_printable(text);
    say(c, true, code, text);
}

void sk_check_warn(struct sk_check *c, const char *fmt, ...)
{
    char text[SAID_BYTES];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    make_printable(text);
    say(c, false, SK_OK, text);
}

void sk_check_lines(struct sk_check *c, const struct sk_err *why)
{
    say(c, true, why->code, why->text);
}

const char *sk_check_nearest(const char *word, const char *const *names)
{
    const char *near = NULL, *longer = NULL;
    int least = NEAR_MAX + 1;

    for (; *names; names++) {
        int d = sk_edit_distance(word, *names);

        if (sk_view_eq_nocase(sk_view_of(word), *names))
            return *names;
        /* Half of a short word changed is another word. */
        if (d >= 0 && d < least && 2 * d < (int)strlen(*names)) {
            least = d;
            near = *names;
        }
        /* timeToLive for timeToLiveSecs, environment for env */
        if (strlen(word) >= NEAR_MAX &&
            (sk_starts_with(word, *names) || sk_starts_with(*names, word)))
            longer = *names;
    }
    return near ? near : longer;
}

/* ---- the wrapping ---- */

static const char *const content_names[] = { "content", "Content", NULL };
static const char *const modules_names[] = { "modulesContent", "ModulesContent", "moduleContent",
                                             "ModuleContent", NULL };
/* Beside the content: templates, and configurations as the hub keeps them. */
static const char *const other_names[] = { "$schema",
                                           "$schema-template",
                                           "metrics",
                                           "id",
                                           "schemaVersion",
                                           "labels",
                                           "priority",
                                           "etag",
                                           "eTag",
                                           "targetCondition",
                                           "systemMetrics",
                                           "createdTimeUtc",
                                           "scope",
                                           "contentType",
                                           "lastUpdatedTimeUtc",
                                           NULL };

/* Which of these names the object has, NULL for none. */
static const char *name_of(const struct sk_json *in, const char *const *names)
{
    while (*names && !sk_json_get(in, *names))
        names++;
    return *names;
}

static bool is_one_of(const char *word, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(word, *names) == 0)
            return true;
    return false;
}

static void check_beside(struct sk_check *c, const struct sk_json *in, const char *const *wanted)
{
    for (void *it = sk_json_first(in); it; it = sk_json_next(in, it)) {
        const char *key = sk_json_key(it), *near;
        size_t mark;

        if (is_one_of(key, wanted) || is_one_of(key, other_names) || !sk_check_listens(c, false))
            continue;
        near = sk_check_nearest(key, other_names);
        mark = sk_check_enter(c, key);
        sk_check_warn(c, "unknown field%s%s%s", near ? "; did you mean '" : "", near ? near : "",
                      near ? "'?" : "");
        sk_check_leave(c, mark);
    }
}

static bool is_object(struct sk_check *c, const struct sk_json *v)
{
    if (sk_json_type(v) == SK_JSON_OBJECT)
        return true;
    sk_check_error(c, SK_INVALID, "expected an object, got %s", sk_json_type_name(sk_json_type(v)));
    return false;
}

static void say_missing(struct sk_check *c, const struct sk_json *in)
{
    for (void *it = sk_json_first(in); it; it = sk_json_next(in, it)) {
        if (!sk_check_nearest(sk_json_key(it), modules_names))
            continue;
        sk_check_error(c, SK_INVALID, "'modulesContent' is missing; is '%.64s' meant to be it?",
                       sk_json_key(it));
        return;
    }
    sk_check_error(c, SK_INVALID, "'modulesContent' is missing");
}

/* The object of modules; its place is entered. NULL: an error was said. */
static const struct sk_json *unwrap(struct sk_check *c, const struct sk_json *doc)
{
    const struct sk_json *in = doc, *modules;
    const char *name;

    if (!is_object(c, doc))
        return NULL;
    name = name_of(doc, content_names);
    if (name && !name_of(doc, modules_names)) {
        check_beside(c, doc, content_names);
        (void)sk_check_enter(c, name);
        in = sk_json_get(doc, name);
        if (!is_object(c, in))
            return NULL;
    }
    name = name_of(in, modules_names);
    if (!name) {
        say_missing(c, in);
        return NULL;
    }
    check_beside(c, in, modules_names);
    (void)sk_check_enter(c, name);
    modules = sk_json_get(in, name);
    return is_object(c, modules) ? modules : NULL;
}

/* ---- sections ---- */

static const struct sk_shape *shape_of(const char *module)
{
    if (strcmp(module, "$edgeAgent") == 0)
        return &sk_shape_agent;
    return strcmp(module, "$edgeHub") == 0 ? &sk_shape_hub : &sk_shape_custom;
}

/* The value of "properties.desired.a.b". */
static void check_path(struct sk_check *c, const struct sk_shape *shape, const char *path,
                       const struct sk_json *v, const char *module)
{
    char copy[SK_MANIFEST_KEY_MAX + 1], *rest = copy;
    const struct sk_shape *in = shape;
    const char *part = "", *why;
    unsigned depth = 0;

    if (strlen(path) > SK_MANIFEST_KEY_MAX) {
        sk_check_error(c, SK_INVALID, "a path has at most %d bytes", SK_MANIFEST_KEY_MAX);
        return;
    }
    memcpy(copy, path, strlen(path) + 1);
    if (strcmp(module, "$edgeAgent") == 0 && sk_starts_with(path, "systemModules"))
        sk_check_error(c, SK_INVALID, "a layer cannot change system modules");
    for (; rest && shape; depth++) {
        bool is_whole = sk_manifest_next_part(&rest, &part);

        if (!is_whole || !sk_check_is_key(part, &why)) {
            sk_check_error(c, SK_INVALID, "%s", is_whole ? why : "a part between dots is empty");
            return;
        }
        if (shape->are_modules && !sk_manifest_is_module_name(part))
            sk_check_error(c, SK_INVALID, "a module's name has only letters, digits, _ and -");
        in = shape;
        shape = sk_shape_at(shape, part);
    }
    if (depth > SK_MANIFEST_DEPTH_MAX)
        sk_check_error(c, SK_INVALID, "a path of more than %d parts", SK_MANIFEST_DEPTH_MAX);
    if (!shape)
        sk_shape_unknown(c, in, part);
    else if (sk_json_type(v) != SK_JSON_NULL)
        sk_shape_check(c, shape, v);
    sk_check_twin(c, v, depth);
}

static void check_module(struct sk_check *c, const char *name, const struct sk_json *v)
{
    const struct sk_shape *shape = shape_of(name);

    if (shape == &sk_shape_custom && !sk_manifest_is_module_name(name))
        sk_check_error(c, SK_INVALID,
                       "a module's name has only letters, digits, _ and -, at most %d",
                       SK_MANIFEST_NAME_MAX);
    if (!is_object(c, v))
        return;
    for (void *it = sk_json_first(v); it; it = sk_json_next(v, it)) {
        const char *path = sk_manifest_path_of(sk_json_key(it));
        size_t mark = sk_check_enter(c, sk_json_key(it));

        if (!path) {
            sk_check_warn(c, "unknown field; did you mean 'properties.desired'?");
        } else if (*path) {
            check_path(c, shape, path, sk_json_value(it), name);
        } else {
            sk_shape_check(c, shape, sk_json_value(it));
            sk_check_twin(c, sk_json_value(it), 0);
        }
        sk_check_leave(c, mark);
    }
}

/* The hub's schema version is needed before its routes are met, in whatever order they stand. */
static int hub_minor_of(const struct sk_json *modules)
{
    const struct sk_json *hub = sk_json_get(sk_json_get(modules, "$edgeHub"), sk_manifest_desired);
    const char *version = sk_json_get_text(hub, "schemaVersion", "");

    return strcmp(version, "1.0") == 0 || strcmp(version, "1") == 0 ? 0 : 1;
}

static void check_base(struct sk_check *c, const struct sk_json *modules)
{
    static const char *const names[] = { "$edgeAgent", "$edgeHub" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct sk_json *module = sk_json_get(modules, names[i]);

        if (c->opts->is_layered && (i > 0 || module))
            continue;
        if (!module)
            sk_check_error(c, SK_INVALID, "'%s' is missing", names[i]);
        else if (sk_json_type(module) == SK_JSON_OBJECT &&
                 !sk_json_get(module, sk_manifest_desired))
            sk_check_error(c, SK_INVALID, "'%s' has no 'properties.desired'", names[i]);
    }
}

/* ---- what concerns the whole ---- */

static int check_size(struct sk_check *c, const struct sk_json *section, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SECTION_BYTES);

    sk_json_dump(section, &text);
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    if (text.len > SK_MANIFEST_SECTION_MAX)
        sk_check_error(c, SK_TOO_LARGE, "the desired properties have %zu bytes, at most %d",
                       text.len, SK_MANIFEST_SECTION_MAX);
    return 0;
}

static int check_whole(struct sk_check *c, const struct sk_json *modules, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *all = NULL;
    struct sk_err why = SK_ERR_INIT;

    if (sk_manifest_compose(&modules, 1, &all, &why) < 0) {
        if (why.code == SK_NOMEM)
            return sk_nomem(err);
        if (!c->has_failed)
            sk_check_error(c, why.code == SK_LIMIT ? SK_TOO_LARGE : SK_INVALID, "%s", why.text);
        return 0;
    }
    for (void *it = sk_json_first(all); it; it = sk_json_next(all, it)) {
        size_t mark = sk_check_enter(c, sk_json_key(it));
        int rc = check_size(c, sk_json_value(it), err);

        if (rc == 0 && strcmp(sk_json_key(it), "$edgeAgent") == 0)
            rc = sk_check_ports(c, sk_json_value(it), err);
        sk_check_leave(c, mark);
        if (rc < 0)
            return -1;
    }
    return 0;
}

int sk_manifest_check(const struct sk_json *doc, const struct sk_manifest_options *opts,
                      const struct sk_json **out, struct sk_err *err)
{
    static const struct sk_manifest_options none = { .is_layered = false };
    struct sk_err first = SK_ERR_INIT;
    struct sk_check c = { .opts = opts ? opts : &none,
                          .place = SK_BUF_INIT(PLACE_BYTES),
                          .err = &first };
    const struct sk_json *modules = unwrap(&c, doc);
    int rc = 0;

    if (modules) {
        c.hub_minor = hub_minor_of(modules);
        check_base(&c, modules);
        for (void *it = sk_json_first(modules); it; it = sk_json_next(modules, it)) {
            size_t mark = sk_check_enter(&c, sk_json_key(it));

            check_module(&c, sk_json_key(it), sk_json_value(it));
            sk_check_leave(&c, mark);
        }
        rc = check_whole(&c, modules, err);
    }
    if (rc == 0 && !sk_buf_ok(&c.place))
        rc = sk_buf_fail(&c.place, err);
    sk_buf_done(&c.place);
    if (rc < 0)
        return -1;
    if (c.has_failed) {
        *err = first;
        return -1;
    }
    *out = modules;
    return 0;
}
