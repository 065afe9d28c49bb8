/*
 * localhub_priv.h - what the files of this folder share, and their tests see.
 *
 * Threads, and what each does:
 *
 *     main      localhub.c: listeners, lines upstream are opened and closed, timers
 *     mqtt      front.c, publish.c, ..: clients, their logins, publishes and twins
 *     dialer    line.c: lines upstream, what the cloud says
 *     pump      pump.c, up.c, deliver.c: out of the spool, up and to inputs of modules
 *     disk      files.c: twins and sessions into files
 *     wire      agent.c: what the agent says and answers
 *     journals  tell that messages are stored
 *
 * One lock, hub->lock, guards all that is not said to be a thread's own; it is held for moments,
 * never over a wait. Whoever holds it may take the locks of others (posts, lines, the wire, the
 * spool), and nobody calls back into this folder while holding one of those.
 */
#ifndef SK_LOCALHUB_LOCALHUB_PRIV_H
#define SK_LOCALHUB_LOCALHUB_PRIV_H

#include "base/thread.h"
#include "crypto/crypto.h"
#include "http/http.h"
#include "iot/iot.h"
#include "localhub/localhub.h"
#include "localhub/pump_priv.h"
#include "manifest/manifest.h"
#include "mqtt/mqtt.h"
#include "spool/spool.h"
#include "wire/wire.h"
#include "workload/workload.h"
#include "json/json.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    SK_LH_LISTENS = 8,
    SK_LH_PATH = 1024,
    SK_LH_HOST = 256,
    SK_LH_INSTANCE = 160, /* bytes of an instance's name, with NUL */
    SK_LH_INSTANCES = 6,  /* of a module at once */
    SK_LH_SOCKETS = 256,  /* of all modules */
    SK_LH_SIGNED = 8,     /* signatures that are remembered of each */
    SK_LH_IDENTS_MAX = 2000,
    SK_LH_TOKEN_MAX = 8192,
    SK_LH_TOKEN_S = 3600,         /* of our tokens upstream */
    SK_LH_SKEW_S = 300,           /* a token is taken so long after its end */
    SK_LH_UNSTORED_MAX = 2 << 20, /* bytes of QoS 0 of one connection on their way to the disk */
    SK_LH_REPORTS_MAX = 16,       /* of one connection, likewise */
    SK_LH_LINGER_MS = 1000,       /* before a connection ends whose message could not be stored */
    SK_LH_GETS_MAX = 16,          /* twin requests of an identity that wait for its first sight */
    SK_LH_GET_MS = 10000,
    SK_LH_RID = 128,
    SK_LH_TTL_S = 7200,
    SK_LH_HOLD_MS = 3000, /* how long the first message upstream waits for its line */
    SK_LH_REFUSALS = 5,   /* then a module that was removed has no identity any more */
    SK_LH_METHODS_MAX = 200,
    SK_LH_METHOD_MS = 300000,
    SK_LH_LEASE_MS = 300000 /* a leaf's line stays so long after it left */
};

struct sk_lh;
struct sk_lh_ident;

/* ---- config.c: what the agent says once ---- */
struct sk_lh_config {
    bool is_known;
    char device[SK_IOT_ID_MAX + 1];
    char hub_name[SK_LH_HOST], hub_address[SK_LH_HOST];
    uint16_t hub_port;
    char hub_ca[SK_LH_PATH]; /* "": the system's */
    char gateway[SK_LH_HOST];
    char listen[SK_LH_LISTENS][SK_LH_HOST];
    size_t listens;
    uint16_t mqtt_port, https_port; /* 0: none */
    char metrics_address[SK_LH_HOST];
    uint16_t metrics_port; /* 0: none */
    char trust_file[SK_LH_PATH], cert_file[SK_LH_PATH], key_file[SK_LH_PATH];
    uint64_t spool_bytes;
    bool spool_evicts;
    char instance[64];
};

/* Of the message `config`. Errors name the member. */
int sk_lh_config_read(const struct sk_json *m, struct sk_lh_config *out,
                      struct sk_err *err) SK_CHECK;

/* ---- sas.c ---- */
struct sk_lh_sas {
    char host[SK_LH_HOST], device[SK_IOT_ID_MAX + 1], module[SK_IOT_ID_MAX + 1];
    struct sk_view sr, se; /* as they stand in the token: what is signed is "sr\nse" */
    int64_t expires_s;
    unsigned char signature[SK_SHA256_BYTES];
};

/* SK_INVALID. Views point into text. */
int sk_lh_sas_parse(struct sk_view text, struct sk_lh_sas *out, struct sk_err *err) SK_CHECK;
void sk_lh_sas_signed(const struct sk_lh_sas *s, struct sk_buf *out); /* appends what is signed */
/* The resource of an identity as it stands in a token (sk_iot_sas_write) and in what is signed. */
void sk_lh_sas_resource(const char *host, const char *device, const char *module,
                        struct sk_buf *out);
/* Whether nobody sets this machine's clock (adjtimex). */
bool sk_lh_clock_is_loose(void);

/* ---- topic.c: what the cloud sends down ---- */
enum sk_lh_down_kind {
    SK_LH_DOWN_NONE,
    SK_LH_DOWN_TWIN,    /* $iothub/twin/res/{status}/?$rid={rid}[&$version={n}] */
    SK_LH_DOWN_DESIRED, /* $iothub/twin/PATCH/properties/desired/?$version={n} */
    SK_LH_DOWN_METHOD,  /* $iothub/methods/POST/{name}/?$rid={rid} */
    SK_LH_DOWN_MESSAGE  /* devices/{d}/messages/devicebound/{bag} */
};

struct sk_lh_down {
    enum sk_lh_down_kind kind;
    int status;
    int64_t version;    /* -1: none */
    struct sk_view rid; /* raw */
    char name[SK_IOT_METHOD_NAME_MAX + 1];
    struct sk_view bag;
};

struct sk_lh_down sk_lh_down_parse(struct sk_view topic);

/* ---- files.c: the disk ---- */
/* Something that waits for the disk. run: once, on the disk's thread, without the lock. */
struct sk_lh_later {
    struct sk_lh_later *next;
    void (*run)(struct sk_lh_later *later, const struct sk_err *failed);
};

struct sk_lh_files {
    pthread_t thread;
    bool has_thread;
    pthread_cond_t wake;
    bool is_stopping, is_dirty; /* dirty: the sessions */
    struct sk_lh_later *waiting, **last;
    struct sk_lh_ident *twins, **twins_last; /* whose twin is to be written */
    uint64_t retry_at_ms;                    /* after a failure */
};

int sk_lh_files_start(struct sk_lh *h, struct sk_err *err) SK_CHECK;
/* Writes what is to be written, and ends. */
void sk_lh_files_stop(struct sk_lh *h);
/* With the lock held. later may be NULL. */
void sk_lh_files_sessions(struct sk_lh *h, struct sk_lh_later *later);
void sk_lh_files_twin(struct sk_lh *h, struct sk_lh_ident *id, struct sk_lh_later *later);
/* Reads what was written, at the start. A damaged file is put aside, and logged. */
int sk_lh_files_read(struct sk_lh *h, struct sk_err *err) SK_CHECK;
/* <dir>/hub.json: config, modules and leaves, as the agent said them last. */
int sk_lh_files_save(struct sk_lh *h, struct sk_err *err) SK_CHECK;

/* ---- ident.c: identities and instances ---- */
enum sk_lh_kind {
    SK_LH_AGENT,
    SK_LH_HUB,
    SK_LH_MODULE,
    SK_LH_LEAF /* a device behind this one, or a module of it */
};

enum sk_lh_role {
    SK_LH_ACTIVE,
    SK_LH_CANDIDATE,
    SK_LH_OLD,
    SK_LH_EXEC, /* a command of `skerry edge exec`, beside the active one */
    SK_LH_ROLE_COUNT
};

const char *sk_lh_role_name(enum sk_lh_role role);
bool sk_lh_role_find(const char *name, enum sk_lh_role *out);

/* A signature that was given out over an instance's socket. */
struct sk_lh_signed {
    char hash[SK_SHA256_HEX]; /* of the signature; "": none */
    uint64_t until_ms;        /* monotonic; 0: not known, it is from before a restart */
};

struct sk_lh_instance {
    char name[SK_LH_INSTANCE]; /* "" for leaves */
    enum sk_lh_role role;
    bool is_there; /* else the place is free */
    bool is_connected;
    struct sk_mqtt_ref ref;
    unsigned subs; /* enum sk_iot_sub, and the same shifted for QoS 0: as they are on the disk */
    int64_t desired_seen; /* the version that its connection was sent last; -1: none */
    struct sk_lh_signed signatures[SK_LH_SIGNED];
    unsigned next_signature;
};

/* Bits of subs beside enum sk_iot_sub: asked for with QoS 0. */
enum {
    SK_LH_AT_MOST_ONCE_SHIFT = 16
};

struct sk_lh_get; /* a twin request that waits, twin.c */

/* The mirror. Texts are compact JSON objects without "$version", never NULL. */
struct sk_lh_twin {
    bool is_seen;    /* the cloud's was fetched once */
    bool is_current; /* since its line is up */
    char *desired, *reported;
    char *base;               /* what the cloud has of reported, as far as we know */
    char *sending;            /* what it will have when the patch under way is taken; NULL: none */
    char *aside, *aside_base; /* reported of a candidate, and what it began from; NULL: none */
    int64_t desired_version, reported_version;
    char rid[24]; /* of the request under way; "": none */
    uint64_t asked_ms;
    bool is_getting;      /* it is a get */
    bool was_patched;     /* since that was asked */
    uint64_t retry_at_ms; /* 0: at once */
    unsigned failures;
    struct sk_lh_get *askers;
    unsigned askers_count;
    bool is_dirty, is_writing;
    struct sk_lh_ident *next_dirty;
    struct sk_lh_later *waiting, **last; /* for the disk */
};

/* Never freed before the end: there are as many as names were ever listed. */
struct sk_lh_ident {
    struct sk_lh *hub;
    struct sk_lh_ident *next;
    enum sk_lh_kind kind;
    const char *device, *module; /* module "": a device */
    char key[SK_IOT_KEY_MAX];    /* "device" or "device/module" */
    char id[SK_IOT_KEY_MAX];
    bool is_listed, is_registered, is_used; /* used: it needs a line though it is not listed */
    char generation[64];
    struct sk_lh_instance instances[SK_LH_INSTANCES];
    struct sk_lh_twin twin;
    /* leaves */
    char *keys[2];           /* base64; NULL: none */
    char thumbprints[2][65]; /* "": none */
    /* line.c */
    struct sk_mqtt_line *line;
    bool is_up;
    uint64_t down_since_ms, renew_at_ms, left_ms; /* left: its last client, monotonic */
    unsigned line_serial;
    unsigned up_in_flight;  /* messages upstream without PUBACK */
    bool needs_rewind;      /* the pump went past messages of it */
    unsigned refusals;      /* of its logins upstream, in a row */
    uint64_t held_since_ms; /* the pump waits for its line; 0: not */
    bool has_unacked;       /* messages of the cloud that its client did not take */
    /* report.c */
    int64_t connected_ms, disconnected_ms; /* wall clock; 0: never */
    /* candidate.c */
    char releasing[SK_LH_INSTANCE]; /* what it published as a candidate is on its way; "": no */
    unsigned puts_aside;            /* on their way into the spool */
};

/* A module that was removed, and that the hub does not know any more: what is left of it was sent
 * already, since the agent removes an identity when all is sent that it had. The lock is held.
 */
static inline bool sk_lh_ident_is_gone(const struct sk_lh_ident *id)
{
    return id->kind == SK_LH_MODULE && !id->is_listed && id->refusals >= SK_LH_REFUSALS;
}

/* All with the lock held. NULL: none. */
struct sk_lh_ident *sk_lh_ident_find(struct sk_lh *h, const char *device, const char *module);
struct sk_lh_ident *sk_lh_ident_by_key(struct sk_lh *h, struct sk_view key);
/* Finds or makes. NULL: too many, or no memory. */
struct sk_lh_ident *sk_lh_ident_get(struct sk_lh *h, const char *device, const char *module);
/* Who is what, when the device's name is known only now. */
void sk_lh_idents_sort(struct sk_lh *h);
void sk_lh_idents_free(struct sk_lh *h);
struct sk_lh_instance *sk_lh_instance_find(struct sk_lh_ident *id, const char *name);
struct sk_lh_instance *sk_lh_instance_by_role(struct sk_lh_ident *id, enum sk_lh_role role);
/* Who gets inputs, methods and desired patches: the active one when that is connected, else a
 * command that is; else NULL. */
struct sk_lh_instance *sk_lh_instance_live(struct sk_lh_ident *id);
/* The one that had this token signed; else the active one; else any; NULL: none at all. */
struct sk_lh_instance *sk_lh_instance_of(struct sk_lh_ident *id, const unsigned char *signature,
                                         uint64_t *until_ms);
/* Over the socket of an instance this was signed; lives life_ms (UINT64_MAX: not known). */
void sk_lh_instance_signed(struct sk_lh_ident *id, const char *instance,
                           const unsigned char *signature, uint64_t life_ms);
bool sk_lh_wants(const struct sk_lh_instance *i, enum sk_iot_sub sub);
/* "modules" as the agent said it: identities, their instances and roles. */
int sk_lh_idents_list(struct sk_lh *h, const struct sk_json *modules, struct sk_err *err) SK_CHECK;
int sk_lh_idents_leaves(struct sk_lh *h, const struct sk_json *leaves, struct sk_err *err) SK_CHECK;
/* Makes an instance the active one; the one before becomes old. */
void sk_lh_ident_activate(struct sk_lh_ident *id, struct sk_lh_instance *i);

/* ---- candidate.c: what a candidate publishes ---- */
/* The endpoint of the spool under which it is kept aside. */
void sk_lh_aside_endpoint(const char *instance, char out[SK_SPOOL_ENDPOINT_MAX]);
/* With the lock held: an instance became the active one; what it had kept aside is released. */
void sk_lh_release(struct sk_lh_ident *id, const char *instance);
/* Likewise: what it had kept aside is dropped. */
void sk_lh_drop_aside(struct sk_lh *h, struct sk_lh_ident *id, const char *instance);

/* ---- router.c ---- */
struct sk_lh_route {
    struct sk_route *route;
    char *name;
    char endpoint[SK_SPOOL_ENDPOINT_MAX];
    unsigned priority;
    int64_t ttl_s; /* 0: that of all; negative: never */
};

/* Immutable once made, counted. */
struct sk_lh_routes {
    atomic_uint refs;
    int64_t ttl_s;
    size_t count;
    struct sk_lh_route *items;
};

/* Of $edgeHub's desired properties. SK_INVALID: which route, and why. */
int sk_lh_routes_parse(const struct sk_json *desired, struct sk_lh_routes **out,
                       struct sk_err *err) SK_CHECK;
struct sk_lh_routes *sk_lh_routes_ref(struct sk_lh_routes *r);
void sk_lh_routes_unref(struct sk_lh_routes *r);
SK_DEFINE_OWN(struct sk_lh_routes, sk_lh_routes_unref);
/* Where a message goes; each endpoint once, with its best priority. Returns how many. */
size_t sk_lh_route(const struct sk_lh_routes *r, const char *module, const char *device,
                   const char *output, const struct sk_iot_bag *bag, struct sk_view body,
                   int64_t now_ms, struct sk_spool_target out[SK_SPOOL_TARGETS_MAX]);
/* With the lock held: takes what $edgeHub's twin says now, and reports about it. */
void sk_lh_routes_take(struct sk_lh *h);

/* ---- front.c: clients ---- */
struct sk_lh_will {
    struct sk_buf topic, payload;
    bool retain;
};

/* A connection's; the mqtt thread's own. */
struct sk_lh_session {
    struct sk_lh *hub;
    struct sk_lh_ident *ident;
    char instance[SK_LH_INSTANCE];
    struct sk_mqtt_ref ref;
    unsigned subs, changes, reports;
    size_t unstored;
    bool is_dropping, is_ending, is_placed, is_accepted, is_clean, was_called;
    uint64_t end_ms;
    struct sk_lh_will *will;
};

extern const struct sk_mqtt_handler sk_lh_handler;
int sk_lh_front_add(struct sk_lh *h, struct sk_stream *stream, const struct sk_tls_peer *peer,
                    bool is_websocket);
/* Ends a connection from any thread. why: static. */
void sk_lh_cut(struct sk_lh *h, struct sk_mqtt_ref ref, const char *why);
void sk_lh_linger(struct sk_mqtt_conn *c);
/* QoS 0; a queue that is full ends the connection. */
void sk_lh_send(struct sk_mqtt_conn *c, const struct sk_buf *topic, struct sk_view payload);

/* Checks the token of a module or leaf: `done` is called once, on any thread, with failed NULL when
 * it is right: until_ms is then its monotonic end, and instance that which had it signed ("":
 * none). SK_UNAUTHENTICATED, SK_DENIED; SK_BUSY: nobody can tell now. */
struct sk_lh_check {
    struct sk_lh *hub;
    struct sk_lh_ident *ident;
    char instance[SK_LH_INSTANCE];
    uint64_t until_ms;
    unsigned char signature[SK_SHA256_BYTES];
    int64_t expires_s;
    void (*done)(struct sk_lh_check *check, const struct sk_err *failed);
};

void sk_lh_check_token(struct sk_lh *h, const char *host, const char *device, const char *module,
                       struct sk_view token, struct sk_lh_check *check);

/* ---- subscribe.c, publish.c, twin.c ---- */
void sk_lh_subscribe(struct sk_mqtt_conn *c, const struct sk_mqtt_filters *f, void *ctx);
void sk_lh_unsubscribe(struct sk_mqtt_conn *c, const struct sk_mqtt_filters *f, void *ctx);
void sk_lh_publish(struct sk_mqtt_conn *c, const struct sk_mqtt_message *m, void *ctx);
void sk_lh_publish_will(struct sk_lh *h, const struct sk_lh_session *s);
/* Puts a message where the routes say; with the lock held. 0: done will be called; 1: it has
 * nowhere to go, and done will not be called. bag: what is stored, encoded. */
int sk_lh_put(struct sk_lh *h, struct sk_lh_ident *id, const char *instance, const char *output,
              const struct sk_iot_bag *bag, struct sk_view text, struct sk_view body,
              void (*done)(void *ctx, const struct sk_err *failed), void *ctx,
              struct sk_err *err) SK_CHECK;

void sk_lh_twin_init(struct sk_lh_twin *t);
void sk_lh_twin_done(struct sk_lh_twin *t);
void sk_lh_twin_get(struct sk_mqtt_conn *c, struct sk_lh_session *s, const struct sk_iot_topic *t);
void sk_lh_twin_report(struct sk_mqtt_conn *c, struct sk_lh_session *s,
                       const struct sk_iot_topic *t, const struct sk_mqtt_message *m);
/* Requests that have waited too long. */
void sk_lh_twin_tick(struct sk_lh *h, uint64_t now_ms);
/* With the lock held, in all below. Merges a patch into reported, or replaces it. */
int sk_lh_twin_patch(struct sk_lh_ident *id, const struct sk_json *patch, bool is_whole,
                     struct sk_lh_later *later, struct sk_err *err) SK_CHECK;
void sk_lh_twin_release(struct sk_lh_ident *id); /* what a candidate reported */
void sk_lh_twin_drop(struct sk_lh_ident *id);
/* {..,"$version":n} of desired. */
void sk_lh_twin_desired(const struct sk_lh_ident *id, struct sk_buf *out);
/* Sends the whole of desired to the active one when it has not seen this version. */
void sk_lh_twin_tell(struct sk_lh_ident *id);
/* Sends a change of desired, with "$version" in it, to the active one. */
void sk_lh_twin_tell_patch(struct sk_lh_ident *id, struct sk_view patch);
/* The cloud's was seen: answers those who waited for it. */
void sk_lh_twin_seen(struct sk_lh_ident *id);

/* ---- sync.c: twins and their lines ---- */
void sk_lh_sync_up(struct sk_lh_ident *id);
void sk_lh_sync_down(struct sk_lh_ident *id);
/* Sends what is due: a get, or a patch. */
void sk_lh_sync(struct sk_lh_ident *id);
void sk_lh_sync_answer(struct sk_lh_ident *id, const struct sk_lh_down *d, struct sk_view payload);
void sk_lh_sync_desired(struct sk_lh_ident *id, int64_t version, struct sk_view payload);
void sk_lh_sync_tick(struct sk_lh *h, uint64_t now_ms);

/* ---- twin_text.c ---- */
/* The file of a twin, and back. */
void sk_lh_twin_write(const struct sk_lh_ident *id, struct sk_buf *out);
int sk_lh_twin_read(const struct sk_json *doc, struct sk_lh_twin *out, struct sk_err *err) SK_CHECK;
/* What has to be sent so that `from` becomes `to`, without "$version"; *is_empty: nothing. */
int sk_lh_twin_diff(const char *from, const char *to, struct sk_buf *out, bool *is_empty,
                    struct sk_err *err) SK_CHECK;
/* The text of a section with a patch in it; *out: free(). */
int sk_lh_twin_merge(enum sk_twin_part part, const char *section, const struct sk_json *patch,
                     char **out, struct sk_err *err) SK_CHECK;
/* The text of a section without "$version" and "$metadata"; *out: free(). */
int sk_lh_twin_section(enum sk_twin_part part, const struct sk_json *section, char **out,
                       struct sk_err *err) SK_CHECK;

/* ---- line.c: upstream ---- */
/* Main thread: opens and closes lines as identities need them. */
void sk_lh_lines_settle(struct sk_lh *h);
void sk_lh_lines_tick(struct sk_lh *h, uint64_t now_ms);
void sk_lh_lines_poke(struct sk_lh *h); /* with the lock held */
void sk_lh_lines_close(struct sk_lh *h);
/* Of a leaf's client: it has taken a message of the cloud. */
void sk_lh_line_taken(struct sk_lh_ident *id, uint64_t token);

/* ---- methods.c ---- */
struct sk_lh_method {
    const char *name;
    struct sk_view payload;
    unsigned connect_ms, response_ms;
    /* Once, from any thread. failed: SK_NOT_FOUND (not connected), SK_TIMEOUT, SK_CANCELLED. */
    void (*done)(void *ctx, int status, struct sk_view payload, const struct sk_err *failed);
    void *ctx;
};

struct sk_lh_call;

struct sk_lh_methods {
    struct sk_lh_call *first, **last;
    size_t count;
    uint64_t next_rid;
};

/* Without the lock. */
int sk_lh_invoke(struct sk_lh *h, struct sk_lh_ident *id, const struct sk_lh_method *m,
                 struct sk_err *err) SK_CHECK;
/* From the cloud, over an identity's line. */
void sk_lh_methods_from_above(struct sk_lh_ident *id, const struct sk_lh_down *d,
                              struct sk_view payload);
void sk_lh_methods_answer(struct sk_lh *h, const struct sk_lh_session *s,
                          const struct sk_iot_topic *topic, struct sk_view payload);
void sk_lh_methods_ready(struct sk_mqtt_conn *c, struct sk_lh_session *s);
void sk_lh_methods_closed(struct sk_lh *h, const struct sk_lh_session *s);
void sk_lh_methods_tick(struct sk_lh *h, uint64_t now_ms); /* UINT64_MAX: all end */

/* ---- agent.c: the wire ---- */
struct sk_lh_agent {
    int listen_fd;
    pthread_mutex_t lock; /* guards the two below, and keeps the wire alive while it is used */
    struct sk_wire *wire; /* NULL: the agent is away */
    uint64_t serial;
};

int sk_lh_agent_listen(struct sk_lh *h, const char *path, struct sk_err *err) SK_CHECK;
void sk_lh_agent_accept(struct sk_lh *h); /* main thread: somebody connects */
void sk_lh_agent_close(struct sk_lh *h);
/* SK_BUSY: the agent is away. Otherwise as sk_wire_ask, sk_wire_call and sk_wire_send. */
int sk_lh_ask(struct sk_lh *h, struct sk_view json, uint64_t timeout_ms,
              void (*done)(void *ctx, const struct sk_json *answer, const struct sk_err *failed),
              void *ctx, struct sk_err *err) SK_CHECK;
void sk_lh_tell(struct sk_lh *h, struct sk_view json);
/* Tells all that the agent must know at once; with the lock held: */
void sk_lh_tell_desired(struct sk_lh *h); /* of $edgeAgent */
void sk_lh_tell_uplink(struct sk_lh *h, bool is_connected, const char *why);
/* The answer to a call, when the wire it came over is still there. */
void sk_lh_agent_answer(struct sk_lh *h, uint64_t serial, int64_t id, struct sk_view members,
                        const struct sk_err *failed);

/* ---- work.c: the workload API's questions ---- */
int sk_lh_work_start(struct sk_lh *h, struct sk_err *err) SK_CHECK;
void sk_lh_work_stop(struct sk_lh *h);
/* Opens and closes sockets as instances are there; not with the lock held. */
int sk_lh_work_settle(struct sk_lh *h, struct sk_err *err) SK_CHECK;

/* ---- report.c: what $edgeHub says of itself ---- */
void sk_lh_report(struct sk_lh *h);      /* with the lock held; sent by the tick */
void sk_lh_report_read(struct sk_lh *h); /* at the start: when clients were there */
void sk_lh_report_tick(struct sk_lh *h, uint64_t now_ms);

/* ---- api.c, metrics.c: HTTP ---- */
extern const struct sk_http_route sk_lh_api_routes[];
extern const struct sk_http_route sk_lh_metrics_routes[];

enum sk_lh_metric {
    SK_LH_M_RECEIVED,
    SK_LH_M_SENT,
    SK_LH_M_DROPPED,
    SK_LH_M_UNACKED,
    SK_LH_M_GETTWIN,
    SK_LH_M_REPORTED,
    SK_LH_M_METHODS,
    SK_LH_M_CONNECTED,
    SK_LH_M_CONNECT_FAILED,
    SK_LH_M_DISCONNECTED,
    SK_LH_M_OFFLINE,
    SK_LH_M_RETRIES,
    SK_LH_M_SIZE, /* a summary, as those below */
    SK_LH_M_SEND_S,
    SK_LH_M_PROCESS_S,
    SK_LH_M_GETTWIN_S,
    SK_LH_M_REPORTED_S,
    SK_LH_M_METHOD_S,
    SK_LH_M_OFFLINE_S,
    SK_LH_M_COUNT
};

struct sk_lh_series;

struct sk_lh_metrics {
    pthread_mutex_t lock; /* guards the table */
    struct sk_lh_series **table;
    size_t count;
};

int sk_lh_metrics_init(struct sk_lh_metrics *m, struct sk_err *err) SK_CHECK;
void sk_lh_metrics_done(struct sk_lh_metrics *m);
/* labels: pairs of name and value, NULL-terminated. */
/* Of a key in the spool, "device/module/output". */
void sk_lh_output_of(struct sk_view key, char *out, size_t cap);
void sk_lh_count(struct sk_lh *h, enum sk_lh_metric metric, double value,
                 const char *const *labels);
void sk_lh_metrics_write(struct sk_lh *h, struct sk_buf *out);

/* ---- listen.c: sockets for clients ---- */
struct sk_lh_listener {
    char address[SK_LH_HOST];
    uint16_t mqtt_port, https_port;
    struct sk_tls_front *mqtt;
    struct sk_http_server *https;
};

/* Main thread: as the configuration says now. */
void sk_lh_listen_settle(struct sk_lh *h);
void sk_lh_listen_stop(struct sk_lh *h);

/* ---- the whole ---- */
struct sk_lh {
    char *dir, *run_dir;
    pthread_mutex_t lock;
    struct sk_lh_config config;
    struct sk_json *said_config, *said_modules, *said_leaves; /* as the agent said them; may be NULL
                                                               */
    struct sk_lh_ident *idents;
    size_t idents_count;
    struct sk_lh_ident *agent_id, *hub_id; /* $edgeAgent, $edgeHub; NULL before the configuration */
    struct sk_lh_routes *routes;           /* NULL: never seen */
    int64_t routes_version;                /* of the desired properties that were looked at last */
    struct sk_err routes_err;              /* why they were not taken */
    char *routes_text;                     /* the desired properties that were taken last */
    struct sk_lh_files files;
    struct sk_lh_methods methods;
    bool is_uplink;
    char uplink_why[200];
    int64_t uplink_since_ms;
    bool report_is_due;
    uint64_t report_at_ms;
    struct sk_spool *spool;
    uint64_t said_damaged, said_cut; /* of the spool, in the log */
    char message_prefix[40];         /* of the ids that we give */
    atomic_uint_fast64_t next_message;

    struct sk_mqtt_server *mqtt;
    struct sk_mqtt_dialer *dialer;
    struct sk_workload *workload;
    char open_sockets[SK_LH_SOCKETS][SK_LH_INSTANCE]; /* the wire's thread's own; before it, main's
                                                       */
    size_t open_sockets_count;
    struct sk_lh_pump pump;
    struct sk_lh_agent agent;
    struct sk_lh_metrics metrics;

    /* the main thread's */
    struct sk_lh_listener listeners[SK_LH_LISTENS];
    size_t listeners_count;
    struct sk_http_server *metrics_http;
    char metrics_at[SK_LH_HOST + 8];
    int wake, signals, lock_fd; /* eventfd, signalfd */
    bool has_begun, listen_again;
    uint64_t tick_at_ms, begin_at_ms;
    atomic_bool listen_is_due, lines_are_due;
    bool is_stopping;
};

/* Wakes the main thread. From any. */
void sk_lh_wake(struct sk_lh *h);
/* Takes a configuration, modules, leaves (NULL: as they were), and keeps them. */
int sk_lh_take_config(struct sk_lh *h, const struct sk_json *m, struct sk_err *err) SK_CHECK;
int sk_lh_take_modules(struct sk_lh *h, const struct sk_json *m, struct sk_err *err) SK_CHECK;
int sk_lh_take_leaves(struct sk_lh *h, const struct sk_json *m, struct sk_err *err) SK_CHECK;
/* The parts below the command: for tests. */
int sk_lh_new(const struct sk_localhub_options *opts, struct sk_lh **out,
              struct sk_err *err) SK_CHECK;
/* A round of the main thread that waits at most wait_ms. */
void sk_lh_round(struct sk_lh *h, int wait_ms);
void sk_lh_free(struct sk_lh *h);
SK_DEFINE_OWN(struct sk_lh, sk_lh_free);

#endif
