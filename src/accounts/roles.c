/* roles.c - names of roles and what each may do. */
#include "accounts/accounts.h"

#include "base/str.h"

#include <string.h>
#include <unistd.h>

static const char *const names[] = {
    [SK_ROLE_NONE] = "none",         [SK_ROLE_READER] = "reader", [SK_ROLE_PUBLISHER] = "publisher",
    [SK_ROLE_DEPLOYER] = "deployer", [SK_ROLE_OWNER] = "owner",
};

const char *sk_role_name(enum sk_role role)
{
    return names[(unsigned)role <= SK_ROLE_OWNER ? role : SK_ROLE_NONE];
}

int sk_role_parse(const char *text, enum sk_role *out, struct sk_err *err)
{
    for (enum sk_role r = SK_ROLE_READER; r <= SK_ROLE_OWNER; r++) {
        if (strcmp(text, names[r]) == 0) {
            *out = r;
            return 0;
        }
    }
    return sk_fail(err, SK_INVALID,
                   "'%.40s' is no role: there are reader, publisher, deployer and owner", text);
}

bool sk_role_allows(enum sk_role has, enum sk_role needs)
{
    if (needs == SK_ROLE_NONE || has == SK_ROLE_OWNER || has == needs)
        return true;
    return needs == SK_ROLE_READER && (has == SK_ROLE_PUBLISHER || has == SK_ROLE_DEPLOYER);
}

int sk_who_need(const struct sk_who *who, enum sk_role role, struct sk_err *err)
{
    if (sk_role_allows(who->role, role))
        return 0;
    if (who->is_device)
        return sk_fail(err, SK_DENIED, "device '%s' may not do this: it needs a token of role %s",
                       who->name, sk_role_name(role));
    return sk_fail(err, SK_DENIED, "'%s' has the role %s, needed is %s", who->name,
                   sk_role_name(who->role), sk_role_name(role));
}

void sk_who_local(struct sk_who *out)
{
    *out = (struct sk_who){ .peer = "local", .role = SK_ROLE_OWNER };
    (void)snprintf(out->name, sizeof out->name, "local (uid %u)", (unsigned)getuid());
}
