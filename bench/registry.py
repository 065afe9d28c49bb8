"""A registry of 10,000 models with 10 versions each, and what is asked of it.

The rows are written straight into the hub's tables (src/store/schema/0004_models.sql) while it runs: 110,000 requests would
take minutes and are not what is measured. The questions go over HTTPS, as clients ask them.
"""

import sqlite3
import statistics
import time

import requests

API = "/api/2.0/mlflow/"
NO_PROMPTS = "tags.`mlflow.prompt.is_prompt` != 'true'"  # MlflowClient adds it


def fill(database, models, versions):
    now = int(time.time() * 1000)
    names = [f"net-{i:05d}" for i in range(models)]
    numbers = range(1, versions + 1)
    with sqlite3.connect(database, timeout=60) as db:
        first = db.execute("SELECT coalesce(max(id), 0) + 1 FROM model").fetchone()[0]
        version = db.execute("SELECT coalesce(max(id), 0) + 1 FROM model_version").fetchone()[0]
        ids = [version + i * versions for i in range(models)]
        db.executemany("INSERT INTO model(id, name, description, user, created_ms, updated_ms) VALUES(?, ?, 'of the bench', 'bench', ?, ?)",
                       ((first + i, name, now + i, now + i) for i, name in enumerate(names)))
        db.executemany("INSERT INTO model_number(name, next, model) VALUES(?, ?, ?)",
                       ((name, versions + 1, first + i) for i, name in enumerate(names)))
        db.executemany("INSERT INTO model_tag(model, key, value) VALUES(?, ?, ?)",
                       (tag for i in range(models) for tag in ((first + i, "site", f"hall {i % 500}"),
                                                               (first + i, "env", "prod" if i % 2 else "test"))))
        db.executemany(
            "INSERT INTO model_version(id, model, name, version, stage, user, created_ms, updated_ms, source) "
            "VALUES(?, ?, ?, ?, ?, 'bench', ?, ?, 's3://bucket/model')",
            ((ids[i] + n - 1, first + i, name, n, "Production" if n == versions - 1 else "None", now + i, now + i)
             for i, name in enumerate(names) for n in numbers))
        db.executemany("INSERT INTO model_version_tag(version, key, value) VALUES(?, 'accuracy', ?)",
                       ((ids[i] + n - 1, f"0.{i % 1000:03d}") for i in range(models) for n in numbers))
        db.executemany("INSERT INTO model_alias(model, alias, version) VALUES(?, 'champion', ?)",
                       ((first + i, versions - 1) for i in range(models)))
    db.close()


def questions(models):
    """What is asked, where, with what, and how many entries must come back."""
    middle = f"net-{models // 2:05d}"
    tag = {"filter": f"tags.env = 'prod' AND {NO_PROMPTS}"}
    return [
        ("search models by a tag that few have", "registered-models/search", {"filter": "tags.site = 'hall 77'"}, None),
        ("search models by a tag that half have, first 100", "registered-models/search", tag, 100),
        ("search models by a part of a name", "registered-models/search", {"filter": "name ILIKE '%77%'"}, None),
        ("search a model by its name", "registered-models/search", {"filter": f"name = '{middle}'"}, 1),
        ("list models, first 100", "registered-models/search", {"filter": NO_PROMPTS}, 100),
        ("list models, last changed first", "registered-models/search", {"order_by": "last_updated_timestamp DESC"}, 100),
        ("get the latest versions of a model", "registered-models/get-latest-versions", {"name": middle}, None),
        ("get a version by alias", "registered-models/alias", {"name": middle, "alias": "champion"}, None),
        ("search versions by a tag", "model-versions/search", {"filter": "tags.accuracy = '0.123'", "max_results": 100}, None),
        ("list versions, first 100", "model-versions/search", {"max_results": 100}, 100),
    ]


def ask(hub, path, params, rounds, count):
    """Milliseconds of each round, over one connection."""
    with requests.Session() as session:
        session.trust_env, session.verify = False, hub.ca
        session.headers["Authorization"] = "Bearer " + hub.tokens["reader"]
        took = []
        for _ in range(rounds + 1):
            begin = time.perf_counter()
            answer = session.get(hub.url + API + path, params=params)
            took.append((time.perf_counter() - begin) * 1e3)
            found = next(iter(answer.json().values()))
            if not answer.ok or not found or (count and len(found) != count):
                raise SystemExit(f"{path} {params}: {answer.status_code} {answer.text[:500]}")
    return took[1:]


def last_page(hub):
    """The token that leads to the end of the list, found by going there."""
    params, token = {"filter": NO_PROMPTS}, None
    while True:
        page = hub.get(API + "registered-models/search", params=params | ({"page_token": token} if token else {})).json()
        if not page.get("next_page_token"):
            return params | {"page_token": token}
        token = page["next_page_token"]


def rows(hub, models, versions, rounds, alone):
    fill(hub.data_dir + "/registry.db", models, versions)
    asked = questions(models) + [("list models, last 100", "registered-models/search", last_page(hub), None)]
    for what, path, params, count in asked:
        took = ask(hub, path, params, rounds, count)
        middle = statistics.median(took)
        yield alone(f"{what}; {models} x {versions}", "ms", middle, "< 20 ms", middle < 20, rounds=took)
