/*
 * versions.c - reading versions: one, its files, the latest ones, and what a reference names.
 */
#include "models/models_priv.h"

#include <string.h>

static int begin_read(struct sk_store *s, const char *name, struct sk_tx **tx, struct sk_err *err)
{
    if (sk_model_name_check(name, "name", err) < 0)
        return -1;
    return sk_db_begin(sk_store_db(s), SK_DB_READ, tx, err);
}

int sk_version_get(struct sk_store *s, const char *name, uint64_t version, struct sk_buf *out,
                   struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_version_ids ids = { 0 };

    if (begin_read(s, name, &tx, err) < 0 || sk_version_find(tx, name, version, &ids, err) < 0 ||
        sk_version_print(tx, ids.id, true, out, err) < 0)
        return -1;
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

/* *version 0: there is no such alias. */
static int alias_version(struct sk_tx *tx, int64_t model, const char *alias, int64_t *version,
                         struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int rc;

    if (sk_tx_query(tx, &s, err, "SELECT version FROM model_alias WHERE model = ?1 AND alias = ?2",
                    "is", model, alias) < 0)
        return -1;
    rc = sk_stmt_next(s, err);
    *version = rc == 1 ? sk_stmt_int(s, 0) : 0;
    return rc < 0 ? -1 : 0;
}

int sk_version_by_alias(struct sk_store *s, const char *name, const char *alias, struct sk_buf *out,
                        struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_version_ids ids = { 0 };
    int64_t model = 0, version = 0;

    if (sk_model_alias_check(alias, false, err) < 0 || begin_read(s, name, &tx, err) < 0 ||
        sk_model_find(tx, name, &model, err) < 0)
        return -1;
    if (sk_view_eq_nocase(sk_view_of(alias), "latest")) {
        if (sk_version_newest(tx, model, NULL, &ids.id, err) < 0)
            return -1;
        if (ids.id == 0)
            return sk_fail(err, SK_NOT_FOUND, "Latest version not found for model %s.", name);
    } else {
        if (alias_version(tx, model, alias, &version, err) < 0)
            return -1;
        if (version == 0)
            return sk_fail(err, SK_INVALID, "Registered model alias %s not found.", alias);
        if (sk_version_find(tx, name, (uint64_t)version, &ids, err) < 0)
            return -1;
    }
    if (sk_version_print(tx, ids.id, true, out, err) < 0)
        return -1;
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

/* ---- files ---- */

struct listing {
    struct sk_buf *out;
    const char *before;
};

static int list_file(void *ctx, const char *path, const char *digest, uint64_t size,
                     struct sk_err *err)
{
    struct listing *l = ctx;

    sk_buf_fmt(l->out, "%s{\"path\":", l->before);
    sk_buf_json_str(l->out, path);
    sk_buf_fmt(l->out, ",\"digest\":\"%s\",\"size\":%llu}", digest, (unsigned long long)size);
    l->before = ",";
    return sk_buf_ok(l->out) ? 0 : sk_buf_fail(l->out, err);
}

int sk_version_files(struct sk_store *s, const char *name, uint64_t version, struct sk_buf *out,
                     struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf folder = SK_BUF_INIT(4 * SK_MODEL_NAME_MAX);
    struct listing listing = { out, "" };
    struct sk_version_ids ids = { 0 };

    if (begin_read(s, name, &tx, err) < 0 || sk_version_find(tx, name, version, &ids, err) < 0)
        return -1;
    sk_version_folder(name, version, &folder);
    if (!sk_buf_ok(&folder))
        return sk_buf_fail(&folder, err);
    sk_buf_str(out, "{\"files\":[");
    if (sk_artifact_walk(tx, folder.data, list_file, &listing, err) < 0)
        return -1;
    sk_buf_str(out, "]}");
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

int sk_version_uri(struct sk_store *s, const char *name, uint64_t version, struct sk_buf *out,
                   struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *row = NULL;
    struct sk_version_ids ids = { 0 };
    int rc;

    if (begin_read(s, name, &tx, err) < 0 || sk_version_find(tx, name, version, &ids, err) < 0 ||
        sk_tx_query(tx, &row, err,
                    "SELECT files, coalesce(location, source) FROM model_version WHERE id = ?1",
                    "i", ids.id) < 0)
        return -1;
    rc = sk_stmt_next(row, err);
    if (rc < 0)
        return -1;
    if (rc == 0 || sk_stmt_int(row, 0) > 0 || !sk_stmt_text(row, 1)[0]) {
        sk_buf_str(out, "mlflow-artifacts:/");
        sk_version_folder(name, version, out);
    } else {
        sk_buf_str(out, sk_stmt_text(row, 1));
    }
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

/* ---- latest ---- */

int sk_versions_latest(struct sk_store *s, const char *name, const char *const *stages,
                       size_t count, struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    const char *stage = NULL;
    unsigned wanted = 0;
    int64_t model = 0;

    for (size_t i = 0; i < count; i++) {
        if (sk_model_stage(stages[i], &stage, err) < 0)
            return -1;
        for (unsigned k = 0; sk_model_stages[k]; k++)
            wanted |= strcmp(stage, sk_model_stages[k]) == 0 ? 1u << k : 0;
    }
    if (begin_read(s, name, &tx, err) < 0 || sk_model_find(tx, name, &model, err) < 0)
        return -1;
    sk_buf_str(out, "{\"model_versions\":");
    if (sk_model_print_latest(tx, model, wanted, out, err) < 0)
        return -1;
    sk_buf_chr(out, '}');
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

/* ---- references ---- */

/* The highest number that is not archived. */
static int newest_in_use(struct sk_tx *tx, int64_t model, const char *name, int64_t *version,
                         struct sk_err *err)
{
    bool found = false;

    if (sk_model_number(tx,
                        "SELECT version FROM model_version WHERE model = ?1 AND "
                        "stage != 'Archived' ORDER BY version DESC LIMIT 1",
                        model, version, &found, err) < 0)
        return -1;
    if (!found)
        return sk_fail(err, SK_NOT_FOUND, "model '%s' has no version that is not archived", name);
    return 0;
}

static int by_digest(struct sk_tx *tx, int64_t model, const char *name, const char *digest,
                     int64_t *version, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int rc;

    if (!sk_digest_is(digest, SK_SHA256))
        return sk_fail(err, SK_INVALID, "'%.80s' is not a digest like sha256:<64 hex digits>",
                       digest);
    if (sk_tx_query(tx, &s, err,
                    "SELECT max(version) FROM model_version WHERE model = ?1 AND digest = ?2", "is",
                    model, digest) < 0)
        return -1;
    rc = sk_stmt_next(s, err);
    if (rc < 0)
        return -1;
    if (rc == 0 || sk_stmt_is_null(s, 0))
        return sk_fail(err, SK_NOT_FOUND, "model '%s' has no version with %s", name, digest);
    *version = sk_stmt_int(s, 0);
    return 0;
}

static int by_suffix(struct sk_tx *tx, const char *name, char sign, const char *suffix,
                     int64_t *version, struct sk_err *err)
{
    struct sk_version_ids ids = { 0 };
    uint64_t number = 0;
    int64_t model = 0;

    if (sk_model_find(tx, name, &model, err) < 0)
        return -1;
    if (sign == 0 || sk_view_eq_nocase(sk_view_of(suffix), "latest"))
        return newest_in_use(tx, model, name, version, err);
    if (sign == ':') {
        if (sk_parse_u64("version", suffix, 1, INT64_MAX, &number, err) < 0)
            return sk_wrap(err, "'%s:%.40s'", name, suffix);
        *version = (int64_t)number;
        return sk_version_find(tx, name, number, &ids, err);
    }
    if (sk_starts_with(suffix, "sha256:"))
        return by_digest(tx, model, name, suffix, version, err);
    if (sk_model_alias_check(suffix, false, err) < 0 ||
        alias_version(tx, model, suffix, version, err) < 0)
        return -1;
    if (*version == 0)
        return sk_fail(err, SK_NOT_FOUND, "model '%s' has no alias '%s'", name, suffix);
    return 0;
}

int sk_version_resolve(struct sk_store *s, const char *reference, char *name, uint64_t *version,
                       struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    size_t len = strcspn(reference, ":@");
    char sign = reference[len];
    char wanted[SK_MODEL_NAME_MAX + 1];
    int64_t number = 0;

    if (len > SK_MODEL_NAME_MAX)
        return sk_fail(err, SK_INVALID, "'name' exceeds the maximum length of %d bytes",
                       SK_MODEL_NAME_MAX);
    memcpy(wanted, reference, len);
    wanted[len] = 0;
    if (sk_model_name_check(wanted, "name", err) < 0 ||
        sk_db_begin(sk_store_db(s), SK_DB_READ, &tx, err) < 0 ||
        by_suffix(tx, wanted, sign, sign ? reference + len + 1 : "", &number, err) < 0)
        return -1;
    memcpy(name, wanted, len + 1);
    *version = (uint64_t)number;
    return 0;
}
