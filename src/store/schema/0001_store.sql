-- Blobs, uploads, artifacts. See store.h for what a row of blob promises.
CREATE TABLE blob(
  digest TEXT PRIMARY KEY CHECK(length(digest) = 71),
  size INTEGER NOT NULL CHECK(size >= 0),
  touched_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX blob_touched ON blob(touched_ms);

CREATE TABLE upload(
  id TEXT PRIMARY KEY,
  scope TEXT NOT NULL,
  touched_ms INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE artifact(
  path TEXT PRIMARY KEY,
  digest TEXT NOT NULL REFERENCES blob(digest),
  modified_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX artifact_digest ON artifact(digest);
