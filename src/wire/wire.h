/*
 * wire.h - what agent and local hub say to each other: JSON objects over a unix socket, each behind
 * its length (4 bytes, little endian), at most SK_WIRE_MAX bytes.
 *
 * A message has "type". A call has "id" too and is answered by {"type":"answer","id":..} with the
 * result's members, or "error" and "code" (sk_code_name). Both sides may call. What may be said is
 * listed in docs/spec/edge-wire.md. The peer is checked to be of our own user or root, or of the
 * one that is named.
 *
 * Threads: send and call from any; received messages come on the wire's own thread, in order. A
 * call waits for its answer; not from the wire's own thread.
 */
#ifndef SK_WIRE_WIRE_H
#define SK_WIRE_WIRE_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    SK_WIRE_MAX = 4 << 20,
    SK_WIRE_CALL_MS = 10000,
    SK_WIRE_ASKS_MAX = 1024
};

struct sk_wire;

struct sk_wire_handler {
    /* A message without id: id is 0. A call: answer it with sk_wire_answer or sk_wire_refuse, now
     * or later, from any thread, once. */
    void (*message)(struct sk_wire *w, const char *type, int64_t id, const struct sk_json *m,
                    void *ctx);
    void (*closed)(struct sk_wire *w, void *ctx); /* last; calls that wait have failed (SK_IO) */
    void *ctx;
    /* The user whose process is at the other end, if it is not root; 0: our own, and any for root,
     * who chose the path. */
    uid_t user;
};

/* Over a connected unix socket; fd is taken, also on failure. */
int sk_wire_open(int fd, const struct sk_wire_handler *handler, struct sk_wire **out,
                 struct sk_err *err) SK_CHECK;
/* Connects to a path. SK_BUSY: nobody listens there yet. */
int sk_wire_connect(const char *path, const struct sk_wire_handler *handler, struct sk_wire **out,
                    struct sk_err *err) SK_CHECK;
/* Ends it and waits for its thread; not from that. */
void sk_wire_free(struct sk_wire *w);
SK_DEFINE_OWN(struct sk_wire, sk_wire_free);

/* json: a whole object with "type", without "id". SK_BUSY: too much waits; SK_IO: closed. */
int sk_wire_send(struct sk_wire *w, struct sk_view json, struct sk_err *err) SK_CHECK;
/* The same and waits for the answer (0: SK_WIRE_CALL_MS); *out: sk_json_free. Errors are those that
 * the peer refused with, SK_TIMEOUT, SK_IO. */
int sk_wire_call(struct sk_wire *w, struct sk_view json, uint64_t timeout_ms, struct sk_json **out,
                 struct sk_err *err) SK_CHECK;
/* Likewise without waiting: `done` is called once, from the wire's own thread, with the answer
 * (borrowed), or why there is none. After -1 it is not called. At most SK_WIRE_ASKS_MAX at once
 * (SK_BUSY). */
int sk_wire_ask(struct sk_wire *w, struct sk_view json, uint64_t timeout_ms,
                void (*done)(void *ctx, const struct sk_json *answer, const struct sk_err *failed),
                void *ctx, struct sk_err *err) SK_CHECK;
/* members: "\"a\":1,\"b\":2", or empty. */
int sk_wire_answer(struct sk_wire *w, int64_t id, struct sk_view members,
                   struct sk_err *err) SK_CHECK;
int sk_wire_refuse(struct sk_wire *w, int64_t id, const struct sk_err *why,
                   struct sk_err *err) SK_CHECK;

#endif
