-- Devices and modules: identities, twins, sessions, messages to them, deployments. devices.h, deploy.h, telemetry.h
-- Times are ms since 1970; 0 is "never". A device is a row whose module is ''.
CREATE TABLE identity(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  device TEXT NOT NULL,
  module TEXT NOT NULL DEFAULT '',
  generation TEXT NOT NULL,
  etag INTEGER NOT NULL DEFAULT 1,
  is_enabled INTEGER NOT NULL DEFAULT 1 CHECK(is_enabled IN (0, 1)),
  status_reason TEXT NOT NULL DEFAULT '',
  status_ms INTEGER NOT NULL DEFAULT 0,
  is_edge INTEGER NOT NULL DEFAULT 0 CHECK(is_edge IN (0, 1)),
  auth TEXT NOT NULL DEFAULT 'sas' CHECK(auth IN ('sas', 'selfSigned', 'certificateAuthority', 'none')),
  primary_key TEXT NOT NULL DEFAULT '',
  secondary_key TEXT NOT NULL DEFAULT '',
  primary_thumbprint TEXT NOT NULL DEFAULT '',
  secondary_thumbprint TEXT NOT NULL DEFAULT '',
  managed_by TEXT NOT NULL DEFAULT '',
  scope TEXT NOT NULL DEFAULT '',
  parent_scope TEXT NOT NULL DEFAULT '',
  is_connected INTEGER NOT NULL DEFAULT 0 CHECK(is_connected IN (0, 1)),
  connection_ms INTEGER NOT NULL DEFAULT 0,
  activity_ms INTEGER NOT NULL DEFAULT 0,
  created_ms INTEGER NOT NULL,
  UNIQUE(device, module)
);
-- The hub's start looks for those that a kill left connected.
CREATE INDEX identity_connected ON identity(is_connected) WHERE is_connected = 1;
CREATE INDEX identity_edge ON identity(is_edge) WHERE is_edge = 1;
CREATE INDEX identity_thumbprint ON identity(primary_thumbprint) WHERE primary_thumbprint <> '';
CREATE INDEX identity_thumbprint2 ON identity(secondary_thumbprint) WHERE secondary_thumbprint <> '';
-- Some clients write the names in their tokens in lower case.
CREATE INDEX identity_folded ON identity(device COLLATE NOCASE, module COLLATE NOCASE);

-- Small columns first: a query by tag does not read the large ones. configurations: {"id":{"status":"Applied"}}.
CREATE TABLE twin(
  identity INTEGER PRIMARY KEY REFERENCES identity(id) ON DELETE CASCADE,
  etag INTEGER NOT NULL DEFAULT 1,
  version INTEGER NOT NULL DEFAULT 2,
  tags TEXT NOT NULL DEFAULT '{}',
  configurations TEXT NOT NULL DEFAULT '{}',
  desired_version INTEGER NOT NULL DEFAULT 1,
  reported_version INTEGER NOT NULL DEFAULT 1,
  desired TEXT NOT NULL DEFAULT '{}',
  desired_meta TEXT NOT NULL DEFAULT '{}',
  reported TEXT NOT NULL DEFAULT '{}',
  reported_meta TEXT NOT NULL DEFAULT '{}'
);

-- What a client has subscribed to (enum sk_iot_sub); it does not say so again after a break.
CREATE TABLE session(
  identity INTEGER PRIMARY KEY REFERENCES identity(id) ON DELETE CASCADE,
  subs INTEGER NOT NULL
);

-- To devices, and to inputs of modules (input <> ''). properties: a bag as it goes on the wire.
CREATE TABLE message_down(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  identity INTEGER NOT NULL REFERENCES identity(id) ON DELETE CASCADE,
  input TEXT NOT NULL DEFAULT '',
  message_id TEXT NOT NULL DEFAULT '',
  properties TEXT NOT NULL DEFAULT '',
  ack TEXT NOT NULL DEFAULT 'none' CHECK(ack IN ('none', 'positive', 'negative', 'full')),
  enqueued_ms INTEGER NOT NULL,
  expiry_ms INTEGER NOT NULL,
  deliveries INTEGER NOT NULL DEFAULT 0,
  body BLOB NOT NULL
);
CREATE INDEX message_down_identity ON message_down(identity, id);
CREATE INDEX message_down_expiry ON message_down(expiry_ms);

-- What became of them, for those who sent them. lock_token '' when nobody has it.
CREATE TABLE feedback(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at_ms INTEGER NOT NULL,
  locked_ms INTEGER NOT NULL DEFAULT 0,
  lock_token TEXT NOT NULL DEFAULT '',
  record TEXT NOT NULL
);

-- Automatic deployments and device configurations. content, metrics: JSON.
CREATE TABLE configuration(
  id TEXT PRIMARY KEY,
  etag INTEGER NOT NULL DEFAULT 1,
  target TEXT NOT NULL,
  priority INTEGER NOT NULL,
  labels TEXT NOT NULL DEFAULT '{}',
  content TEXT NOT NULL,
  metrics TEXT NOT NULL DEFAULT '{}',
  warnings TEXT NOT NULL DEFAULT '[]',
  is_layer INTEGER NOT NULL DEFAULT 0 CHECK(is_layer IN (0, 1)),
  created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL
) WITHOUT ROWID;

-- What is left to do after a change of configurations, so that a kill in the middle is made good: identities above
-- `done` (2^63 - 1: nothing). is_full: marks of twins do not tell whether their content is the newest.
CREATE TABLE deploy_work(
  id INTEGER PRIMARY KEY CHECK(id = 1),
  generation INTEGER NOT NULL,
  done INTEGER NOT NULL,
  is_full INTEGER NOT NULL DEFAULT 0 CHECK(is_full IN (0, 1))
);
INSERT INTO deploy_work(id, generation, done) VALUES(1, 0, 0);

-- Warnings of the last content that was applied to one device by hand.
CREATE TABLE deploy_warning(
  device TEXT PRIMARY KEY,
  warnings TEXT NOT NULL,
  at_ms INTEGER NOT NULL
) WITHOUT ROWID;

-- Where readers of telemetry have got to: the next number of the journal.
CREATE TABLE consumer_group(
  journal TEXT NOT NULL,
  name TEXT NOT NULL,
  next INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL,
  PRIMARY KEY(journal, name)
) WITHOUT ROWID;

-- Shared access policies, as IoT Hub has them. Keys are made when the hub starts.
CREATE TABLE policy(
  name TEXT PRIMARY KEY,
  primary_key TEXT NOT NULL,
  secondary_key TEXT NOT NULL
) WITHOUT ROWID;

-- Devices as they were kept for pulling alone become identities.
INSERT INTO identity(device, generation, auth, primary_key, secondary_key, primary_thumbprint, is_enabled, created_ms)
  SELECT id, CAST(created_ms AS TEXT) || substr('00000' || abs(random() % 100000), -5),
         CASE WHEN thumbprint IS NULL THEN 'sas' ELSE 'selfSigned' END, primary_key, secondary_key,
         coalesce(thumbprint, ''), is_enabled, created_ms FROM device;
INSERT INTO twin(identity) SELECT id FROM identity;
CREATE TABLE pull(
  device TEXT NOT NULL,
  repository TEXT NOT NULL,
  PRIMARY KEY(device, repository)
) WITHOUT ROWID;
INSERT INTO pull SELECT device, repository FROM device_pull;
DROP TABLE device_pull;
DROP TABLE device;
