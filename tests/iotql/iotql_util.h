/*
 * iotql_util.h - a database of four devices and three modules, and queries run on it.
 *
 *     1 d1 (edge)   2 d2   3 d3 (disabled)   4 d1/$edgeAgent   5 d1/$edgeHub   6 d2/$edgeAgent
 *     7 \xc3\xa4-7
 */
#ifndef SK_TESTS_IOTQL_UTIL_H
#define SK_TESTS_IOTQL_UTIL_H

#include "base/cleanup.h"
#include "harness/golden.h"
#include "iotql/iotql.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The tables as store/schema/0006_devices.sql has them. */
#define IOTQL_TABLES                                                                               \
    "CREATE TABLE identity(id INTEGER PRIMARY KEY, device TEXT NOT NULL,"                          \
    "  module TEXT NOT NULL DEFAULT '', generation TEXT NOT NULL,"                                 \
    "  etag INTEGER NOT NULL DEFAULT 1, is_enabled INTEGER NOT NULL DEFAULT 1,"                    \
    "  status_reason TEXT NOT NULL DEFAULT '', status_ms INTEGER NOT NULL DEFAULT 0,"              \
    "  is_edge INTEGER NOT NULL DEFAULT 0, auth TEXT NOT NULL DEFAULT 'sas',"                      \
    "  primary_key TEXT NOT NULL DEFAULT '', secondary_key TEXT NOT NULL DEFAULT '',"              \
    "  primary_thumbprint TEXT NOT NULL DEFAULT '', secondary_thumbprint TEXT NOT NULL"            \
    "  DEFAULT '', managed_by TEXT NOT NULL DEFAULT '', scope TEXT NOT NULL DEFAULT '',"           \
    "  parent_scope TEXT NOT NULL DEFAULT '', is_connected INTEGER NOT NULL DEFAULT 0,"            \
    "  connection_ms INTEGER NOT NULL DEFAULT 0, activity_ms INTEGER NOT NULL DEFAULT 0,"          \
    "  created_ms INTEGER NOT NULL, UNIQUE(device, module));"                                      \
    "CREATE TABLE twin(identity INTEGER PRIMARY KEY REFERENCES identity(id) ON DELETE CASCADE,"    \
    "  etag INTEGER NOT NULL DEFAULT 1, version INTEGER NOT NULL DEFAULT 2,"                       \
    "  tags TEXT NOT NULL DEFAULT '{}', configurations TEXT NOT NULL DEFAULT '{}',"                \
    "  desired_version INTEGER NOT NULL DEFAULT 1, reported_version INTEGER NOT NULL DEFAULT 1,"   \
    "  desired TEXT NOT NULL DEFAULT '{}', desired_meta TEXT NOT NULL DEFAULT '{}',"               \
    "  reported TEXT NOT NULL DEFAULT '{}', reported_meta TEXT NOT NULL DEFAULT '{}');"

static const char *const iotql_migrations[] = {
    IOTQL_TABLES
    "INSERT INTO identity(id, device, module, generation, is_enabled, is_edge, scope, is_connected,"
    "  activity_ms, etag, auth, primary_thumbprint, created_ms) VALUES"
    "  (1, 'd1', '', 'g1', 1, 1, 'scope1', 1, 1795928400000, 1, 'sas', '', 1),"
    "  (2, 'd2', '', 'g2', 1, 0, 'scope1', 0, 1795928400500, 2, 'selfSigned', 'AB', 1),"
    "  (3, 'd3', '', 'g3', 0, 0, '', 0, 0, 3, 'none', '', 1),"
    "  (4, 'd1', '$edgeAgent', 'g4', 1, 0, '', 1, 0, 1, 'sas', '', 1),"
    "  (5, 'd1', '$edgeHub', 'g5', 1, 0, '', 0, 0, 1, 'sas', '', 1),"
    "  (6, 'd2', '$edgeAgent', 'g6', 1, 0, '', 0, 0, 1, 'sas', '', 1),"
    "  (7, '\xc3\xa4-7', '', 'g7', 1, 0, '', 0, 0, -2, 'sas', '', 1);"
    "UPDATE identity SET status_reason = 'broken', status_ms = 86399999 WHERE id = 3;"
    "INSERT INTO twin(identity) VALUES(3), (4), (5), (6), (7);"
    "INSERT INTO twin(identity, etag, version, tags, desired_version, desired, desired_meta) VALUES"
    "  (1, 1, 5, '{\"site\":\"A\",\"n\":1,\"flag\":true,\"location\":{\"building\":\"43\"},"
    "\"list\":[\"x\",2,{\"k\":1}],\"a\\\"b\":\"q1\",\"a\\\\b\":\"q2\",\"a.b\":\"q3\","
    "\"a\\nb\":\"q4\",\"\xc3\xa4\":\"q5\",\"deep\":{\"x\\\"y\":{\"z\":5,\"\\\\\":[7]}}}',"
    "  9, '{\"a\":{\"b\":1}}',"
    "  '{\"$lastUpdated\":\"2026-11-29T05:00:00.000Z\",\"a\":{\"$lastUpdatedVersion\":9}}'),"
    "  (2, 255, 6, '{\"site\":\"B\",\"n\":2.5,\"m\":2.5,\"flag\":false,"
    "\"location\":{\"building\":\"44\"},\"site2\":\"B\"}', 1, '{}', '{}');"
    "UPDATE twin SET tags = '{\"site\":3,\"n\":\"1\",\"list\":[],\"nothing\":null}'"
    "  WHERE identity = 3;"
    "UPDATE twin SET tags = '{\"n\":1.0,\"big\":9007199254740993}' WHERE identity = 7;"
    "UPDATE twin SET configurations = '{\"deployment1\":{\"status\":\"Applied\"}}',"
    "  desired_version = 4, reported = '{\"lastDesiredVersion\":4,"
    "\"lastDesiredStatus\":{\"code\":200}}' WHERE identity = 4;"
    "UPDATE twin SET configurations = '{\"deployment1\":{\"status\":\"Applied\"},"
    "\"a.b-c\":{\"status\":\"Targeted\"}}', desired_version = 3, reported_version = 8,"
    "  reported = '{\"lastDesiredVersion\":3,\"lastDesiredStatus\":{\"code\":400}}'"
    "  WHERE identity = 6;",
    NULL,
};

struct place {
    char *dir;
    struct sk_db *db;
};

static inline int set_up(void **state)
{
    static struct place p;
    struct sk_err err = SK_ERR_INIT;
    char name[256];

    p.dir = sk_test_dir();
    (void)snprintf(name, sizeof(name), "%s/db", p.dir);
    if (sk_db_open(&(struct sk_db_options){ .path = name,
                                            .application_id = 1,
                                            .what = "test",
                                            .migrations = iotql_migrations,
                                            .create = true },
                   &p.db, &err) < 0)
        fail_msg("%s", err.text);
    *state = &p;
    return 0;
}

static inline int tear_down(void **state)
{
    struct place *p = *state;

    sk_db_close(p->db);
    sk_test_dir_free(p->dir);
    return 0;
}

/* Rows as text: "1 2", or with columns "1:text=A,integer=5 2:..."; undefined is "-". */
static inline int run_query(struct place *p, const struct sk_iotql *q, int64_t after, unsigned max,
                            int64_t only, struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int rc;

    if (sk_db_begin(p->db, SK_DB_READ, &tx, err) < 0 ||
        sk_iotql_run(q, tx, after, max, only, &s, err) < 0)
        return -1;
    while ((rc = sk_stmt_next(s, err)) > 0) {
        sk_buf_fmt(out, "%s%d", out->len ? " " : "", (int)sk_stmt_int(s, 0));
        for (int i = 0; i < (int)sk_iotql_columns(q); i++) {
            sk_buf_str(out, i ? "," : ":");
            if (sk_stmt_is_null(s, 1 + 2 * i))
                sk_buf_chr(out, '-');
            else
                sk_buf_fmt(out, "%s=%s", sk_stmt_text(s, 1 + 2 * i), sk_stmt_text(s, 2 + 2 * i));
        }
    }
    return rc;
}

static inline void check_rows(struct place *p, const char *text, const struct sk_iotql *q,
                              const char *rows)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);
    struct sk_err err = SK_ERR_INIT;

    if (run_query(p, q, 0, 1000, 0, &out, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    sk_buf_chr(&out, 0);
    if (strcmp(out.data, rows) != 0)
        fail_msg("%s: '%s' instead of '%s'", text, out.data, rows);
}

static inline void check_query(struct place *p, const char *text, const char *rows)
{
    SK_OWN(sk_iotql_free) struct sk_iotql *q = NULL;
    struct sk_err err = SK_ERR_INIT;

    if (sk_iotql_parse(text, &q, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    check_rows(p, text, q, rows);
}

/* "SELECT * FROM devices WHERE ..." */
static inline void check_where(struct place *p, const char *where, const char *rows)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 16);

    sk_buf_fmt(&text, "SELECT * FROM devices WHERE %s", where);
    check_query(p, text.data, rows);
}

#endif
