/* spec.c - the body of a configuration: names, numbers and queries, before its content is looked
 * into. */
#include "deploy/deploy_priv.h"

#include <stdio.h>
#include <string.h>

int sk_configuration_id_check(const char *id, struct sk_err *err)
{
    size_t len = strlen(id);
    bool is_good = len > 0 && len <= SK_DEPLOY_ID_MAX;
    for (size_t i = 0; i < len && is_good; i++)
        is_good = id[i] > ' ' && id[i] < 127 && !(id[i] >= 'A' && id[i] <= 'Z') &&
                  !strchr("&^[]{}\\|\"<>/", id[i]);
    if (is_good)
        return 0;
    return sk_fail(err, SK_INVALID,
                   "ArgumentInvalid: a configuration's id has 1 to %d characters, lower case, "
                   "without space and &^[]{}\\|\"<>/",
                   SK_DEPLOY_ID_MAX);
}

int sk_metric_check(const char *name, const struct sk_json *query, struct sk_err *err)
{
    SK_OWN(sk_iotql_free) struct sk_iotql *q = NULL;
    if (sk_json_type(query) != SK_JSON_STRING)
        return sk_fail(err, SK_INVALID,
                       "InvalidConfigurationCustomMetricsQuery: '%.64s' is no text", name);
    if (sk_iotql_parse(sk_json_text(query, ""), &q, err) == 0)
        return 0;
    return err->code == SK_INVALID || err->code == SK_LIMIT
               ? sk_wrap(err, "InvalidConfigurationCustomMetricsQuery: '%.64s'", name)
               : -1;
}

static int check_labels(const struct sk_json *labels, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_DEPLOY_LABELS_MAX);
    for (void *it = sk_json_first(labels); it; it = sk_json_next(labels, it))
        if (sk_json_type(sk_json_value(it)) != SK_JSON_STRING)
            return sk_fail(err, SK_INVALID, "'labels': '%.64s' is no text", sk_json_key(it));
    sk_json_dump(labels, &b);
    return sk_buf_ok(&b) ? 0 : sk_buf_fail(&b, err);
}

static int read_plain(const struct sk_json *body, struct sk_configuration *out, struct sk_err *err)
{
    const char *said = out->id;
    const struct sk_json *metrics = NULL;
    if (sk_json_type(body) != SK_JSON_OBJECT)
        return sk_fail(err, SK_INVALID, "a configuration is an object");
    if (sk_json_want_text(body, "id", &said, err) < 0 ||
        sk_json_want_text(body, "targetCondition", &out->target, err) < 0 ||
        sk_json_want_int(body, "priority", 0, INT32_MAX, &out->priority, err) < 0 ||
        sk_json_want_object(body, "labels", &out->labels, err) < 0 ||
        sk_json_want_object(body, "metrics", &metrics, err) < 0 ||
        (metrics && sk_json_want_object(metrics, "queries", &out->queries, err) < 0))
        return -1;
    if (strcmp(said, out->id) != 0)
        return sk_fail(err, SK_INVALID, "'id' is '%.128s', but the address says '%s'", said,
                       out->id);
    if (strlen(out->target) > SK_DEPLOY_TARGET_MAX)
        return sk_fail(err, SK_LIMIT, "a target condition has at most %d bytes",
                       SK_DEPLOY_TARGET_MAX);
    return check_labels(out->labels, err);
}

static int check_metrics(const struct sk_json *queries, struct sk_err *err)
{
    if (sk_json_count(queries) > SK_DEPLOY_METRICS_MAX)
        return sk_fail(err, SK_LIMIT,
                       "InvalidConfigurationCustomMetricsQuery: at most %d metrics, not %zu",
                       SK_DEPLOY_METRICS_MAX, sk_json_count(queries));
    for (void *it = sk_json_first(queries); it; it = sk_json_next(queries, it))
        if (sk_metric_check(sk_json_key(it), sk_json_value(it), err) < 0)
            return -1;
    return 0;
}

int sk_configuration_read(const char *id, const struct sk_json *body, struct sk_configuration *out,
                          struct sk_err *err)
{
    const struct sk_json *content = NULL;
    *out = (struct sk_configuration){ .target = "" };
    if (sk_configuration_id_check(id, err) < 0)
        return -1;
    (void)snprintf(out->id, sizeof out->id, "%s", id);
    if (read_plain(body, out, err) < 0)
        return sk_wrap(err, "ArgumentInvalid");
    if (sk_json_want_object(body, "content", &content, err) < 0)
        return sk_wrap(err, "InvalidConfigurationContent");
    if (content && sk_content_read(content, &out->content, err) < 0)
        return -1;
    out->has_content = content != NULL;
    return check_metrics(out->queries, err);
}
