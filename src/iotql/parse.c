/*
 * parse.c - what stands around the expression of a query, and target conditions.
 *
 *     query     := SELECT [TOP n] ( * | column {, column} ) FROM source [WHERE or]
 *                  [GROUP BY path {, path}]
 *     column    := ( path | COUNT ( [*] ) | AVG|SUM|MIN|MAX ( path ) ) [AS name]
 *     source    := devices | devices.modules
 *     condition := nothing | * | [FROM source WHERE] or
 */
#include "iotql/iotql_priv.h"

#include <stdio.h>
#include <string.h>

/* 1: an aggregate was there; 0: something else. */
static int parse_aggregate(struct parse *p, struct column *c, struct sk_err *err)
{
    static const char *const words[] = { "", "COUNT", "AVG", "SUM", "MIN", "MAX" };

    for (size_t i = A_COUNT; i <= A_MAX; i++) {
        if (!sk_scan_word(&p->scan, words[i]))
            continue;
        c->aggregate = (enum aggregate)i;
        if (sk_iotql_expect(p, "(", "( behind the aggregate", err) < 0)
            return -1;
        if (c->aggregate == A_COUNT)
            (void)sk_scan_sign(&p->scan, "*");
        else if (sk_iotql_parse_path(p, &c->node, err) < 0)
            return -1;
        return sk_iotql_expect(p, ")", ")", err) < 0 ? -1 : 1;
    }
    return 0;
}

/* The last name of the path; an aggregate without AS is $1, $2, ... */
static int name_column(struct parse *p, struct column *c, unsigned *unnamed, struct sk_err *err)
{
    struct sk_view name = SK_VIEW("");
    char number[16];
    size_t last;

    if (sk_scan_word(&p->scan, "AS")) {
        name = sk_iotql_scan_name(&p->scan);
        if (name.len == 0)
            return sk_scan_fail(&p->scan, p->scan.pos, err, "expected a name behind AS");
    } else if (c->aggregate != A_NONE) {
        (void)snprintf(number, sizeof(number), "$%u", ++*unnamed);
        name = sk_view_of(number);
    } else {
        for (last = c->node->path.count - 1; c->node->path.segments[last].is_index; last--)
            continue;
        name = c->node->path.segments[last].name;
    }
    c->name = sk_arena_strndup(&p->q->arena, name.ptr, name.len);
    if (!c->name)
        return sk_nomem(err);
    for (size_t i = 0; i < p->q->column_count; i++)
        if (strcmp(p->q->columns[i].name, c->name) == 0)
            return sk_scan_fail(&p->scan, c->at, err,
                                "a second column '%.64s'; give it a "
                                "name with AS",
                                c->name);
    return 0;
}

static int parse_columns(struct parse *p, struct sk_err *err)
{
    struct sk_iotql *q = p->q;
    unsigned unnamed = 0;

    do {
        struct column *c = &q->columns[q->column_count];
        int is_aggregate;

        if (q->column_count == SK_IOTQL_COLUMNS_MAX)
            return sk_fail(err, SK_LIMIT, "%s: more than %d columns", p->scan.what,
                           SK_IOTQL_COLUMNS_MAX);
        (void)sk_scan_at_end(&p->scan);
        c->at = p->scan.pos;
        is_aggregate = parse_aggregate(p, c, err);
        if (is_aggregate < 0 || (!is_aggregate && sk_iotql_parse_path(p, &c->node, err) < 0) ||
            name_column(p, c, &unnamed, err) < 0)
            return -1;
        q->is_aggregate |= is_aggregate;
        q->column_count++;
    } while (sk_scan_sign(&p->scan, ","));
    return 0;
}

static int parse_top(struct parse *p, struct sk_err *err)
{
    bool is_whole = false;
    int64_t n = 0;
    double num;
    size_t at;

    (void)sk_scan_at_end(&p->scan);
    at = p->scan.pos;
    if (sk_iotql_scan_is_number(&p->scan) &&
        sk_iotql_scan_number(&p->scan, &is_whole, &n, &num, err) < 0)
        return -1;
    if (!is_whole || n < 1 || n > INT32_MAX)
        return sk_scan_fail(&p->scan, at, err, "expected a number from 1 behind TOP");
    p->q->top = n;
    return 0;
}

/* Behind FROM. */
static int parse_source(struct parse *p, struct sk_err *err)
{
    size_t at;

    (void)sk_scan_at_end(&p->scan);
    at = p->scan.pos;
    if (!sk_scan_word(&p->scan, "devices"))
        return sk_scan_fail(&p->scan, at, err, "expected devices or devices.modules");
    if (!sk_scan_sign(&p->scan, "."))
        return 0;
    p->q->is_of_modules = sk_scan_word(&p->scan, "modules");
    if (!p->q->is_of_modules)
        return sk_scan_fail(&p->scan, at, err, "expected devices or devices.modules");
    return 0;
}

static bool is_same(const struct node *a, const struct node *b)
{
    if (a->field != b->field || a->path.count != b->path.count)
        return false;
    for (size_t i = a->used; i < a->path.count; i++) {
        const struct segment *x = &a->path.segments[i], *y = &b->path.segments[i];

        if (x->is_index != y->is_index || x->name.len != y->name.len ||
            memcmp(x->name.ptr, y->name.ptr, x->name.len) != 0)
            return false;
    }
    return true;
}

static bool is_grouped(const struct sk_iotql *q, const struct node *n)
{
    for (size_t i = 0; i < q->group_count; i++)
        if (is_same(q->groups[i], n))
            return true;
    return false;
}

static int parse_groups(struct parse *p, struct sk_err *err)
{
    struct sk_iotql *q = p->q;

    if (!sk_scan_word(&p->scan, "BY"))
        return sk_scan_fail(&p->scan, p->scan.pos, err, "expected BY behind GROUP");
    if (q->is_star)
        return sk_scan_fail(&p->scan, p->scan.pos, err, "GROUP BY needs columns, not *");
    q->is_aggregate = true;
    do {
        if (q->group_count == SK_IOTQL_COLUMNS_MAX)
            return sk_fail(err, SK_LIMIT, "%s: more than %d fields in GROUP BY", p->scan.what,
                           SK_IOTQL_COLUMNS_MAX);
        if (sk_iotql_parse_path(p, &q->groups[q->group_count], err) < 0)
            return -1;
        q->group_count++;
    } while (sk_scan_sign(&p->scan, ","));
    return 0;
}

static int check_columns(struct parse *p, struct sk_err *err)
{
    for (size_t i = 0; p->q->is_aggregate && i < p->q->column_count; i++) {
        const struct column *c = &p->q->columns[i];

        if (c->aggregate == A_NONE && !is_grouped(p->q, c->node))
            return sk_scan_fail(&p->scan, c->at, err,
                                "a column beside aggregates must be in GROUP BY");
    }
    return 0;
}

static int parse_end(struct parse *p, const char *expected, struct sk_err *err)
{
    if (sk_scan_at_end(&p->scan))
        return 0;
    return sk_scan_fail(&p->scan, p->scan.pos, err, "expected %s", expected);
}

int sk_iotql_parse_query(struct sk_iotql *q, const char *text, struct sk_err *err)
{
    struct parse p = { .q = q };
    bool has_where;

    if (sk_iotql_scan_begin(&p.scan, "query", text, &q->arena, err) < 0)
        return -1;
    if (!sk_scan_word(&p.scan, "SELECT"))
        return sk_scan_fail(&p.scan, p.scan.pos, err, "expected SELECT");
    if (sk_scan_word(&p.scan, "TOP") && parse_top(&p, err) < 0)
        return -1;
    q->is_star = sk_scan_sign(&p.scan, "*");
    if (!q->is_star && parse_columns(&p, err) < 0)
        return -1;
    if (!sk_scan_word(&p.scan, "FROM"))
        return sk_scan_fail(&p.scan, p.scan.pos, err,
                            q->is_star ? "expected FROM" : "expected , or AS or FROM");
    if (parse_source(&p, err) < 0)
        return -1;
    has_where = sk_scan_word(&p.scan, "WHERE");
    if (has_where && sk_iotql_parse_or(&p, &q->where, err) < 0)
        return -1;
    if (sk_scan_word(&p.scan, "GROUP")) {
        if (parse_groups(&p, err) < 0 || parse_end(&p, ", or the end", err) < 0)
            return -1;
    } else if (parse_end(&p,
                         has_where ? "an operator, GROUP BY or the end"
                                   : "WHERE, GROUP BY or the end",
                         err) < 0) {
        return -1;
    }
    return check_columns(&p, err);
}

/* "capabilities.iotEdge = true", or what is true of none. */
static int parse_fixed(struct parse *p, const char *text, struct sk_err *err)
{
    if (sk_iotql_scan_begin(&p->scan, "target condition", text, &p->q->arena, err) < 0)
        return -1;
    return sk_iotql_parse_or(p, &p->q->where, err);
}

int sk_iotql_parse_target(struct sk_iotql *q, const char *text, struct sk_err *err)
{
    struct parse p = { .q = q };

    q->is_star = true;
    if (sk_iotql_scan_begin(&p.scan, "target condition", text, &q->arena, err) < 0)
        return -1;
    if (sk_scan_at_end(&p.scan))
        return parse_fixed(&p, "false", err);
    if (sk_scan_sign(&p.scan, "*")) {
        if (parse_end(&p, "nothing behind *", err) < 0)
            return -1;
        return parse_fixed(&p, "capabilities.iotEdge = true", err);
    }
    if (sk_scan_word(&p.scan, "FROM")) {
        if (parse_source(&p, err) < 0)
            return -1;
        if (!sk_scan_word(&p.scan, "WHERE"))
            return sk_scan_fail(&p.scan, p.scan.pos, err, "expected WHERE");
    }
    if (sk_iotql_parse_or(&p, &q->where, err) < 0)
        return -1;
    return parse_end(&p, "an operator or the end", err);
}
