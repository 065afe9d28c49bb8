-- Repositories, manifests, tags. images.h
--
-- What keeps a blob: manifest.digest and manifest_part.digest. repository_blob only says that the
-- repository may show it; such a row goes with its blob and keeps nothing.
CREATE TABLE repository(
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  created_ms INTEGER NOT NULL
);

CREATE TABLE repository_blob(
  repository INTEGER NOT NULL REFERENCES repository(id),
  digest TEXT NOT NULL REFERENCES blob(digest) ON DELETE CASCADE,
  PRIMARY KEY(repository, digest)
) WITHOUT ROWID;
CREATE INDEX repository_blob_digest ON repository_blob(digest);

-- subject need not be there. artifact_type and annotations are kept for the list of referrers.
CREATE TABLE manifest(
  id INTEGER PRIMARY KEY,
  repository INTEGER NOT NULL REFERENCES repository(id),
  digest TEXT NOT NULL REFERENCES blob(digest),
  size INTEGER NOT NULL,
  media_type TEXT NOT NULL,
  subject TEXT,
  artifact_type TEXT,
  annotations TEXT,
  pushed_ms INTEGER NOT NULL,
  UNIQUE(repository, digest)
);
CREATE INDEX manifest_digest ON manifest(digest);
CREATE INDEX manifest_subject ON manifest(repository, subject, digest) WHERE subject IS NOT NULL;

-- What a manifest names and cannot do without: config, layers, manifests of an index.
CREATE TABLE manifest_part(
  manifest INTEGER NOT NULL REFERENCES manifest(id) ON DELETE CASCADE,
  digest TEXT NOT NULL REFERENCES blob(digest),
  PRIMARY KEY(manifest, digest)
) WITHOUT ROWID;
CREATE INDEX manifest_part_digest ON manifest_part(digest);

CREATE TABLE repository_tag(
  repository INTEGER NOT NULL REFERENCES repository(id),
  name TEXT NOT NULL,
  manifest INTEGER NOT NULL REFERENCES manifest(id) ON DELETE CASCADE,
  moved_ms INTEGER NOT NULL,
  PRIMARY KEY(repository, name)
) WITHOUT ROWID;
CREATE INDEX repository_tag_manifest ON repository_tag(manifest);
