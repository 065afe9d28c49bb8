/*
 * mlflow_rows.h - the rows of the MLflow interface, below /api/2.0/ and /ajax-api/2.0/.
 *
 * X(method, path, flags, role, function), see mlflow_priv.h. Where MLflow changed a method over
 * time both are here.
 */
#ifndef SK_HUB_MLFLOW_ROWS_H
#define SK_HUB_MLFLOW_ROWS_H

/* api_mlflow_models.c */
#define SK_MLFLOW_MODEL_ROWS(X)                                                                    \
    X("POST", "mlflow/registered-models/create", 0, SK_ROLE_PUBLISHER, sk_mlflow_model_create)     \
    X("GET", "mlflow/registered-models/get", 0, SK_ROLE_READER, sk_mlflow_model_get)               \
    X("PATCH", "mlflow/registered-models/update", 0, SK_ROLE_PUBLISHER, sk_mlflow_model_update)    \
    X("POST", "mlflow/registered-models/rename", 0, SK_ROLE_PUBLISHER, sk_mlflow_model_rename)     \
    X("DELETE", "mlflow/registered-models/delete", 0, SK_ROLE_PUBLISHER, sk_mlflow_model_delete)   \
    X("GET", "mlflow/registered-models/search", 0, SK_ROLE_READER, sk_mlflow_models_search)        \
    X("POST", "mlflow/registered-models/search", 0, SK_ROLE_READER, sk_mlflow_models_search)       \
    X("GET", "mlflow/registered-models/get-latest-versions", 0, SK_ROLE_READER,                    \
      sk_mlflow_latest_versions)                                                                   \
    X("POST", "mlflow/registered-models/get-latest-versions", 0, SK_ROLE_READER,                   \
      sk_mlflow_latest_versions)                                                                   \
    X("POST", "mlflow/registered-models/set-tag", 0, SK_ROLE_PUBLISHER, sk_mlflow_model_set_tag)   \
    X("DELETE", "mlflow/registered-models/delete-tag", 0, SK_ROLE_PUBLISHER,                       \
      sk_mlflow_model_delete_tag)                                                                  \
    X("GET", "mlflow/registered-models/alias", 0, SK_ROLE_READER, sk_mlflow_alias_get)             \
    X("POST", "mlflow/registered-models/alias", 0, SK_ROLE_PUBLISHER, sk_mlflow_alias_set)         \
    X("DELETE", "mlflow/registered-models/alias", 0, SK_ROLE_PUBLISHER, sk_mlflow_alias_delete)    \
    X("POST", "mlflow/model-versions/create", 0, SK_ROLE_PUBLISHER, sk_mlflow_version_create)      \
    X("GET", "mlflow/model-versions/get", 0, SK_ROLE_READER, sk_mlflow_version_get)                \
    X("PATCH", "mlflow/model-versions/update", 0, SK_ROLE_PUBLISHER, sk_mlflow_version_update)     \
    X("DELETE", "mlflow/model-versions/delete", 0, SK_ROLE_PUBLISHER, sk_mlflow_version_delete)    \
    X("GET", "mlflow/model-versions/search", 0, SK_ROLE_READER, sk_mlflow_versions_search)         \
    X("POST", "mlflow/model-versions/search", 0, SK_ROLE_READER, sk_mlflow_versions_search)        \
    X("GET", "mlflow/model-versions/get-download-uri", 0, SK_ROLE_READER, sk_mlflow_version_uri)   \
    X("POST", "mlflow/model-versions/transition-stage", 0, SK_ROLE_PUBLISHER,                      \
      sk_mlflow_version_stage)                                                                     \
    X("POST", "mlflow/model-versions/set-tag", 0, SK_ROLE_PUBLISHER, sk_mlflow_version_set_tag)    \
    X("DELETE", "mlflow/model-versions/delete-tag", 0, SK_ROLE_PUBLISHER,                          \
      sk_mlflow_version_delete_tag)

/* api_mlflow_runs.c: experiments, runs, metrics */
#define SK_MLFLOW_RUN_ROWS(X)                                                                      \
    X("POST", "mlflow/experiments/create", 0, SK_ROLE_PUBLISHER, sk_mlflow_experiment_create)      \
    X("GET", "mlflow/experiments/get", 0, SK_ROLE_READER, sk_mlflow_experiment_get)                \
    X("GET", "mlflow/experiments/get-by-name", 0, SK_ROLE_READER,                                  \
      sk_mlflow_experiment_get_by_name)                                                            \
    X("GET", "mlflow/experiments/search", 0, SK_ROLE_READER, sk_mlflow_experiments_search)         \
    X("POST", "mlflow/experiments/search", 0, SK_ROLE_READER, sk_mlflow_experiments_search)        \
    X("POST", "mlflow/experiments/update", 0, SK_ROLE_PUBLISHER, sk_mlflow_experiment_update)      \
    X("POST", "mlflow/experiments/delete", 0, SK_ROLE_PUBLISHER, sk_mlflow_experiment_delete)      \
    X("POST", "mlflow/experiments/restore", 0, SK_ROLE_PUBLISHER, sk_mlflow_experiment_restore)    \
    X("POST", "mlflow/experiments/set-experiment-tag", 0, SK_ROLE_PUBLISHER,                       \
      sk_mlflow_experiment_set_tag)                                                                \
    X("POST", "mlflow/experiments/delete-experiment-tag", 0, SK_ROLE_PUBLISHER,                    \
      sk_mlflow_experiment_delete_tag)                                                             \
    X("POST", "mlflow/runs/create", 0, SK_ROLE_PUBLISHER, sk_mlflow_run_create)                    \
    X("GET", "mlflow/runs/get", 0, SK_ROLE_READER, sk_mlflow_run_get)                              \
    X("POST", "mlflow/runs/update", 0, SK_ROLE_PUBLISHER, sk_mlflow_run_update)                    \
    X("POST", "mlflow/runs/delete", 0, SK_ROLE_PUBLISHER, sk_mlflow_run_delete)                    \
    X("POST", "mlflow/runs/restore", 0, SK_ROLE_PUBLISHER, sk_mlflow_run_restore)                  \
    X("POST", "mlflow/runs/search", 0, SK_ROLE_READER, sk_mlflow_runs_search)                      \
    X("POST", "mlflow/runs/log-metric", 0, SK_ROLE_PUBLISHER, sk_mlflow_log_metric)                \
    X("POST", "mlflow/runs/log-parameter", 0, SK_ROLE_PUBLISHER, sk_mlflow_log_param)              \
    X("POST", "mlflow/runs/log-batch", 0, SK_ROLE_PUBLISHER, sk_mlflow_log_batch)                  \
    X("POST", "mlflow/runs/log-model", 0, SK_ROLE_PUBLISHER, sk_mlflow_log_model)                  \
    X("POST", "mlflow/runs/log-inputs", 0, SK_ROLE_PUBLISHER, sk_mlflow_log_inputs)                \
    X("POST", "mlflow/runs/outputs", 0, SK_ROLE_PUBLISHER, sk_mlflow_log_outputs)                  \
    X("POST", "mlflow/runs/set-tag", 0, SK_ROLE_PUBLISHER, sk_mlflow_run_set_tag)                  \
    X("POST", "mlflow/runs/delete-tag", 0, SK_ROLE_PUBLISHER, sk_mlflow_run_delete_tag)            \
    X("GET", "mlflow/metrics/get-history", 0, SK_ROLE_READER, sk_mlflow_metric_history)

/* api_mlflow_logged.c: logged-models, 3.x clients */
#define SK_MLFLOW_LOGGED_ROWS(X)                                                                   \
    X("POST", "mlflow/logged-models", 0, SK_ROLE_PUBLISHER, sk_mlflow_logged_create)               \
    X("POST", "mlflow/logged-models/search", 0, SK_ROLE_READER, sk_mlflow_logged_search)           \
    X("GET", "mlflow/logged-models/", SK_HUB_PREFIX, SK_ROLE_READER, sk_mlflow_logged_get)         \
    X("PATCH", "mlflow/logged-models/", SK_HUB_PREFIX, SK_ROLE_PUBLISHER, sk_mlflow_logged_patch)  \
    X("POST", "mlflow/logged-models/", SK_HUB_PREFIX, SK_ROLE_PUBLISHER, sk_mlflow_logged_post)    \
    X("DELETE", "mlflow/logged-models/", SK_HUB_PREFIX, SK_ROLE_PUBLISHER, sk_mlflow_logged_delete)

/* api_mlflow_artifacts.c; parts are sent without credentials, see there */
#define SK_MLFLOW_ARTIFACT_ROWS(X)                                                                 \
    X("GET", "mlflow/artifacts/list", 0, SK_ROLE_READER, sk_mlflow_artifacts_of_run)               \
    X("GET", "mlflow-artifacts/artifacts", 0, SK_ROLE_READER, sk_mlflow_artifacts_list)            \
    X("GET", "mlflow-artifacts/artifacts/", SK_HUB_PREFIX, SK_ROLE_READER, sk_mlflow_artifact_get) \
    X("PUT", "mlflow-artifacts/artifacts/", SK_HUB_PREFIX | SK_HUB_BODY, SK_ROLE_PUBLISHER,        \
      sk_mlflow_artifact_put)                                                                      \
    X("DELETE", "mlflow-artifacts/artifacts/", SK_HUB_PREFIX, SK_ROLE_PUBLISHER,                   \
      sk_mlflow_artifact_delete)                                                                   \
    X("POST", "mlflow-artifacts/mpu/create/", SK_HUB_PREFIX, SK_ROLE_PUBLISHER,                    \
      sk_mlflow_parts_create)                                                                      \
    X("POST", "mlflow-artifacts/mpu/complete/", SK_HUB_PREFIX, SK_ROLE_PUBLISHER,                  \
      sk_mlflow_parts_complete)                                                                    \
    X("POST", "mlflow-artifacts/mpu/abort/", SK_HUB_PREFIX, SK_ROLE_PUBLISHER,                     \
      sk_mlflow_parts_abort)                                                                       \
    X("PUT", "mlflow-artifacts/mpu/part/", SK_HUB_PREFIX | SK_HUB_BODY | SK_HUB_OPEN,              \
      SK_ROLE_NONE, sk_mlflow_part_put)

#endif
