/*
 * hf.c - gets a file of the hub: from the cache, from the network, or says why neither works.
 *
 * A full commit that is in the cache needs no network at all. For a branch or tag the hub is asked
 * what it means now; when nobody answers, what it meant last time will do. The first of several
 * names that the repository has is taken.
 */
#include "hf/hf_priv.h"

#include "base/file.h"
#include "base/log.h"
#include "base/str.h"

#include <sys/stat.h>

struct getter {
    struct sk_hf_env env;
    struct sk_hf_spec spec;
    const char *const *files;
    const struct sk_hf_options *opts;
    char *repo_dir;
    struct sk_fetch *client;
    /* the answer */
    char *path;
    char commit[SK_HF_COMMIT_HEX];
};

static void getter_done(struct getter *g)
{
    sk_fetch_free(g->client);
    free(g->path);
    free(g->repo_dir);
    sk_hf_spec_done(&g->spec);
    sk_hf_env_done(&g->env);
}

/* ---- the cache ---- */

/* Finds the first of the files that is there; is_sure: none before it may exist, as far as is
 * known. path stays NULL when there is none. */
static int look(struct getter *g, bool is_sure, struct sk_err *err)
{
    if (sk_hf_cached_commit(g->repo_dir, &g->spec, g->commit, err) < 0)
        return -1;
    for (const char *const *f = g->files; *f && g->commit[0]; f++) {
        if (sk_hf_cached_file(g->repo_dir, g->commit, *f, NULL, &g->path, err) < 0)
            return -1;
        if (g->path || (is_sure && !sk_hf_is_absent(g->repo_dir, g->commit, *f)))
            return 0;
    }
    return 0;
}

/* The network failed for the reason in err: the cache decides whether that matters. */
static int fall_back(struct getter *g, struct sk_err *err)
{
    struct sk_err why = *err;

    if (look(g, false, err) < 0)
        return -1;
    if (g->path) {
        sk_log(SK_DEBUG, "hf_cache_used", "repo=%s commit=%s because=\"%s\"", g->spec.repo,
               g->commit, why.text);
        return 0;
    }
    if (why.code == SK_IO || why.code == SK_TIMEOUT)
        return sk_fail(err, SK_IO, "no network (%s), and '%s' at '%s' is not in the cache '%s'",
                       why.text, g->spec.repo, g->spec.revision, g->env.cache);
    *err = why;
    return -1;
}

static int get_offline(struct getter *g, struct sk_err *err)
{
    if (look(g, false, err) < 0)
        return -1;
    if (g->path)
        return 0;
    return sk_fail(err, SK_IO, "%s forbids the network, and '%s' at '%s' is not in the cache '%s'",
                   g->env.offline_by, g->spec.repo, g->spec.revision, g->env.cache);
}

/* ---- the hub ---- */

/* The blob of the file is in its place afterwards; whoever else makes it is waited for. */
static int need_blob(const struct getter *g, const char *file, const struct sk_hf_meta *meta,
                     struct sk_err *err)
{
    SK_OWN(free) char *folder = sk_hf_join(g->repo_dir, "blobs", NULL);
    SK_OWN(free) char *blob = sk_hf_join(g->repo_dir, "blobs", meta->etag, NULL);
    SK_AUTO(sk_close) int lock = -1;
    struct stat st;

    if (!folder || !blob)
        return sk_nomem(err);
    if (sk_mkdirs(folder, 0777, err) < 0 ||
        sk_hf_lock(g->env.cache, g->repo_dir, meta->etag, g->opts, file, &lock, err) < 0)
        return -1;
    if (stat(blob, &st) == 0 && S_ISREG(st.st_mode) &&
        (!meta->has_size || (uint64_t)st.st_size == meta->size))
        return 0;
    struct sk_hf_download d = { .client = g->client,
                                .env = &g->env,
                                .repo = g->spec.repo,
                                .file = file,
                                .meta = meta,
                                .opts = g->opts,
                                .blob = blob };
    return sk_hf_download(&d, err);
}

static int take_file(struct getter *g, const char *file, const struct sk_hf_meta *meta,
                     struct sk_err *err)
{
    const uint64_t *size = meta->has_size ? &meta->size : NULL;
    struct sk_err unimportant = SK_ERR_INIT;

    if (sk_hf_cached_file(g->repo_dir, meta->commit, file, size, &g->path, err) < 0)
        return -1;
    if (!g->path) {
        if (need_blob(g, file, meta, err) < 0 ||
            sk_hf_link(g->repo_dir, meta->commit, file, meta->etag, err) < 0 ||
            sk_hf_cached_file(g->repo_dir, meta->commit, file, NULL, &g->path, err) < 0)
            return -1;
        if (!g->path)
            return sk_fail(err, SK_IO, "'%s' vanished from the cache '%s'", file, g->repo_dir);
    }
    memcpy(g->commit, meta->commit, sizeof g->commit);
    if (sk_hf_write_ref(g->repo_dir, g->spec.revision, meta->commit, &unimportant) < 0)
        sk_log(SK_DEBUG, "hf_ref_not_written", "error=\"%s\"", unimportant.text);
    return 0;
}

static int fail_no_file(const struct getter *g, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf names = SK_BUF_INIT(4096);

    for (const char *const *f = g->files; *f; f++)
        sk_buf_fmt(&names, "%s'%s'", f == g->files ? "" : f[1] ? ", " : " or ", *f);
    if (!sk_buf_ok(&names))
        return sk_buf_fail(&names, err);
    return sk_fail(err, SK_NOT_FOUND, "'%s' has no file %s at '%s'", g->spec.repo, names.data,
                   g->spec.revision);
}

static int get_online(struct getter *g, struct sk_err *err)
{
    for (const char *const *f = g->files; *f; f++) {
        struct sk_hf_meta meta;
        switch (sk_hf_ask(g->client, &g->env, &g->spec, *f, g->opts, &meta, err)) {
        case SK_HF_FOUND:
            return take_file(g, *f, &meta, err) < 0 ? sk_wrap(err, "'%s'", *f) : 0;
        case SK_HF_NO_FILE:
            if (meta.commit[0])
                sk_hf_note_absent(g->repo_dir, meta.commit, *f);
            break;
        case SK_HF_FINAL:
            return -1;
        case SK_HF_UNKNOWN:
            return fall_back(g, err);
        }
    }
    return fail_no_file(g, err);
}

/* ---- the whole ---- */

static int open_client(struct getter *g, struct sk_err *err)
{
    struct sk_fetch_options o = { .connect_ms = g->env.connect_ms, .stall_ms = g->env.stall_ms };

    if (look(g, false, err) < 0)
        return -1;
    o.retries = g->path ? 0 : 2; /* no long wait for what is here */
    free(SK_TAKE(g->path));
    return sk_fetch_new(&o, &g->client, err);
}

static int get(struct getter *g, struct sk_err *err)
{
    if (g->env.offline_by)
        return get_offline(g, err);
    if (g->spec.is_commit && look(g, true, err) < 0)
        return -1;
    if (g->path)
        return 0;
    if (open_client(g, err) < 0)
        return err->code == SK_NOMEM ? -1 : fall_back(g, err);
    return get_online(g, err);
}

int sk_hf_get(const char *spec, const char *const *files, const struct sk_hf_options *opts,
              char **path, char **commit, struct sk_err *err)
{
    SK_AUTO(getter_done) struct getter g = { .files = files, .opts = opts };
    SK_OWN(free) char *commit_copy = NULL;

    for (const char *const *f = files; *f; f++)
        if (!sk_hf_is_safe_path(*f))
            return sk_fail(err, SK_INVALID, "'%s' is no file of a repository", *f);
    if (sk_hf_spec_parse(spec, &g.spec, err) < 0 || sk_hf_env_read(&g.env, err) < 0)
        return -1;
    g.repo_dir = sk_hf_repo_dir(g.env.cache, g.spec.repo);
    if (!g.repo_dir)
        return sk_nomem(err);
    if (get(&g, err) < 0)
        return sk_wrap(err, "hub");
    commit_copy = strdup(g.commit);
    if (!commit_copy)
        return sk_nomem(err);
    *path = SK_TAKE(g.path);
    if (commit)
        *commit = SK_TAKE(commit_copy);
    return 0;
}
