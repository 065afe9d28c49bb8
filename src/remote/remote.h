/*
 * remote.h - a hub as the commands see it: contexts (where, whom to trust, as whom) and calls.
 *
 * A context is a folder $SKERRY_CONFIG_DIR/contexts/<name>/ (default: $XDG_CONFIG_HOME/skerry, else
 * ~/.config/skerry; 0700) with hub.json {url, user}, ca.pem and token (0600). `current` names the
 * one that is used; SKERRY_HUB (a context or a URL), SKERRY_TOKEN and SKERRY_CA_FILE go before it.
 * Files are replaced whole. The server is always checked: against the context's CA, or the system's
 * certificates; http is for loopback addresses only.
 *
 * Calls are JSON over HTTPS with the context's token; uploads and downloads go by digest, stream
 * from and to files, go on after a cut, and are checked. Errors: those of fetch.h with the hub's
 * own words; SK_NOT_FOUND "no hub: run 'skerry login HUB' ...". Threads: a remote belongs to one
 * thread.
 */
#ifndef SK_REMOTE_REMOTE_H
#define SK_REMOTE_REMOTE_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sk_context {
    char name[64];
    char url[300];  /* "https://hub:8443" */
    char host[270]; /* "hub:8443" */
    char *ca_file;  /* NULL: the system's */
    char *token;    /* NULL: none */
    char user[128];
};

/* Takes "https://hub:8443", "hub:8443" or "hub" (https, port 8443) apart into url and host. http is
 * for addresses of this machine only. SK_INVALID. */
int sk_context_set_url(struct sk_context *c, const char *text, struct sk_err *err) SK_CHECK;
/* A name for the context of a host: "hub" of "hub:8443", "hub-9000" of "hub:9000". */
void sk_context_name_of(const char *host, char out[64]);
/* name: a context, or a URL (then the context that has it, if there is one); NULL: SKERRY_HUB, else
 * the current one. SK_NOT_FOUND when there is none. *out: sk_context_done. */
int sk_context_load(const char *name, struct sk_context *out, struct sk_err *err) SK_CHECK;
/* The stored context of "HOST:PORT", the current one before others, with SKERRY_TOKEN and
 * SKERRY_CA_FILE left alone: they belong to the hub that is current. SK_NOT_FOUND. */
int sk_context_of_host(const char *host, struct sk_context *out, struct sk_err *err) SK_CHECK;
void sk_context_done(struct sk_context *c);
/* Saves under its name and makes it current. ca_pem NULL: the system's certificates. */
int sk_context_save(const struct sk_context *c, const char *ca_pem, size_t ca_len,
                    struct sk_err *err) SK_CHECK;
/* Letters, digits, '.', '_', '-'; at most 63; not first a '.'. SK_INVALID. */
int sk_context_check_name(const char *name, struct sk_err *err) SK_CHECK;
int sk_context_use(const char *name, struct sk_err *err) SK_CHECK;
/* Its token only; SK_NOT_FOUND. */
int sk_context_forget(const char *name, struct sk_err *err) SK_CHECK;
int sk_context_delete(const char *name, struct sk_err *err) SK_CHECK;
int sk_context_list(int (*each)(void *ctx, const struct sk_context *c, bool is_current,
                                struct sk_err *err),
                    void *ctx, struct sk_err *err) SK_CHECK;
/* The CA that a hub shows in its handshake (unchecked), as PEM, and its SHA-256, for login: the
 * caller compares the digest with what the user gave, or asks. */
int sk_remote_peek_ca(const char *url, struct sk_buf *pem, char sha256[65],
                      struct sk_err *err) SK_CHECK;

struct sk_remote;

int sk_remote_new(const struct sk_context *c, struct sk_remote **out, struct sk_err *err) SK_CHECK;
void sk_remote_free(struct sk_remote *r);
SK_DEFINE_OWN(struct sk_remote, sk_remote_free);
const struct sk_context *sk_remote_context(const struct sk_remote *r);

/* One call; body NULL: none. *out (may be NULL) is the answer; sk_json_free. path begins with '/'
 * and is percent-encoded by the caller (sk_url_escape). */
int sk_remote_call(struct sk_remote *r, const char *method, const char *path, const char *body,
                   struct sk_json **out, struct sk_err *err) SK_CHECK;

/* A call that has more to say than a JSON document. */
struct sk_remote_request {
    const char *method, *path;  /* as above */
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
    const void *body;           /* NULL: none */
    size_t body_len;
    const char *type;     /* of the body; NULL: application/json */
    uint64_t patience_ms; /* the hub may be silent for so long; 0: as for other calls */
    const char *wanted;   /* a header of the answer (lower-case) into value; NULL: none */
    char *value;          /* "" when the answer lacks it */
    size_t value_cap;
};

/* The answer's body is appended to out as it is (may be NULL). */
int sk_remote_send(struct sk_remote *r, const struct sk_remote_request *q, struct sk_buf *out,
                   struct sk_err *err) SK_CHECK;
/*
 * Reads server-sent events (HTML standard, section 9.2) until the hub ends them (0), each says -1,
 * or the connection breaks (SK_IO, SK_TIMEOUT). last_id, "" or NULL for none, goes out as
 * Last-Event-ID; each gets an event's data and the id that goes on behind it. No second tries: the
 * caller knows what to go on with. An event is at most 8 MiB (SK_LIMIT).
 */
typedef int sk_remote_event(void *ctx, const char *id, struct sk_view data, struct sk_err *err);
int sk_remote_stream(struct sk_remote *r, const char *path, const char *last_id,
                     sk_remote_event *each, void *ctx, struct sk_err *err) SK_CHECK;
/* Appends text percent-encoded (everything but unreserved characters). */
void sk_url_escape(struct sk_buf *b, const char *text);

/* Asked about once a second during calls, streams and sk_remote_put, with the bytes of the body so
 * far and in total (0: unknown), and in pauses between tries; false ends them (SK_CANCELLED). NULL:
 * none.
 */
void sk_remote_ask(struct sk_remote *r, bool (*go_on)(void *ctx, uint64_t done, uint64_t total),
                   void *ctx);
/* What sk_fetch_options.waiting is, of all that r does. NULL: none. */
void sk_remote_tell(struct sk_remote *r,
                    void (*waiting)(void *ctx, const char *host, bool is_waiting), void *ctx);
/* PUT of a file's first `size` bytes, streamed. */
int sk_remote_put(struct sk_remote *r, const char *path, const char *file, uint64_t size,
                  struct sk_err *err) SK_CHECK;

typedef bool sk_remote_progress(void *ctx, const char *what, uint64_t done, uint64_t total);
/* A file becomes a blob of the hub, unless it is there (HEAD /api/v1/blobs/<digest>): POST
 * /api/v1/uploads, then PUT ?digest= with all of it. After a cut GET tells what the hub has (it
 * would hash that again for each further piece), and the next PUT carries the rest. digest:
 * "sha256:HEX". */
int sk_remote_upload(struct sk_remote *r, const char *path, const char *digest, uint64_t size,
                     sk_remote_progress *progress, void *ctx, struct sk_err *err) SK_CHECK;
/* GET /api/v1/blobs/<digest> into path, which appears when the digest was found to be right; until
 * then, and after a failure, what came is in path + ".part", and is gone on from. SK_CORRUPT: other
 * bytes came; SK_BUSY: another download writes there. */
int sk_remote_download(struct sk_remote *r, const char *digest, uint64_t size, const char *path,
                       sk_remote_progress *progress, void *ctx, struct sk_err *err) SK_CHECK;

#endif
