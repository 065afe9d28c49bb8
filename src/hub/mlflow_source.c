/*
 * mlflow_source.c - see mlflow_source.h.
 */
#include "hub/mlflow_source.h"

#include "base/str.h"
#include "runs/runs.h"
#include "json/json.h"

#include <ctype.h>
#include <string.h>

enum {
    ANSWER_BYTES = 8 << 20,
    PATH_BYTES = 8192
};

static const char artifacts_service[] = "/api/2.0/mlflow-artifacts/artifacts/";

static int refuse(const char *text, const char *why, struct sk_err *err)
{
    return sk_fail(err, SK_INVALID, "Invalid model version source: '%.200s'. %s", text, why);
}

static int keep(struct sk_arena *arena, const char *text, size_t len, const char **out,
                struct sk_err *err)
{
    *out = sk_arena_strndup(arena, text, len);
    return *out ? 0 : sk_nomem(err);
}

/* ---- paths ---- */

/* %XX once, in place. True when something changed. */
static bool decode(char *text)
{
    char *to = text;
    bool changed = false;

    for (const char *from = text; *from; from++, to++) {
        int high = from[0] == '%' ? sk_hex_digit(from[1]) : -1;
        int low = high >= 0 ? sk_hex_digit(from[2]) : -1;

        *to = *from;
        if (low < 0)
            continue;
        *to = (char)(16 * high + low);
        if (*to == 0)
            *to = '\x01'; /* never in a path */
        from += 2;
        changed = true;
    }
    *to = 0;
    return changed;
}

static bool has_dots(const char *text)
{
    for (const char *part = text; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (strcspn(part, "/\\?#") == 2 && part[0] == '.' && part[1] == '.')
            return true;
        for (const char *p = part; *p && *p != '/'; p++)
            if ((unsigned char)*p < ' ')
                return true;
    }
    return strstr(text, "\\..") || strstr(text, "..\\");
}

/* Decoded as often as it goes: some server behind might do it again. Each round is shorter. */
static int check_dots(const char *text, const char *rest, struct sk_arena *arena,
                      struct sk_err *err)
{
    char *copy = sk_arena_strndup(arena, rest, strlen(rest));

    if (!copy)
        return sk_nomem(err);
    do {
        if (has_dots(copy))
            return refuse(text,
                          "An absolute path must be provided without relative path references "
                          "present.",
                          err);
    } while (decode(copy));
    return 0;
}

/* Without slashes at the ends and doubled ones. */
static int keep_path(struct sk_arena *arena, const char *text, const char **out, struct sk_err *err)
{
    char *copy = sk_arena_strndup(arena, text, strlen(text)), *to = copy;

    if (!copy)
        return sk_nomem(err);
    for (const char *from = text; *from; from++)
        if (*from != '/' || (to > copy && to[-1] != '/'))
            *to++ = *from;
    while (to > copy && to[-1] == '/')
        to--;
    *to = 0;
    *out = copy;
    return 0;
}

/* ---- the forms ---- */

static int parse_artifacts(const char *rest, struct sk_arena *arena, struct sk_mlflow_source *out,
                           struct sk_err *err)
{
    if (sk_starts_with(rest, "//")) {
        rest += 2 + strcspn(rest + 2, "/");
        if (rest[0] == 0)
            rest = "/";
    }
    out->kind = SK_SOURCE_ARTIFACTS;
    return keep_path(arena, rest, &out->path, err);
}

static int parse_url(const char *rest, struct sk_arena *arena, struct sk_mlflow_source *out,
                     struct sk_err *err)
{
    const char *at = strstr(rest, artifacts_service);
    char *copy;

    if (!at)
        return 0;
    at += sizeof(artifacts_service) - 1;
    copy = sk_arena_strndup(arena, at, strlen(at));
    if (!copy)
        return sk_nomem(err);
    (void)decode(copy);
    out->kind = SK_SOURCE_ARTIFACTS;
    return keep_path(arena, copy, &out->path, err);
}

static int parse_run(const char *text, const char *rest, struct sk_arena *arena,
                     struct sk_mlflow_source *out, struct sk_err *err)
{
    size_t len;

    if (sk_starts_with(rest, "//"))
        return refuse(text, "A run is named as runs:/RUN_ID/path, without a host.", err);
    rest += strspn(rest, "/");
    len = strcspn(rest, "/");
    if (len == 0)
        return refuse(text, "A run is named as runs:/RUN_ID/path.", err);
    out->kind = SK_SOURCE_RUN;
    if (keep(arena, rest, len, &out->id, err) < 0)
        return -1;
    return keep_path(arena, rest + len, &out->path, err);
}

static bool is_logged_id(const char *text, size_t len)
{
    return len > 2 && text[0] == 'm' && text[1] == '-' && !memchr(text, '@', len);
}

static bool is_number(const char *text)
{
    return text[0] && text[strspn(text, "0123456789")] == 0;
}

/* "NAME/3" becomes the reference NAME:3, "NAME@x" stays. */
static int parse_version(const char *text, const char *rest, size_t len, struct sk_arena *arena,
                         struct sk_mlflow_source *out, struct sk_err *err)
{
    const char *suffix = rest[len] ? rest + len + 1 : "";
    char *reference = sk_arena_alloc(arena, strlen(rest) + 1);

    if (!reference)
        return sk_nomem(err);
    memcpy(reference, rest, strlen(rest) + 1);
    out->kind = SK_SOURCE_VERSION;
    out->reference = reference;
    if (strchr(suffix, '/') || (rest[len] && suffix[0] == 0) ||
        (!rest[len] && !memchr(rest, '@', len)))
        return refuse(text,
                      "Models are named as models:/name/version, /stage, /latest or "
                      "models:/name@alias.",
                      err);
    if (!rest[len])
        return 0;
    if (is_number(suffix) || sk_view_eq_nocase(sk_view_of(suffix), "latest")) {
        reference[len] = ':';
        return 0;
    }
    out->stage = suffix;
    if (keep(arena, suffix, strlen(suffix), &out->stage, err) < 0)
        return -1;
    return keep(arena, rest, len, &out->name, err);
}

static int parse_models(const char *text, const char *rest, struct sk_arena *arena,
                        struct sk_mlflow_source *out, struct sk_err *err)
{
    size_t len;

    if (sk_starts_with(rest, "//"))
        return refuse(text, "Registered model sources must use the active model registry.", err);
    rest += strspn(rest, "/");
    len = strcspn(rest, "/");
    if (!is_logged_id(rest, len))
        return parse_version(text, rest, len, arena, out, err);
    out->kind = SK_SOURCE_LOGGED;
    if (keep(arena, rest, len, &out->id, err) < 0)
        return -1;
    return keep_path(arena, rest + len, &out->path, err);
}

int sk_mlflow_source_parse(const char *text, struct sk_arena *arena, struct sk_mlflow_source *out,
                           struct sk_err *err)
{
    size_t len = strcspn(text, ":/?#");
    struct sk_view scheme = { text, len };
    const char *rest = text + len + 1;

    *out = (struct sk_mlflow_source){ SK_SOURCE_ELSEWHERE, "", "", "", "", "" };
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("+.-", text[i]))
            len = 0;
    if (text[scheme.len] != ':' || len < 2 || sk_view_eq_nocase(scheme, "file"))
        return refuse(
            text,
            "A local path is on the client's disk; upload the model as artifacts of a run "
            "or with `skerry model register`.",
            err);
    if (check_dots(text, rest, arena, err) < 0)
        return -1;
    if (sk_view_eq_nocase(scheme, "mlflow-artifacts"))
        return parse_artifacts(rest, arena, out, err);
    if (sk_view_eq_nocase(scheme, "http") || sk_view_eq_nocase(scheme, "https"))
        return parse_url(rest, arena, out, err);
    if (sk_view_eq_nocase(scheme, "runs"))
        return parse_run(text, rest, arena, out, err);
    if (sk_view_eq_nocase(scheme, "models"))
        return parse_models(text, rest, arena, out, err);
    return 0;
}

/* ---- what they stand for ---- */

/* A field of a JSON object within an object ("" : of the object itself), kept. */
static int field(const struct sk_buf *json, const char *object, const char *name,
                 struct sk_arena *arena, const char **out, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    const struct sk_json *at;
    const char *text;

    if (sk_json_parse(json->data, json->len, NULL, &doc, err) < 0)
        return -1;
    at = object[0] ? sk_json_get(doc, object) : doc;
    text = sk_json_get_text(at, name, "");
    return keep(arena, text, strlen(text), out, err);
}

static int not_there(const char *source, const char *what, struct sk_err *err)
{
    if (err->code != SK_NOT_FOUND)
        return -1;
    return sk_fail(err, SK_INVALID,
                   "Invalid model version source: '%.200s'. The %s request parameter must identify "
                   "the resource that contains the source.",
                   source, what);
}

static int apply_run(struct sk_store *store, const struct sk_mlflow_source *s,
                     struct sk_arena *arena, struct sk_version_new *v, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(PATH_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf model = SK_BUF_INIT(ANSWER_BYTES);
    bool is_run = s->kind == SK_SOURCE_RUN;
    const char *what = is_run ? "run_id" : "model_id";
    const char *given = is_run ? v->run_id : v->model_id;

    if (given && given[0] && strcmp(given, s->id) != 0) {
        (void)sk_fail(err, SK_NOT_FOUND, "another");
        return not_there(v->source, what, err);
    }
    if (sk_run_artifact_root(store, s->id, &path, err) < 0)
        return not_there(v->source, what, err);
    if (is_run)
        v->run_id = s->id;
    else
        v->model_id = s->id;
    if (!is_run && !(v->run_id && v->run_id[0])) {
        if (sk_logged_model_get(store, s->id, false, &model, err) < 0 ||
            field(&model, "info", "source_run_id", arena, &v->run_id, err) < 0)
            return -1;
    }
    if (s->path[0])
        sk_buf_fmt(&path, "/%s", s->path);
    if (!sk_buf_ok(&path))
        return sk_buf_fail(&path, err);
    return keep(arena, path.data, path.len, &v->artifacts, err);
}

/* The newest version of a stage, as a reference. */
static int by_stage(struct sk_store *store, const struct sk_mlflow_source *s, struct sk_buf *out,
                    struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(ANSWER_BYTES);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    const struct sk_json *list;

    if (sk_versions_latest(store, s->name, &s->stage, 1, &json, err) < 0 ||
        sk_json_parse(json.data, json.len, NULL, &doc, err) < 0)
        return -1;
    list = sk_json_get(doc, "model_versions");
    if (sk_json_count(list) == 0)
        return sk_fail(err, SK_NOT_FOUND,
                       "No versions of model with name '%s' and stage '%s' found", s->name,
                       s->stage);
    sk_buf_fmt(out, "%s:%s", s->name, sk_json_get_text(sk_json_at(list, 0), "version", ""));
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

static int apply_version(struct sk_store *store, const struct sk_mlflow_source *s,
                         struct sk_arena *arena, struct sk_version_new *v, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(PATH_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(ANSWER_BYTES);
    char name[SK_MODEL_NAME_MAX + 1];
    uint64_t version = 0;

    if (s->stage[0] ? by_stage(store, s, &text, err) < 0 : false)
        return -1;
    if (sk_version_resolve(store, s->stage[0] ? text.data : s->reference, name, &version, err) <
            0 ||
        sk_version_get(store, name, version, &json, err) < 0)
        return -1;
    if (!(v->run_id && v->run_id[0]) && field(&json, "", "run_id", arena, &v->run_id, err) < 0)
        return -1;
    sk_buf_clear(&text);
    if (sk_version_uri(store, name, version, &text, err) < 0)
        return -1;
    if (!sk_starts_with(text.data, "mlflow-artifacts:/models/")) {
        if (keep(arena, text.data, text.len, &v->location, err) < 0)
            return -1;
    } else if (keep(arena, text.data + 18, text.len - 18, &v->artifacts, err) < 0) {
        return -1;
    }
    sk_buf_clear(&text);
    sk_buf_fmt(&text, "models:/%s/%llu", name, (unsigned long long)version);
    return keep(arena, text.data, text.len, &v->source, err);
}

int sk_mlflow_source_apply(struct sk_store *store, struct sk_arena *arena, struct sk_version_new *v,
                           struct sk_err *err)
{
    struct sk_mlflow_source s;

    if (sk_mlflow_source_parse(v->source, arena, &s, err) < 0)
        return -1;
    switch (s.kind) {
    case SK_SOURCE_ARTIFACTS:
        if (!s.path[0])
            return refuse(v->source, "It names all artifacts; name the folder of one model.", err);
        v->artifacts = s.path;
        return 0;
    case SK_SOURCE_RUN:
    case SK_SOURCE_LOGGED:
        return apply_run(store, &s, arena, v, err);
    case SK_SOURCE_VERSION:
        return apply_version(store, &s, arena, v, err);
    case SK_SOURCE_ELSEWHERE:
        break;
    }
    return 0;
}
