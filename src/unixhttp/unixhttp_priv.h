/* unixhttp_priv.h - the parser of answers, which knows nothing of sockets, and the peer's words. */
#ifndef SK_UNIXHTTP_UNIXHTTP_PRIV_H
#define SK_UNIXHTTP_UNIXHTTP_PRIV_H

#include "unixhttp/unixhttp.h"

enum {
    SK_UNIXHTTP_LINE_BYTES = 8192,  /* of a line of the head, a chunk's size, a trailer */
    SK_UNIXHTTP_HEAD_BYTES = 65536, /* of all these together, but for the chunks' sizes */
    SK_UNIXHTTP_WORDS_BYTES = 300   /* of a peer's message, with NUL */
};

enum sk_unixhttp_state {
    SK_UNIXHTTP_STATUS,
    SK_UNIXHTTP_HEADERS,
    SK_UNIXHTTP_LENGTH, /* a body of `left` more bytes */
    SK_UNIXHTTP_CLOSE,  /* a body that ends with the connection */
    SK_UNIXHTTP_SIZE,   /* the line in front of a chunk */
    SK_UNIXHTTP_CHUNK,  /* `left` more bytes of one */
    SK_UNIXHTTP_BEHIND, /* the line end behind it */
    SK_UNIXHTTP_TRAILER,
    SK_UNIXHTTP_DONE
};

struct sk_unixhttp_parser {
    enum sk_unixhttp_state state;
    int status;       /* final, once the head is complete; 0 before */
    bool is_headless; /* set by the caller: the answer to a HEAD, which has no body */
    int coming;       /* of the head that is being read */
    bool has_length, is_chunked;
    uint64_t left; /* of the body or chunk; in the head: its Content-Length */
    size_t head_bytes;
    size_t line_len;
    char line[SK_UNIXHTTP_LINE_BYTES];
};

/* Takes from the front of *in until a piece of the body is there (a view into the input; empty:
 * none), the input is used up, or the answer is whole. SK_INVALID: malformed; SK_LIMIT: a head that
 * is too large. */
int sk_unixhttp_feed(struct sk_unixhttp_parser *p, struct sk_view *in, struct sk_view *piece,
                     struct sk_err *err) SK_CHECK;
/* The connection has ended. SK_IO: in the middle of the answer. */
int sk_unixhttp_end(const struct sk_unixhttp_parser *p, struct sk_err *err) SK_CHECK;

/* What a peer says of an error: the text of member "message", "Message" or "error" of a JSON
 * object, else the first line when it is text; "" for neither. The beginning is enough. */
void sk_unixhttp_words(struct sk_view body, char out[SK_UNIXHTTP_WORDS_BYTES]);

#endif
