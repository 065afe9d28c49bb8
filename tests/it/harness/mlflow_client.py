"""The unmodified MLflow client, pointed at a hub.

    with mlflow_client.at(hub, role="publisher"):
        mlflow.MlflowClient().create_registered_model("m")
"""

import contextlib
import os


@contextlib.contextmanager
def at(hub, role="publisher", retries=0):
    """Sets what the client reads from the environment; it reads that anew for each request."""
    values = {
        "MLFLOW_TRACKING_URI": hub.url,
        "MLFLOW_TRACKING_TOKEN": hub.tokens[role],
        "MLFLOW_TRACKING_SERVER_CERT_PATH": hub.ca,
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": str(retries),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GIT_PYTHON_REFRESH": "quiet",
        "NO_PROXY": "*",
    }
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        import mlflow

        mlflow.set_tracking_uri(hub.url)
        mlflow.set_registry_uri(hub.url)
        yield mlflow.MlflowClient(tracking_uri=hub.url, registry_uri=hub.url)
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
