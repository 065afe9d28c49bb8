/*
 * apply.c - a content for one device, by hand.
 *
 * It takes effect at once and is kept nowhere but in the twins of the modules. Paths change what a
 * module has; a whole section replaces it. All of it is one change.
 */
#include "deploy/deploy_priv.h"

#include "base/clock.h"
#include "manifest/manifest.h"

#include <string.h>

enum {
    BASE_MAX = 8 << 20 /* the sections of all modules of a device */
};

struct apply {
    struct sk_deploy *d;
    const struct sk_who *who;
    const char *device;
    const struct sk_json *modules;
    struct sk_buf warnings;
};

/* ---- whether it may be ---- */

static int check_device(struct sk_tx *tx, const char *device, struct sk_identity *out,
                        struct sk_err *err)
{
    int found = sk_identity_find(tx, device, "", out, err);
    if (found == 0)
        return sk_fail(err, SK_NOT_FOUND, "DeviceNotFound: there is no device '%.128s'", device);
    if (found < 0)
        return -1;
    if (!out->is_edge)
        return sk_fail(err, SK_INVALID, "InvalidOperation: device '%.128s' is not an edge device",
                       device);
    return 0;
}

static int check_free(struct sk_deploy *d, const char *device, struct sk_err *err)
{
    SK_AUTO(sk_plan_done) struct sk_plan plan = { .items = NULL };
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_identity i;
    uint32_t set = 0;
    if (sk_db_begin(d->db, SK_DB_READ, &tx, err) < 0 || check_device(tx, device, &i, err) < 0 ||
        sk_plan_read(tx, &plan, err) < 0 ||
        sk_plan_find(&plan, tx, i.id, SK_DEPLOY_EDGE, &set, err) < 0)
        return -1;
    if (set == 0)
        return 0;
    return sk_fail(err, SK_EXISTS,
                   "ApplyConfigurationAlreadyInProgressOnDevice: configuration '%s' targets device "
                   "'%.128s'; change its target condition or delete it first",
                   plan.items[plan.fits[set].top].id, device);
}

/* ---- the change ---- */

static bool changes_paths_only(const struct sk_json *module)
{
    return sk_json_count(module) > 0 && !sk_json_get(module, "properties.desired");
}

/* What paths go over: {"module":{"properties.desired":{..}}}. */
static int read_base(struct sk_tx *tx, const struct apply *a, struct sk_json **out,
                     struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(BASE_MAX);
    const char *before = "";
    sk_buf_chr(&b, '{');
    for (void *it = sk_json_first(a->modules); it; it = sk_json_next(a->modules, it)) {
        SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
        if (!changes_paths_only(sk_json_value(it)))
            continue;
        if (sk_tx_query(tx, &s, err,
                        "SELECT t.desired FROM identity i JOIN twin t ON t.identity = i.id "
                        "WHERE i.device = ?1 AND i.module = ?2",
                        "ss", a->device, sk_json_key(it)) < 0)
            return -1;
        int found = sk_stmt_next(s, err);
        if (found < 0)
            return -1;
        if (found == 0)
            continue;
        sk_buf_str(&b, before);
        before = ",";
        sk_buf_json_str(&b, sk_json_key(it));
        sk_buf_str(&b, ":{\"properties.desired\":");
        sk_buf_str(&b, sk_stmt_text(s, 0));
        sk_buf_chr(&b, '}');
    }
    sk_buf_chr(&b, '}');
    return sk_buf_ok(&b) ? sk_json_parse(b.data, b.len, NULL, out, err) : sk_buf_fail(&b, err);
}

static int compose(struct sk_tx *tx, const struct apply *a, struct sk_json **base,
                   struct sk_composed *out, struct sk_err *err)
{
    if (read_base(tx, a, base, err) < 0)
        return -1;
    const struct sk_json *layers[] = { *base, a->modules };
    return sk_composed_fill(a->d, layers, 2, out, err) < 0 ? sk_content_name_failure(err) : 0;
}

static int keep_warnings(struct sk_tx *tx, const struct apply *a, struct sk_err *err)
{
    const struct sk_view text = { a->warnings.data, a->warnings.len };
    return sk_tx_run(tx, err,
                     "INSERT INTO deploy_warning VALUES(?1, ?2, ?3) ON CONFLICT(device) "
                     "DO UPDATE SET warnings = excluded.warnings, at_ms = excluded.at_ms",
                     "svi", a->device, text, (int64_t)sk_wall_ms());
}

static int run_apply(struct sk_change *c, void *ctx, struct sk_err *err)
{
    const struct apply *a = ctx;
    struct sk_tx *tx = sk_change_tx(c);
    SK_OWN(sk_json_free) struct sk_json *base = NULL;
    SK_OWN(sk_composed_free) struct sk_composed *composed = calloc(1, sizeof *composed);
    struct sk_identity i;
    if (!composed)
        return sk_nomem(err);
    if (check_device(tx, a->device, &i, err) < 0 || compose(tx, a, &base, composed, err) < 0 ||
        sk_unit_set_modules(a->d, c, a->device, composed, NULL, err) < 0 ||
        keep_warnings(tx, a, err) < 0)
        return -1;
    return sk_audit(tx, a->who, "deployment.apply", a->device, NULL, err);
}

int sk_deploy_apply(struct sk_deploy *d, const struct sk_who *who, const char *device,
                    const struct sk_json *content, struct sk_buf *warnings, struct sk_err *err)
{
    SK_AUTO(sk_says_done) struct sk_says says = SK_SAYS_INIT;
    struct apply a = {
        .d = d, .who = who, .device = device, .warnings = SK_BUF_INIT(SK_DEPLOY_SAYS_MAX + 2)
    };
    if ((who && sk_who_need_right(who, SK_RIGHT_REGISTRY_WRITE, err) < 0) ||
        sk_content_check_manifest(d, content, &says, &a.modules, err) < 0 ||
        check_free(d, device, err) < 0)
        return -1;
    sk_says_list(&says.warnings, &a.warnings);
    int failed = sk_buf_ok(&a.warnings) ? sk_devices_write(d->devices, run_apply, &a, err)
                                        : sk_buf_fail(&a.warnings, err);
    if (failed == 0 && warnings)
        sk_buf_add(warnings, a.warnings.data, a.warnings.len);
    sk_buf_done(&a.warnings);
    return failed;
}

int sk_deploy_check(struct sk_deploy *d, const struct sk_json *content, struct sk_buf *out,
                    struct sk_err *err)
{
    SK_AUTO(sk_says_done) struct sk_says says = SK_SAYS_INIT;
    const struct sk_json *modules;
    struct sk_err why = SK_ERR_INIT;
    if (sk_content_check_manifest(d, content, &says, &modules, &why) < 0 &&
        !sk_is_about_content(&why)) {
        *err = why;
        return -1;
    }
    sk_buf_str(out, "{\"errors\":");
    sk_says_list(&says.errors, out);
    sk_buf_str(out, ",\"warnings\":");
    sk_says_list(&says.warnings, out);
    sk_buf_chr(out, '}');
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}
