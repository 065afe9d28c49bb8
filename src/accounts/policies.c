/*
 * policies.c - shared access policies: the five of IoT Hub, with a pair of keys each.
 *
 * What a policy may do is fixed by its name; the database has its keys.
 */
#include "accounts/accounts_priv.h"

#include <string.h>

#define ALL                                                                                        \
    (SK_RIGHT_REGISTRY_READ | SK_RIGHT_REGISTRY_WRITE | SK_RIGHT_SERVICE | SK_RIGHT_TELEMETRY |    \
     SK_RIGHT_DEVICE)

static const struct {
    const char *name;
    unsigned rights;
} policies[] = {
    { "iothubowner", ALL },
    { "service", SK_RIGHT_SERVICE | SK_RIGHT_TELEMETRY },
    { "device", SK_RIGHT_DEVICE },
    { "registryRead", SK_RIGHT_REGISTRY_READ },
    { "registryReadWrite", SK_RIGHT_REGISTRY_READ | SK_RIGHT_REGISTRY_WRITE },
};

enum {
    POLICIES = sizeof policies / sizeof *policies
};

static unsigned rights_of(const char *name)
{
    for (size_t i = 0; i < POLICIES; i++)
        if (strcmp(policies[i].name, name) == 0)
            return policies[i].rights;
    return 0;
}

int sk_policy_read(struct sk_tx *tx, const char *name, struct sk_policy *out, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    unsigned rights = rights_of(name);
    if (rights == 0)
        return 0;
    if (sk_tx_query(tx, &s, err, "SELECT primary_key, secondary_key FROM policy WHERE name = ?1",
                    "s", name) < 0)
        return -1;
    int found = sk_stmt_next(s, err);
    if (found != 1)
        return found;
    *out = (struct sk_policy){ .rights = rights };
    (void)snprintf(out->name, sizeof out->name, "%s", name);
    (void)snprintf(out->primary_key, sizeof out->primary_key, "%s", sk_stmt_text(s, 0));
    (void)snprintf(out->secondary_key, sizeof out->secondary_key, "%s", sk_stmt_text(s, 1));
    return 1;
}

/* ---- making ---- */

/* 1: all are there. A start of the hub that has nothing to make does not write. */
static int are_complete(struct sk_accounts *a, struct sk_err *err)
{
    struct sk_policy p;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    int found = 1;
    if (sk_db_begin(a->db, SK_DB_READ, &tx, err) < 0)
        return -1;
    for (size_t i = 0; i < POLICIES && found == 1; i++)
        found = sk_policy_read(tx, policies[i].name, &p, err);
    return found;
}

/* Not audited: it is part of every hub's first start, as its CA is. */
static int add_missing(struct sk_tx *tx, const char *name, struct sk_err *err)
{
    char primary[64], secondary[64];
    return sk_device_make_key(primary, err) < 0 || sk_device_make_key(secondary, err) < 0 ||
                   sk_tx_run(tx, err, "INSERT OR IGNORE INTO policy VALUES(?1, ?2, ?3)", "sss",
                             name, primary, secondary) < 0
               ? -1
               : 0;
}

int sk_policy_init(struct sk_accounts *a, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    int complete = are_complete(a, err);
    if (complete != 0)
        return complete < 0 ? -1 : 0;
    if (sk_db_begin(a->db, SK_DB_WRITE, &tx, err) < 0)
        return -1;
    for (size_t i = 0; i < POLICIES; i++)
        if (add_missing(tx, policies[i].name, err) < 0)
            return -1;
    return sk_tx_commit(&tx, err);
}

/* ---- listing, new keys ---- */

int sk_policy_list(struct sk_accounts *a, const struct sk_who *who,
                   int (*each)(void *ctx, const struct sk_policy *p, struct sk_err *err), void *ctx,
                   struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    if (sk_who_need(who, SK_ROLE_OWNER, err) < 0 || sk_db_begin(a->db, SK_DB_READ, &tx, err) < 0)
        return -1;
    for (size_t i = 0; i < POLICIES; i++) {
        struct sk_policy p;
        int found = sk_policy_read(tx, policies[i].name, &p, err);
        if (found < 0 || (found == 1 && each(ctx, &p, err) < 0))
            return -1;
    }
    return 0;
}

int sk_policy_renew(struct sk_accounts *a, const struct sk_who *who, const char *name,
                    bool secondary, struct sk_policy *out, struct sk_err *err)
{
    struct sk_policy p;
    char key[64];
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    if (sk_who_need(who, SK_ROLE_OWNER, err) < 0 || sk_device_make_key(key, err) < 0 ||
        sk_db_begin(a->db, SK_DB_WRITE, &tx, err) < 0)
        return -1;
    int found = sk_policy_read(tx, name, &p, err);
    if (found == 0)
        return sk_fail(err, SK_NOT_FOUND, "there is no policy '%.64s'", name);
    if (found < 0)
        return -1;
    memcpy(secondary ? p.secondary_key : p.primary_key, key, sizeof key);
    if (sk_tx_run(tx, err, "UPDATE policy SET primary_key = ?2, secondary_key = ?3 WHERE name = ?1",
                  "sss", name, p.primary_key, p.secondary_key) < 0 ||
        sk_audit(tx, who, "policy.renew", name, secondary ? "secondary" : "primary", err) < 0 ||
        sk_tx_commit(&tx, err) < 0)
        return -1;
    *out = p;
    return 0;
}
