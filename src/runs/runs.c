/*
 * runs.c - a run's life: made, ended, deleted, restored.
 */
#include "runs/runs_priv.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const statuses[] = { "RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED" };

static int check_status(const char *status, struct sk_err *err)
{
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        if (strcmp(status, statuses[i]) == 0)
            return 0;
    }
    return sk_fail(err, SK_INVALID,
                   "status '%.64s': a run is RUNNING, SCHEDULED, FINISHED, FAILED or KILLED",
                   status);
}

static const char *name_of_tags(const struct sk_run_new *r)
{
    for (size_t i = 0; i < r->tag_count; i++) {
        if (strcmp(r->tags[i].key, SK_RUNS_NAME_TAG) == 0)
            return r->tags[i].value;
    }
    return NULL;
}

/* The name given, that of the tag, or one made of the id. */
static int choose_name(const struct sk_run_new *r, const char *id, char made[32], const char **out,
                       struct sk_err *err)
{
    const char *given = r->name && *r->name ? r->name : NULL;
    const char *tagged = name_of_tags(r);

    if (given && tagged && strcmp(given, tagged) != 0)
        return sk_fail(err, SK_INVALID,
                       "run_name '%.100s' and the tag " SK_RUNS_NAME_TAG " '%.100s' differ", given,
                       tagged);
    (void)snprintf(made, 32, "run-%.8s", id);
    *out = given ? given : (tagged && *tagged ? tagged : made);
    return sk_runs_check_text("run_name", *out, SK_RUN_NAME_MAX, err);
}

static int insert(struct sk_tx *tx, const struct sk_run_new *r, const char *id, const char *name,
                  struct sk_run_ref *run, struct sk_err *err)
{
    int64_t start_ms = r->start_ms ? r->start_ms : (int64_t)sk_wall_ms();

    if (sk_tx_run(tx, err,
                  "INSERT INTO run(id, experiment, name, user_id, status, start_ms) "
                  "VALUES(?1, ?2, ?3, ?4, 'RUNNING', ?5)",
                  "sissi", id, run->experiment, name, r->user_id ? r->user_id : "", start_ms) < 0)
        return -1;
    run->n = sk_tx_last_id(tx);
    for (size_t i = 0; i < r->tag_count; i++) {
        const char *value = r->tags[i].value ? r->tags[i].value : "";
        if (sk_runs_set_tag(tx, run, r->tags[i].key, value, err) < 0)
            return -1;
    }
    return sk_runs_set_tag(tx, run, SK_RUNS_NAME_TAG, name, err);
}

int sk_run_create(struct sk_store *s, const struct sk_who *who, const struct sk_run_new *r,
                  struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_experiment_ref experiment = { 0 };
    char id[SK_RUN_ID_TEXT], made[32];
    const char *name = NULL;

    if (sk_runs_check_pairs("tag", r->tags, r->tag_count, SK_RUN_TAG_MAX, err) < 0 ||
        (r->user_id && sk_runs_check_text("user_id", r->user_id, SK_RUN_NAME_MAX, err) < 0) ||
        sk_runs_new_id(id, err) < 0 || choose_name(r, id, made, &name, err) < 0 ||
        sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, err) < 0 ||
        sk_runs_experiment(tx, r->experiment_id, SK_RUNS_WRITE, &experiment, err) < 0)
        return -1;

    struct sk_run_ref run = { .experiment = experiment.id };

    if (insert(tx, r, id, name, &run, err) < 0 || sk_runs_write_run(tx, run.n, out, err) < 0 ||
        sk_audit(tx, who, "run.create", id, name, err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

int sk_run_get(struct sk_store *s, const char *run_id, struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_run_ref run = { 0 };

    if (sk_db_begin(sk_store_db(s), SK_DB_READ, &tx, err) < 0 ||
        sk_runs_run(tx, run_id, SK_RUNS_READ, &run, err) < 0)
        return -1;
    return sk_runs_write_run(tx, run.n, out, err);
}

int sk_run_update(struct sk_store *s, const struct sk_who *who, const char *run_id,
                  const char *status, const char *name, int64_t end_ms, struct sk_buf *out,
                  struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_run_ref run = { 0 };

    if ((status && check_status(status, err) < 0) ||
        (name && sk_runs_check_text("run_name", name, SK_RUN_NAME_MAX, err) < 0) ||
        sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, err) < 0 ||
        sk_runs_run(tx, run_id, SK_RUNS_WRITE, &run, err) < 0)
        return -1;
    if (status &&
        sk_tx_run(tx, err, "UPDATE run SET status = ?2 WHERE n = ?1", "is", run.n, status) < 0)
        return -1;
    if (end_ms &&
        sk_tx_run(tx, err, "UPDATE run SET end_ms = ?2 WHERE n = ?1", "ii", run.n, end_ms) < 0)
        return -1;
    if (name && *name && sk_runs_set_tag(tx, &run, SK_RUNS_NAME_TAG, name, err) < 0)
        return -1;
    if (sk_runs_write_info(tx, run.n, out, err) < 0 ||
        sk_audit(tx, who, "run.update", run_id, status, err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

int sk_run_set_deleted(struct sk_store *s, const struct sk_who *who, const char *run_id,
                       bool deleted, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_run_ref run = { 0 };

    if (sk_db_begin(sk_store_db(s), SK_DB_SHRINK, &tx, err) < 0 ||
        sk_runs_run(tx, run_id, SK_RUNS_REVIVE, &run, err) < 0 ||
        sk_tx_run(tx, err, "UPDATE run SET deleted = ?2 WHERE n = ?1", "ii", run.n,
                  (int64_t)deleted) < 0 ||
        sk_audit(tx, who, deleted ? "run.delete" : "run.restore", run_id, NULL, err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}
