/*
 * rows.c - looking models and versions up, and printing them as MLflow does.
 *
 * Beyond MLflow's fields a version has "digest", "size" and "files" when it has files here, and
 * "properties" when it is asked for alone.
 */
#include "models/models_priv.h"

#include <string.h>

int sk_model_number(struct sk_tx *tx, const char *sql, int64_t of, int64_t *out, bool *found,
                    struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int rc;

    if (sk_tx_query(tx, &s, err, sql, "i", of) < 0)
        return -1;
    rc = sk_stmt_next(s, err);
    if (rc < 0)
        return -1;
    *found = rc == 1;
    if (rc == 1)
        *out = sk_stmt_int(s, 0);
    return 0;
}

int sk_model_find(struct sk_tx *tx, const char *name, int64_t *id, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int rc;

    if (sk_tx_query(tx, &s, err, "SELECT id FROM model WHERE name = ?1", "s", name) < 0)
        return -1;
    rc = sk_stmt_next(s, err);
    if (rc == 0)
        return sk_fail(err, SK_NOT_FOUND, "Registered Model with name=%s not found", name);
    if (rc < 0)
        return -1;
    *id = sk_stmt_int(s, 0);
    return 0;
}

int sk_version_find(struct sk_tx *tx, const char *name, uint64_t version,
                    struct sk_version_ids *out, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int rc;

    if (sk_tx_query(tx, &s, err,
                    "SELECT id, model FROM model_version WHERE name = ?1 AND version = ?2", "si",
                    name, (int64_t)(version > INT64_MAX ? 0 : version)) < 0)
        return -1;
    rc = sk_stmt_next(s, err);
    if (rc == 0)
        return sk_fail(err, SK_NOT_FOUND, "Model Version (name=%s, version=%llu) not found", name,
                       (unsigned long long)version);
    if (rc < 0)
        return -1;
    *out = (struct sk_version_ids){ sk_stmt_int(s, 0), sk_stmt_int(s, 1) };
    return 0;
}

int sk_version_newest(struct sk_tx *tx, int64_t model, const char *stage, int64_t *id,
                      struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int rc;

    if ((stage ? sk_tx_query(tx, &s, err,
                             "SELECT id FROM model_version WHERE model = ?1 AND stage = ?2 "
                             "ORDER BY version DESC LIMIT 1",
                             "is", model, stage)
               : sk_tx_query(tx, &s, err,
                             "SELECT id FROM model_version WHERE model = ?1 "
                             "ORDER BY version DESC LIMIT 1",
                             "i", model)) < 0)
        return -1;
    rc = sk_stmt_next(s, err);
    if (rc < 0)
        return -1;
    *id = rc == 1 ? sk_stmt_int(s, 0) : 0;
    return 0;
}

/* ---- JSON ---- */

static void print_text(struct sk_buf *out, const char *key, struct sk_view text)
{
    sk_buf_fmt(out, ",\"%s\":", key);
    sk_buf_json(out, text.ptr, text.len);
}

/* Column `at` as ,"key":"text"; nothing for NULL and "". */
static void print_column(struct sk_buf *out, struct sk_stmt *s, int at, const char *key)
{
    if (!sk_stmt_is_null(s, at) && sk_stmt_view(s, at).len > 0)
        print_text(out, key, sk_stmt_view(s, at));
}

/* ,"tags":[{"key","value"}] */
static int print_tags(struct sk_tx *tx, const char *sql, int64_t of, struct sk_buf *out,
                      struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    const char *before = "";
    int rc;

    if (sk_tx_query(tx, &s, err, sql, "i", of) < 0)
        return -1;
    sk_buf_str(out, ",\"tags\":[");
    while ((rc = sk_stmt_next(s, err)) == 1) {
        sk_buf_fmt(out, "%s{\"key\":", before);
        sk_buf_json(out, sk_stmt_view(s, 0).ptr, sk_stmt_view(s, 0).len);
        print_text(out, "value", sk_stmt_view(s, 1));
        sk_buf_chr(out, '}');
        before = ",";
    }
    sk_buf_chr(out, ']');
    return rc;
}

static int print_aliases(struct sk_tx *tx, int64_t model, struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    const char *before = "";
    int rc;

    if (sk_tx_query(tx, &s, err,
                    "SELECT alias, version FROM model_alias WHERE model = ?1 ORDER BY alias", "i",
                    model) < 0)
        return -1;
    sk_buf_str(out, ",\"aliases\":[");
    while ((rc = sk_stmt_next(s, err)) == 1) {
        sk_buf_fmt(out, "%s{\"alias\":", before);
        sk_buf_json(out, sk_stmt_view(s, 0).ptr, sk_stmt_view(s, 0).len);
        sk_buf_fmt(out, ",\"version\":\"%lld\"}", (long long)sk_stmt_int(s, 1));
        before = ",";
    }
    sk_buf_chr(out, ']');
    return rc;
}

static int print_version_aliases(struct sk_tx *tx, int64_t model, int64_t version,
                                 struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    const char *before = "";
    int rc;

    if (sk_tx_query(tx, &s, err,
                    "SELECT alias FROM model_alias WHERE model = ?1 AND version = ?2 "
                    "ORDER BY alias",
                    "ii", model, version) < 0)
        return -1;
    sk_buf_str(out, ",\"aliases\":[");
    while ((rc = sk_stmt_next(s, err)) == 1) {
        sk_buf_str(out, before);
        sk_buf_json(out, sk_stmt_view(s, 0).ptr, sk_stmt_view(s, 0).len);
        before = ",";
    }
    sk_buf_chr(out, ']');
    return rc;
}

static void print_version_row(struct sk_stmt *s, struct sk_buf *out)
{
    sk_buf_str(out, "{\"name\":");
    sk_buf_json(out, sk_stmt_view(s, 0).ptr, sk_stmt_view(s, 0).len);
    sk_buf_fmt(
        out, ",\"version\":\"%lld\",\"creation_timestamp\":%lld,\"last_updated_timestamp\":%lld",
        (long long)sk_stmt_int(s, 1), (long long)sk_stmt_int(s, 2), (long long)sk_stmt_int(s, 3));
    print_column(out, s, 4, "user_id");
    print_column(out, s, 5, "current_stage");
    sk_buf_str(out, ",\"status\":\"READY\"");
    print_column(out, s, 6, "description");
    print_column(out, s, 7, "source");
    print_column(out, s, 8, "run_id");
    print_column(out, s, 9, "run_link");
    print_column(out, s, 10, "model_id");
    if (!sk_stmt_is_null(s, 11)) {
        print_column(out, s, 11, "digest");
        sk_buf_fmt(out, ",\"size\":%lld,\"files\":%lld", (long long)sk_stmt_int(s, 12),
                   (long long)sk_stmt_int(s, 13));
    }
}

static int print_properties(struct sk_tx *tx, int64_t id, struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int rc;

    if (sk_tx_query(tx, &s, err,
                    "SELECT properties FROM model_version WHERE id = ?1 AND properties NOT NULL",
                    "i", id) < 0)
        return -1;
    rc = sk_stmt_next(s, err);
    if (rc == 1) {
        sk_buf_str(out, ",\"properties\":");
        sk_buf_add(out, sk_stmt_view(s, 0).ptr, sk_stmt_view(s, 0).len);
    }
    return rc < 0 ? -1 : 0;
}

int sk_version_print(struct sk_tx *tx, int64_t id, bool with_properties, struct sk_buf *out,
                     struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int rc;

    if (sk_tx_query(tx, &s, err,
                    "SELECT name, version, created_ms, updated_ms, user, stage, description, "
                    "source, run_id, run_link, model_id, digest, size, files, model "
                    "FROM model_version WHERE id = ?1",
                    "i", id) < 0)
        return -1;
    rc = sk_stmt_next(s, err);
    if (rc < 0)
        return -1;
    if (rc == 0)
        return sk_fail(err, SK_BUG, "version row %lld is gone", (long long)id);
    print_version_row(s, out);
    if (print_tags(tx, "SELECT key, value FROM model_version_tag WHERE version = ?1 ORDER BY key",
                   id, out, err) < 0 ||
        print_version_aliases(tx, sk_stmt_int(s, 14), sk_stmt_int(s, 1), out, err) < 0 ||
        (with_properties && print_properties(tx, id, out, err) < 0))
        return -1;
    sk_buf_chr(out, '}');
    return 0;
}

int sk_model_print_latest(struct sk_tx *tx, int64_t model, unsigned stages, struct sk_buf *out,
                          struct sk_err *err)
{
    const char *before = "";

    sk_buf_chr(out, '[');
    for (unsigned k = 0; sk_model_stages[k]; k++) {
        int64_t id = 0;

        if (stages != 0 && !(stages & 1u << k))
            continue;
        if (sk_version_newest(tx, model, sk_model_stages[k], &id, err) < 0)
            return -1;
        if (id == 0)
            continue;
        sk_buf_str(out, before);
        if (sk_version_print(tx, id, false, out, err) < 0)
            return -1;
        before = ",";
    }
    sk_buf_chr(out, ']');
    return 0;
}

int sk_model_print(struct sk_tx *tx, int64_t id, struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int rc;

    if (sk_tx_query(tx, &s, err,
                    "SELECT name, created_ms, updated_ms, user, description, "
                    "coalesce((SELECT next FROM model_number n WHERE n.name = m.name), 1) "
                    "FROM model m WHERE id = ?1",
                    "i", id) < 0)
        return -1;
    rc = sk_stmt_next(s, err);
    if (rc < 0)
        return -1;
    if (rc == 0)
        return sk_fail(err, SK_BUG, "model row %lld is gone", (long long)id);
    sk_buf_str(out, "{\"name\":");
    sk_buf_json(out, sk_stmt_view(s, 0).ptr, sk_stmt_view(s, 0).len);
    sk_buf_fmt(out, ",\"creation_timestamp\":%lld,\"last_updated_timestamp\":%lld",
               (long long)sk_stmt_int(s, 1), (long long)sk_stmt_int(s, 2));
    print_column(out, s, 3, "user_id");
    print_column(out, s, 4, "description");
    sk_buf_fmt(out, ",\"next_version\":%lld", (long long)sk_stmt_int(s, 5));
    sk_buf_str(out, ",\"latest_versions\":");
    if (sk_model_print_latest(tx, id, 0, out, err) < 0 ||
        print_tags(tx, "SELECT key, value FROM model_tag WHERE model = ?1 ORDER BY key", id, out,
                   err) < 0 ||
        print_aliases(tx, id, out, err) < 0)
        return -1;
    sk_buf_chr(out, '}');
    return 0;
}
