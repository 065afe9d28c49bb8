/*
 * fuzz_mlflow.c - bodies of the MLflow interface, through all that reads them before the store.
 */
#include "hub/mlflow_priv.h"
#include "hub/mlflow_runs.h"
#include "hub/mlflow_source.h"
#include "query/query.h"

#include <stdlib.h>
#include <string.h>

static const char *const texts[] = { "name",  "new_name", "description", "alias",      "key",
                                     "value", "stage",    "run_id",      "page_token", "filter" };
static const char *const lists[] = { "order_by", "stages", "experiment_ids" };

static void failed(const struct sk_err *err)
{
    if (err->code == SK_OK || err->text[0] == 0)
        abort();
}

static void read_source(struct sk_mlflow_args *a, const char *source)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_mlflow_source s;

    if (sk_mlflow_source_parse(source, &a->arena, &s, &err) < 0) {
        failed(&err);
        return;
    }
    /* What becomes a path never leads out of its folder. */
    if (strcmp(s.path, "..") == 0 || sk_starts_with(s.path, "../") || strstr(s.path, "/../") ||
        sk_ends_with(s.path, "/..") || s.path[0] == '/')
        abort();
}

static void read_lists(struct sk_mlflow_args *a)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_search q;
    size_t count = 0;

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        const char *const *out = NULL;

        if (sk_mlflow_texts(a, lists[i], &out, &count, &err) < 0)
            failed(&err);
        for (size_t k = 0; out && k < count; k++)
            if (!out[k])
                abort();
    }
    if (sk_mlflow_search(a, 100, 1000, &q, &err) < 0)
        failed(&err);
    else if (q.max < 1 || q.max > 1000)
        abort();
}

static void read_reports(struct sk_mlflow_args *a)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_run_batch batch = { .metrics = NULL };
    struct sk_search q = { .filter = NULL };
    const char *const *etags = NULL;
    size_t count = 0;

    if (sk_mlflow_read_batch(a, &batch, &err) < 0)
        failed(&err);
    else if (batch.metric_count > SK_RUN_BATCH_METRICS || batch.tag_count > SK_RUN_BATCH_PAIRS)
        abort();
    if (sk_mlflow_read_orders(a, &q, &err) < 0)
        failed(&err);
    if (sk_mlflow_read_parts(a, &etags, &count, &err) < 0)
        failed(&err);
    for (size_t i = 0; etags && i < count; i++)
        if (!etags[i] || !sk_digest_valid(etags[i]))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SK_AUTO(sk_mlflow_args_done) struct sk_mlflow_args a = SK_MLFLOW_ARGS_INIT;
    struct sk_err err = SK_ERR_INIT;
    struct sk_version_new v = { 0 };
    int64_t number = 5;
    bool truth = false;

    if (size > 1u << 20)
        return 0;
    if (sk_mlflow_args_body((const char *)data, size, &a, &err) < 0) {
        failed(&err);
        return 0;
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *out = NULL;

        if (sk_mlflow_text(&a, texts[i], &out, &err) < 0)
            failed(&err);
    }
    if (sk_mlflow_int(&a, "max_results", 1, 10, &number, &err) < 0)
        failed(&err);
    if (number < 1 || number > 10)
        abort();
    if (sk_mlflow_bool(&a, "archive_existing_versions", &truth, &err) < 0)
        failed(&err);
    read_lists(&a);
    read_reports(&a);
    if (sk_mlflow_read_version(&a, &v, &err) < 0)
        failed(&err);
    if (v.source)
        read_source(&a, v.source);
    return 0;
}
