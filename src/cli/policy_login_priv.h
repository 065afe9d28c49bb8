/* policy_login_priv.h - a hub as the holder of a shared access policy's connection string. */
#ifndef SK_CLI_POLICY_LOGIN_PRIV_H
#define SK_CLI_POLICY_LOGIN_PRIV_H

#include "base/buf.h"
#include "base/err.h"
#include "remote/remote.h"

/*
 * login: "HostName=..;SharedAccessKeyName=..;SharedAccessKey=..". Appends "Authorization: .." to
 * header: a SAS token of ten minutes; *out sends no token of its own. The hub is at the port that
 * HostName has, else where SKERRY_HUB or a context of that host says, else at 443. It is believed
 * by SKERRY_CA_FILE, else by that context's CA, else by REQUESTS_CA_BUNDLE or SSL_CERT_FILE, else
 * by the system's certificates. Errors show no key.
 */
int sk_cli_policy_login(const char *login, struct sk_remote **out, struct sk_buf *header,
                        struct sk_err *err) SK_CHECK;

#endif
