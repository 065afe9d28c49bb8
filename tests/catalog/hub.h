/* hub.h - a hub that says what a test wrote down, and a remote that talks to it. */
#ifndef SK_TESTS_CATALOG_HUB_H
#define SK_TESTS_CATALOG_HUB_H

#include "fetch/loopback.h"
#include "remote/remote.h"

#include "catalog/folder.h"

#define REPLY(status, body) "HTTP/1.1 " status "\r\nConnection: close\r\n\r\n" body

struct hub {
    struct sk_loopback *server;
    struct sk_remote *remote;
    bool is_stopped;
};

static inline void hub_start(struct hub *h, const char *const *replies)
{
    struct sk_context c = { .name = "" };
    struct sk_err err = SK_ERR_INIT;
    char url[256];

    *h = (struct hub){ .server = sk_loopback_start(replies) };
    if (sk_context_set_url(&c, sk_loopback_url(h->server, "", url), &err) < 0 ||
        sk_remote_new(&c, &h->remote, &err) < 0)
        fail_msg("%s", err.text);
}

/* The requests can be read then. */
static inline void hub_stop(struct hub *h)
{
    if (!h->is_stopped)
        sk_loopback_stop(h->server);
    h->is_stopped = true;
}

static inline void hub_done(struct hub *h)
{
    hub_stop(h);
    sk_remote_free(h->remote);
    sk_loopback_free(h->server);
}

#endif
