/*
 * fuzz_iotql.c - queries and target conditions: whatever is accepted is SQL that runs.
 *
 * A text that begins with '!' is a condition, else a query. The database has three devices and a
 * module.
 */
#include "iotql/iotql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const migrations[] = {
    "CREATE TABLE identity(id INTEGER PRIMARY KEY, device TEXT, module TEXT DEFAULT '',"
    "  generation TEXT DEFAULT 'g', etag INTEGER DEFAULT 1, is_enabled INTEGER DEFAULT 1,"
    "  status_reason TEXT DEFAULT '', status_ms INTEGER DEFAULT 0, is_edge INTEGER DEFAULT 0,"
    "  auth TEXT DEFAULT 'sas', primary_thumbprint TEXT DEFAULT '',"
    "  secondary_thumbprint TEXT DEFAULT '', managed_by TEXT DEFAULT '', scope TEXT DEFAULT '',"
    "  is_connected INTEGER DEFAULT 0, connection_ms INTEGER DEFAULT 0,"
    "  activity_ms INTEGER DEFAULT 0, UNIQUE(device, module));"
    "CREATE TABLE twin(identity INTEGER PRIMARY KEY, etag INTEGER DEFAULT 1,"
    "  version INTEGER DEFAULT 2, tags TEXT DEFAULT '{}', configurations TEXT DEFAULT '{}',"
    "  desired_version INTEGER DEFAULT 1, reported_version INTEGER DEFAULT 1,"
    "  desired TEXT DEFAULT '{}', desired_meta TEXT DEFAULT '{}', reported TEXT DEFAULT '{}',"
    "  reported_meta TEXT DEFAULT '{}');"
    "INSERT INTO identity(id, device, module, is_edge, activity_ms) VALUES"
    "  (1, 'd1', '', 1, 1795928400000), (2, 'd2', '', 0, 0), (3, 'd3', '', 0, 0),"
    "  (4, 'd1', '$edgeAgent', 0, 0);"
    "INSERT INTO twin(identity, tags, desired) VALUES"
    "  (1, '{\"a\":1,\"b\":\"x\",\"c\":{\"d\":[1,{\"e\":true}]}}', '{\"a\":1}'),"
    "  (2, '{\"a\":1.5,\"\\\"\":{\"\\\\\":5}}', '{}'), (3, '{\"a\":null}', '{}'), (4, '{}', '{}');",
    NULL,
};

static char folder[] = "/tmp/fuzz-iotql-XXXXXX";
static struct sk_db *db;

static void clean_up(void)
{
    static const char *const ends[] = { "/db", "/db-wal", "/db-shm", "" };
    char name[64];

    sk_db_close(db);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        (void)snprintf(name, sizeof(name), "%s%s", folder, ends[i]);
        (void)remove(name);
    }
}

static struct sk_db *database(void)
{
    char name[64];
    struct sk_err err = SK_ERR_INIT;

    if (db)
        return db;
    if (!mkdtemp(folder))
        abort();
    (void)snprintf(name, sizeof(name), "%s/db", folder);
    if (sk_db_open(&(struct sk_db_options){ .path = name,
                                            .application_id = 1,
                                            .what = "fuzz",
                                            .migrations = migrations,
                                            .create = true },
                   &db, &err) < 0 ||
        atexit(clean_up) != 0)
        abort();
    return db;
}

/* The number of rows. */
static unsigned run(const struct sk_iotql *q, int64_t after, int64_t only)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    struct sk_err err = SK_ERR_INIT;
    unsigned count = 0;
    int rc;

    if (sk_db_begin(database(), SK_DB_READ, &tx, &err) < 0 ||
        sk_iotql_run(q, tx, after, 9, only, &s, &err) < 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        abort();
    }
    while ((rc = sk_stmt_next(s, &err)) > 0) {
        for (size_t i = 0; i < sk_iotql_columns(q); i++)
            if (sk_iotql_column(q, i)[0] == 0)
                abort();
        count++;
    }
    if (rc < 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        abort();
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SK_OWN(free) char *text = malloc(size + 1);
    SK_OWN(sk_iotql_free) struct sk_iotql *q = NULL;
    struct sk_err err = SK_ERR_INIT;
    int rc;

    if (!text)
        abort();
    memcpy(text, data, size);
    text[size] = 0;
    rc = text[0] == '!' ? sk_iotql_parse_condition(text + 1, &q, &err)
                        : sk_iotql_parse(text, &q, &err);
    if (rc < 0) {
        if (err.text[0] == 0 || (err.code != SK_INVALID && err.code != SK_LIMIT))
            abort();
        return 0;
    }
    if (run(q, 0, 0) > 4)
        abort();
    (void)run(q, 1, 2);
    return 0;
}
