/*
 * units.c - which units a pass has to look at.
 *
 * Edge devices, devices and modules are read once, in the order of their row ids, each with a hash
 * of its marks; then each target is asked once for all, and its rows, which come in the same order,
 * are walked along the units. 24 bytes for a unit, whatever the number of configurations.
 */
#include "deploy/deploy_priv.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a; equal marks of 64 bits by chance only delay a device until its next change. */
uint64_t sk_marks_hash(const char *marks)
{
    uint64_t h = 14695981039346656037u;
    for (; *marks; marks++)
        h = (h ^ (unsigned char)*marks) * 1099511628211u;
    return h;
}

void sk_units_done(struct sk_units *u)
{
    free(u->items);
    *u = (struct sk_units){ .items = NULL };
}

static int add(struct sk_units *u, const struct sk_unit *unit, struct sk_err *err)
{
    if (u->count == u->cap) {
        size_t cap = u->cap ? 2 * u->cap : 256;
        struct sk_unit *more = reallocarray(u->items, cap, sizeof *more);
        if (!more)
            return sk_nomem(err);
        u->items = more;
        u->cap = cap;
    }
    u->items[u->count++] = *unit;
    return 0;
}

static const char *const all_of[] = {
    [SK_DEPLOY_EDGE] =
        "SELECT i.id, t.configurations FROM identity i "
        "CROSS JOIN identity a ON a.device = i.device AND a.module = '$edgeAgent' "
        "CROSS JOIN twin t ON t.identity = a.id WHERE i.is_edge = 1 AND i.id > ?1 ORDER BY i.id",
    [SK_DEPLOY_DEVICE] = "SELECT i.id, t.configurations FROM identity i "
                         "CROSS JOIN twin t ON t.identity = i.id "
                         "WHERE i.module = '' AND i.id > ?1 ORDER BY i.id",
    [SK_DEPLOY_MODULE] = "SELECT i.id, t.configurations FROM identity i "
                         "CROSS JOIN twin t ON t.identity = i.id "
                         "WHERE i.module NOT IN ('', '$edgeAgent', '$edgeHub') AND i.id > ?1 "
                         "ORDER BY i.id",
};

static int read_units(struct sk_tx *tx, enum sk_deploy_kind kind, int64_t after,
                      struct sk_units *out, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int more;
    if (sk_tx_query(tx, &s, err, all_of[kind], "i", after) < 0)
        return -1;
    while ((more = sk_stmt_next(s, err)) == 1) {
        const struct sk_unit unit = { .id = sk_stmt_int(s, 0),
                                      .kind = kind,
                                      .marks = sk_marks_hash(sk_stmt_text(s, 1)) };
        if (add(out, &unit, err) < 0)
            return -1;
    }
    return more;
}

/* map: for each set that there was before this configuration, the same with it; 0: not made. */
static int join(struct sk_plan *p, uint32_t item, struct sk_stmt *s, struct sk_units *u,
                uint32_t *map, struct sk_err *err)
{
    size_t at = 0;
    int more;
    while ((more = sk_stmt_next(s, err)) == 1) {
        int64_t id = sk_stmt_int(s, 0);
        while (at < u->count && u->items[at].id < id)
            at++;
        if (at == u->count || u->items[at].id != id)
            continue; /* not an edge device, or a module of the system */
        uint32_t *set = &u->items[at].set, old = *set;
        if (!map[old] && sk_plan_add(p, old, item, &map[old], err) < 0)
            return -1;
        *set = map[old];
    }
    return more;
}

static int match(struct sk_plan *p, struct sk_tx *tx, enum sk_deploy_kind kind, int64_t after,
                 struct sk_units *u, struct sk_err *err)
{
    for (uint32_t i = 0; i < p->count; i++) {
        SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
        if (p->items[i].kind != kind || !p->items[i].target)
            continue;
        SK_OWN(free) uint32_t *map = calloc(p->fit_count, sizeof *map);
        if (!map)
            return sk_nomem(err);
        if (sk_iotql_run(p->items[i].target, tx, after, INT32_MAX, 0, &s, err) < 0 ||
            join(p, i, s, u, map, err) < 0)
            return sk_wrap(err, "configuration '%s'", p->items[i].id);
    }
    return 0;
}

/* Takes over those that need a look. */
static int take(struct sk_plan *p, const struct sk_units *u, bool is_full, struct sk_units *out,
                struct sk_err *err)
{
    const uint64_t none = sk_marks_hash("{}");
    SK_OWN(free) uint64_t *wanted = calloc(p->fit_count, sizeof *wanted);
    if (!wanted)
        return sk_nomem(err);
    for (size_t i = 0; i < u->count; i++) {
        const struct sk_unit *unit = &u->items[i];
        uint64_t *hash = &wanted[unit->set];
        if (!*hash) {
            const char *marks = sk_plan_marks(p, unit->set, err);
            if (!marks)
                return -1;
            *hash = sk_marks_hash(marks);
        }
        bool is_right = unit->marks == *hash && (!is_full || unit->set == 0);
        if ((unit->set == 0 && unit->marks == none) || is_right)
            continue;
        if (add(out, unit, err) < 0)
            return -1;
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct sk_unit *x = a, *y = b;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return (int)x->kind - (int)y->kind;
}

int sk_units_find(struct sk_plan *p, struct sk_tx *tx, bool is_full, struct sk_units *out,
                  struct sk_err *err)
{
    int64_t after = p->done == SK_DEPLOY_DONE ? 0 : p->done;
    for (int kind = SK_DEPLOY_EDGE; kind <= SK_DEPLOY_MODULE; kind++) {
        SK_AUTO(sk_units_done) struct sk_units all = { .items = NULL };
        if (read_units(tx, (enum sk_deploy_kind)kind, after, &all, err) < 0 ||
            match(p, tx, (enum sk_deploy_kind)kind, after, &all, err) < 0 ||
            take(p, &all, is_full, out, err) < 0)
            return -1;
    }
    if (out->count > 1)
        qsort(out->items, out->count, sizeof out->items[0], compare);
    return 0;
}

/* ---- some ---- */

/* An agent stands for its device. */
static int kinds_of(struct sk_tx *tx, int64_t *identity, bool has[3], struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_tx_query(tx, &s, err,
                    "SELECT d.id, d.is_edge, i.module FROM identity i "
                    "JOIN identity d ON d.device = i.device AND d.module = '' WHERE i.id = ?1",
                    "i", *identity) < 0)
        return -1;
    int found = sk_stmt_next(s, err);
    if (found <= 0)
        return found;
    const char *module = sk_stmt_text(s, 2);
    bool is_edge = sk_stmt_int(s, 1) != 0, is_agent = strcmp(module, "$edgeAgent") == 0;
    if (is_agent)
        *identity = sk_stmt_int(s, 0);
    has[SK_DEPLOY_EDGE] = is_edge && (is_agent || !*module);
    has[SK_DEPLOY_DEVICE] = !*module;
    has[SK_DEPLOY_MODULE] = *module && *module != '$';
    return 0;
}

int sk_units_of(struct sk_plan *p, struct sk_tx *tx, int64_t identity, struct sk_units *out,
                struct sk_err *err)
{
    bool has[3] = { false };
    if (kinds_of(tx, &identity, has, err) < 0)
        return -1;
    for (int kind = SK_DEPLOY_EDGE; kind <= SK_DEPLOY_MODULE; kind++) {
        struct sk_unit unit = { .id = identity, .kind = (enum sk_deploy_kind)kind };
        if (has[kind] && (sk_plan_find(p, tx, identity, unit.kind, &unit.set, err) < 0 ||
                          add(out, &unit, err) < 0))
            return -1;
    }
    return 0;
}
