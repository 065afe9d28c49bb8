/* remote_priv.h - what the parts of remote share. */
#ifndef SK_REMOTE_REMOTE_PRIV_H
#define SK_REMOTE_REMOTE_PRIV_H

#include "fetch/fetch.h"
#include "remote/remote.h"

struct sk_remote {
    struct sk_context context; /* a copy */
    struct sk_fetch *fetch;
};

/* One request with the context's token; r->url is set here from path. */
int sk_remote_do(struct sk_remote *r, const char *path, struct sk_fetch_request *q,
                 struct sk_fetch_answer *a, struct sk_err *err) SK_CHECK;
/* Whether trying again can help: the connection was lost, or nobody answered. */
bool sk_remote_is_cut(const struct sk_err *err);
/* Waits a little longer each time, up to some seconds. */
void sk_remote_pause(unsigned tries);

#endif
