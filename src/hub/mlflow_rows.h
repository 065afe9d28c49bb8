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
#define SK_MLFLOW_RUN_ROWS(X)
/* api_mlflow_logged.c: logged-models, 3.x clients */
#define SK_MLFLOW_LOGGED_ROWS(X)
/* api_mlflow_artifacts.c: mlflow/artifacts/list, mlflow-artifacts/... */
#define SK_MLFLOW_ARTIFACT_ROWS(X)

#endif
