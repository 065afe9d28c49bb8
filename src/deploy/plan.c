/*
 * plan.c - the configurations as a pass needs them, and which of them fit one unit.
 *
 * Configurations are kept in ascending order, so that each is above those before it. A set of them
 * is a number: its highest member and the set of the rest.
 *
 *     0 = {}    1 = {base}    2 = {base, layer} = (rest 1, top layer)
 *
 * A hundred thousand devices that fit the same ones share a number, and all that comes of it.
 */
#include "deploy/deploy_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const all_of[] = {
    "SELECT deviceId FROM devices WHERE capabilities.iotEdge = true",
    "SELECT deviceId FROM devices", "SELECT deviceId FROM devices.modules"
};

int sk_target_parse(const char *text, enum sk_deploy_kind kind, struct sk_iotql **out,
                    struct sk_err *err)
{
    const struct sk_view said = sk_view_trim(sk_view_of(text));
    SK_OWN(sk_iotql_free) struct sk_iotql *q = NULL;
    *out = NULL;
    if (said.len == 0)
        return 0;
    if (sk_view_eq(said, "*") && kind != SK_DEPLOY_MODULE)
        return sk_iotql_parse(all_of[kind], out, err);
    if (sk_iotql_parse_condition(text, &q, err) < 0)
        return err->code == SK_INVALID || err->code == SK_LIMIT
                   ? sk_wrap(err, "InvalidConfigurationTargetCondition")
                   : -1;
    if (sk_iotql_is_of_modules(q) != (kind == SK_DEPLOY_MODULE))
        return sk_fail(err, SK_INVALID, "InvalidConfigurationTargetCondition: %s",
                       kind == SK_DEPLOY_MODULE
                           ? "moduleContent needs 'from devices.modules where ...'"
                           : "only moduleContent goes to 'devices.modules'");
    *out = SK_TAKE(q);
    return 0;
}

/* ---- configurations ---- */

static void planned_done(struct sk_planned *c)
{
    sk_json_free(c->doc);
    sk_json_free(c->wrapped);
    sk_iotql_free(c->target);
}

void sk_plan_done(struct sk_plan *p)
{
    for (size_t i = 0; i < p->count; i++)
        planned_done(&p->items[i]);
    for (size_t i = 0; i < p->fit_count; i++)
        free(p->fits[i].marks);
    free(p->items);
    free(p->fits);
    *p = (struct sk_plan){ .items = NULL };
}

static int read_one(struct sk_stmt *s, struct sk_planned *c, struct sk_err *err)
{
    struct sk_content content;
    const struct sk_view text = sk_stmt_view(s, 3);
    (void)snprintf(c->id, sizeof c->id, "%s", sk_stmt_text(s, 0));
    c->priority = sk_stmt_int(s, 2);
    if (sk_json_parse(text.ptr, text.len, NULL, &c->doc, err) < 0 ||
        sk_content_read(c->doc, &content, err) < 0)
        return -1;
    c->kind = content.kind;
    c->layer = content.value;
    c->is_layer = sk_stmt_int(s, 4) != 0;
    c->is_quiet = c->is_layer && sk_json_count(sk_json_get(content.value, "$edgeAgent")) == 0;
    if (c->kind != SK_DEPLOY_EDGE) {
        if (sk_content_as_module(content.value, &c->wrapped, err) < 0)
            return -1;
        c->layer = c->wrapped;
    }
    return sk_target_parse(sk_stmt_text(s, 1), c->kind, &c->target, err);
}

static int read_work(struct sk_tx *tx, struct sk_plan *out, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_tx_query(tx, &s, err, "SELECT generation, done, is_full FROM deploy_work WHERE id = 1",
                    "") < 0 ||
        sk_stmt_next(s, err) < 0)
        return -1;
    out->generation = sk_stmt_int(s, 0);
    out->done = sk_stmt_int(s, 1);
    out->is_full = sk_stmt_int(s, 2) != 0;
    return 0;
}

static int read_all(struct sk_tx *tx, struct sk_plan *p, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int more;
    p->items = calloc(SK_DEPLOY_CONFIGURATIONS_MAX, sizeof *p->items);
    if (!p->items)
        return sk_nomem(err);
    if (sk_tx_query(tx, &s, err,
                    "SELECT id, target, priority, content, is_layer FROM configuration "
                    "ORDER BY priority, created_ms, id LIMIT ?1",
                    "i", (int64_t)SK_DEPLOY_CONFIGURATIONS_MAX) < 0)
        return -1;
    while ((more = sk_stmt_next(s, err)) == 1)
        if (read_one(s, &p->items[p->count++], err) < 0)
            return sk_wrap(err, "configuration '%s'", p->items[p->count - 1].id);
    return more;
}

int sk_plan_read(struct sk_tx *tx, struct sk_plan *out, struct sk_err *err)
{
    SK_AUTO(sk_plan_done) struct sk_plan p = { .items = NULL };
    if (read_work(tx, &p, err) < 0 || read_all(tx, &p, err) < 0)
        return -1;
    p.fits = calloc(1, sizeof *p.fits);
    if (!p.fits)
        return sk_nomem(err);
    p.fit_count = p.fit_cap = 1;
    *out = p;
    p = (struct sk_plan){ .items = NULL };
    return 0;
}

/* ---- sets ---- */

int sk_plan_add(struct sk_plan *p, uint32_t set, uint32_t item, uint32_t *out, struct sk_err *err)
{
    if (p->fit_count == UINT32_MAX)
        return sk_fail(err, SK_LIMIT, "too many sets of configurations");
    if (p->fit_count == p->fit_cap) {
        size_t cap = 2 * p->fit_cap;
        struct sk_fit *more = reallocarray(p->fits, cap, sizeof *more);
        if (!more)
            return sk_nomem(err);
        p->fits = more;
        p->fit_cap = cap;
    }
    *out = (uint32_t)p->fit_count;
    p->fits[p->fit_count++] = (struct sk_fit){ .rest = set, .top = item };
    return 0;
}

/* The same, when there is such a set already. */
static int find_or_add(struct sk_plan *p, uint32_t set, uint32_t item, uint32_t *out,
                       struct sk_err *err)
{
    for (uint32_t i = 1; i < p->fit_count; i++) {
        if (p->fits[i].rest == set && p->fits[i].top == item) {
            *out = i;
            return 0;
        }
    }
    return sk_plan_add(p, set, item, out, err);
}

int sk_plan_find(struct sk_plan *p, struct sk_tx *tx, int64_t identity, enum sk_deploy_kind kind,
                 uint32_t *set, struct sk_err *err)
{
    *set = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
        if (p->items[i].kind != kind || !p->items[i].target)
            continue;
        if (sk_iotql_run(p->items[i].target, tx, 0, 1, identity, &s, err) < 0)
            return sk_wrap(err, "configuration '%s'", p->items[i].id);
        int fits = sk_stmt_next(s, err);
        if (fits < 0 || (fits > 0 && find_or_add(p, *set, i, set, err) < 0))
            return -1;
    }
    return 0;
}

int64_t sk_plan_base(const struct sk_plan *p, uint32_t set)
{
    for (; set; set = p->fits[set].rest)
        if (!p->items[p->fits[set].top].is_layer)
            return p->fits[set].top;
    return -1;
}

bool sk_plan_applies(const struct sk_plan *p, uint32_t set, uint32_t item)
{
    int64_t base = sk_plan_base(p, set);
    const struct sk_planned *c = &p->items[item];
    if (base == item)
        return true;
    return base >= 0 && c->is_layer && c->priority > p->items[base].priority;
}

static int compare(const void *a, const void *b)
{
    const struct sk_planned *const *x = a, *const *y = b;
    return strcmp((*x)->id, (*y)->id);
}

/* In the order of ids, so that the same set gives the same text. */
static int write_marks(const struct sk_plan *p, uint32_t set, struct sk_buf *out,
                       struct sk_err *err)
{
    const struct sk_planned *all[SK_DEPLOY_CONFIGURATIONS_MAX];
    size_t count = 0;
    for (uint32_t at = set; at; at = p->fits[at].rest)
        all[count++] = &p->items[p->fits[at].top];
    if (count > 1)
        qsort(all, count, sizeof all[0], compare);
    sk_buf_chr(out, '{');
    for (size_t i = 0; i < count; i++) {
        const struct sk_planned *c = all[i];
        bool is_applied = !c->is_quiet && sk_plan_applies(p, set, (uint32_t)(c - p->items));
        sk_buf_str(out, i ? "," : "");
        sk_buf_json_str(out, c->id);
        sk_buf_fmt(out, ":{\"status\":\"%s\"}", is_applied ? "Applied" : "Targeted");
    }
    sk_buf_chr(out, '}');
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

const char *sk_plan_marks(struct sk_plan *p, uint32_t set, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_DEPLOY_CONTENT_MAX);
    if (!p->fits[set].marks) {
        if (write_marks(p, set, &b, err) < 0)
            return NULL;
        p->fits[set].marks = sk_buf_take(&b);
    }
    return p->fits[set].marks;
}
