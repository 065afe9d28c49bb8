/*
 * describe.c - configurations as JSON, with the queries of their metrics and what those give.
 *
 * Results are counted when they are asked for: there is no counter that could be wrong.
 */
#include "deploy/deploy_priv.h"

#include "base/clock.h"
#include "base/log.h"
#include "crypto/crypto.h"

#include <stdio.h>
#include <string.h>

enum {
    QUERY_MAX = SK_DEPLOY_TARGET_MAX + 1024
};

int sk_configuration_etag(int64_t etag, char out[SK_DEPLOY_ETAG_TEXT], struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_DEPLOY_ETAG_TEXT - 1);
    char digits[24];
    (void)snprintf(digits, sizeof digits, "%lld", (long long)etag);
    sk_base64(&b, digits, strlen(digits));
    if (!sk_buf_ok(&b))
        return sk_buf_fail(&b, err);
    (void)snprintf(out, SK_DEPLOY_ETAG_TEXT, "%s", b.data);
    return 0;
}

/* ---- system metrics ---- */

struct metric {
    const char *name;
    struct sk_buf query;
};

enum {
    TARGETED,
    APPLIED,
    SUCCESSFUL,
    FAILED,
    METRICS
};

static void write_targeted(enum sk_deploy_kind kind, const char *target, struct sk_buf *out)
{
    const struct sk_view said = sk_view_trim(sk_view_of(target));
    if (kind == SK_DEPLOY_MODULE) {
        /* "from devices.modules where ..." is the rest of a query. */
        sk_buf_str(out, "select deviceId, moduleId ");
        sk_buf_str(out, said.len ? target : "from devices.modules where deviceId = ''");
        return;
    }
    sk_buf_str(out, "select deviceId from devices");
    const char *with = " where ";
    if (kind == SK_DEPLOY_EDGE) {
        sk_buf_str(out, " where capabilities.iotEdge = true");
        with = " and ";
    }
    if (said.len == 0)
        sk_buf_fmt(out, "%sdeviceId = ''", with);
    else if (!sk_view_eq(said, "*"))
        sk_buf_fmt(out, "%s(%.*s)", with, (int)said.len, said.ptr);
}

static void write_applied(enum sk_deploy_kind kind, const char *id, struct sk_buf *out)
{
    static const char *const begin[] = {
        [SK_DEPLOY_EDGE] = "select deviceId from devices.modules where moduleId = '$edgeAgent' and",
        [SK_DEPLOY_DEVICE] = "select deviceId from devices where",
        [SK_DEPLOY_MODULE] = "select deviceId, moduleId from devices.modules where",
    };
    sk_buf_fmt(out, "%s configurations.[[%s]].status = 'Applied'", begin[kind], id);
}

static void write_system(enum sk_deploy_kind kind, const char *id, const char *target,
                         struct metric out[METRICS])
{
    static const char
        reported[] = " and properties.desired.$version = properties.reported.lastDesiredVersion"
                     " and properties.reported.lastDesiredStatus.code ";
    write_targeted(kind, target, &out[TARGETED].query);
    for (size_t i = APPLIED; i < METRICS; i++)
        write_applied(kind, id, &out[i].query);
    sk_buf_fmt(&out[SUCCESSFUL].query, "%s= 200", reported);
    sk_buf_fmt(&out[FAILED].query, "%s!= 200", reported);
}

/* ---- results ---- */

static void add_member(struct sk_buf *out, bool *is_first, const char *name)
{
    sk_buf_str(out, *is_first ? "" : ",");
    *is_first = false;
    sk_buf_json_str(out, name);
    sk_buf_chr(out, ':');
}

/* A query that takes too long has no result; the others have. */
static int add_result(struct sk_deploy *d, struct sk_buf *out, bool *is_first, const char *name,
                      const char *query, struct sk_err *err)
{
    int64_t rows = 0;
    if (sk_devices_query_count(d->devices, query, &rows, err) < 0) {
        if (err->code == SK_NOMEM)
            return -1;
        sk_log(SK_WARN, "metric_skipped", "name=\"%s\" error=\"%s\"", name, err->text);
        return 0;
    }
    add_member(out, is_first, name);
    sk_buf_i64(out, rows);
    return 0;
}

static int add_metrics(struct sk_deploy *d, const char *queries, bool with_results,
                       struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *all = NULL;
    bool is_first = true;
    sk_buf_fmt(out, ",\"metrics\":{\"queries\":%s,\"results\":{", queries);
    if (with_results && sk_json_parse(queries, strlen(queries), NULL, &all, err) < 0)
        return -1;
    for (void *it = sk_json_first(all); it; it = sk_json_next(all, it))
        if (add_result(d, out, &is_first, sk_json_key(it), sk_json_text(sk_json_value(it), ""),
                       err) < 0)
            return -1;
    sk_buf_str(out, "}}");
    return 0;
}

static int write_metrics(struct sk_deploy *d, struct metric *all, size_t count, bool with_results,
                         struct sk_buf *out, struct sk_err *err)
{
    bool is_first = true;
    sk_buf_str(out, ",\"systemMetrics\":{\"queries\":{");
    for (size_t i = 0; i < count; i++) {
        if (!sk_buf_ok(&all[i].query))
            return sk_buf_fail(&all[i].query, err);
        add_member(out, &is_first, all[i].name);
        sk_buf_json(out, all[i].query.data, all[i].query.len);
    }
    sk_buf_str(out, "},\"results\":{");
    is_first = true;
    for (size_t i = 0; with_results && i < count; i++)
        if (add_result(d, out, &is_first, all[i].name, all[i].query.data, err) < 0)
            return -1;
    sk_buf_str(out, "}}");
    return 0;
}

static int add_system(struct sk_deploy *d, enum sk_deploy_kind kind, const char *id,
                      const char *target, bool with_results, struct sk_buf *out, struct sk_err *err)
{
    struct metric all[METRICS] = { { "targetedCount", SK_BUF_INIT(QUERY_MAX) },
                                   { "appliedCount", SK_BUF_INIT(QUERY_MAX) },
                                   { "reportedSuccessfulCount", SK_BUF_INIT(QUERY_MAX) },
                                   { "reportedFailedCount", SK_BUF_INIT(QUERY_MAX) } };
    write_system(kind, id, target, all);
    int failed = write_metrics(d, all, kind == SK_DEPLOY_EDGE ? METRICS : SUCCESSFUL, with_results,
                               out, err);
    for (size_t i = 0; i < METRICS; i++)
        sk_buf_done(&all[i].query);
    return failed;
}

/* ---- whole configurations ---- */

#define COLUMNS                                                                                    \
    "SELECT id, etag, target, priority, labels, content, metrics, warnings, created_ms, "          \
    "updated_ms FROM configuration "

static void add_time(struct sk_buf *out, const char *name, int64_t ms)
{
    char text[SK_TIME_TEXT];
    sk_time_text((uint64_t)ms, text);
    sk_buf_fmt(out, ",\"%s\":\"%s\"", name, text);
}

static int kind_of(const char *text, enum sk_deploy_kind *out, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *json = NULL;
    struct sk_content content;
    if (sk_json_parse(text, strlen(text), NULL, &json, err) < 0 ||
        sk_content_read(json, &content, err) < 0)
        return -1;
    *out = content.kind;
    return 0;
}

static int print_row(struct sk_deploy *d, struct sk_stmt *s, bool with_results, struct sk_buf *out,
                     struct sk_err *err)
{
    const char *id = sk_stmt_text(s, 0), *target = sk_stmt_text(s, 2);
    const char *content = sk_stmt_text(s, 5), *warnings = sk_stmt_text(s, 7);
    char etag[SK_DEPLOY_ETAG_TEXT];
    enum sk_deploy_kind kind;
    if (kind_of(content, &kind, err) < 0 || sk_configuration_etag(sk_stmt_int(s, 1), etag, err) < 0)
        return -1;
    sk_buf_str(out, "{\"id\":");
    sk_buf_json_str(out, id);
    sk_buf_fmt(out, ",\"schemaVersion\":\"1.0\",\"labels\":%s,\"priority\":%lld",
               sk_stmt_text(s, 4), (long long)sk_stmt_int(s, 3));
    sk_buf_str(out, ",\"targetCondition\":");
    sk_buf_json_str(out, target);
    sk_buf_str(out, ",\"content\":");
    sk_buf_str(out, content);
    add_time(out, "createdTimeUtc", sk_stmt_int(s, 8));
    add_time(out, "lastUpdatedTimeUtc", sk_stmt_int(s, 9));
    sk_buf_fmt(out, ",\"etag\":\"%s\"", etag);
    if (add_metrics(d, sk_stmt_text(s, 6), with_results, out, err) < 0)
        return -1;
    if (add_system(d, kind, id, target, with_results, out, err) < 0)
        return -1;
    if (strcmp(warnings, "[]") != 0)
        sk_buf_fmt(out, ",\"warnings\":%s", warnings);
    sk_buf_chr(out, '}');
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

int sk_configuration_print(struct sk_deploy *d, const char *id, bool with_results,
                           struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_db_begin(d->db, SK_DB_READ, &tx, err) < 0 ||
        sk_tx_query(tx, &s, err, COLUMNS "WHERE id = ?1", "s", id) < 0)
        return -1;
    int found = sk_stmt_next(s, err);
    if (found == 0)
        return sk_fail(err, SK_NOT_FOUND,
                       "ConfigurationNotFound: there is no configuration '%.128s'", id);
    return found < 0 ? -1 : print_row(d, s, with_results, out, err);
}

int sk_configuration_get(struct sk_deploy *d, const char *id, struct sk_buf *out,
                         struct sk_err *err)
{
    return sk_configuration_print(d, id, true, out, err);
}

int sk_configuration_list(struct sk_deploy *d, unsigned max, struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    const char *before = "[";
    int more;
    if (max == 0 || max > SK_DEPLOY_CONFIGURATIONS_MAX)
        max = SK_DEPLOY_CONFIGURATIONS_MAX;
    if (sk_db_begin(d->db, SK_DB_READ, &tx, err) < 0 ||
        sk_tx_query(tx, &s, err, COLUMNS "ORDER BY id LIMIT ?1", "i", (int64_t)max) < 0)
        return -1;
    while ((more = sk_stmt_next(s, err)) == 1) {
        sk_buf_str(out, before);
        before = ",";
        if (print_row(d, s, false, out, err) < 0)
            return -1;
    }
    if (more < 0)
        return -1;
    sk_buf_str(out, *before == '[' ? "[]" : "]");
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}
