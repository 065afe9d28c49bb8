/* keeper_priv.h - what the files of this folder share, and their tests see. */
#ifndef SK_KEEPER_KEEPER_PRIV_H
#define SK_KEEPER_KEEPER_PRIV_H

#include "keeper/keeper.h"

#include "base/buf.h"
#include "base/str.h"

#include <netinet/in.h>
#include <sys/socket.h>

/* ---- packet.c: the datagrams between agent and keeper (docs/spec/keeper.md) ---- */
enum {
    SK_KEEPER_VERSION = 1,
    SK_KEEPER_PACKET_MAX = 8192
};

enum sk_keeper_op {
    SK_KEEPER_LISTEN = 1,
    SK_KEEPER_FORWARD,
    SK_KEEPER_CLOSE,
    SK_KEEPER_LIST,
    SK_KEEPER_STOP,
    SK_KEEPER_ANSWER = 0x80 /* added to the op of the request */
};

/* Fields that a reader does not know are skipped: a keeper is older than the agent that calls it,
 * or younger. */
enum sk_keeper_field {
    SK_KEEPER_F_NAME = 1, /* in a list's answer: begins a port */
    SK_KEEPER_F_HOST,
    SK_KEEPER_F_PORT,
    SK_KEEPER_F_IS_FORWARD,
    SK_KEEPER_F_TARGET, /* absent: none */
    SK_KEEPER_F_AFTER,  /* of a list: names beyond this one */
    SK_KEEPER_F_ADDRESS = 16,
    SK_KEEPER_F_CONNECTIONS,
    SK_KEEPER_F_OLDER,
    SK_KEEPER_F_ACCEPTED,
    SK_KEEPER_F_MORE, /* ask again with AFTER */
    SK_KEEPER_F_CODE = 32,
    SK_KEEPER_F_TEXT
};

void sk_keeper_put_head(struct sk_buf *b, unsigned op);
void sk_keeper_put_text(struct sk_buf *b, enum sk_keeper_field f, const char *text);
void sk_keeper_put_number(struct sk_buf *b, enum sk_keeper_field f, uint64_t value);

/* A walk over the fields of a packet. */
struct sk_keeper_reader {
    struct sk_view rest;
    uint8_t op;
    bool is_broken; /* read when there is no further field */
};

/* SK_INVALID: it is none; SK_UNSUPPORTED: of another version. op is set also then. */
int sk_keeper_read_head(struct sk_keeper_reader *r, struct sk_view packet,
                        struct sk_err *err) SK_CHECK;
bool sk_keeper_read_field(struct sk_keeper_reader *r, unsigned *field, struct sk_view *value);
uint64_t sk_keeper_number(struct sk_view value); /* of another size than 8: UINT64_MAX */

/* A request, checked. */
struct sk_keeper_request {
    enum sk_keeper_op op;
    char name[SK_KEEPER_NAME_MAX + 1], host[64], target[64];
    uint16_t port;
    bool is_forward, has_target;
};

int sk_keeper_read_request(struct sk_view packet, struct sk_keeper_request *out,
                           struct sk_err *err) SK_CHECK;

/* ---- address.c ---- */
struct sk_keeper_address {
    struct sockaddr_storage sa;
    socklen_t len;
};

/* SK_INVALID. host "": "::". */
int sk_keeper_address(const char *host, uint16_t port, struct sk_keeper_address *out,
                      struct sk_err *err) SK_CHECK;
/* "172.18.0.2:5001", "[fd00::2]:5001". */
int sk_keeper_target(const char *text, struct sk_keeper_address *out, struct sk_err *err) SK_CHECK;
/* Which process listens where a bind failed: "process 12 (nginx)"; "another process" when that
 * cannot be seen. proc: "/proc". */
void sk_keeper_owner(const char *proc, uint16_t port, char *out, size_t size);

/* ---- store.c: systemd ---- */
/* A name as systemd takes it, and back: ':' is '|' there. */
void sk_keeper_store_name(const char *name, char out[SK_KEEPER_NAME_MAX + 1]);
void sk_keeper_store_unname(const char *stored, size_t len, char out[SK_KEEPER_NAME_MAX + 1]);
/* One datagram to NOTIFY_SOCKET, fd beside it unless -1. Nothing without the variable. */
void sk_keeper_notify(const char *text, int fd);
void sk_keeper_store_put(const char *name, int fd);
void sk_keeper_store_remove(const char *name);
/* Calls each with the descriptors that were handed over, name "" when it has none; each takes them.
 * The variables are removed. */
void sk_keeper_store_take(void (*each)(void *ctx, const char *name, int fd), void *ctx);

/* ---- the process ---- */
struct sk_keeper_loop;

/* What epoll points to: the first member of whatever is watched. */
struct sk_keeper_watch {
    void (*ready)(struct sk_keeper_watch *w, uint32_t events);
};

struct sk_keeper_conn;

/* A listening socket with a name. */
struct sk_keeper_socket {
    struct sk_keeper_watch watch;
    struct sk_keeper_loop *loop;
    char name[SK_KEEPER_NAME_MAX + 1];
    int fd;
    bool is_forward;
    bool is_watched; /* epoll tells of clients */
    bool is_refused; /* the target is not there yet: one client tries for all */
    bool has_target;
    char target[64];
    struct sk_keeper_address to;
    uint32_t serial; /* counts the changes of the target */
    uint64_t connections, accepted, older;
    struct sk_keeper_conn *held, **held_end; /* accepted, not joined yet; in their order */
};

struct sk_keeper_control {
    struct sk_keeper_watch watch;
    struct sk_keeper_loop *loop;
    int fd;         /* -1: free */
    uint64_t heard; /* number of the loop's last request when it last spoke */
};

enum {
    SK_KEEPER_CONTROLS = 16,
    SK_KEEPER_HOLD_MS = 10000, /* how long a client waits for its target */
    SK_KEEPER_RETRY_MS = 50,
    SK_KEEPER_FLUSH_MS = 5000, /* for what a target sent before it was reset */
    SK_KEEPER_SPARE_FDS = 64,  /* beside connections */
    SK_KEEPER_CONN_FDS = 6     /* two sockets, two pipes */
};

struct sk_keeper_loop {
    int epoll;
    struct sk_keeper_watch door_watch, signal_watch;
    int door, signals;
    struct sk_keeper_control controls[SK_KEEPER_CONTROLS];
    uint64_t requests;
    struct sk_keeper_socket *sockets[SK_KEEPER_PORTS_MAX]; /* by name */
    size_t socket_count;
    struct sk_keeper_conn *conns;    /* all */
    struct sk_keeper_conn *busy;     /* to be served again at once */
    struct sk_keeper_conn *graves;   /* freed at the end of the round */
    struct sk_keeper_conn *flushing; /* waits for bytes to leave before the reset */
    size_t conn_count, conn_max, timed_count, pipe_count;
    int pipes[8][2];                                /* empty ones, for whoever needs one next */
    uint64_t now_ms, next_tick_ms, accept_again_ms; /* the last: 0, or when memory may be back */
    bool is_short; /* of descriptors or memory for a pipe; this round */
    bool is_ending;
};

int sk_keeper_watch(struct sk_keeper_loop *l, int fd, struct sk_keeper_watch *w, uint32_t events,
                    struct sk_err *err) SK_CHECK;

/* ---- ports.c ---- */
struct sk_keeper_socket *sk_keeper_find(struct sk_keeper_loop *l, const char *name);
/* For FD hand-overs: a socket that listens already; fd is taken. */
void sk_keeper_adopt(struct sk_keeper_loop *l, const char *name, int fd);
int sk_keeper_open_port(struct sk_keeper_loop *l, const struct sk_keeper_request *r, int *fd,
                        struct sk_err *err) SK_CHECK;
int sk_keeper_set_target(struct sk_keeper_loop *l, const struct sk_keeper_request *r,
                         struct sk_err *err) SK_CHECK;
void sk_keeper_close_port(struct sk_keeper_loop *l, const char *name);
/* Whether to accept now; tells epoll. */
void sk_keeper_arm(struct sk_keeper_socket *s);
void sk_keeper_arm_all(struct sk_keeper_loop *l);
/* The ports beyond `after`, as many as fit. */
void sk_keeper_put_list(const struct sk_keeper_loop *l, const char *after, struct sk_buf *out);

/* ---- relay.c, hold.c: connections ---- */
enum {
    SK_KEEPER_CLIENT,
    SK_KEEPER_TARGET
};

struct sk_keeper_side {
    struct sk_keeper_watch watch;
    struct sk_keeper_conn *conn;
    int fd;
    bool can_read, can_write;
};

/* From a side to the other. */
struct sk_keeper_flow {
    int pipe[2];
    size_t len; /* in the pipe */
    bool is_done;
};

enum sk_keeper_state {
    SK_KEEPER_HELD,
    SK_KEEPER_CONNECTING,
    SK_KEEPER_JOINED,
    SK_KEEPER_FLUSHING,
    SK_KEEPER_DEAD
};

struct sk_keeper_conn {
    struct sk_keeper_loop *loop;
    struct sk_keeper_socket *socket; /* NULL: closed meanwhile */
    struct sk_keeper_conn *prev, *next;
    struct sk_keeper_conn *next_held, *next_busy, *next_flushing;
    struct sk_keeper_side side[2];
    struct sk_keeper_flow flow[2];
    enum sk_keeper_state state;
    bool is_busy, is_broken; /* broken: the target was reset; so will be the client */
    uint32_t serial;         /* the socket's at the time of connecting */
    uint64_t deadline_ms;
};

/* relay.c */
void sk_keeper_pump(struct sk_keeper_conn *c);
void sk_keeper_busy(struct sk_keeper_conn *c);
/* reset: both peers see that it did not end by itself. */
void sk_keeper_end(struct sk_keeper_conn *c, bool reset);
void sk_keeper_bury(struct sk_keeper_loop *l); /* at the end of a round */
void sk_keeper_flush_tick(struct sk_keeper_loop *l);
void sk_keeper_drop_pipes(struct sk_keeper_loop *l);
/* hold.c */
void sk_keeper_accept(struct sk_keeper_watch *w, uint32_t events);
void sk_keeper_connecting(struct sk_keeper_conn *c, uint32_t events);
void sk_keeper_unhold(struct sk_keeper_conn *c);
void sk_keeper_retarget(struct sk_keeper_socket *s); /* those that wait go to the new one */
void sk_keeper_hold_tick(struct sk_keeper_socket *s);

/* ---- control.c ---- */
void sk_keeper_door(struct sk_keeper_watch *w, uint32_t events);
void sk_keeper_hang_up(struct sk_keeper_control *c);

#endif
