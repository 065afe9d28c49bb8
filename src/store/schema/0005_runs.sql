-- Experiments, runs, metrics, logged models. runs.h
-- Integers stand for rows inside; what clients see are experiment.id, run.id and logged_model.id.
CREATE TABLE experiment(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  deleted INTEGER NOT NULL DEFAULT 0,
  created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL
);
INSERT INTO experiment(id, name, created_ms, updated_ms)
  VALUES(0, 'Default', CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER),
         CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER));
CREATE TABLE experiment_tag(
  experiment INTEGER NOT NULL REFERENCES experiment(id),
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY(experiment, key)
) WITHOUT ROWID;

CREATE TABLE run(
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK(length(id) = 32),
  experiment INTEGER NOT NULL REFERENCES experiment(id),
  name TEXT NOT NULL,
  user_id TEXT NOT NULL,
  status TEXT NOT NULL,
  start_ms INTEGER NOT NULL,
  end_ms INTEGER,
  deleted INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX run_experiment ON run(experiment, deleted, start_ms DESC, id);
CREATE TABLE run_tag(
  run INTEGER NOT NULL REFERENCES run(n),
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY(run, key)
) WITHOUT ROWID;
CREATE TABLE run_param(
  run INTEGER NOT NULL REFERENCES run(n),
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY(run, key)
) WITHOUT ROWID;
-- Every point that was logged. A NaN is is_nan 1 and value 0: SQL has none.
CREATE TABLE run_point(
  run INTEGER NOT NULL REFERENCES run(n),
  key TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  step INTEGER NOT NULL,
  value REAL NOT NULL,
  is_nan INTEGER NOT NULL,
  PRIMARY KEY(run, key, at_ms, step, value, is_nan)
) WITHOUT ROWID;
-- The newest of each key, by step, then time, then value; a NaN is NULL here.
CREATE TABLE run_metric(
  run INTEGER NOT NULL REFERENCES run(n),
  key TEXT NOT NULL,
  value REAL,
  at_ms INTEGER NOT NULL,
  step INTEGER NOT NULL,
  PRIMARY KEY(run, key)
) WITHOUT ROWID;
CREATE INDEX run_metric_key ON run_metric(key, value);
-- Datasets as MLflow's DatasetInput in JSON; what is asked for in columns.
CREATE TABLE run_dataset(
  run INTEGER NOT NULL REFERENCES run(n),
  name TEXT NOT NULL,
  digest TEXT NOT NULL,
  context TEXT NOT NULL,
  json TEXT NOT NULL,
  PRIMARY KEY(run, name, digest)
) WITHOUT ROWID;
-- Logged models that a run used (is_output 0) or made (1).
CREATE TABLE run_model(
  run INTEGER NOT NULL REFERENCES run(n),
  is_output INTEGER NOT NULL,
  model TEXT NOT NULL,
  step INTEGER NOT NULL,
  PRIMARY KEY(run, is_output, model, step)
) WITHOUT ROWID;

CREATE TABLE logged_model(
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK(length(id) = 34),
  experiment INTEGER NOT NULL REFERENCES experiment(id),
  name TEXT NOT NULL,
  model_type TEXT NOT NULL,
  source_run TEXT NOT NULL,
  status TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX logged_model_experiment ON logged_model(experiment, deleted, created_ms DESC, id);
CREATE TABLE logged_model_tag(
  model INTEGER NOT NULL REFERENCES logged_model(n),
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY(model, key)
) WITHOUT ROWID;
CREATE TABLE logged_model_param(
  model INTEGER NOT NULL REFERENCES logged_model(n),
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY(model, key)
) WITHOUT ROWID;
-- The newest of each key, run and dataset. A NaN is NULL.
CREATE TABLE logged_model_metric(
  model INTEGER NOT NULL REFERENCES logged_model(n),
  key TEXT NOT NULL,
  run TEXT NOT NULL,
  dataset_name TEXT NOT NULL,
  dataset_digest TEXT NOT NULL,
  value REAL,
  at_ms INTEGER NOT NULL,
  step INTEGER NOT NULL,
  PRIMARY KEY(model, key, run, dataset_name, dataset_digest)
) WITHOUT ROWID;

-- An artifact that comes in parts; each part is a blob until they are joined.
CREATE TABLE parts(
  id TEXT PRIMARY KEY CHECK(length(id) = 32),
  path TEXT NOT NULL,
  secret_sha256 TEXT NOT NULL,
  count INTEGER NOT NULL,
  touched_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE part(
  parts TEXT NOT NULL REFERENCES parts(id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  digest TEXT NOT NULL REFERENCES blob(digest),
  PRIMARY KEY(parts, number)
) WITHOUT ROWID;
CREATE INDEX part_digest ON part(digest);
