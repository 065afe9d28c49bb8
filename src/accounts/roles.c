/* roles.c - names of roles, what each may do, and the rights at the device half of the hub. */
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
    if (who->is_device || who->is_policy)
        return sk_fail(err, SK_DENIED, "%s '%s' may not do this: it needs a token of role %s",
                       who->is_device ? "device" : "policy", who->name, sk_role_name(role));
    return sk_fail(err, SK_DENIED, "'%s' has the role %s, needed is %s", who->name,
                   sk_role_name(who->role), sk_role_name(role));
}

unsigned sk_role_rights(enum sk_role role)
{
    switch (role) {
    case SK_ROLE_READER:
    case SK_ROLE_PUBLISHER:
        return SK_RIGHT_REGISTRY_READ | SK_RIGHT_TELEMETRY;
    case SK_ROLE_DEPLOYER:
    case SK_ROLE_OWNER:
        return SK_RIGHT_REGISTRY_READ | SK_RIGHT_REGISTRY_WRITE | SK_RIGHT_SERVICE |
               SK_RIGHT_TELEMETRY;
    case SK_ROLE_NONE:
        break;
    }
    return 0;
}

int sk_who_need_right(const struct sk_who *who, enum sk_right right, struct sk_err *err)
{
    const char *kind = who->is_policy ? "policy " : who->is_device ? "device " : "";
    const char *needed = right == SK_RIGHT_REGISTRY_READ    ? "to read the registry"
                         : right == SK_RIGHT_REGISTRY_WRITE ? "to change the registry"
                         : right == SK_RIGHT_SERVICE        ? "to speak to devices"
                         : right == SK_RIGHT_TELEMETRY      ? "to read telemetry"
                                                            : "to speak as a device";
    if ((who->rights & right) != 0)
        return 0;
    return sk_fail(err, SK_DENIED, "%s'%s' lacks the right %s", kind, who->name, needed);
}

void sk_who_local(struct sk_who *out)
{
    *out = (struct sk_who){ .peer = "local", .role = SK_ROLE_OWNER };
    out->rights = sk_role_rights(out->role);
    (void)snprintf(out->name, sizeof out->name, "local (uid %u)", (unsigned)getuid());
}
