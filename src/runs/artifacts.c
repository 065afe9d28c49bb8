/*
 * artifacts.c - whose folder an artifact's path lies in.
 *
 *     12/<run>/artifacts/model/model.onnx
 *     12/models/m-<hex>/artifacts/model.onnx
 *
 * Clients may write in the folders of runs and logged models that are there and not deleted, and
 * nowhere else: files of registered versions lie in the same tree and do not change.
 */
#include "runs/runs_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int folder_of(struct sk_tx *tx, const char *id, struct sk_run_ref *ref, char *out,
                     struct sk_err *err)
{
    bool is_model = sk_runs_is_model_id(id);

    if (is_model ? sk_runs_model(tx, id, SK_RUNS_READ, ref, err) < 0
                 : sk_runs_run(tx, id, SK_RUNS_READ, ref, err) < 0)
        return -1;
    (void)snprintf(out, SK_RUN_PATH_MAX, "%" PRId64 "/%s%.40s/artifacts", ref->experiment,
                   is_model ? "models/" : "", id);
    return 0;
}

int sk_run_artifact_root(struct sk_store *s, const char *id, struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_run_ref ref = { 0 };
    char path[SK_RUN_PATH_MAX];

    if (sk_db_begin(sk_store_db(s), SK_DB_READ, &tx, err) < 0 ||
        folder_of(tx, id, &ref, path, err) < 0)
        return -1;
    sk_buf_str(out, path);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

/* The part of the path that is an id: the second one, or the third behind "models". */
static bool find_id(const char *path, char id[SK_LOGGED_MODEL_ID_TEXT])
{
    const char *part = strchr(path, '/');

    if (!part)
        return false;
    part++;
    bool is_model = sk_starts_with(part, "models/");
    if (is_model)
        part += strlen("models/");

    size_t len = strcspn(part, "/");
    if (len >= SK_LOGGED_MODEL_ID_TEXT)
        return false;
    memcpy(id, part, len);
    id[len] = '\0';
    return is_model ? sk_runs_is_model_id(id) : sk_runs_is_run_id(id);
}

int sk_run_artifact_may_write(struct sk_store *s, const char *path, bool is_tree,
                              struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    char id[SK_LOGGED_MODEL_ID_TEXT], root[SK_RUN_PATH_MAX];
    struct sk_run_ref ref = { 0 };

    if (sk_artifact_path_check(path, err) < 0)
        return -1;
    if (!find_id(path, id))
        return sk_fail(err, SK_DENIED,
                       "'%.200s': artifacts are written below <experiment>/<run>/artifacts and "
                       "<experiment>/models/<model>/artifacts only",
                       path);
    if (sk_db_begin(sk_store_db(s), SK_DB_READ, &tx, err) < 0 ||
        folder_of(tx, id, &ref, root, err) < 0)
        return -1;

    size_t len = strlen(root);
    if (strncmp(path, root, len) != 0 || (path[len] != '/' && !(is_tree && path[len] == '\0')))
        return sk_fail(err, SK_DENIED, "'%.200s' is not below '%s'", path, root);
    if (ref.deleted)
        return sk_fail(err, SK_INVALID, "%s is deleted; restore it before changing it", id);
    return 0;
}

int sk_run_artifact_put(struct sk_tx *tx, const struct sk_who *who, const char *path,
                        const char *digest, uint64_t size, struct sk_err *err)
{
    char detail[128];

    (void)snprintf(detail, sizeof(detail), "%s %" PRIu64 " bytes", digest, size);
    if (sk_artifact_put(tx, path, digest, err) < 0)
        return -1;
    return sk_audit(tx, who, "artifact.put", path, detail, err);
}

int sk_run_artifact_remove(struct sk_store *s, const struct sk_who *who, const char *path,
                           struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;

    if (sk_run_artifact_may_write(s, path, true, err) < 0 ||
        sk_db_begin(sk_store_db(s), SK_DB_SHRINK, &tx, err) < 0 ||
        sk_artifact_remove(tx, path, err) < 0 ||
        sk_audit(tx, who, "artifact.delete", path, NULL, err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}
