/* mlflow_artifacts.h - lists of artifacts, which two paths of the MLflow interface give. */
#ifndef SK_HUB_MLFLOW_ARTIFACTS_H
#define SK_HUB_MLFLOW_ARTIFACTS_H

#include "hub/hub_priv.h"

/* Answers {"root_uri","files"} of a run's or logged model's folder; the query's `argument` is a
 * folder in it. Paths are relative to the root. */
void sk_mlflow_list_of(struct sk_hub_call *call, const char *id, const char *argument);

#endif
