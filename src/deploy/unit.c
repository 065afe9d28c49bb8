/*
 * unit.c - what one edge device, device or module gets, within one change.
 *
 * All of it or nothing: identities, desired sections, marks, pulls. What is there already is left
 * alone: no version moves, nobody is told. Pulls are those of the new content, of the one before,
 * and of what the device says it runs, so that it can go back.
 */
#include "deploy/deploy_priv.h"

#include "manifest/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- progress ---- */

static bool is_applied(const struct sk_json *marks, const char *id)
{
    return strcmp(sk_json_get_text(sk_json_get(marks, id), "status", ""), "Applied") == 0;
}

static void tell(struct sk_buf *told, const char *device, const char *id, const char *status)
{
    sk_buf_add(told, device, strlen(device) + 1);
    sk_buf_str(told, "{\"deployment\":");
    sk_buf_json_str(told, id);
    sk_buf_fmt(told, ",\"status\":\"%s\"}", status);
    sk_buf_chr(told, '\0');
}

static int tell_changes(struct sk_buf *told, const char *device, const char *before,
                        const char *after, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *was = NULL;
    SK_OWN(sk_json_free) struct sk_json *is = NULL;
    if (strcmp(before, after) == 0)
        return 0;
    if (sk_json_parse(before, strlen(before), NULL, &was, err) < 0 ||
        sk_json_parse(after, strlen(after), NULL, &is, err) < 0)
        return -1;
    for (void *it = sk_json_first(is); it; it = sk_json_next(is, it))
        if (is_applied(is, sk_json_key(it)) && !is_applied(was, sk_json_key(it)))
            tell(told, device, sk_json_key(it), "applied");
    for (void *it = sk_json_first(was); it; it = sk_json_next(was, it))
        if (is_applied(was, sk_json_key(it)) && !is_applied(is, sk_json_key(it)))
            tell(told, device, sk_json_key(it), "removed");
    return sk_buf_ok(told) ? 0 : sk_buf_fail(told, err);
}

static int set_marks(struct sk_tx *tx, int64_t identity, const char *marks, struct sk_err *err)
{
    return sk_tx_run(tx, err, "UPDATE twin SET configurations = ?2 WHERE identity = ?1", "is",
                     identity, marks);
}

/* ---- edge devices ---- */

/* 1: the agent's section changes; then `pulls` has what it and its report name. */
static int look_at_agent(const struct sk_deploy *d, struct sk_tx *tx, const char *device,
                         const struct sk_section *agent, struct sk_names *pulls, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_tx_query(tx, &s, err,
                    "SELECT t.desired, t.reported FROM identity i JOIN twin t ON t.identity = i.id "
                    "WHERE i.device = ?1 AND i.module = '$edgeAgent'",
                    "s", device) < 0)
        return -1;
    int found = sk_stmt_next(s, err);
    if (found <= 0)
        return found;
    SK_OWN(sk_json_free) struct sk_json *old = NULL;
    const struct sk_view text = sk_stmt_view(s, 0);
    if (strcmp(text.ptr, agent->text) == 0)
        return 0;
    if (sk_json_parse(text.ptr, text.len, NULL, &old, err) < 0)
        return -1;
    if (sk_json_equal(old, agent->desired))
        return 0;
    if (sk_pulls_of_section(d, old, pulls, err) < 0 ||
        sk_pulls_of_text(d, sk_stmt_text(s, 1), pulls, err) < 0)
        return -1;
    return 1;
}

/* More than a device may have: what it is to run counts. */
static int set_pulls(struct sk_tx *tx, const char *device, const struct sk_composed *composed,
                     struct sk_names *before, struct sk_err *err)
{
    SK_AUTO(sk_names_done) struct sk_names all = { .items = NULL };
    const struct sk_names *parts[] = { &composed->pulls, before };
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < parts[k]->count && all.count < SK_DEVICE_PULLS; i++)
            if (sk_names_add(&all, parts[k]->items[i], strlen(parts[k]->items[i]), err) < 0)
                return -1;
    return sk_pulls_set(tx, device, &all, err);
}

/* 1: the section is there byte for byte, which saves reading and comparing it. */
static int is_there(struct sk_tx *tx, const char *device, const struct sk_section *section,
                    struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_tx_query(tx, &s, err,
                    "SELECT t.desired = ?3 FROM identity i JOIN twin t ON t.identity = i.id "
                    "WHERE i.device = ?1 AND i.module = ?2",
                    "sss", device, section->module, section->text) < 0)
        return -1;
    int found = sk_stmt_next(s, err);
    return found <= 0 ? found : sk_stmt_int(s, 0) != 0;
}

static int set_section(struct sk_change *c, const char *device, const struct sk_section *section,
                       const char *marks, struct sk_err *err)
{
    int there = marks ? 0 : is_there(sk_change_tx(c), device, section, err);
    if (there != 0)
        return there < 0 ? -1 : 0;
    return sk_twin_set_desired(c, device, section->module, section->desired, marks, err);
}

int sk_unit_set_modules(const struct sk_deploy *d, struct sk_change *c, const char *device,
                        const struct sk_composed *composed, const char *marks, struct sk_err *err)
{
    SK_AUTO(sk_names_done) struct sk_names before = { .items = NULL };
    struct sk_tx *tx = sk_change_tx(c);
    int changes = 0;
    for (size_t i = 0; i < composed->modules.count; i++)
        if (sk_identity_ensure_module(c, device, composed->modules.items[i], err) < 0)
            return -1;
    for (size_t i = 0; i < composed->count; i++) {
        const struct sk_section *section = &composed->sections[i];
        bool is_agent = strcmp(section->module, "$edgeAgent") == 0;
        if (is_agent) {
            changes = look_at_agent(d, tx, device, section, &before, err);
            if (changes < 0)
                return -1;
        }
        if (set_section(c, device, section, is_agent ? marks : NULL, err) < 0)
            return -1;
    }
    return changes ? set_pulls(tx, device, composed, &before, err) : 0;
}

/* What of a unit is read before it is changed. */
struct unit_row {
    char device[SK_IOT_ID_MAX + 1], module[SK_IOT_ID_MAX + 1];
    int64_t marked; /* the row id of the twin that has the marks */
    char *marks, *desired;
};

static void row_done(struct unit_row *r)
{
    free(r->marks);
    free(r->desired);
}

/* 0: it is gone, or no longer what it was. */
static int read_row(struct sk_tx *tx, const struct sk_unit *unit, struct unit_row *out,
                    struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_tx_query(tx, &s, err,
                    unit->kind == SK_DEPLOY_EDGE
                        ? "SELECT i.device, '', a.id, t.configurations, '' FROM identity i "
                          "JOIN identity a ON a.device = i.device AND a.module = '$edgeAgent' "
                          "JOIN twin t ON t.identity = a.id WHERE i.id = ?1 AND i.is_edge = 1"
                        : "SELECT i.device, i.module, i.id, t.configurations, t.desired "
                          "FROM identity i JOIN twin t ON t.identity = i.id WHERE i.id = ?1",
                    "i", unit->id) < 0)
        return -1;
    int found = sk_stmt_next(s, err);
    if (found <= 0)
        return found;
    (void)snprintf(out->device, sizeof out->device, "%s", sk_stmt_text(s, 0));
    (void)snprintf(out->module, sizeof out->module, "%s", sk_stmt_text(s, 1));
    out->marked = sk_stmt_int(s, 2);
    out->marks = strdup(sk_stmt_text(s, 3));
    out->desired = strdup(sk_stmt_text(s, 4));
    return out->marks && out->desired ? 1 : sk_nomem(err);
}

static int write_edge(const struct sk_deploy *d, struct sk_change *c, const struct unit_row *r,
                      const struct sk_composed *composed, struct sk_err *err)
{
    struct sk_tx *tx = sk_change_tx(c);
    if (!composed->doc)
        return set_marks(tx, r->marked, composed->marks, err);
    if (sk_unit_set_modules(d, c, r->device, composed, composed->marks, err) < 0)
        return -1;
    /* What was said of a content set by hand is no longer about what runs. */
    return sk_tx_run(tx, err, "DELETE FROM deploy_warning WHERE device = ?1", "s", r->device);
}

/* ---- devices and modules themselves ---- */

static int compose_over(const char *desired, const struct sk_json *layer, struct sk_json **out,
                        struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_DEPLOY_CONTENT_MAX);
    SK_OWN(sk_json_free) struct sk_json *base = NULL;
    sk_buf_fmt(&b, "{\"m\":{\"properties.desired\":%s}}", desired);
    if (!sk_buf_ok(&b))
        return sk_buf_fail(&b, err);
    if (sk_json_parse(b.data, b.len, NULL, &base, err) < 0)
        return -1;
    const struct sk_json *layers[] = { base, layer };
    return sk_manifest_compose(layers, 2, out, err);
}

static int write_twin(struct sk_change *c, const struct unit_row *r,
                      const struct sk_composed *composed, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *all = NULL;
    if (!composed->layer)
        return set_marks(sk_change_tx(c), r->marked, composed->marks, err);
    if (compose_over(r->desired, composed->layer, &all, err) < 0)
        return -1;
    return sk_twin_set_desired(c, r->device, r->module, sk_json_get(all, "m"), composed->marks,
                               err);
}

int sk_unit_write(const struct sk_deploy *d, struct sk_change *c, const struct sk_unit *unit,
                  const struct sk_composed *composed, bool is_full, struct sk_buf *told,
                  struct sk_err *err)
{
    SK_AUTO(row_done) struct unit_row r = { .marks = NULL };
    int found = read_row(sk_change_tx(c), unit, &r, err);
    if (found <= 0)
        return found;
    if (!is_full && strcmp(r.marks, composed->marks) == 0)
        return 0;
    if ((unit->kind == SK_DEPLOY_EDGE ? write_edge(d, c, &r, composed, err)
                                      : write_twin(c, &r, composed, err)) < 0)
        return -1;
    return tell_changes(told, r.device, r.marks, composed->marks, err);
}
