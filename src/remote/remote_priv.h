/* remote_priv.h - between address.c, context.c, remote.c (calls), stream.c, upload.c and
 * download.c. */
#ifndef SK_REMOTE_REMOTE_PRIV_H
#define SK_REMOTE_REMOTE_PRIV_H

#include "fetch/fetch.h"
#include "remote/remote.h"

enum {
    SK_REMOTE_TOKEN_BYTES = 4096,  /* of a token's file */
    SK_REMOTE_CA_BYTES = 64 << 10, /* of a CA's */
    SK_REMOTE_RETRIES = 3,         /* of a call */
    SK_REMOTE_STALL_MS = 120000,   /* the hub syncs gigabytes before it answers */
    SK_REMOTE_ASK_MS = 30000,      /* but not when it is only asked something */
    SK_REMOTE_TRIES = 5,           /* of a transfer in a row that moves nothing */
    SK_REMOTE_PAUSE_MS = 500,      /* before the second, then twice as long each time */
    SK_REMOTE_PEEK_MS = 10000,
    SK_REMOTE_BEAT_MS = 45000, /* a stream is silent for 15 s at most */
    SK_REMOTE_EVENT_BYTES = 8 << 20,
    SK_REMOTE_EVENT_ID = 64 /* with its end */
};

struct sk_remote {
    struct sk_context context;
    struct sk_fetch *fetch, *asking; /* the second for GET and HEAD without a large answer */
    bool (*go_on)(void *ctx, uint64_t done, uint64_t total); /* of calls and puts */
    void *go_on_ctx;
};

/* ---- address.c ---- */
struct sk_hub_address {
    bool is_tls;
    char host[256]; /* without brackets */
    uint16_t port;
};

int sk_hub_address(const char *hub, struct sk_hub_address *out, struct sk_err *err) SK_CHECK;

/* ---- stream.c ---- */
/* Takes server-sent events apart, in pieces of any size. sk_event_reader_done. */
struct sk_event_reader {
    struct sk_buf line, data; /* SK_BUF_INIT(SK_REMOTE_EVENT_BYTES) */
    char id[SK_REMOTE_EVENT_ID];
    bool was_cr, is_begun;
    sk_remote_event *each;
    void *ctx;
};

void sk_event_reader_init(struct sk_event_reader *e, sk_remote_event *each, void *ctx);
void sk_event_reader_done(struct sk_event_reader *e);
int sk_event_reader_add(struct sk_event_reader *e, const void *bytes, size_t len,
                        struct sk_err *err) SK_CHECK;

/* ---- remote.c ---- */
/* The whole address of a path; fails like sk_buf. */
int sk_remote_url(const struct sk_remote *r, const char *path, struct sk_buf *out,
                  struct sk_err *err) SK_CHECK;
/* A request as r's user; a failure has the hub's words and their code. */
int sk_remote_do(struct sk_remote *r, struct sk_fetch_request *q, struct sk_fetch_answer *a,
                 struct sk_err *err) SK_CHECK;
/* The same by another client, when only its sink matters. */
int sk_remote_request_by(struct sk_remote *r, struct sk_fetch *by, struct sk_fetch_request *q,
                         struct sk_err *err) SK_CHECK;
/* The same for a question with a small answer: a hub that hangs is given up sooner. */
int sk_remote_ask_it(struct sk_remote *r, struct sk_fetch_request *q, struct sk_fetch_answer *a,
                     struct sk_err *err) SK_CHECK;
/* 0: the hub has it (size or UINT64_MAX: any), 1: it has not. */
int sk_remote_has(struct sk_remote *r, const char *digest, struct sk_err *err) SK_CHECK;
/* Whether a transfer that failed so may be gone on with. */
bool sk_remote_may_go_on(const struct sk_fetch_answer *a, const struct sk_err *err);
/* Between tries. False: progress said stop. */
bool sk_remote_pause(unsigned tries, sk_remote_progress *progress, void *ctx, const char *what,
                     uint64_t done, uint64_t total);
int sk_remote_check_digest(const char *digest, struct sk_err *err) SK_CHECK;

#endif
