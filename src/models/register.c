/*
 * register.c - a new version: its number, its files, its digest.
 *
 * One write transaction does all, so numbers are given in order whoever asks at once, and a version
 * appears with all of its files or not at all. The files are names in the artifact tree; their data
 * is there already. The digest is taken from the tree, after the names are in it, so that files
 * given one by one and files copied from a run have the same one.
 */
#include "models/models_priv.h"

#include "base/clock.h"
#include "crypto/crypto.h"

#include <string.h>

enum {
    FOLDER_MAX = 4 * SK_MODEL_NAME_MAX
};

/* What the walk over the files finds. */
struct files {
    struct sk_hash *hash;
    uint64_t size;
    size_t count;
    char digest[SK_DIGEST_TEXT];
};

static int check_new(const struct sk_version_new *v, struct sk_err *err)
{
    if (sk_model_name_check(v->name, "name", err) < 0 ||
        sk_model_text_check(v->description, "description", SK_MODEL_DESCRIPTION_MAX, err) < 0 ||
        sk_model_text_check(v->source, "source", SK_MODEL_SOURCE_MAX, err) < 0 ||
        sk_model_text_check(v->location, "source", SK_MODEL_SOURCE_MAX, err) < 0 ||
        sk_model_text_check(v->run_link, "run_link", SK_MODEL_SOURCE_MAX, err) < 0 ||
        sk_model_text_check(v->run_id, "run_id", SK_MODEL_ID_MAX, err) < 0 ||
        sk_model_text_check(v->model_id, "model_id", SK_MODEL_ID_MAX, err) < 0 ||
        sk_model_text_check(v->idempotency_key, "idempotency_key", SK_MODEL_ID_MAX, err) < 0 ||
        sk_model_tags_check(v->tags, v->tag_count, err) < 0)
        return -1;
    if (v->file_count > SK_MODEL_FILES_MAX)
        return sk_fail(err, SK_LIMIT, "%zu files, at most %d", v->file_count, SK_MODEL_FILES_MAX);
    if (v->file_count == 0 && !v->artifacts && !(v->source && v->source[0]))
        return sk_fail(err, SK_INVALID, "Missing value for required parameter 'source'.");
    for (size_t i = 0; i < v->file_count; i++)
        if (sk_artifact_path_check(v->files[i].path, err) < 0)
            return sk_wrap(err, "file %zu", i + 1);
    return 0;
}

static int check_properties(const char *text, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    size_t len = text ? strlen(text) : 0;

    if (!text)
        return 0;
    if (len > SK_MODEL_PROPERTIES_MAX)
        return sk_fail(err, SK_INVALID, "properties: %zu bytes, at most %d", len,
                       SK_MODEL_PROPERTIES_MAX);
    if (sk_json_parse(text, len, NULL, &doc, err) < 0)
        return sk_wrap(err, "properties");
    if (sk_json_type(doc) != SK_JSON_OBJECT)
        return sk_fail(err, SK_INVALID, "properties: expected an object");
    return 0;
}

/* ---- files ---- */

static int put_files(struct sk_tx *tx, const struct sk_version_new *v, const char *folder,
                     struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(8192);

    for (size_t i = 0; i < v->file_count; i++) {
        const struct sk_model_file *f = &v->files[i];
        uint64_t size = 0;

        sk_buf_clear(&path);
        sk_buf_fmt(&path, "%s/%s", folder, f->path);
        if (!sk_buf_ok(&path))
            return sk_buf_fail(&path, err);
        if (!sk_digest_is(f->digest, SK_SHA256))
            return sk_fail(err, SK_INVALID, "file '%s': not a digest like sha256:<64 hex digits>",
                           f->path);
        if (sk_blob_size(tx, f->digest, &size, err) < 0)
            return sk_wrap(err, "file '%s'", f->path);
        if (sk_artifact_put(tx, path.data, f->digest, err) < 0)
            return sk_wrap(err, "file '%s'", f->path);
    }
    return 0;
}

static int hash_file(void *ctx, const char *path, const char *digest, uint64_t size,
                     struct sk_err *err)
{
    struct files *f = ctx;

    if (++f->count > SK_MODEL_FILES_MAX)
        return sk_fail(err, SK_LIMIT, "more than %d files", SK_MODEL_FILES_MAX);
    f->size += size;
    if (sk_hash_add(f->hash, digest, strlen(digest), err) < 0 ||
        sk_hash_add(f->hash, "  ", 2, err) < 0 || sk_hash_add(f->hash, path, strlen(path), err) < 0)
        return -1;
    return sk_hash_add(f->hash, "\n", 1, err);
}

static int hash_files(struct sk_tx *tx, const char *folder, struct files *f, struct sk_err *err)
{
    SK_OWN(sk_hash_free) struct sk_hash *hash = NULL;

    if (sk_hash_new(SK_SHA256, &hash, err) < 0)
        return -1;
    f->hash = hash;
    if (sk_artifact_walk(tx, folder, hash_file, f, err) < 0 ||
        sk_hash_digest(hash, f->digest, err) < 0)
        return -1;
    return 0;
}

/* Counts, and stops when there are too many to be one model. */
static int count_file(void *ctx, const char *path, const char *digest, uint64_t size,
                      struct sk_err *err)
{
    size_t *count = ctx;

    (void)path, (void)digest, (void)size;
    if (++*count > SK_MODEL_FILES_MAX)
        return sk_fail(err, SK_LIMIT, "source: more than %d files; name the folder of one model",
                       SK_MODEL_FILES_MAX);
    return 0;
}

/* One file has the name it had, in the folder. */
static int copy_artifacts(struct sk_tx *tx, const char *from, const char *folder,
                          struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf to = SK_BUF_INIT(8192);
    const char *name = strrchr(from, '/');
    char digest[SK_DIGEST_TEXT];
    struct sk_err none = SK_ERR_INIT;
    uint64_t size = 0;
    size_t count = 0;

    if (from[0] && sk_artifact_path_check(from, err) < 0)
        return sk_wrap(err, "source");
    if (!from[0] || (sk_starts_with(folder, from) && folder[strlen(from)] == '/'))
        return sk_fail(err, SK_INVALID,
                       "source: holds the new version itself; name the folder of "
                       "one model");
    if (sk_artifact_get(tx, from, digest, &size, &none) == 0) {
        sk_buf_fmt(&to, "%s/%s", folder, name ? name + 1 : from);
        return sk_buf_ok(&to) ? sk_artifact_put(tx, to.data, digest, err) : sk_buf_fail(&to, err);
    }
    if (none.code != SK_NOT_FOUND)
        return sk_fail(err, none.code, "%s", none.text);
    if (sk_artifact_walk(tx, from, count_file, &count, err) < 0)
        return -1;
    return sk_artifact_copy(tx, from, folder, &count, err);
}

static int take_files(struct sk_tx *tx, const struct sk_version_new *v, uint64_t version,
                      struct files *f, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf folder = SK_BUF_INIT(FOLDER_MAX);

    sk_version_folder(v->name, version, &folder);
    if (!sk_buf_ok(&folder))
        return sk_buf_fail(&folder, err);
    /* Nothing may be there; what a client got there some other way is not ours to take in. */
    if (sk_artifact_remove(tx, folder.data, err) < 0)
        return -1;
    if ((v->artifacts ? copy_artifacts(tx, v->artifacts, folder.data, err)
                      : put_files(tx, v, folder.data, err)) < 0 ||
        hash_files(tx, folder.data, f, err) < 0)
        return -1;
    if (!v->artifacts && f->count != v->file_count)
        return sk_fail(err, SK_INVALID, "%zu files, but %zu paths: one is there twice",
                       v->file_count, f->count);
    return 0;
}

/* ---- the row ---- */

static int next_number(struct sk_tx *tx, const char *name, int64_t *out, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int rc;

    if (sk_tx_query(tx, &s, err, "SELECT next FROM model_number WHERE name = ?1", "s", name) < 0)
        return -1;
    rc = sk_stmt_next(s, err);
    if (rc < 0)
        return -1;
    if (rc == 0)
        return sk_fail(err, SK_CORRUPT, "model '%s' has no number for its next version", name);
    *out = sk_stmt_int(s, 0);
    return sk_tx_run(tx, err, "UPDATE model_number SET next = next + 1 WHERE name = ?1", "s", name);
}

static const char *or_null(const char *text)
{
    return text && text[0] ? text : NULL;
}

static int insert(struct sk_tx *tx, const struct sk_who *who, const struct sk_version_new *v,
                  int64_t model, int64_t version, const struct files *f, int64_t *id,
                  struct sk_err *err)
{
    if (sk_tx_run(tx, err,
                  "INSERT INTO model_version(model, name, version, user, created_ms, updated_ms, "
                  "digest, size, files, source, location, run_id, run_link, model_id, "
                  "idempotency_key, description, properties) "
                  "VALUES(?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, "
                  "?16)",
                  "isisisiissssssss", model, v->name, version, who->name, (int64_t)sk_wall_ms(),
                  f->count ? f->digest : NULL, (int64_t)f->size, (int64_t)f->count,
                  or_null(v->source), or_null(v->location), v->run_id ? v->run_id : "",
                  or_null(v->run_link), or_null(v->model_id), or_null(v->idempotency_key),
                  or_null(v->description), v->properties) < 0)
        return -1;
    *id = sk_tx_last_id(tx);
    for (size_t i = 0; i < v->tag_count; i++)
        if (sk_tx_run(tx, err,
                      "INSERT INTO model_version_tag(version, key, value) VALUES(?1, ?2, ?3) "
                      "ON CONFLICT(version, key) DO UPDATE SET value = ?3",
                      "iss", *id, v->tags[i].key, v->tags[i].value) < 0)
            return -1;
    return 0;
}

/* ---- the same request again ---- */

struct earlier {
    int64_t id, version;
    bool is_there;
};

static int find_earlier(struct sk_tx *tx, const struct sk_version_new *v, int64_t model,
                        struct earlier *out, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int rc;

    *out = (struct earlier){ 0 };
    if (!or_null(v->idempotency_key))
        return 0;
    if (sk_tx_query(tx, &s, err,
                    "SELECT id, version FROM model_version "
                    "WHERE model = ?1 AND idempotency_key = ?2",
                    "is", model, v->idempotency_key) < 0)
        return -1;
    rc = sk_stmt_next(s, err);
    if (rc == 1)
        *out = (struct earlier){ sk_stmt_int(s, 0), sk_stmt_int(s, 1), true };
    return rc < 0 ? -1 : 0;
}

/* Files given are those of the version, source is its. */
static int check_earlier(struct sk_tx *tx, const struct sk_version_new *v, const struct earlier *e,
                         struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(8192);
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    bool is_same;
    int rc;

    if (sk_tx_query(tx, &s, err, "SELECT files, source FROM model_version WHERE id = ?1", "i",
                    e->id) < 0)
        return -1;
    rc = sk_stmt_next(s, err);
    if (rc < 0)
        return -1;
    is_same = rc == 1 && strcmp(sk_stmt_text(s, 1), v->source ? v->source : "") == 0 &&
              (v->artifacts || (uint64_t)sk_stmt_int(s, 0) == v->file_count);
    for (size_t i = 0; i < v->file_count && is_same && !v->artifacts; i++) {
        char digest[SK_DIGEST_TEXT] = "";
        struct sk_err none = SK_ERR_INIT;
        uint64_t size = 0;

        sk_buf_clear(&path);
        sk_version_folder(v->name, (uint64_t)e->version, &path);
        sk_buf_fmt(&path, "/%s", v->files[i].path);
        if (!sk_buf_ok(&path))
            return sk_buf_fail(&path, err);
        if (sk_artifact_get(tx, path.data, digest, &size, &none) < 0 && none.code != SK_NOT_FOUND)
            return sk_fail(err, none.code, "%s", none.text);
        is_same = v->files[i].digest && strcmp(digest, v->files[i].digest) == 0;
    }
    if (!is_same)
        return sk_fail(err, SK_EXISTS,
                       "the idempotency key '%.100s' was used for version %lld of other contents",
                       v->idempotency_key, (long long)e->version);
    return 0;
}

/* ---- */

static int find_or_make(struct sk_tx *tx, const struct sk_who *who, const struct sk_version_new *v,
                        int64_t *model, struct sk_err *err)
{
    struct sk_err why = SK_ERR_INIT;

    if (sk_model_find(tx, v->name, model, &why) == 0)
        return 0;
    if (why.code == SK_NOT_FOUND && v->make_model)
        return sk_model_insert(tx, who, v->name, NULL, NULL, 0, model, err);
    *err = why;
    return -1;
}

static int make(struct sk_tx *tx, const struct sk_who *who, const struct sk_version_new *v,
                int64_t model, int64_t *id, int64_t *version, struct sk_err *err)
{
    struct files files = { 0 };

    if (next_number(tx, v->name, version, err) < 0 ||
        ((v->artifacts || v->file_count) &&
         take_files(tx, v, (uint64_t)*version, &files, err) < 0) ||
        insert(tx, who, v, model, *version, &files, id, err) < 0 ||
        sk_model_touched(tx, model, err) < 0)
        return -1;
    return sk_model_audit(tx, who, "model.register", v->name, (uint64_t)*version,
                          files.count ? files.digest : v->source, err);
}

int sk_version_create(struct sk_store *s, const struct sk_who *who, const struct sk_version_new *v,
                      uint64_t *version, struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(SK_MODELS_PAGE_BYTES);
    struct earlier earlier = { 0 };
    int64_t model = 0, id = 0, number = 0;

    if (check_new(v, err) < 0 || check_properties(v->properties, err) < 0 ||
        sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, err) < 0 ||
        find_or_make(tx, who, v, &model, err) < 0 || find_earlier(tx, v, model, &earlier, err) < 0)
        return -1;
    if (earlier.is_there) {
        id = earlier.id;
        number = earlier.version;
        if (check_earlier(tx, v, &earlier, err) < 0)
            return -1;
    } else if (make(tx, who, v, model, &id, &number, err) < 0) {
        return -1;
    }
    if (sk_version_print(tx, id, true, &json, err) < 0)
        return -1;
    if (!sk_buf_ok(&json))
        return sk_buf_fail(&json, err);
    if (sk_tx_commit(&tx, err) < 0)
        return -1;
    sk_buf_add(out, json.data, json.len);
    *version = (uint64_t)number;
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}
