-- Registered models and their versions. models.h
--
-- name stands in model_version once more so that a list of versions is ordered by one index;
-- renaming changes both.
CREATE TABLE model(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  description TEXT,
  user TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL
);
CREATE INDEX model_updated ON model(updated_ms, name);
CREATE INDEX model_created ON model(created_ms, name);

-- The number of a name's next version, which outlives the model; `model` is the last that had it.
CREATE TABLE model_number(
  name TEXT PRIMARY KEY,
  next INTEGER NOT NULL CHECK(next > 0),
  model INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE model_tag(
  id INTEGER PRIMARY KEY,
  model INTEGER NOT NULL REFERENCES model(id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  UNIQUE(model, key)
);
CREATE INDEX model_tag_value ON model_tag(key, value, model);

CREATE TABLE model_version(
  id INTEGER PRIMARY KEY,
  model INTEGER NOT NULL REFERENCES model(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  version INTEGER NOT NULL CHECK(version > 0),
  stage TEXT NOT NULL DEFAULT 'None' CHECK(stage IN ('None', 'Staging', 'Production', 'Archived')),
  user TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL,
  digest TEXT,                       -- NULL: no files here
  size INTEGER NOT NULL DEFAULT 0,
  files INTEGER NOT NULL DEFAULT 0,
  source TEXT,                       -- what the client named
  location TEXT,                     -- where the files are when not here; NULL: at source
  run_id TEXT NOT NULL DEFAULT '',
  run_link TEXT,
  model_id TEXT,
  idempotency_key TEXT,
  description TEXT,
  properties TEXT,                   -- last, since it is long and seldom read
  UNIQUE(model, version),
  UNIQUE(model, idempotency_key)
);
CREATE INDEX model_version_stage ON model_version(model, stage, version);
CREATE INDEX model_version_name ON model_version(name, version);
CREATE INDEX model_version_updated ON model_version(updated_ms DESC, name, version DESC);
CREATE INDEX model_version_created ON model_version(created_ms);
CREATE INDEX model_version_digest ON model_version(model, digest);
CREATE INDEX model_version_run ON model_version(run_id);

CREATE TABLE model_version_tag(
  id INTEGER PRIMARY KEY,
  version INTEGER NOT NULL REFERENCES model_version(id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  UNIQUE(version, key)
);
CREATE INDEX model_version_tag_value ON model_version_tag(key, value, version);

CREATE TABLE model_alias(
  model INTEGER NOT NULL REFERENCES model(id) ON DELETE CASCADE,
  alias TEXT NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY(model, alias),
  FOREIGN KEY(model, version) REFERENCES model_version(model, version) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX model_alias_version ON model_alias(model, version);
