-- Users, tokens, devices, the audit log. accounts.h
-- A user is a name that a token carries. Times are ms since 1970; 0 is "never".
CREATE TABLE token(
  id TEXT PRIMARY KEY CHECK(length(id) = 16),
  user TEXT NOT NULL,
  note TEXT NOT NULL,
  role TEXT NOT NULL CHECK(role IN ('reader', 'publisher', 'deployer', 'owner')),
  secret_sha256 TEXT NOT NULL CHECK(length(secret_sha256) = 64),
  created_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL,
  revoked_ms INTEGER NOT NULL DEFAULT 0,
  used_ms INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- Keys are base64; thumbprint is the SHA-256 of the certificate, 64 hex digits.
CREATE TABLE device(
  id TEXT PRIMARY KEY,
  primary_key TEXT NOT NULL,
  secondary_key TEXT NOT NULL DEFAULT '',
  thumbprint TEXT UNIQUE,
  is_enabled INTEGER NOT NULL DEFAULT 1 CHECK(is_enabled IN (0, 1)),
  created_ms INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE device_pull(
  device TEXT NOT NULL REFERENCES device(id) ON DELETE CASCADE,
  repository TEXT NOT NULL,
  PRIMARY KEY(device, repository)
) WITHOUT ROWID;

CREATE TABLE audit(
  id INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  who TEXT NOT NULL,
  token TEXT NOT NULL,
  peer TEXT NOT NULL,
  action TEXT NOT NULL,
  object TEXT NOT NULL,
  detail TEXT NOT NULL
);
