"""[models-1] to [models-48]: registered models and versions, by the unmodified MLflow client and by hand."""

import concurrent.futures
import json
import os
import warnings

import pytest

from harness import mlflow_client

warnings.filterwarnings("ignore", category=FutureWarning)  # stages are old, and still used

API = "/api/2.0/mlflow"


@pytest.fixture(scope="module")
def client(hub):
    with mlflow_client.at(hub) as made:
        yield made


def error_of(call, *args, **kwargs):
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException) as caught:
        call(*args, **kwargs)
    return caught.value.error_code


def log_run(files):
    """A run with these artifacts in its folder "model"."""
    import mlflow

    with mlflow.start_run() as run:
        for name, text in files.items():
            mlflow.log_text(text, "model/" + name)
    return run.info


def read_tree(folder):
    found = {}
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            with open(path) as f:
                found[os.path.relpath(path, folder)] = f.read()
    found.pop("registered_model_meta", None)  # the client's own
    return found


# ---- the client ----


def test_a_model_from_first_to_last(client):
    made = client.create_registered_model("first", tags={"site": "hall 3"}, description="finds scratches")
    assert (made.name, made.tags, made.description) == ("first", {"site": "hall 3"}, "finds scratches")
    assert made.creation_timestamp == made.last_updated_timestamp > 1_600_000_000_000
    assert error_of(client.create_registered_model, "first") == "RESOURCE_ALREADY_EXISTS"
    assert client.update_registered_model("first", "finds dents").description == "finds dents"
    assert client.get_registered_model("first").description == "finds dents"
    client.rename_registered_model("first", "second")
    assert client.get_registered_model("second").description == "finds dents"
    assert error_of(client.get_registered_model, "first") == "RESOURCE_DOES_NOT_EXIST"
    client.delete_registered_model("second")
    assert error_of(client.get_registered_model, "second") == "RESOURCE_DOES_NOT_EXIST"
    assert error_of(client.delete_registered_model, "second") == "RESOURCE_DOES_NOT_EXIST"


FILES = {"MLmodel": "flavors: {}", "data/model.bin": "weights", "data/labels.txt": "good\nbad\n"}


def test_a_version_keeps_its_files_when_its_run_is_gone(hub, client, tmp_path):
    import mlflow

    run = log_run(FILES)
    made = mlflow.register_model(f"runs:/{run.run_id}/model", "kept")
    assert (made.version, made.status, made.run_id) in (("1", "READY", run.run_id), (1, "READY", run.run_id))
    assert client.get_model_version_download_uri("kept", "1") == "mlflow-artifacts:/models/kept/1"
    gone = hub.delete(f"/api/2.0/mlflow-artifacts/artifacts/0/{run.run_id}/artifacts/model", role="publisher")
    assert gone.status_code == 200, gone.text
    client.delete_run(run.run_id)
    assert read_tree(mlflow.artifacts.download_artifacts("models:/kept/1", dst_path=str(tmp_path))) == FILES
    listed = mlflow.artifacts.list_artifacts("models:/kept/1")
    assert {(f.path, f.is_dir) for f in listed} == {("MLmodel", False), ("data", True)}


def test_the_files_of_a_version_cannot_be_changed(hub, client):
    run = log_run(FILES)
    client.create_registered_model("fixed")
    client.create_model_version("fixed", f"{run.artifact_uri}/model", run.run_id)
    for method in ("PUT", "DELETE"):
        answer = hub.request(method, "/api/2.0/mlflow-artifacts/artifacts/models/fixed/1/MLmodel", data=b"other")
        assert answer.status_code in (400, 403), answer.text
    got = hub.get("/api/2.0/mlflow-artifacts/artifacts/models/fixed/1/MLmodel")
    assert got.text == FILES["MLmodel"]


def sources(run):
    return {
        "artifact uri": f"{run.artifact_uri}/model",
        "with slashes": f"{run.artifact_uri}//model/",
        "run": f"runs:/{run.run_id}/model",
        "host": f"mlflow-artifacts://hub:1{run.artifact_uri.partition(':')[2]}/model",
    }


def test_every_way_to_name_artifacts_copies_them(hub, client, tmp_path):
    run = log_run(FILES)
    client.create_registered_model("ways")
    for n, (what, source) in enumerate(sources(run).items(), 1):
        made = client.create_model_version("ways", source, run.run_id)
        assert int(made.version) == n
        assert made.source == source
        files = hub.get(f"/api/v1/models/ways/versions/{n}/files").json()["files"]
        assert {f["path"] for f in files} == set(FILES), what
    digests = {hub.get(f"/api/v1/models/ways/versions/{n}").json()["digest"] for n in range(1, len(sources(run)) + 1)}
    assert len(digests) == 1


def test_a_logged_model_becomes_a_version(hub, client):
    logged = client.create_logged_model("0", name="net", source_run_id=log_run({}).run_id)
    client.log_model_artifact(logged.model_id, __file__)
    client.create_registered_model("from-logged")
    made = client.create_model_version("from-logged", f"models:/{logged.model_id}", model_id=logged.model_id)
    assert made.run_id == logged.source_run_id
    files = hub.get("/api/v1/models/from-logged/versions/1/files").json()["files"]
    assert [f["path"] for f in files] == [os.path.basename(__file__)]


def test_a_version_copied_to_another_model(hub, client):
    run = log_run(FILES)
    client.create_registered_model("origin")
    client.create_model_version("origin", f"runs:/{run.run_id}/model", run.run_id)
    client.set_registered_model_alias("origin", "good", "1")
    copied = client.copy_model_version("models:/origin/1", "copy")
    assert (copied.source, copied.run_id) == ("models:/origin/1", run.run_id)
    for source in ("models:/origin/latest", "models:/origin@good", "models:/origin/None"):
        made = client.create_model_version("copy", source)
        assert made.source == "models:/origin/1"
        assert hub.get(f"/api/v1/models/copy/versions/{made.version}").json()["files"] == len(FILES)
    client.delete_registered_model("origin")
    assert hub.get("/api/2.0/mlflow-artifacts/artifacts/models/copy/1/MLmodel").text == FILES["MLmodel"]
    far = client.create_model_version("copy", "s3://bucket/model")
    again = client.create_model_version("copy", f"models:/copy/{far.version}")
    assert again.source == f"models:/copy/{far.version}"
    assert client.get_model_version_download_uri("copy", again.version) == "s3://bucket/model"
    assert error_of(client.create_model_version, "copy", "models:/origin/1") == "RESOURCE_DOES_NOT_EXIST"
    assert error_of(client.create_model_version, "copy", "models:/copy/Production") == "RESOURCE_DOES_NOT_EXIST"


def test_versions(client):
    client.create_registered_model("versions")
    for n in range(1, 4):
        made = client.create_model_version("versions", f"s3://b/{n}", tags={"n": n}, description=f"the {n}.")
        assert (int(made.version), made.tags, made.description) == (n, {"n": str(n)}, f"the {n}.")
    assert client.update_model_version("versions", "2", "better").description == "better"
    assert client.get_model_version("versions", "2").description == "better"
    client.delete_model_version("versions", "3")
    assert error_of(client.get_model_version, "versions", "3") == "RESOURCE_DOES_NOT_EXIST"
    assert int(client.create_model_version("versions", "s3://b/4").version) == 4  # 3 never comes again
    client.delete_registered_model("versions")
    client.create_registered_model("versions")
    assert int(client.create_model_version("versions", "s3://b/5").version) == 5


def test_tags_aliases_stages(client):
    client.create_registered_model("marked")
    for n in range(3):
        client.create_model_version("marked", f"s3://b/{n}")
    client.set_registered_model_tag("marked", "owner", "line 4")
    client.set_model_version_tag("marked", "1", "validated", True)
    assert client.get_registered_model("marked").tags == {"owner": "line 4"}
    assert client.get_model_version("marked", "1").tags == {"validated": "True"}
    client.delete_registered_model_tag("marked", "owner")
    client.delete_model_version_tag("marked", "1", "validated")
    client.delete_model_version_tag("marked", "1", "never")
    assert client.get_registered_model("marked").tags == client.get_model_version("marked", "1").tags == {}

    client.set_registered_model_alias("marked", "champion", "1")
    client.set_registered_model_alias("marked", "champion", "2")
    client.set_registered_model_alias("marked", "old", "1")
    assert client.get_registered_model("marked").aliases == {"champion": "2", "old": "1"}
    assert int(client.get_model_version_by_alias("marked", "champion").version) == 2
    assert client.get_model_version("marked", "2").aliases == ["champion"]
    client.delete_registered_model_alias("marked", "champion")
    assert error_of(client.get_model_version_by_alias, "marked", "champion") == "INVALID_PARAMETER_VALUE"
    assert error_of(client.set_registered_model_alias, "marked", "latest", "1") == "INVALID_PARAMETER_VALUE"
    assert error_of(client.set_registered_model_alias, "marked", "x", "9") == "RESOURCE_DOES_NOT_EXIST"
    assert int(client.get_model_version_by_alias("marked", "latest").version) == 3

    assert client.transition_model_version_stage("marked", "1", "staging").current_stage == "Staging"
    client.transition_model_version_stage("marked", "2", "Staging", archive_existing_versions=True)
    latest = {v.current_stage: int(v.version) for v in client.get_latest_versions("marked")}
    assert latest == {"None": 3, "Staging": 2, "Archived": 1}
    assert [int(v.version) for v in client.get_latest_versions("marked", stages=["Staging"])] == [2]
    assert error_of(client.transition_model_version_stage, "marked", "1", "Live") == "INVALID_PARAMETER_VALUE"


def test_search(client):
    for n in range(7):
        client.create_registered_model(f"search-{n}", tags={"even": str(n % 2 == 0), "n": str(n)})
        client.create_model_version(f"search-{n}", f"s3://b/{n}", tags={"n": str(n)})

    def names(*args, **kwargs):
        return [m.name for m in client.search_registered_models(*args, **kwargs)]

    assert set(names()) >= {f"search-{n}" for n in range(7)}
    assert names("name = 'search-3'") == ["search-3"]
    assert names("name ILIKE 'SEARCH-%' AND tags.even = 'True'") == [f"search-{n}" for n in (0, 2, 4, 6)]
    assert names("name LIKE 'search-%' AND tags.`even` != 'True'", order_by=["name DESC"]) == [
        "search-5", "search-3", "search-1"]
    assert names("name IN ('search-1', 'search-6')", order_by=["last_updated_timestamp DESC", "name"]) == [
        "search-6", "search-1"]
    seen, token = [], None
    while True:
        page = client.search_registered_models("name LIKE 'search-%'", max_results=3, page_token=token)
        seen.append([m.name for m in page])
        token = page.token
        if not token:
            break
    assert [len(p) for p in seen] == [3, 3, 1]
    assert sum(seen, []) == [f"search-{n}" for n in range(7)]

    def versions(*args, **kwargs):
        return [(v.name, int(v.version)) for v in client.search_model_versions(*args, **kwargs)]

    assert versions("name = 'search-2'") == [("search-2", 1)]
    assert versions("name LIKE 'search-%' AND tags.n = '5'") == [("search-5", 1)]
    assert versions("source_path = 's3://b/4' AND name = 'search-4'") == [("search-4", 1)]
    assert versions("name LIKE 'search-%' AND version_number > 1") == []
    assert len(versions("name LIKE 'search-%' AND run_id != 'x'")) == 7  # none is one of another name
    page = client.search_model_versions("name LIKE 'search-%'", max_results=5, order_by=["name ASC"])
    rest = client.search_model_versions("name LIKE 'search-%'", max_results=5, order_by=["name ASC"],
                                        page_token=page.token)
    assert [v.name for v in [*page, *rest]] == [f"search-{n}" for n in range(7)] and not rest.token
    for bad in ("name > 'a'", "nothing = 'x'", "name = 'x' OR name = 'y'", "name ="):
        assert error_of(client.search_registered_models, bad) == "INVALID_PARAMETER_VALUE"
        assert error_of(client.search_model_versions, bad) == "INVALID_PARAMETER_VALUE"
    assert error_of(client.search_registered_models, max_results=1001) == "INVALID_PARAMETER_VALUE"
    assert error_of(client.search_registered_models, "name = 'z'", page_token=page.token) == "INVALID_PARAMETER_VALUE"


def test_prompts_are_no_models(client):
    import mlflow

    made = mlflow.genai.register_prompt(name="greeting", template="Say {{word}}.", tags={"tone": "kind"})
    assert mlflow.genai.load_prompt(f"prompts:/greeting/{made.version}").template == "Say {{word}}."
    assert "greeting" not in [m.name for m in client.search_registered_models()]
    assert [p.name for p in mlflow.genai.search_prompts()] == ["greeting"]


@pytest.mark.parametrize("name", ["Schrauben gr\u00f6\u00dfer M8", "50% #1? a=b;c&d+e", "x" * 256, ".hidden", "\u65e5\u672c"])
def test_names(client, name, tmp_path):
    import mlflow

    run = log_run(FILES)
    client.create_registered_model(name)
    client.create_model_version(name, f"runs:/{run.run_id}/model", run.run_id)
    assert client.get_registered_model(name).name == name
    assert [v.name for v in client.search_model_versions(f"name = \"{name}\"")] == [name]
    uri = client.get_model_version_download_uri(name, "1")
    assert read_tree(mlflow.artifacts.download_artifacts(uri, dst_path=str(tmp_path))) == FILES


def test_what_was_answered_survives_a_restart(start_hub):
    hub = start_hub()
    with mlflow_client.at(hub) as client:
        client.create_registered_model("durable", tags={"a": "b"})
        run = log_run(FILES)
        client.create_model_version("durable", f"runs:/{run.run_id}/model", run.run_id)
        client.set_registered_model_alias("durable", "champion", "1")
        hub.kill()
        hub.start()
        assert client.get_registered_model("durable").aliases == {"champion": "1"}
        assert hub.get("/api/2.0/mlflow-artifacts/artifacts/models/durable/1/MLmodel").text == FILES["MLmodel"]
    hub.stop()
    hub.verify()


# ---- by hand ----


def test_both_prefixes_and_both_methods(hub, client):
    client.create_registered_model("prefix")
    client.create_model_version("prefix", "s3://b/1")
    for base in (API, "/ajax-api/2.0/mlflow"):
        got = hub.get(f"{base}/registered-models/get", params={"name": "prefix"})
        assert got.status_code == 200
        assert got.headers["Content-Type"].startswith("application/json")
        assert got.json()["registered_model"]["name"] == "prefix"
        by_get = hub.get(f"{base}/registered-models/get-latest-versions", params={"name": "prefix", "stages": ["None"]})
        by_post = hub.post(f"{base}/registered-models/get-latest-versions", json={"name": "prefix", "stages": ["None"]})
        assert by_get.json() == by_post.json()
        assert by_get.json()["model_versions"][0]["version"] == "1"
    unknown = hub.get(f"{API}/registered-models/nothing")
    assert unknown.status_code == 404


def test_lists_in_a_query(hub, client):
    for n in range(2):
        client.create_registered_model(f"query-{n}", tags={"t": "same"})
    got = hub.get(f"{API}/registered-models/search",
                  params={"filter": "tags.t = 'same'", "order_by": ["tags.t ASC", "name DESC"], "max_results": "5"})
    assert [m["name"] for m in got.json()["registered_models"]] == ["query-1", "query-0"]


def test_delete_takes_a_body(hub, client):
    client.create_registered_model("body")
    for _ in range(2):
        answer = hub.delete(f"{API}/registered-models/alias", json={"name": "body", "alias": "x"})
        assert (answer.status_code, answer.json()) == (200, {})
    assert hub.delete(f"{API}/registered-models/delete", json={"name": "body"}).json() == {}


def test_what_is_open(hub):
    assert hub.get("/health", role=None).text == "OK"
    assert hub.get("/version", role=None).status_code == 200
    for base in ("/api", "/ajax-api"):
        info = hub.get(f"{base}/3.0/mlflow/server-info", role=None)
        assert info.json()["workspaces_enabled"] is False


CHANGES = [
    ("POST", "registered-models/create", {"name": "r"}),
    ("PATCH", "registered-models/update", {"name": "roles", "description": "x"}),
    ("POST", "registered-models/rename", {"name": "roles", "new_name": "r"}),
    ("DELETE", "registered-models/delete", {"name": "roles"}),
    ("POST", "registered-models/set-tag", {"name": "roles", "key": "k", "value": "v"}),
    ("DELETE", "registered-models/delete-tag", {"name": "roles", "key": "k"}),
    ("POST", "registered-models/alias", {"name": "roles", "alias": "a", "version": "1"}),
    ("DELETE", "registered-models/alias", {"name": "roles", "alias": "a"}),
    ("POST", "model-versions/create", {"name": "roles", "source": "s3://x"}),
    ("PATCH", "model-versions/update", {"name": "roles", "version": "1", "description": "x"}),
    ("DELETE", "model-versions/delete", {"name": "roles", "version": "1"}),
    ("POST", "model-versions/transition-stage", {"name": "roles", "version": "1", "stage": "Staging"}),
    ("POST", "model-versions/set-tag", {"name": "roles", "version": "1", "key": "k", "value": "v"}),
    ("DELETE", "model-versions/delete-tag", {"name": "roles", "version": "1", "key": "k"}),
]
READS = [
    ("GET", "registered-models/get", {"name": "roles"}),
    ("GET", "registered-models/search", {}),
    ("GET", "registered-models/get-latest-versions", {"name": "roles"}),
    ("GET", "registered-models/alias", {"name": "roles", "alias": "latest"}),
    ("GET", "model-versions/get", {"name": "roles", "version": "1"}),
    ("GET", "model-versions/search", {}),
    ("GET", "model-versions/get-download-uri", {"name": "roles", "version": "1"}),
]


def test_roles(hub, client):
    client.create_registered_model("roles")
    client.create_model_version("roles", "s3://x")
    before = hub.get(f"{API}/registered-models/get", params={"name": "roles"}).json()
    changes = len(hub.audit())
    for method, path, arguments in READS + CHANGES:
        where = {"params": arguments} if method == "GET" else {"json": arguments}
        foreign = hub.request(method, f"{API}/{path}", token="skt_0123456789abcdef_" + "x" * 43, **where)
        # after some failures from one address the hub says to wait
        assert (foreign.status_code, foreign.json()["error_code"]) in ((401, "UNAUTHENTICATED"), (429, "REQUEST_LIMIT_EXCEEDED")), path
        nobody = hub.request(method, f"{API}/{path}", role=None, **where)
        assert nobody.status_code in (401, 429), path
        reader = hub.request(method, f"{API}/{path}", role="reader", **where)
        if method == "GET":
            assert reader.status_code == 200, (path, reader.text)
        else:
            assert (reader.status_code, reader.json()["error_code"]) == (403, "PERMISSION_DENIED"), path
    assert hub.get(f"{API}/registered-models/get", params={"name": "roles"}).json() == before
    assert len(hub.audit()) == changes


BAD = [
    ("POST", "registered-models/create", b"", "Missing value"),
    ("POST", "registered-models/create", b"{", "the body"),
    ("POST", "registered-models/create", b"[]", "JSON object"),
    ("POST", "registered-models/create", b"null", "JSON object"),
    ("POST", "registered-models/create", b'{"name":"a"} x', "the body"),
    ("POST", "registered-models/create", b'{"name":"a","name":"b"}', "the body"),
    ("POST", "registered-models/create", b'{"name":"\xff"}', "the body"),
    ("POST", "registered-models/create", b'{"name":"a\\u0000b"}', "the body"),
    ("POST", "registered-models/create", b'{"name":' + b"[" * 100000, "the body"),
    ("POST", "registered-models/create", b'{"name":["a"]}', "expected a text"),
    ("POST", "registered-models/create", b'{"name":null}', "Missing value"),
    ("POST", "registered-models/create", b'{"name":""}', "Missing value"),
    ("POST", "registered-models/create", b'{"name":"a/b"}', "'/' or ':'"),
    ("POST", "registered-models/create", b'{"name":".."}', "another folder"),
    ("POST", "registered-models/create", b'{"name":"a\\\\..\\\\b"}', "backslashes"),
    ("POST", "registered-models/create", b'{"name":"%s"}' % (b"x" * 257), "maximum length"),
    ("POST", "registered-models/create", b'{"name":"ok","tags":{}}', "expected a list"),
    ("POST", "registered-models/create", b'{"name":"ok","tags":[1]}', "expected a list"),
    ("POST", "registered-models/create", b'{"name":"ok","tags":[{"value":"v"}]}', "Missing value"),
    ("POST", "registered-models/create", b'{"name":"ok","tags":[{"key":"k","value":1}]}', "expected a string"),
    ("POST", "registered-models/create", b'{"name":"ok","tags":[{"key":"%s"}]}' % (b"k" * 251), "maximum length"),
    ("POST", "registered-models/create", b'{"name":"ok","tags":[{"key":"k","value":"%s"}]}' % (b"v" * 100001), "maximum"),
    ("POST", "registered-models/create", b'{"name":"ok","description":"%s"}' % (b"d" * 100001), "maximum length"),
    ("POST", "registered-models/create", b'{"name":"ok","tags":[%s]}' % b",".join([b"{}"] * 10001), "at most 10000"),
    ("POST", "model-versions/create", b'{"name":"bad"}', "'source'"),
    ("POST", "model-versions/create", b'{"name":"bad","source":"/etc/passwd"}', "on the client's disk"),
    ("POST", "model-versions/create", b'{"name":"bad","source":"relative/path"}', "on the client's disk"),
    ("POST", "model-versions/create", b'{"name":"bad","source":"file:///etc/passwd"}', "on the client's disk"),
    ("POST", "model-versions/create", b'{"name":"bad","source":"mlflow-artifacts:/../x"}', "relative path"),
    ("POST", "model-versions/create", b'{"name":"bad","source":"mlflow-artifacts:/a/%2e%2e/x"}', "relative path"),
    ("POST", "model-versions/create", b'{"name":"bad","source":"s3://b/%25252e%25252e/x"}', "relative path"),
    ("POST", "model-versions/create", b'{"name":"bad","source":"mlflow-artifacts:/"}', "all artifacts"),
    ("POST", "model-versions/create", b'{"name":"bad","source":"mlflow-artifacts:/models/bad"}', "itself"),
    ("POST", "model-versions/create", b'{"name":"bad","source":"runs:/nope/model"}', "must identify"),
    ("POST", "model-versions/create", b'{"name":"bad","source":"runs:/"}', "runs:/RUN_ID"),
    ("POST", "model-versions/create", b'{"name":"bad","source":"models:/m-nope"}', "must identify"),
    ("POST", "model-versions/create", b'{"name":"bad","source":"models:/bad"}', "models:/name/version"),
    ("POST", "model-versions/create", b'{"name":"bad","source":"models://other/bad/1"}', "active model registry"),
    ("POST", "model-versions/create", b'{"name":"bad","source":"s3://%s"}' % (b"x" * 2000), "maximum length"),
    ("DELETE", "model-versions/delete", b'{"name":"bad","version":"x"}', "must be an integer"),
    ("DELETE", "model-versions/delete", b'{"name":"bad","version":"0"}', "must be an integer"),
    ("DELETE", "model-versions/delete", b'{"name":"bad","version":"99999999999999999999"}', "must be an integer"),
    ("DELETE", "model-versions/delete", b'{"name":"bad"}', "'version'"),
    ("POST", "registered-models/alias", b'{"name":"bad","alias":"a b","version":"1"}', "Invalid alias"),
    ("POST", "registered-models/alias", b'{"name":"bad","alias":"%s","version":"1"}' % (b"a" * 256), "maximum length"),
    ("POST", "model-versions/transition-stage", b'{"name":"bad","version":"1","stage":"x"}', "Invalid Model Version"),
    ("POST", "model-versions/transition-stage",
     b'{"name":"bad","version":"1","stage":"None","archive_existing_versions":"maybe"}', "true or false"),
    ("GET", "registered-models/search", {"max_results": "0"}, "at least 1"),
    ("GET", "registered-models/search", {"max_results": "many"}, "whole number"),
    ("GET", "registered-models/search", {"filter": "name = '" + "x" * 20000}, "never closed"),
    ("GET", "registered-models/search", {"order_by": ["name"] * 17}, "at most 16"),
    ("GET", "model-versions/search", {"max_results": "200001"}, "at most 200000"),
    ("GET", "model-versions/search", {"page_token": "x"}, "page_token"),
]


@pytest.mark.hostile
@pytest.mark.parametrize("method,path,body,says", BAD, ids=[f"{i}-{row[1].split('/')[1]}" for i, row in enumerate(BAD)])
def test_bad_requests(hub, client, method, path, body, says):
    if not hub.get(f"{API}/registered-models/get", params={"name": "bad"}).ok:
        client.create_registered_model("bad")
        client.create_model_version("bad", "s3://x")
    changes = len(hub.audit())
    answer = hub.request(method, f"{API}/{path}", **({"params": body} if isinstance(body, dict) else {"data": body}))
    assert answer.status_code == 400, answer.text
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert says in answer.json()["message"]
    assert len(hub.audit()) == changes
    assert hub.is_alive()


def test_forms_of_other_sites_are_refused(hub, client):
    body = json.dumps({"name": "from-a-form"})
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = hub.post(f"{API}/registered-models/create", data=body, headers={"Content-Type": kind})
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
        assert "application/json" in answer.json()["message"]
    made = hub.post(f"{API}/registered-models/create", data=body, headers={"Content-Type": "Application/JSON; charset=utf-8"})
    assert made.status_code == 200


def test_two_registers_at_once(hub, client):
    client.create_registered_model("contended")

    def register(_):
        answer = hub.post(f"{API}/model-versions/create", json={"name": "contended", "source": "s3://x"})
        assert answer.status_code == 200, answer.text
        return int(answer.json()["model_version"]["version"])

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        numbers = sorted(pool.map(register, range(60)))
    assert numbers == list(range(1, 61))

    def create(_):
        return hub.post(f"{API}/registered-models/create", json={"name": "once"})

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(create, range(12)))
    assert sorted(a.status_code for a in answers) == [200] + [400] * 11
    assert {a.json().get("error_code") for a in answers} == {None, "RESOURCE_ALREADY_EXISTS"}


def test_every_change_is_in_the_audit_log(hub, client):
    before = {row["id"] for row in hub.audit()}
    client.create_registered_model("logged")
    client.create_model_version("logged", "s3://x")
    client.set_registered_model_alias("logged", "a", "1")
    client.delete_registered_model("logged")
    rows = [row for row in hub.audit() if row["id"] not in before]
    assert [(r["who"], r["action"], r["object"]) for r in reversed(rows)] == [
        ("publisher", "model.create", "logged"), ("publisher", "model.register", "logged:1"),
        ("publisher", "model.alias", "logged:1"), ("publisher", "model.delete", "logged")]


def test_the_hub_is_whole_at_the_end(hub, client):
    assert json.loads(hub.get("/api/v1/whoami").text)["role"] == "owner"
    hub.verify()
