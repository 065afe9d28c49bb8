/*
 * env.c - the variables by which Python's huggingface_hub is set up, with the same meaning, so that
 * both find the same cache, hub and token.
 *
 *     endpoint  HF_ENDPOINT                           https://huggingface.co
 *     home      HF_HOME                               XDG_CACHE_HOME/huggingface,
 * ~/.cache/huggingface cache     HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE   home/hub token     HF_TOKEN,
 * HUGGING_FACE_HUB_TOKEN      the file HF_TOKEN_PATH, home/token offline   HF_HUB_OFFLINE,
 * TRANSFORMERS_OFFLINE patience  HF_HUB_ETAG_TIMEOUT, HF_HUB_DOWNLOAD_TIMEOUT: 10 seconds
 *
 * A variable that is empty counts as unset. Paths may begin with ~ and hold $NAME and ${NAME}.
 */
#include "hf/hf_priv.h"

#include "base/file.h"
#include "base/str.h"

#include <strings.h>

enum {
    PATH_BYTES = 4096,
    TOKEN_BYTES = 16 << 10
};

static const char *get(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static bool is_true(const char *text)
{
    static const char *const words[] = { "1", "on", "yes", "true" };

    for (size_t i = 0; text && i < sizeof words / sizeof words[0]; i++)
        if (strcasecmp(text, words[i]) == 0)
            return true;
    return false;
}

/* ---- paths ---- */

/* The length of a variable's name at the start of text. */
static size_t name_length(const char *text)
{
    size_t len = 0;
    while (text[len] == '_' || (text[len] >= '0' && text[len] <= '9') ||
           (text[len] >= 'a' && text[len] <= 'z') || (text[len] >= 'A' && text[len] <= 'Z'))
        len++;
    return len;
}

/* Adds what "$NAME" or "${NAME}" at text stands for; an unset one stays as it is. Returns how much
 * of the text it was. */
static size_t add_variable(struct sk_buf *out, const char *text)
{
    bool is_braced = text[1] == '{';
    const char *start = text + 1 + is_braced;
    size_t len = name_length(start);
    char name[256];

    if (len == 0 || len >= sizeof name || (is_braced && start[len] != '}')) {
        sk_buf_chr(out, '$');
        return 1;
    }
    (void)snprintf(name, sizeof name, "%.*s", (int)len, start);
    size_t used = 1 + len + 2 * (size_t)is_braced;
    const char *value = getenv(name);
    sk_buf_add(out, value ? value : text, value ? strlen(value) : used);
    return used;
}

static int expand(const char *path, char **out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(PATH_BYTES);
    const char *home = get("HOME");

    if (path[0] == '~' && (path[1] == '/' || path[1] == '\0') && home) {
        sk_buf_str(&text, home);
        path++;
    }
    while (*path) {
        if (*path == '$')
            path += add_variable(&text, path);
        else
            sk_buf_chr(&text, *path++);
    }
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    *out = sk_buf_take(&text);
    return 0;
}

static int find_home(char **out, struct sk_err *err)
{
    SK_OWN(free) char *joined = NULL;

    if (get("HF_HOME"))
        return expand(get("HF_HOME"), out, err);
    if (get("XDG_CACHE_HOME"))
        joined = sk_path_join(get("XDG_CACHE_HOME"), "huggingface");
    else if (get("HOME"))
        joined = sk_path_join(get("HOME"), ".cache/huggingface");
    else
        return sk_fail(err, SK_NOT_FOUND, "no place for the hub's cache: set HF_HOME or HOME");
    return joined ? expand(joined, out, err) : sk_nomem(err);
}

static int find_cache(const char *home, char **out, struct sk_err *err)
{
    const char *named = get("HF_HUB_CACHE") ? get("HF_HUB_CACHE") : get("HUGGINGFACE_HUB_CACHE");

    if (named)
        return expand(named, out, err);
    *out = sk_path_join(home, "hub");
    return *out ? 0 : sk_nomem(err);
}

/* ---- token ---- */

/* Without line breaks, and without spaces around it; *out stays NULL when nothing is left. */
static int clean(const char *text, char **out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf kept = SK_BUF_INIT(TOKEN_BYTES);

    for (; *text; text++) {
        bool is_leading = kept.len == 0 && (*text == ' ' || *text == '\t');
        if (*text != '\r' && *text != '\n' && !is_leading)
            sk_buf_chr(&kept, *text);
    }
    if (!sk_buf_ok(&kept))
        return sk_buf_fail(&kept, err);
    while (kept.len > 0 && (kept.data[kept.len - 1] == ' ' || kept.data[kept.len - 1] == '\t'))
        kept.data[--kept.len] = '\0';
    *out = kept.len > 0 ? sk_buf_take(&kept) : NULL;
    return 0;
}

static int read_token_file(const char *path, char **out, struct sk_err *err)
{
    SK_OWN(free) char *text = NULL;
    struct sk_err why = SK_ERR_INIT;
    size_t len;

    if (sk_file_read(path, TOKEN_BYTES, &text, &len, &why) == 0)
        return clean(text, out, err);
    if (why.code == SK_NOT_FOUND)
        return 0;
    *err = why;
    return sk_wrap(err, "the hub's token");
}

static int find_token(const char *home, struct sk_hf_env *e, struct sk_err *err)
{
    SK_OWN(free) char *path = NULL;
    const char *name = get("HF_TOKEN") ? "HF_TOKEN" : "HUGGING_FACE_HUB_TOKEN";

    if (is_true(get("HF_HUB_DISABLE_IMPLICIT_TOKEN")))
        return 0;
    if (get(name) && clean(get(name), &e->token, err) < 0)
        return -1;
    if (e->token) {
        e->token_from = strdup(name);
        return e->token_from ? 0 : sk_nomem(err);
    }
    if (get("HF_TOKEN_PATH")) {
        if (expand(get("HF_TOKEN_PATH"), &path, err) < 0)
            return -1;
    } else {
        path = sk_path_join(home, "token");
    }
    if (!path)
        return sk_nomem(err);
    e->token_from = SK_TAKE(path);
    return read_token_file(e->token_from, &e->token, err);
}

/* ---- the rest ---- */

static int find_endpoint(char **out, struct sk_err *err)
{
    const char *text = get("HF_ENDPOINT") ? get("HF_ENDPOINT") : "https://huggingface.co";
    size_t len = strlen(text);

    if (!sk_starts_with(text, "https://") && !sk_starts_with(text, "http://"))
        return sk_fail(err, SK_INVALID, "HF_ENDPOINT must begin with https:// or http://");
    while (text[len - 1] == '/')
        len--;
    *out = strndup(text, len);
    return *out ? 0 : sk_nomem(err);
}

static const char *find_offline(void)
{
    const char *name = get("HF_HUB_OFFLINE") ? "HF_HUB_OFFLINE" : "TRANSFORMERS_OFFLINE";
    return is_true(get(name)) ? name : NULL;
}

static int find_seconds(const char *name, uint64_t *ms, struct sk_err *err)
{
    uint64_t seconds = 10;

    if (get(name) && sk_parse_u64(name, get(name), 1, 86400, &seconds, err) < 0)
        return -1;
    *ms = seconds * 1000;
    return 0;
}

int sk_hf_env_read(struct sk_hf_env *out, struct sk_err *err)
{
    SK_AUTO(sk_hf_env_done) struct sk_hf_env e = { .offline_by = find_offline() };
    SK_OWN(free) char *home = NULL;

    if (find_home(&home, err) < 0 || find_cache(home, &e.cache, err) < 0 ||
        find_token(home, &e, err) < 0 || find_endpoint(&e.endpoint, err) < 0 ||
        find_seconds("HF_HUB_ETAG_TIMEOUT", &e.connect_ms, err) < 0 ||
        find_seconds("HF_HUB_DOWNLOAD_TIMEOUT", &e.stall_ms, err) < 0)
        return -1;
    *out = e;
    e = (struct sk_hf_env){ 0 };
    return 0;
}

void sk_hf_env_done(struct sk_hf_env *e)
{
    free(e->endpoint);
    free(e->cache);
    free(e->token);
    free(e->token_from);
    *e = (struct sk_hf_env){ 0 };
}
