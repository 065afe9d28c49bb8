/* flow.h - answers that come in chunks, over time. */
#ifndef SK_TESTS_HUB_FLOW_H
#define SK_TESTS_HUB_FLOW_H

#include "hub_util.h"

#include <unistd.h>

/* What has come of an answer, with the chunks' heads taken out. */
struct flow {
    struct client c;
    struct sk_buf raw, text;
    size_t at; /* of raw: where a chunk's head is next; 0: the answer's head is not over */
    bool is_over;
};

/* A GET by the owner; more: header lines, each ended by CRLF. */
void flow_open(struct hub_fixture *f, struct flow *w, const char *path, const char *more);
void flow_close(struct flow *w);
/* Reads until the text has the words, or the end for NULL. */
void flow_until(struct flow *w, const char *words);
/* The whole answer must have the words. */
void flow_expect(struct hub_fixture *f, const char *path, const char *words);

#endif
