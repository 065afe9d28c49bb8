/*
 * configuration.c - creating, updating, deleting and testing configurations.
 *
 * Each change moves the generation of deploy_work in its own transaction, so that a kill right
 * after it forgets nothing, and wakes the thread. Marks tell what a device has by names alone; when
 * names can be the same for other contents - priorities changed, or an id came back before all
 * devices knew that it was gone - the pass that follows must compare contents (is_full).
 */
#include "deploy/deploy_priv.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

/* ---- what is there ---- */

struct stored {
    int64_t etag, priority;
    struct sk_json *content;
};

static void stored_done(struct stored *s)
{
    sk_json_free(s->content);
}

/* 0: none. */
static int find(struct sk_tx *tx, const char *id, struct stored *out, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_tx_query(tx, &s, err, "SELECT etag, priority, content FROM configuration WHERE id = ?1",
                    "s", id) < 0)
        return -1;
    int found = sk_stmt_next(s, err);
    if (found <= 0)
        return found;
    const struct sk_view text = sk_stmt_view(s, 2);
    out->etag = sk_stmt_int(s, 0);
    out->priority = sk_stmt_int(s, 1);
    return sk_json_parse(text.ptr, text.len, NULL, &out->content, err) < 0 ? -1 : 1;
}

static int check_etag(int64_t etag, const char *if_match, struct sk_err *err)
{
    char want[SK_DEPLOY_ETAG_TEXT];
    struct sk_view said = sk_view_trim(sk_view_of(if_match));
    if (said.len >= 2 && said.ptr[0] == '"' && said.ptr[said.len - 1] == '"')
        said = (struct sk_view){ said.ptr + 1, said.len - 2 };
    if (sk_configuration_etag(etag, want, err) < 0)
        return -1;
    if (sk_view_eq(said, "*") || sk_view_eq(said, want))
        return 0;
    return sk_fail(err, SK_MISMATCH,
                   "PreconditionFailed: the configuration has changed; its etag "
                   "is \"%s\"",
                   want);
}

static int missing(const char *id, struct sk_err *err)
{
    return sk_fail(err, SK_NOT_FOUND, "ConfigurationNotFound: there is no configuration '%.128s'",
                   id);
}

static int check_room(struct sk_tx *tx, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_tx_query(tx, &s, err, "SELECT count(*) FROM configuration", "") < 0 ||
        sk_stmt_next(s, err) < 0)
        return -1;
    if (sk_stmt_int(s, 0) < SK_DEPLOY_CONFIGURATIONS_MAX)
        return 0;
    return sk_fail(err, SK_LIMIT, "ConfigurationCountLimitExceeded: there are %d configurations",
                   SK_DEPLOY_CONFIGURATIONS_MAX);
}

/* is_new: an id that devices may still know from an earlier life counts as another content. */
static int plan_work(struct sk_tx *tx, bool is_full, bool is_new, struct sk_err *err)
{
    return sk_tx_run(tx, err,
                     "UPDATE deploy_work SET generation = generation + 1, "
                     "is_full = is_full OR ?1 OR (?2 AND done <> ?3), done = 0 WHERE id = 1",
                     "iii", (int64_t)is_full, (int64_t)is_new, SK_DEPLOY_DONE);
}

/* ---- putting ---- */

struct put {
    const struct sk_who *who;
    const char *if_match;
    const struct sk_configuration *conf;
    struct sk_buf content, labels, metrics, warnings; /* JSON */
};

static void put_done(struct put *p)
{
    sk_buf_done(&p->content);
    sk_buf_done(&p->labels);
    sk_buf_done(&p->metrics);
    sk_buf_done(&p->warnings);
}

static struct sk_view view(const struct sk_buf *b)
{
    return (struct sk_view){ b->data, b->len };
}

static int insert(struct sk_change *c, const struct put *p, struct sk_err *err)
{
    struct sk_tx *tx = sk_change_tx(c);
    const struct sk_configuration *conf = p->conf;
    /* Of two with the same priority the later one wins, so no two are of one time. */
    if (check_room(tx, err) < 0 ||
        sk_tx_run(tx, err,
                  "INSERT INTO configuration(id, target, priority, labels, content, metrics, "
                  "warnings, is_layer, created_ms, updated_ms) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, "
                  "?8, max(?9, coalesce(max(created_ms) + 1, 0)), ?9 FROM configuration",
                  "ssivvvvii", conf->id, conf->target, conf->priority, view(&p->labels),
                  view(&p->content), view(&p->metrics), view(&p->warnings),
                  (int64_t)conf->content.is_layer, (int64_t)sk_wall_ms()) < 0 ||
        plan_work(tx, false, true, err) < 0)
        return -1;
    return sk_audit(tx, p->who, "configuration.create", conf->id, NULL, err);
}

/* The target must suit what is stored. */
static int check_change(const struct put *p, const struct stored *old, struct sk_err *err)
{
    SK_OWN(sk_iotql_free) struct sk_iotql *target = NULL;
    struct sk_content content;
    if (check_etag(old->etag, p->if_match, err) < 0 ||
        sk_content_read(old->content, &content, err) < 0)
        return -1;
    if (p->conf->has_content && (p->conf->content.kind != content.kind ||
                                 !sk_json_equal(p->conf->content.value, content.value)))
        return sk_fail(err, SK_INVALID,
                       "CannotModifyImmutableConfigurationContent: the content of '%s' cannot "
                       "change; make another configuration with a higher priority",
                       p->conf->id);
    return sk_target_parse(p->conf->target, content.kind, &target, err);
}

static int update(struct sk_change *c, const struct put *p, const struct stored *old,
                  struct sk_err *err)
{
    struct sk_tx *tx = sk_change_tx(c);
    const struct sk_configuration *conf = p->conf;
    if (check_change(p, old, err) < 0 ||
        sk_tx_run(tx, err,
                  "UPDATE configuration SET target = ?2, priority = ?3, labels = ?4, metrics = ?5, "
                  "updated_ms = ?6, etag = etag + 1 WHERE id = ?1",
                  "ssivvi", conf->id, conf->target, conf->priority, view(&p->labels),
                  view(&p->metrics), (int64_t)sk_wall_ms()) < 0 ||
        plan_work(tx, conf->priority != old->priority, false, err) < 0)
        return -1;
    return sk_audit(tx, p->who, "configuration.update", conf->id, NULL, err);
}

static int run_put(struct sk_change *c, void *ctx, struct sk_err *err)
{
    const struct put *p = ctx;
    SK_AUTO(stored_done) struct stored old = { .content = NULL };
    int found = find(sk_change_tx(c), p->conf->id, &old, err);
    if (found < 0)
        return -1;
    if (p->if_match)
        return found ? update(c, p, &old, err) : missing(p->conf->id, err);
    if (found)
        return sk_fail(err, SK_EXISTS, "ConfigurationAlreadyExists: there is a configuration '%s'",
                       p->conf->id);
    if (!p->conf->has_content)
        return sk_fail(err, SK_INVALID, "InvalidConfigurationContent: 'content' is missing");
    return insert(c, p, err);
}

/* The texts of a row. */
static int write_texts(const struct sk_deploy *d, struct put *p, struct sk_err *err)
{
    SK_AUTO(sk_says_done) struct sk_says says = SK_SAYS_INIT;
    const struct sk_configuration *conf = p->conf;
    if (conf->has_content) {
        SK_OWN(sk_iotql_free) struct sk_iotql *target = NULL;
        if (sk_content_check(d, &conf->content, &says, err) < 0 ||
            sk_target_parse(conf->target, conf->content.kind, &target, err) < 0)
            return -1;
        sk_buf_fmt(&p->content, "{\"%s\":", conf->content.name);
        sk_json_dump(conf->content.value, &p->content);
        sk_buf_chr(&p->content, '}');
    }
    if (conf->labels)
        sk_json_dump(conf->labels, &p->labels);
    else
        sk_buf_str(&p->labels, "{}");
    if (conf->queries)
        sk_json_dump(conf->queries, &p->metrics);
    else
        sk_buf_str(&p->metrics, "{}");
    sk_says_list(&says.warnings, &p->warnings);
    const struct sk_buf *all[] = { &p->content, &p->labels, &p->metrics, &p->warnings };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (!sk_buf_ok(all[i]))
            return sk_buf_fail(all[i], err);
    return 0;
}

int sk_configuration_put(struct sk_deploy *d, const struct sk_who *who, const char *id,
                         const struct sk_json *body, const char *if_match, struct sk_buf *out,
                         struct sk_err *err)
{
    struct sk_configuration conf;
    SK_AUTO(put_done)
    struct put p = { .who = who,
                     .if_match = if_match,
                     .conf = &conf,
                     .content = SK_BUF_INIT(SK_DEPLOY_CONTENT_MAX),
                     .labels = SK_BUF_INIT(SK_DEPLOY_LABELS_MAX),
                     .metrics = SK_BUF_INIT(SK_DEPLOY_CONTENT_MAX),
                     .warnings = SK_BUF_INIT(SK_DEPLOY_SAYS_MAX + 2) };
    if ((who && sk_who_need_right(who, SK_RIGHT_REGISTRY_WRITE, err) < 0) ||
        sk_configuration_read(id, body, &conf, err) < 0 || write_texts(d, &p, err) < 0 ||
        sk_devices_write(d->devices, run_put, &p, err) < 0)
        return -1;
    sk_deploy_wake(d);
    return sk_configuration_print(d, id, false, out, err);
}

/* ---- deleting ---- */

struct removal {
    const struct sk_who *who;
    const char *id, *if_match;
};

static int run_delete(struct sk_change *c, void *ctx, struct sk_err *err)
{
    const struct removal *r = ctx;
    struct sk_tx *tx = sk_change_tx(c);
    SK_AUTO(stored_done) struct stored old = { .content = NULL };
    int found = find(tx, r->id, &old, err);
    if (found <= 0)
        return found < 0 ? -1 : missing(r->id, err);
    if ((r->if_match && check_etag(old.etag, r->if_match, err) < 0) ||
        sk_tx_run(tx, err, "DELETE FROM configuration WHERE id = ?1", "s", r->id) < 0 ||
        plan_work(tx, false, false, err) < 0)
        return -1;
    return sk_audit(tx, r->who, "configuration.delete", r->id, NULL, err);
}

int sk_configuration_delete(struct sk_deploy *d, const struct sk_who *who, const char *id,
                            const char *if_match, struct sk_err *err)
{
    struct removal r = { who, id, if_match };
    if ((who && sk_who_need_right(who, SK_RIGHT_REGISTRY_WRITE, err) < 0) ||
        sk_devices_write(d->devices, run_delete, &r, err) < 0)
        return -1;
    sk_deploy_wake(d);
    return 0;
}

/* ---- testing ---- */

static void add_error(struct sk_buf *out, const struct sk_err *why)
{
    sk_buf_json_str(out, why->text);
}

/* The kind shows in the text itself. */
static int test_target(const char *text, struct sk_err *err)
{
    SK_OWN(sk_iotql_free) struct sk_iotql *q = NULL;
    struct sk_err why = SK_ERR_INIT;
    if (sk_target_parse(text, SK_DEPLOY_EDGE, &q, &why) == 0 ||
        sk_target_parse(text, SK_DEPLOY_MODULE, &q, err) == 0)
        return 0;
    *err = why;
    return -1;
}

int sk_configuration_test(struct sk_deploy *d, const struct sk_json *body, struct sk_buf *out,
                          struct sk_err *err)
{
    const char *target = "";
    const struct sk_json *queries = NULL;
    struct sk_err why = SK_ERR_INIT;
    bool is_first = true;
    (void)d;
    if (sk_json_type(body) != SK_JSON_OBJECT ||
        sk_json_want_text(body, "targetCondition", &target, err) < 0 ||
        sk_json_want_object(body, "customMetricQueries", &queries, err) < 0)
        return sk_json_type(body) != SK_JSON_OBJECT
                   ? sk_fail(err, SK_INVALID, "ArgumentInvalid: a test is an object")
                   : sk_wrap(err, "ArgumentInvalid");
    sk_buf_str(out, "{\"targetConditionError\":");
    if (test_target(target, &why) == 0)
        sk_buf_str(out, "null");
    else
        add_error(out, &why);
    sk_buf_str(out, ",\"customMetricQueryErrors\":{");
    for (void *it = sk_json_first(queries); it; it = sk_json_next(queries, it)) {
        if (sk_metric_check(sk_json_key(it), sk_json_value(it), &why) == 0)
            continue;
        sk_buf_str(out, is_first ? "" : ",");
        is_first = false;
        sk_buf_json_str(out, sk_json_key(it));
        sk_buf_chr(out, ':');
        add_error(out, &why);
    }
    sk_buf_str(out, "}}");
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}
