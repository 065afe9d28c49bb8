-- Blobs and artifacts. See store.h for what a row of blob promises. A column elsewhere that REFERENCES
-- blob(digest) keeps the blob from gc, unless it says ON DELETE CASCADE; it needs an index.
CREATE TABLE blob(
  digest TEXT PRIMARY KEY CHECK(length(digest) IN (71, 135)),
  size INTEGER NOT NULL CHECK(size >= 0),
  touched_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX blob_touched ON blob(touched_ms);

-- One row. gc writes it before it takes files away (gc.c says why).
CREATE TABLE care(
  id INTEGER PRIMARY KEY CHECK(id = 1),
  gc_ms INTEGER NOT NULL
);
INSERT INTO care VALUES(1, 0);

CREATE TABLE artifact(
  path TEXT PRIMARY KEY,
  digest TEXT NOT NULL REFERENCES blob(digest),
  modified_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX artifact_digest ON artifact(digest);
