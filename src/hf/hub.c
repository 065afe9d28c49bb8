/*
 * hub.c - what the hub says about a file, without fetching it.
 *
 * A HEAD for ENDPOINT/REPO/resolve/REVISION/FILE is answered with the commit (x-repo-commit) and
 * the file's tag and size: etag and content-length, or, for a large file that lies elsewhere,
 * x-linked-etag and x-linked-size with a redirect that we do not follow. A redirect without a
 * commit is one between hubs (a mirror, a renamed host): it is followed, without the token.
 *
 * A failure is told by x-error-code. 401 stands for three things: a repository that is gated, one
 * that is private, one that does not exist.
 */
#include "hf/hf_priv.h"

#include "base/str.h"

enum {
    HOPS_MAX = 5,
    VALUE_BYTES = 4096,
};

char *sk_hf_url(const struct sk_hf_env *env, const char *repo, const char *revision,
                const char *file)
{
    SK_AUTO(sk_buf_done) struct sk_buf url = SK_BUF_INIT(SIZE_MAX - 1);

    sk_buf_fmt(&url, "%s/%s/resolve/", env->endpoint, repo);
    sk_buf_percent(&url, revision, strlen(revision), "");
    sk_buf_chr(&url, '/');
    sk_buf_percent(&url, file, strlen(file), "/");
    return sk_buf_take(&url);
}

/* ---- reading an answer ---- */

/* W/"abc" and "abc" are abc, as Python has it. */
static bool read_etag(const struct sk_fetch_answer *a, const char *name, struct sk_hf_meta *meta)
{
    char text[VALUE_BYTES];
    const char *start = text;

    if (!sk_fetch_header(a, name, text, sizeof text))
        return false;
    start += strspn(start, "W/");
    start += strspn(start, "\"");
    size_t len = strlen(start);
    while (len > 0 && start[len - 1] == '"')
        len--;
    text[start - text + (ptrdiff_t)len] = '\0';
    if (!sk_hf_is_safe_etag(start))
        return false;
    memcpy(meta->etag, start, len + 1);
    return true;
}

static bool read_size(const struct sk_fetch_answer *a, const char *name, struct sk_hf_meta *meta)
{
    struct sk_err unused = SK_ERR_INIT;
    char text[VALUE_BYTES];

    meta->has_size = sk_fetch_header(a, name, text, sizeof text) &&
                     sk_parse_u64(name, text, 0, INT64_MAX, &meta->size, &unused) == 0;
    return meta->has_size;
}

static void read_commit(const struct sk_fetch_answer *a, struct sk_hf_meta *meta)
{
    char text[VALUE_BYTES];

    meta->commit[0] = '\0';
    if (sk_fetch_header(a, "x-repo-commit", text, sizeof text) && sk_hf_is_commit(text))
        memcpy(meta->commit, text, SK_HF_COMMIT_HEX);
}

bool sk_hf_read_meta(const struct sk_fetch_answer *a, struct sk_hf_meta *meta)
{
    *meta = (struct sk_hf_meta){ .is_direct = a->status < 300 };
    read_commit(a, meta);
    if (!read_etag(a, "x-linked-etag", meta) && !read_etag(a, "etag", meta))
        return false;
    if (!read_size(a, "x-linked-size", meta) && meta->is_direct)
        (void)read_size(a, "content-length", meta);
    return meta->commit[0] != '\0';
}

/* ---- errors ---- */

static enum sk_hf_found fail_gated(const struct sk_hf_env *env, const struct sk_hf_spec *spec,
                                   struct sk_err *err)
{
    if (env->token)
        (void)sk_fail(err, SK_UNAUTHENTICATED,
                      "'%s' is gated, and the token from %s has no access: accept its terms at "
                      "%s/%s",
                      spec->repo, env->token_from, env->endpoint, spec->repo);
    else
        (void)sk_fail(err, SK_UNAUTHENTICATED,
                      "'%s' is gated: accept its terms at %s/%s and set HF_TOKEN to a token of "
                      "yours",
                      spec->repo, env->endpoint, spec->repo);
    return SK_HF_UNKNOWN;
}

static enum sk_hf_found fail_no_repo(const struct sk_hf_env *env, const struct sk_hf_spec *spec,
                                     struct sk_err *err)
{
    if (env->token)
        (void)sk_fail(err, SK_NOT_FOUND,
                      "%s has no repository '%s', or it is private and the token from %s has no "
                      "access",
                      env->endpoint, spec->repo, env->token_from);
    else
        (void)sk_fail(err, SK_NOT_FOUND,
                      "%s has no repository '%s', or it is private and needs a token in HF_TOKEN",
                      env->endpoint, spec->repo);
    return SK_HF_UNKNOWN;
}

static bool says(const struct sk_fetch_answer *a, const char *name, const char *what)
{
    char text[VALUE_BYTES];
    return sk_fetch_header(a, name, text, sizeof text) && strcmp(text, what) == 0;
}

/* err is what fetch made of the status. */
static enum sk_hf_found judge_error(const struct sk_fetch_answer *a, const struct sk_hf_env *env,
                                    const struct sk_hf_spec *spec, struct sk_hf_meta *meta,
                                    struct sk_err *err)
{
    char words[VALUE_BYTES];

    if (says(a, "x-error-code", "RevisionNotFound")) {
        (void)sk_fail(err, SK_NOT_FOUND, "'%s' has no revision '%s'", spec->repo, spec->revision);
        return SK_HF_FINAL;
    }
    if (says(a, "x-error-code", "GatedRepo"))
        return fail_gated(env, spec, err);
    if (a->status == 401 &&
        says(a, "x-error-message", "Invalid credentials in Authorization header")) {
        (void)sk_fail(err, SK_UNAUTHENTICATED, "%s does not accept the token from %s",
                      env->endpoint, env->token ? env->token_from : "HF_TOKEN");
        return SK_HF_UNKNOWN;
    }
    if (says(a, "x-error-code", "RepoNotFound") || a->status == 401)
        return fail_no_repo(env, spec, err);
    if (a->status == 404) { /* "EntryNotFound", or a mirror that gives no reason */
        read_commit(a, meta);
        return SK_HF_NO_FILE;
    }
    if (sk_fetch_header(a, "x-error-message", words, sizeof words))
        (void)sk_fail(err, err->code, "'%s': %s says: %s", spec->repo, env->endpoint, words);
    return SK_HF_UNKNOWN;
}

/* ---- the question ---- */

struct asker {
    const struct sk_hf_options *opts;
    const char *file;
};

static bool go_on(void *ctx, uint64_t done, uint64_t total)
{
    const struct asker *a = ctx;

    (void)done;
    (void)total;
    return !a->opts || !a->opts->progress || a->opts->progress(a->opts->ctx, a->file, 0, 0);
}

/* Where a redirect without a commit leads, when that is elsewhere; NULL otherwise. */
static const char *next_hub(const struct sk_fetch_answer *a, char *room, size_t size)
{
    struct sk_hf_meta meta = { 0 };

    read_commit(a, &meta);
    if (a->status < 300 || meta.commit[0] != '\0' || !sk_fetch_header(a, "location", room, size))
        return NULL;
    return sk_starts_with(room, "https://") || sk_starts_with(room, "http://") ? room : NULL;
}

static enum sk_hf_found judge(const struct sk_fetch_answer *a, const struct sk_hf_env *env,
                              struct sk_hf_meta *meta, struct sk_err *err)
{
    if (sk_hf_read_meta(a, meta))
        return SK_HF_FOUND;
    (void)sk_fail(err, SK_REMOTE,
                  "%s does not answer as a hub does (no %s): is HF_ENDPOINT right, or does a proxy "
                  "or firewall answer instead?",
                  env->endpoint, meta->commit[0] ? "etag" : "x-repo-commit");
    return SK_HF_UNKNOWN;
}

enum sk_hf_found sk_hf_ask(struct sk_fetch *client, const struct sk_hf_env *env,
                           const struct sk_hf_spec *spec, const char *file,
                           const struct sk_hf_options *opts, struct sk_hf_meta *meta,
                           struct sk_err *err)
{
    static const char *const headers[] = { "Accept-Encoding: identity", NULL };
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    SK_OWN(free) char *url = sk_hf_url(env, spec->repo, spec->revision, file);
    struct asker asker = { opts, file };
    char elsewhere[VALUE_BYTES];
    const char *next = url;

    *meta = (struct sk_hf_meta){ 0 };
    if (!url) {
        (void)sk_nomem(err);
        return SK_HF_FINAL;
    }
    for (int hop = 0; next && hop < HOPS_MAX; hop++) {
        struct sk_fetch_request r = { .method = "HEAD",
                                      .url = next,
                                      .bearer = hop == 0 ? env->token : NULL,
                                      .headers = headers,
                                      .stay = true,
                                      .ctx = &asker,
                                      .progress = go_on };
        sk_fetch_answer_done(&a);
        if (sk_fetch_do(client, &r, &a, err) < 0) {
            if (err->code == SK_CANCELLED || err->code == SK_NOMEM)
                return SK_HF_FINAL;
            return a.status >= 400 ? judge_error(&a, env, spec, meta, err) : SK_HF_UNKNOWN;
        }
        next = next_hub(&a, elsewhere, sizeof elsewhere);
    }
    return judge(&a, env, meta, err);
}
