/* docker_priv.h - what the files of this folder share, and their tests see. */
#ifndef SK_DOCKER_DOCKER_PRIV_H
#define SK_DOCKER_DOCKER_PRIV_H

#include "docker/docker.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "unixhttp/unixhttp.h"

enum {
    SK_DOCKER_OPTIONS_MAX = 256 << 10, /* bytes of createOptions */
    SK_DOCKER_BODY_MAX = 1 << 20,
    SK_DOCKER_LINE_MAX = 64 << 10, /* of a line of a pull */
    SK_DOCKER_NAME_MAX = 1024
};

#define SK_DOCKER_OWNER_LABEL "net.azure-devices.edge.owner"
#define SK_DOCKER_OWNER       "Microsoft.Azure.Devices.Edge.Agent"

/* ---- raw.c: members of JSON that was checked before, as they stand in the text ---- */
struct sk_docker_raw {
    struct sk_view rest;
};

struct sk_docker_member {
    struct sk_view key;   /* with its quotes; empty in arrays */
    struct sk_view value; /* without spaces around */
};

/* value: an object or array; of anything else there are no members. */
struct sk_docker_raw sk_docker_raw_of(struct sk_view value);
bool sk_docker_raw_next(struct sk_docker_raw *r, struct sk_docker_member *out);
/* Of a member of one of the Engine's structures, whose names it matches without regard to case. */
bool sk_docker_raw_is(const struct sk_docker_member *m, const char *name);
/* The value of a text without escapes as they were; cut to size. */
void sk_docker_raw_text(struct sk_view quoted, char *out, size_t size);

/* ---- merge.c ---- */
/* The body of a create: createOptions with our members. SK_INVALID, SK_LIMIT. Pure. */
int sk_docker_merge(const struct sk_docker_create *c, struct sk_buf *out,
                    struct sk_err *err) SK_CHECK;

/* ---- reference.c ---- */
/* "host:5000/repo:tag@sha256:.." into what the Engine is asked for: the repository and the digest,
 * else the tag ("latest" when there is none); both SK_DOCKER_NAME_MAX bytes. SK_INVALID. */
int sk_docker_split(const char *image, char *repository, char *tag, struct sk_err *err) SK_CHECK;
/* The value of X-Registry-Auth. auth NULL or without user: "{}". */
int sk_docker_auth_header(const struct sk_docker_auth *auth, struct sk_buf *out,
                          struct sk_err *err) SK_CHECK;

/* ---- stream.c: what comes in any pieces ---- */
/* Output with frames, as of a container without a terminal. */
struct sk_docker_frames {
    bool is_raw; /* with a terminal: there are none */
    unsigned char head[8];
    size_t head_len;
    uint32_t left; /* of the frame */
};

typedef int sk_docker_sink(void *ctx, const void *bytes, size_t len, struct sk_err *err);

/* SK_INVALID: these are no frames. */
int sk_docker_frames_feed(struct sk_docker_frames *f, const void *bytes, size_t len,
                          sk_docker_sink *sink, void *ctx, struct sk_err *err) SK_CHECK;

/* Lines of a pull. */
struct sk_docker_progress {
    bool (*progress)(void *ctx, const char *what);
    void *ctx;
    struct sk_buf line; /* SK_DOCKER_LINE_MAX */
};

/* An error in a line is one; SK_CANCELLED: progress said so. */
int sk_docker_progress_feed(struct sk_docker_progress *p, const void *bytes, size_t len,
                            struct sk_err *err) SK_CHECK;
/* Behind the last byte: a line without its end. */
int sk_docker_progress_end(struct sk_docker_progress *p, struct sk_err *err) SK_CHECK;
/* What an Engine's words mean, since it gives 500 for most of what a registry says. */
enum sk_code sk_docker_meaning(const char *words, enum sk_code otherwise);

/* ---- call.c ---- */
struct sk_docker_call {
    const char *method; /* NULL: GET */
    const char *path;   /* behind the version, "/containers/json?all=1" */
    const struct sk_buf *body;
    const char *header; /* one more */
    uint64_t timeout_ms;
    sk_docker_sink *sink;
    void *ctx;
};

/* out: done with it in both cases. */
int sk_docker_ask(const struct sk_docker *d, const struct sk_docker_call *c,
                  struct sk_unixhttp_answer *out, struct sk_err *err) SK_CHECK;
/* An answer that is a JSON document; *out: sk_json_free. */
int sk_docker_ask_json(const struct sk_docker *d, const struct sk_docker_call *c,
                       struct sk_json **out, struct sk_err *err) SK_CHECK;
/* The API version that an Engine wants instead, from its refusal; "" for none. version: 16 bytes.
 */
void sk_docker_wanted_version(const char *words, char *version);

/* ---- container.c ---- */
void sk_docker_read_container(const struct sk_json *doc, const char *network,
                              struct sk_docker_container *out);
/* What a process's cgroups (the text of /proc/PID/cgroup) say of the container: 1 its own, 0
 * another's, -1 nothing. */
int sk_docker_cgroup_says(const char *text, const char *id);

#endif
