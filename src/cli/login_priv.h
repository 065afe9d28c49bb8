/* login_priv.h - between cmd_login.c and login_ask.c (what only a person can say). */
#ifndef SK_CLI_LOGIN_PRIV_H
#define SK_CLI_LOGIN_PRIV_H

#include "base/err.h"
#include "remote/remote.h"

#include <stdbool.h>

/* "HostName=hub;Port=8443;CaSha256=HEX", as 'skerry hub init' prints it, taken apart: host
 * "hub:8443" and the digest ("": none). Other texts are copied into host. */
int sk_login_split(const char *hub, char host[300], char sha256[65], struct sk_err *err) SK_CHECK;
/* 64 hex digits in lower case, of "AB:CD:..." or "sha256:..." too. */
int sk_login_digest(const char *text, char out[65], struct sk_err *err) SK_CHECK;
/* True when a person at the terminal says that this is the hub's CA. SK_DENIED: no terminal. */
int sk_login_ask_ca(const char *host, const char *sha256, bool *yes, struct sk_err *err) SK_CHECK;
/* A line that is not shown while it is typed; free() it. SK_USAGE: no terminal. */
int sk_login_ask_token(const char *host, char **out, struct sk_err *err) SK_CHECK;
/* The token of a file or of standard input ("-"): one line; free() it. */
int sk_login_read_token(const char *path, char **out, struct sk_err *err) SK_CHECK;

#endif
