/*
 * changes.c - registered models: create, describe, rename, delete, tags, aliases, stages.
 *
 * Each function checks its arguments first, so that a transaction is only begun for what can
 * succeed, then changes and audits within one.
 */
#include "models/models_priv.h"

#include "base/clock.h"

#include <string.h>

/* A description of "" is none. */
static const char *or_null(const char *text)
{
    return text && text[0] ? text : NULL;
}

int sk_model_audit(struct sk_tx *tx, const struct sk_who *who, const char *action, const char *name,
                   uint64_t version, const char *detail, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf object = SK_BUF_INIT(SK_MODEL_NAME_MAX + 32);

    sk_buf_str(&object, name);
    if (version > 0)
        sk_buf_fmt(&object, ":%llu", (unsigned long long)version);
    if (!sk_buf_ok(&object))
        return sk_buf_fail(&object, err);
    return sk_audit(tx, who, action, object.data, detail, err);
}

int sk_model_touched(struct sk_tx *tx, int64_t model, struct sk_err *err)
{
    return sk_tx_run(tx, err, "UPDATE model SET updated_ms = ?2 WHERE id = ?1", "ii", model,
                     (int64_t)sk_wall_ms());
}

static int version_touched(struct sk_tx *tx, int64_t version, struct sk_err *err)
{
    return sk_tx_run(tx, err, "UPDATE model_version SET updated_ms = ?2 WHERE id = ?1", "ii",
                     version, (int64_t)sk_wall_ms());
}

/* Whether a model of that name is there. */
static int is_there(struct sk_tx *tx, const char *name, bool *out, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int rc;

    if (sk_tx_query(tx, &s, err, "SELECT 1 FROM model WHERE name = ?1", "s", name) < 0)
        return -1;
    rc = sk_stmt_next(s, err);
    *out = rc == 1;
    return rc < 0 ? -1 : 0;
}

static int refuse_existing(struct sk_tx *tx, const char *name, struct sk_err *err)
{
    bool is_taken = false;

    if (is_there(tx, name, &is_taken, err) < 0)
        return -1;
    if (is_taken)
        return sk_fail(err, SK_EXISTS, "Registered Model (name=%s) already exists.", name);
    return 0;
}

int sk_model_insert(struct sk_tx *tx, const struct sk_who *who, const char *name,
                    const char *description, const struct sk_pair *tags, size_t tag_count,
                    int64_t *id, struct sk_err *err)
{
    int64_t now = (int64_t)sk_wall_ms();

    if (sk_tx_run(tx, err,
                  "INSERT INTO model(name, description, user, created_ms, updated_ms) "
                  "VALUES(?1, ?2, ?3, ?4, ?4)",
                  "sssi", name, or_null(description), who->name, now) < 0)
        return -1;
    *id = sk_tx_last_id(tx);
    if (sk_tx_run(tx, err,
                  "INSERT INTO model_number(name, next, model) VALUES(?1, 1, ?2) "
                  "ON CONFLICT(name) DO UPDATE SET model = ?2",
                  "si", name, *id) < 0)
        return -1;
    for (size_t i = 0; i < tag_count; i++)
        if (sk_tx_run(tx, err,
                      "INSERT INTO model_tag(model, key, value) VALUES(?1, ?2, ?3) "
                      "ON CONFLICT(model, key) DO UPDATE SET value = ?3",
                      "iss", *id, tags[i].key, tags[i].value) < 0)
            return -1;
    return sk_model_audit(tx, who, "model.create", name, 0, NULL, err);
}

int sk_model_create(struct sk_store *s, const struct sk_who *who, const char *name,
                    const char *description, const struct sk_pair *tags, size_t tag_count,
                    struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(SK_MODELS_PAGE_BYTES);
    int64_t id = 0;

    if (sk_model_name_check(name, "name", err) < 0 ||
        sk_model_text_check(description, "description", SK_MODEL_DESCRIPTION_MAX, err) < 0 ||
        sk_model_tags_check(tags, tag_count, err) < 0 ||
        sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, err) < 0 ||
        refuse_existing(tx, name, err) < 0 ||
        sk_model_insert(tx, who, name, description, tags, tag_count, &id, err) < 0 ||
        sk_model_print(tx, id, &json, err) < 0)
        return -1;
    if (!sk_buf_ok(&json))
        return sk_buf_fail(&json, err);
    if (sk_tx_commit(&tx, err) < 0)
        return -1;
    sk_buf_add(out, json.data, json.len);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

int sk_model_get(struct sk_store *s, const char *name, struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    int64_t id = 0;

    if (sk_model_name_check(name, "name", err) < 0 ||
        sk_db_begin(sk_store_db(s), SK_DB_READ, &tx, err) < 0 ||
        sk_model_find(tx, name, &id, err) < 0 || sk_model_print(tx, id, out, err) < 0)
        return -1;
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

int sk_model_describe(struct sk_store *s, const struct sk_who *who, const char *name,
                      const char *description, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    int64_t id = 0;

    if (sk_model_name_check(name, "name", err) < 0 ||
        sk_model_text_check(description, "description", SK_MODEL_DESCRIPTION_MAX, err) < 0 ||
        sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, err) < 0 ||
        sk_model_find(tx, name, &id, err) < 0 ||
        sk_tx_run(tx, err, "UPDATE model SET description = ?2 WHERE id = ?1", "is", id,
                  or_null(description)) < 0 ||
        sk_model_touched(tx, id, err) < 0 ||
        sk_model_audit(tx, who, "model.describe", name, 0, NULL, err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

/* ---- rename ---- */

/* The next number goes along; the old name keeps its own, in case it is used again. */
static int move_number(struct sk_tx *tx, int64_t id, const char *name, const char *to,
                       struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int rc;

    if (sk_tx_query(tx, &s, err, "SELECT next, model FROM model_number WHERE name = ?1", "s", to) <
        0)
        return -1;
    rc = sk_stmt_next(s, err);
    if (rc < 0)
        return -1;
    if (rc == 1 && sk_stmt_int(s, 1) != id && sk_stmt_int(s, 0) > 1)
        return sk_fail(
            err, SK_EXISTS,
            "Another model was called '%s' until it was deleted or renamed; its versions "
            "1 to %lld must not come back with other files. Choose another name.",
            to, (long long)sk_stmt_int(s, 0) - 1);
    return sk_tx_run(tx, err,
                     "INSERT INTO model_number(name, next, model) "
                     "SELECT ?2, next, ?3 FROM model_number WHERE name = ?1 "
                     "ON CONFLICT(name) DO UPDATE SET next = excluded.next, model = excluded.model",
                     "ssi", name, to, id);
}

static int move_files(struct sk_tx *tx, const char *name, const char *to, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf a = SK_BUF_INIT(4 * SK_MODEL_NAME_MAX);
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(4 * SK_MODEL_NAME_MAX);
    size_t count = 0;

    sk_model_folder(name, &a);
    sk_model_folder(to, &b);
    if (!sk_buf_ok(&a) || !sk_buf_ok(&b))
        return sk_buf_fail(sk_buf_ok(&a) ? &b : &a, err);
    if (sk_artifact_copy(tx, a.data, b.data, &count, err) < 0)
        return -1;
    return sk_artifact_remove(tx, a.data, err);
}

int sk_model_rename(struct sk_store *s, const struct sk_who *who, const char *name, const char *to,
                    struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    int64_t id = 0, now = (int64_t)sk_wall_ms();

    if (sk_model_name_check(name, "name", err) < 0 ||
        sk_model_name_check(to, "new_name", err) < 0 ||
        sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, err) < 0 ||
        sk_model_find(tx, name, &id, err) < 0)
        return -1;
    if (strcmp(name, to) == 0)
        return 0;
    if (refuse_existing(tx, to, err) < 0 || move_number(tx, id, name, to, err) < 0 ||
        sk_tx_run(tx, err, "UPDATE model SET name = ?2, updated_ms = ?3 WHERE id = ?1", "isi", id,
                  to, now) < 0 ||
        sk_tx_run(tx, err, "UPDATE model_version SET name = ?2, updated_ms = ?3 WHERE model = ?1",
                  "isi", id, to, now) < 0 ||
        move_files(tx, name, to, err) < 0 ||
        sk_model_audit(tx, who, "model.rename", name, 0, to, err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

int sk_model_delete(struct sk_store *s, const struct sk_who *who, const char *name,
                    struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf folder = SK_BUF_INIT(4 * SK_MODEL_NAME_MAX);
    int64_t id = 0;

    if (sk_model_name_check(name, "name", err) < 0 ||
        sk_db_begin(sk_store_db(s), SK_DB_SHRINK, &tx, err) < 0 ||
        sk_model_find(tx, name, &id, err) < 0)
        return -1;
    sk_model_folder(name, &folder);
    if (!sk_buf_ok(&folder))
        return sk_buf_fail(&folder, err);
    if (sk_artifact_remove(tx, folder.data, err) < 0 ||
        sk_tx_run(tx, err, "DELETE FROM model WHERE id = ?1", "i", id) < 0 ||
        sk_model_audit(tx, who, "model.delete", name, 0, NULL, err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

/* ---- tags and aliases ---- */

#define TAG_BYTES "sum(length(CAST(key AS BLOB)) + length(CAST(value AS BLOB)))"

/* Refuses when `sql` says that there are more than `max` entries, or more bytes than may be. */
static int has_room(struct sk_tx *tx, const char *sql, int64_t of, int64_t max, const char *what,
                    struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;

    if (sk_tx_query(tx, &s, err, sql, "i", of) < 0 || sk_stmt_next(s, err) < 0)
        return -1;
    if (sk_stmt_int(s, 0) > max)
        return sk_fail(err, SK_LIMIT, "more than %lld %s; delete one first", (long long)max, what);
    if (sk_stmt_int(s, 1) > SK_MODEL_TAGS_BYTES)
        return sk_fail(err, SK_LIMIT, "%s of more than %d bytes; delete one first", what,
                       SK_MODEL_TAGS_BYTES);
    return 0;
}

static int put_tag(struct sk_tx *tx, bool is_version, int64_t id, const char *key,
                   const char *value, struct sk_err *err)
{
    if (!value)
        return sk_tx_run(tx, err,
                         is_version
                             ? "DELETE FROM model_version_tag WHERE version = ?1 AND key = ?2"
                             : "DELETE FROM model_tag WHERE model = ?1 AND key = ?2",
                         "is", id, key);
    if (sk_tx_run(tx, err,
                  is_version ? "INSERT INTO model_version_tag(version, key, value) "
                               "VALUES(?1, ?2, ?3) "
                               "ON CONFLICT(version, key) DO UPDATE SET value = ?3"
                             : "INSERT INTO model_tag(model, key, value) VALUES(?1, ?2, ?3) "
                               "ON CONFLICT(model, key) DO UPDATE SET value = ?3",
                  "iss", id, key, value) < 0)
        return -1;
    return has_room(tx,
                    is_version ? "SELECT count(*), " TAG_BYTES
                                 " FROM model_version_tag WHERE version = ?1"
                               : "SELECT count(*), " TAG_BYTES " FROM model_tag WHERE model = ?1",
                    id, SK_MODEL_TAGS_MAX, "tags", err);
}

int sk_model_set_tag(struct sk_store *s, const struct sk_who *who, const char *name,
                     uint64_t version, const char *key, const char *value, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_version_ids ids = { 0 };

    if (sk_model_name_check(name, "name", err) < 0 || sk_model_tag_check(key, value, err) < 0 ||
        sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, err) < 0)
        return -1;
    if (version > 0) {
        if (sk_version_find(tx, name, version, &ids, err) < 0 ||
            put_tag(tx, true, ids.id, key, value, err) < 0)
            return -1;
    } else if (sk_model_find(tx, name, &ids.model, err) < 0 ||
               put_tag(tx, false, ids.model, key, value, err) < 0) {
        return -1;
    }
    if (sk_model_audit(tx, who, value ? "model.tag" : "model.untag", name, version, key, err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

int sk_model_set_alias(struct sk_store *s, const struct sk_who *who, const char *name,
                       const char *alias, uint64_t version, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_version_ids ids = { 0 };

    if (sk_model_name_check(name, "name", err) < 0 ||
        sk_model_alias_check(alias, version > 0, err) < 0 ||
        sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, err) < 0)
        return -1;
    if (version == 0) {
        if (sk_model_find(tx, name, &ids.model, err) < 0 ||
            sk_tx_run(tx, err, "DELETE FROM model_alias WHERE model = ?1 AND alias = ?2", "is",
                      ids.model, alias) < 0)
            return -1;
    } else if (sk_version_find(tx, name, version, &ids, err) < 0 ||
               sk_tx_run(tx, err,
                         "INSERT INTO model_alias(model, alias, version) VALUES(?1, ?2, ?3) "
                         "ON CONFLICT(model, alias) DO UPDATE SET version = ?3",
                         "isi", ids.model, alias, (int64_t)version) < 0 ||
               has_room(tx, "SELECT count(*), 0 FROM model_alias WHERE model = ?1", ids.model,
                        SK_MODEL_ALIASES_MAX, "aliases", err) < 0) {
        return -1;
    }
    if (sk_model_audit(tx, who, version ? "model.alias" : "model.unalias", name, version, alias,
                       err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

/* ---- versions ---- */

int sk_version_describe(struct sk_store *s, const struct sk_who *who, const char *name,
                        uint64_t version, const char *description, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_version_ids ids = { 0 };

    if (sk_model_name_check(name, "name", err) < 0 ||
        sk_model_text_check(description, "description", SK_MODEL_DESCRIPTION_MAX, err) < 0 ||
        sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, err) < 0 ||
        sk_version_find(tx, name, version, &ids, err) < 0 ||
        sk_tx_run(tx, err, "UPDATE model_version SET description = ?2 WHERE id = ?1", "is", ids.id,
                  or_null(description)) < 0 ||
        version_touched(tx, ids.id, err) < 0 ||
        sk_model_audit(tx, who, "model.describe", name, version, NULL, err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

int sk_version_set_stage(struct sk_store *s, const struct sk_who *who, const char *name,
                         uint64_t version, const char *stage, bool archive_others,
                         struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_version_ids ids = { 0 };
    int64_t now = (int64_t)sk_wall_ms();

    if (sk_model_name_check(name, "name", err) < 0 || sk_model_stage(stage, &stage, err) < 0)
        return -1;
    if (archive_others && strcmp(stage, "Staging") != 0 && strcmp(stage, "Production") != 0)
        return sk_fail(err, SK_INVALID,
                       "Model version transition cannot archive existing model versions because "
                       "'%s' is not an Active stage. Valid stages are ['Staging', 'Production']",
                       stage);
    if (sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, err) < 0 ||
        sk_version_find(tx, name, version, &ids, err) < 0 ||
        (archive_others && sk_tx_run(tx, err,
                                     "UPDATE model_version SET stage = 'Archived', updated_ms = ?4 "
                                     "WHERE model = ?1 AND stage = ?2 AND version != ?3",
                                     "isii", ids.model, stage, (int64_t)version, now) < 0) ||
        sk_tx_run(tx, err, "UPDATE model_version SET stage = ?2, updated_ms = ?3 WHERE id = ?1",
                  "isi", ids.id, stage, now) < 0 ||
        sk_model_touched(tx, ids.model, err) < 0 ||
        sk_model_audit(tx, who, "model.stage", name, version, stage, err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

int sk_version_delete(struct sk_store *s, const struct sk_who *who, const char *name,
                      uint64_t version, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf folder = SK_BUF_INIT(4 * SK_MODEL_NAME_MAX);
    struct sk_version_ids ids = { 0 };

    if (sk_model_name_check(name, "name", err) < 0 ||
        sk_db_begin(sk_store_db(s), SK_DB_SHRINK, &tx, err) < 0 ||
        sk_version_find(tx, name, version, &ids, err) < 0)
        return -1;
    sk_version_folder(name, version, &folder);
    if (!sk_buf_ok(&folder))
        return sk_buf_fail(&folder, err);
    if (sk_artifact_remove(tx, folder.data, err) < 0 ||
        sk_tx_run(tx, err, "DELETE FROM model_version WHERE id = ?1", "i", ids.id) < 0 ||
        sk_model_touched(tx, ids.model, err) < 0 ||
        sk_model_audit(tx, who, "model.delete-version", name, version, NULL, err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}
