/* empty_mlflow.c - no MLflow interface yet; goes when api_mlflow.c comes. */
#include "hub/hub_priv.h"

const struct sk_hub_route sk_hub_routes_mlflow[] = { { .method = NULL } };
