/*
 * bench_priv.h - the parts of `skerry bench`.
 *
 *     cmd_bench.c      options, the runs, what is printed
 *     bench_target.c   a running server, or a child of our own
 *     bench_request.c  the bytes of the request
 *     bench_load.c     closed and open loop
 *     bench_conn.c     one HTTP/1.1 connection
 *     bench_hist.c     latencies
 *     bench_stages.c   the server's own histograms, before and after
 */
#ifndef SK_CLI_BENCH_PRIV_H
#define SK_CLI_BENCH_PRIV_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* ---- latencies: see bench_hist.c ---- */
enum {
    SK_HIST_SUB = 128,
    SK_HIST_CELLS = 58 * SK_HIST_SUB
};

/* n, sum and max may be read. Zeroed is empty. */
struct sk_bench_hist {
    uint64_t n, max;
    double sum;
    uint64_t cells[SK_HIST_CELLS];
};

void sk_bench_hist_add(struct sk_bench_hist *h, uint64_t value);
/* The smallest value that at least the fraction q of all are not above, at most 0.8 % too high; 0
 * when empty. */
uint64_t sk_bench_hist_quantile(const struct sk_bench_hist *h, double q);

/* ---- the server ---- */
struct sk_bench_target {
    struct sockaddr_storage addr;
    socklen_t addr_len;
    char host[300]; /* for the Host header: "127.0.0.1:5001" */
    char *api_key;  /* NULL: none */
    int pid;        /* of our child, 0: not ours */
};

struct sk_bench_child_options {
    const char *device, *onnxruntime, *labels;
    uint64_t threads;
    bool cache;
};

/* "http://host:port", or what `skerry serve` takes; then a child is started on a free port of the
 * loopback. */
int sk_bench_target_open(const char *what, const struct sk_bench_child_options *child,
                         const char *api_key_file, struct sk_bench_target *out,
                         struct sk_err *err) SK_CHECK;
/* Stops the child, if there is one. Accepts a zeroed one. */
void sk_bench_target_done(struct sk_bench_target *t);

/* ---- one connection ---- */
enum sk_conn_state {
    SK_CONN_CLOSED,
    SK_CONN_IDLE,
    SK_CONN_SENDING,
    SK_CONN_READING
};

enum sk_conn_result {
    SK_CONN_AGAIN,
    SK_CONN_DONE,
    SK_CONN_FAILED
};

enum {
    SK_CONN_HEAD_BYTES = 8192
};

/* Initialise with fd -1, everything else zero. */
struct sk_conn {
    int fd;
    enum sk_conn_state state;
    const char *request; /* borrowed while a request is under way */
    size_t request_len, sent;
    char head[SK_CONN_HEAD_BYTES]; /* of the answer */
    size_t head_len;
    bool connects; /* nothing was sent yet: a failure is one of connecting */
    bool head_done, close_after;
    int status;
    uint64_t body_left;
    struct sk_buf *body;     /* where the body goes; NULL: nowhere */
    char snippet[200];       /* its beginning, NUL-terminated: tells why a status is not 200 */
    uint64_t start_ns;       /* for the owner: when the request was due */
    uint32_t watched;        /* for the owner: what epoll looks for */
    uint64_t rests_until_ns; /* for the owner: it does not connect before; 0: it does not rest */
    unsigned rest_ms;        /* for the owner: how long it rested last */
};

/* Connects where necessary (without waiting) and notes what is to be sent. */
int sk_conn_start(struct sk_conn *c, const struct sk_bench_target *t, const char *request,
                  size_t len, struct sk_err *err) SK_CHECK;
/* Goes on as far as the socket allows. After DONE the connection is idle, or closed when the server
 * wants so. */
enum sk_conn_result sk_conn_step(struct sk_conn *c, struct sk_err *err);
void sk_conn_close(struct sk_conn *c);
/* A whole exchange, waiting up to timeout_ms; *status is set whenever 0 is returned. */
int sk_bench_exchange(const struct sk_bench_target *t, const char *request, size_t len,
                      unsigned timeout_ms, int *status, struct sk_buf *body,
                      struct sk_err *err) SK_CHECK;
/* The same for "GET path". A status other than 200 is an error with the answer's beginning. */
int sk_bench_get(const struct sk_bench_target *t, const char *method, const char *path,
                 struct sk_buf *body, struct sk_err *err) SK_CHECK;

/* ---- the request ---- */
/* POST /predict with a picture as multipart field "image". model may be NULL. */
int sk_bench_predict_request(const struct sk_bench_target *t, const char *model,
                             const void *picture, size_t len, struct sk_buf *out,
                             struct sk_err *err) SK_CHECK;
/* POST /v2/models/<model>/infer with random binary tensors in the shapes of its metadata; model
 * NULL: the first one that is ready. */
int sk_bench_infer_request(const struct sk_bench_target *t, const char *model, struct sk_buf *out,
                           struct sk_err *err) SK_CHECK;
/* A JPEG of the given size with smooth and rough parts. *out: free() it. */
int sk_bench_picture(unsigned width, unsigned height, uint8_t **out, size_t *len,
                     struct sk_err *err) SK_CHECK;

/* ---- load ---- */
struct sk_load {
    const struct sk_bench_target *target;
    const char *request;
    size_t request_len;
    unsigned connections; /* closed loop: all busy all the time; open loop: at most */
    double rate;          /* open loop: requests per second; 0: closed loop */
    uint64_t warmup_ns, duration_ns, timeout_ns;
    uint64_t seed;
};

struct sk_load_result {
    struct sk_bench_hist latency; /* ns, of answers with status 200; open loop: of the unanswered
                                     too */
    uint64_t answered;            /* with status 200 */
    uint64_t errors;              /* other answers, broken connections, timeouts */
    double seconds;
    char first_error[300]; /* empty: none */
};

int sk_load_run(const struct sk_load *load, struct sk_load_result *out,
                struct sk_err *err) SK_CHECK;

/* ---- the server's stages ---- */
enum {
    SK_STAGES_MAX = 16,
    SK_STAGE_BOUNDS_MAX = 64
};

struct sk_stage {
    char name[24];
    double bounds[SK_STAGE_BOUNDS_MAX]; /* seconds, ascending, the last one may be infinite */
    double counts[SK_STAGE_BOUNDS_MAX]; /* cumulative */
    size_t bound_count;
    double sum, count;
};

struct sk_stages {
    struct sk_stage rows[SK_STAGES_MAX];
    size_t count;
};

/* Reads skerry_request_stage_seconds out of a Prometheus text, summed over models and versions.
 * Unknown lines are skipped; a peer without these metrics gives an empty list. */
void sk_stages_parse(const char *text, size_t len, struct sk_stages *out);
/* after - before, in place; stages that saw nothing are dropped, and all of them when a counter
 * went back: the server was changed for another. */
void sk_stages_subtract(struct sk_stages *after, const struct sk_stages *before);
/* Interpolated within its bucket; seconds. */
double sk_stage_quantile(const struct sk_stage *s, double q);

#endif
