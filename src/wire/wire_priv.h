/*
 * wire_priv.h - frames and messages, without sockets.
 */
#ifndef SK_WIRE_WIRE_PRIV_H
#define SK_WIRE_WIRE_PRIV_H

#include "wire/wire.h"

enum {
    SK_WIRE_HEAD = 4,
    SK_WIRE_READ_BYTES = 16 << 10,
    SK_WIRE_KEEP_BYTES = 64 << 10, /* of an empty buffer; what is beyond is given back */
    SK_WIRE_OUT_MAX = 2 * (SK_WIRE_MAX + SK_WIRE_HEAD), /* bytes that wait to leave */
    SK_WIRE_TYPE_MAX = 64,
    SK_WIRE_VALUES_MAX = 400000 /* of one message's JSON */
};

/* ---- frame.c: bytes in, messages out ---- */
struct sk_wire_frames {
    struct sk_buf bytes;
    size_t at; /* of the first byte that was not given out */
};

#define SK_WIRE_FRAMES_INIT                                                                        \
    {                                                                                              \
        .bytes = SK_BUF_INIT(SK_WIRE_MAX + SK_WIRE_HEAD + SK_WIRE_READ_BYTES)                      \
    }

/* Takes at most SK_WIRE_READ_BYTES; call next until it gives 0 between two of these. */
int sk_wire_frames_add(struct sk_wire_frames *f, const void *bytes, size_t len,
                       struct sk_err *err) SK_CHECK;
/* 1: *out is a whole frame, valid until the next add; 0: none yet; -1 (SK_INVALID): its length is 0
 * or beyond SK_WIRE_MAX. */
int sk_wire_frames_next(struct sk_wire_frames *f, struct sk_view *out, struct sk_err *err) SK_CHECK;
void sk_wire_frames_done(struct sk_wire_frames *f);

struct sk_wire_message {
    struct sk_json *doc;
    const char *type; /* in doc */
    int64_t id;       /* 0: none */
    bool is_answer;
};

/* SK_INVALID: no object, no type, an id that is no number above 0, an answer without id. */
int sk_wire_message_parse(struct sk_view frame, struct sk_wire_message *out,
                          struct sk_err *err) SK_CHECK;
/* What an answer refused with: 0 when it did not. */
int sk_wire_message_refusal(const struct sk_json *answer, struct sk_err *err) SK_CHECK;
/* Appends the frame of a JSON object, with an id in it when that is not 0. SK_INVALID: no object;
 * SK_TOO_LARGE. */
int sk_wire_frame(struct sk_view json, int64_t id, struct sk_buf *out, struct sk_err *err) SK_CHECK;

#endif
