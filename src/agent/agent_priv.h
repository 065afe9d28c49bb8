/* agent_priv.h - what the files of this folder share, and their tests see. */
#ifndef SK_AGENT_AGENT_PRIV_H
#define SK_AGENT_AGENT_PRIV_H

#include "agent/agent.h"
#include "base/clock.h"
#include "base/thread.h"
#include "crypto/crypto.h"
#include "keeper/keeper.h"
#include "runtime/runtime.h"
#include "wire/wire.h"

#include <stdatomic.h>

enum {
    SK_AGENT_NAME = 130, /* of a module, with NUL */
    SK_AGENT_MODULES_MAX = 50,
    SK_AGENT_LOGS_MAX = 96 << 10, /* a method's answer has at most 128 KiB */
    SK_AGENT_PRIORITIES = 10,     /* of the queues of the local hub */
    SK_AGENT_HASH = SK_SHA256_HEX,
    SK_AGENT_SECRET_BYTES = 32,
    SK_AGENT_FILE_MAX = 1 << 20, /* of a file of state */
    SK_AGENT_FIRST_UID = 61184,  /* of native modules, as root; systemd's range of such users */
    SK_AGENT_HUB_UID = SK_AGENT_FIRST_UID - 2, /* as root; the one between is that of downloads */
    SK_AGENT_LEAF_CALLS = 32,
    SK_AGENT_LINGER_MAX = 3,
    SK_AGENT_TOLD_MAX = 3 + SK_AGENT_LINGER_MAX
};

#define SK_AGENT_NETWORK "azure-iot-edge"

/* ---- config.c: edge.json ---- */
#define SK_AGENT_DOCKER_SOCKET "/var/run/docker.sock"

struct sk_agent_config {
    char device[SK_AGENT_NAME], hub_name[260], hub_address[260];
    uint16_t hub_https_port, hub_mqtt_port;
    bool is_x509;
    char gateway[260];
    char *listen[8]; /* NULL-terminated */
    char publish[64];
    uint16_t mqtt_port, https_port, metrics_port;
    uint64_t disk_bytes, spool_bytes;
    char docker_socket[120];
    char *verify_keys[8];
    uint64_t probation_ms, gate_ms; /* 120 s, 60 s */
    bool has_hub_ca;
};

int sk_agent_config_load(const char *dir, struct sk_agent_config *out, struct sk_err *err) SK_CHECK;
int sk_agent_config_save(const char *dir, const struct sk_agent_config *c,
                         struct sk_err *err) SK_CHECK;
void sk_agent_config_done(struct sk_agent_config *c);
/* "<dir>/<a>/<b>", b may be NULL; malloc'd; NULL: out of memory. */
char *sk_agent_path(const char *dir, const char *a, const char *b);

/* ---- secrets.c ---- */
struct sk_agent_secrets {
    unsigned char master[SK_AGENT_SECRET_BYTES];
    char device_key[128]; /* base64; "" with x509 */
};

int sk_agent_secrets_make(const char *dir, const char *device_key, struct sk_err *err) SK_CHECK;
int sk_agent_secrets_load(const char *dir, struct sk_agent_secrets *out,
                          struct sk_err *err) SK_CHECK;
void sk_agent_secrets_done(struct sk_agent_secrets *s);
/* A module's key: HMAC-SHA256 of "NAME:primary" (or secondary) under the master key; base64. */
int sk_agent_module_key(const struct sk_agent_secrets *s, const char *module, const char *which,
                        char out[64], struct sk_err *err) SK_CHECK;
/* With the key of a module; "" is the device. SK_UNSUPPORTED: the device has a certificate. */
int sk_agent_sign(const struct sk_agent_secrets *s, const char *module, struct sk_view data,
                  unsigned char out[SK_SHA256_BYTES], struct sk_err *err) SK_CHECK;
/* AES-256-GCM under a key of module and generation, which are authenticated too. */
int sk_agent_seal(const struct sk_agent_secrets *s, const char *module, const char *generation,
                  struct sk_view iv, struct sk_view plain, struct sk_buf *out,
                  struct sk_err *err) SK_CHECK;
int sk_agent_unseal(const struct sk_agent_secrets *s, const char *module, const char *generation,
                    struct sk_view iv, struct sk_view sealed, struct sk_buf *out,
                    struct sk_err *err) SK_CHECK;
/* A token for device or module ("" device) at the hub. */
int sk_agent_token(const struct sk_agent_secrets *s, const struct sk_agent_config *c,
                   const char *module, unsigned life_s, struct sk_buf *out,
                   struct sk_err *err) SK_CHECK;

/* ---- certs.c: the edge CA, the server's certificate, those of modules ---- */
/* Makes what is missing, and again what is not valid now, or soon will not be. is_new: the server's
 * certificate was made. bridge: one more address of it; "": none. */
int sk_agent_certs(const char *dir, const struct sk_agent_config *c, const char *bridge,
                   int64_t now_s, bool *is_new, struct sk_err *err) SK_CHECK;
/* kind "server" or "identity"; key and chain as PEM. */
int sk_agent_cert_for(const char *dir, const struct sk_agent_config *c, const char *kind,
                      const char *module, const char *name, int64_t now_s, int64_t until_s,
                      struct sk_buf *key, struct sk_buf *chain, int64_t *expires_s,
                      struct sk_err *err) SK_CHECK;

/* ---- spec.c: what a deployment says of a module ---- */
enum sk_agent_policy {
    SK_POLICY_NEVER,
    SK_POLICY_ON_FAILURE,
    SK_POLICY_ON_UNHEALTHY,
    SK_POLICY_ALWAYS,
    SK_POLICY_COUNT
};

struct sk_agent_auths {
    struct sk_runtime_auth items[32];
    size_t count;
};

/* Immutable and counted; all texts are of the document. */
struct sk_agent_spec {
    atomic_uint refs;
    struct sk_json *doc;      /* {"name","module":{as in the manifest},"auth":[..]} */
    char *text;               /* of doc, compact: what is kept on the disk */
    char hash[SK_AGENT_HASH]; /* of what makes another instance: all but status, restartPolicy,
                                 startupOrder, imagePullPolicy */
    const char *name, *image, *version;
    char *create_options;
    char tag[130]; /* of the image, or its digest: modelVersion */
    bool is_running, may_pull;
    enum sk_agent_policy policy;
    uint32_t order;
    struct sk_agent_auths auths;
};

int sk_agent_spec_new(const char *name, const struct sk_json *module,
                      const struct sk_json *credentials, struct sk_agent_spec **out,
                      struct sk_err *err) SK_CHECK;
int sk_agent_spec_parse(const char *text, size_t len, struct sk_agent_spec **out,
                        struct sk_err *err) SK_CHECK; /* of spec->text */
struct sk_agent_spec *sk_agent_spec_ref(struct sk_agent_spec *s);
void sk_agent_spec_unref(struct sk_agent_spec *s);
SK_DEFINE_OWN(struct sk_agent_spec, sk_agent_spec_unref);
const char *sk_agent_policy_name(enum sk_agent_policy p);
/* The value of the manifest's env, as text into out; NULL: not there. */
const char *sk_agent_spec_env(const struct sk_agent_spec *s, const char *name, char *out,
                              size_t cap);
/* The credentials that fit the image's registry; NULL: none. */
const struct sk_runtime_auth *sk_agent_spec_auth(const struct sk_agent_spec *s);

/* All of a deployment. */
struct sk_agent_plan {
    int64_t version;
    struct sk_agent_spec *specs[SK_AGENT_MODULES_MAX];
    size_t count;
};

/* desired: of $edgeAgent. SK_INVALID (400 of section 4.5), SK_UNSUPPORTED (412: a schema version),
 * SK_NOT_FOUND (417: empty). */
int sk_agent_plan_parse(const struct sk_json *desired, struct sk_agent_plan *out,
                        struct sk_err *err) SK_CHECK;
void sk_agent_plan_done(struct sk_agent_plan *p);

/* ---- module.c, update.c, handover.c, recover.c, slots.c, gate.c, ports.c, env.c, record.c ---- */
enum sk_agent_phase {
    SK_PHASE_STEADY,    /* active is what runs, or nothing does */
    SK_PHASE_PREPARE,   /* candidate is being started and gated; active serves */
    SK_PHASE_REPLACE,   /* active was stopped for the candidate: two cannot be */
    SK_PHASE_HANDOVER,  /* candidate is good: sockets and identity go over */
    SK_PHASE_PROBATION, /* active is the new one, old waits loaded */
    SK_PHASE_COMMIT,    /* old is being stopped */
    SK_PHASE_BACK,      /* old becomes active again */
    SK_PHASE_REMOVE,    /* the module goes */
    SK_PHASE_COUNT
};

struct sk_agent_slot {
    struct sk_agent_spec *spec; /* NULL: empty */
    struct sk_runtime_image image;
    struct sk_instance instance;
    bool is_started; /* the instance may be there */
};

/* What is kept of a module, all of it in one file that is replaced whole. */
struct sk_agent_record {
    enum sk_agent_phase phase;
    struct sk_agent_slot active, candidate, old;
    /* Committed past: retired, still with connections that were told so late that they may send one
     * more request. */
    struct sk_agent_slot lingering[SK_AGENT_LINGER_MAX];
    uint64_t next; /* number of the next instance */
    int64_t probation_left_ms;
    unsigned deaths;   /* in probation, of the spec `tried` */
    unsigned attempts; /* updates to `tried` that were begun */
    char tried[SK_AGENT_HASH];
    char failed[SK_AGENT_HASH]; /* not tried again until the deployment changes */
    char failed_why[300];
    uint64_t restarts;
    int64_t last_restart_ms, last_start_ms, last_exit_ms;
    int last_exit;
    uint32_t uid_index;    /* of its user, from SK_AGENT_FIRST_UID on; no other module has it */
    bool is_of_other_boot; /* as it was read: the machine was started since */
};

int sk_agent_record_save(const char *dir, const char *name, const struct sk_agent_record *r,
                         struct sk_err *err) SK_CHECK;
/* SK_NOT_FOUND; SK_CORRUPT: set aside, and started anew. Others (SK_NOMEM, SK_IO): it is there, and
 * cannot be read now. */
int sk_agent_record_load(const char *dir, const char *name, struct sk_agent_record *out,
                         struct sk_err *err) SK_CHECK;
/* The text of the file, with its digest, and back. parse clears out first; SK_CORRUPT. */
int sk_agent_record_put(const struct sk_agent_record *r, struct sk_buf *b,
                        struct sk_err *err) SK_CHECK;
int sk_agent_record_parse(const char *text, size_t len, const char *name,
                          struct sk_agent_record *out, struct sk_err *err) SK_CHECK;
/* "a%2Db.json" to "a-b"; false: it is no record's. */
bool sk_agent_record_name(const char *file, char *out, size_t cap);
int sk_agent_record_delete(const char *dir, const char *name, struct sk_err *err) SK_CHECK;
void sk_agent_slot_clear(struct sk_agent_slot *s);
void sk_agent_slot_move(struct sk_agent_slot *to, struct sk_agent_slot *from);
const char *sk_agent_phase_name(enum sk_agent_phase p);

/* What others see of a module; under the agent's lock. */
struct sk_agent_view {
    char status[24], description[400]; /* runtimeStatus, statusDescription */
    bool is_settled;                   /* it is as the deployment says, or has failed for good */
    bool is_failed;                    /* the deployment's version of it was refused or went back */
    bool is_hindered;                  /* that version could not be begun, and is tried again */
    bool is_up;
    char version[130], image[600], hash[160];
    int exit_code;
    int64_t last_start_ms, last_exit_ms, last_restart_ms;
    uint64_t restarts;
};

struct sk_agent_module {
    struct sk_agent *agent;
    char name[SK_AGENT_NAME];
    pthread_t thread;
    bool has_thread, is_ended;
    int wake_fd;
    /* under agent->lock */
    struct sk_agent_spec *want; /* NULL: to be removed */
    struct sk_agent_view view;
    unsigned asks_restart; /* by command or method */
    /* a copy of what `modules` tells the local hub, and of what is-peer looks at */
    struct sk_instance told[SK_AGENT_TOLD_MAX];
    const char *roles[SK_AGENT_TOLD_MAX];
    size_t told_count;
    uint32_t uid_index; /* of the record, for the others to see */
    bool has_uid;
    /* the thread's own */
    struct sk_agent_record rec;
    uint64_t restart_at_ms; /* monotonic: not before it, the next start of the active one */
    uint64_t not_before_ms; /* likewise, the next attempt at an update to the spec waits_for */
    char waits_for[SK_AGENT_HASH];
    char waits_why[400];
    bool is_hindered;         /* the last attempt at that update failed */
    bool cannot_start;        /* the last start of the active one failed */
    struct sk_agent_spec *at; /* what the thread works for, counted; NULL: not yet */
    unsigned pull_failures;
    uint64_t mind_ms, keep_ms, tidy_ms; /* the next look at the active one, attempt to keep */
    bool is_unsaved, must_retire, made_way, must_replace; /* the record; the old one; two cannot be
                                                           */
    bool is_first_look;     /* what is found ended, ended before this agent came */
    unsigned keeper_starts; /* when its ports were opened last */
    bool must_tidy;         /* ports that nothing needs may be open */
    uint64_t up_since_ms, probation_until_ms;
    double p99_before, error_rate_before; /* of the version before, at the hand-over */
    uint64_t hub_seen_ms, linger_since_ms[SK_AGENT_LINGER_MAX], linger_look_ms;
};

enum { /* why a wait ended */
    SK_WOKEN_TIME,
    SK_WOKEN_ASKED,
    SK_WOKEN_EXIT
};

void *sk_agent_module_main(void *module);
/* Modules of a lower startupOrder go first, until they run, have failed or wait for a pull. */
bool sk_agent_module_has_turn(struct sk_agent_module *m);
/* Waits for the time, a wake, or the end of the instance (NULL: none). */
int sk_agent_module_wait(struct sk_agent_module *m, const struct sk_instance *i, uint64_t ms);
bool sk_agent_module_stops(const struct sk_agent_module *m);
int sk_agent_module_keep(struct sk_agent_module *m, struct sk_err *err) SK_CHECK; /* the record */
/* What others see; fmt is the description. */
void sk_agent_module_show(struct sk_agent_module *m, const char *status, bool is_settled,
                          const char *fmt, ...) SK_PRINTF(4, 5);
/* The wanted spec, counted; NULL: none. */
struct sk_agent_spec *sk_agent_module_want(struct sk_agent_module *m);
/* Tells the local hub which instances there are. locked: only notes it, under the agent's lock. */
void sk_agent_module_tell(struct sk_agent_module *m);
void sk_agent_module_tell_locked(struct sk_agent_module *m, const struct sk_agent_record *r);
/* Looks after the active one while something else takes its time: a pull, a gate. */
void sk_agent_module_mind(struct sk_agent_module *m);
void sk_agent_module_wake(struct sk_agent_module *m);
bool sk_agent_slot_runs(struct sk_agent_module *m, const struct sk_agent_slot *s,
                        struct sk_runtime_status *status);

/* update.c */
/* Begins the update to `want`. Returns when it is handed over, has failed, or must wait
 * (not_before_ms). */
void sk_agent_update(struct sk_agent_module *m, struct sk_agent_spec *want);
int sk_agent_pull(struct sk_agent_module *m, struct sk_agent_slot *s, bool may_pull,
                  struct sk_err *err) SK_CHECK;
/* The spec is not tried again for so long; another one may be. fmt: what is shown meanwhile. */
void sk_agent_defer(struct sk_agent_module *m, const struct sk_agent_spec *spec, uint64_t ms,
                    const char *fmt, ...) SK_PRINTF(4, 5);
/* The deployment's version of this module is given up until the deployment changes. note: only
 * says so, with the next record. */
void sk_agent_give_up(struct sk_agent_module *m, const struct sk_agent_spec *spec, const char *why);
void sk_agent_note_failed(struct sk_agent_module *m, const struct sk_agent_spec *spec,
                          const char *why);

/* slots.c */
/* The record, or a line in the log; it is tried again. */
void sk_agent_keep(struct sk_agent_module *m);
/* Starts the slot's spec under a new name; -1: nothing of it is left, but what was set aside. */
int sk_agent_start_slot(struct sk_agent_module *m, struct sk_agent_slot *s, bool is_paused,
                        struct sk_err *err) SK_CHECK;
/* Starts the active slot's spec when nothing runs. */
int sk_agent_start_active(struct sk_agent_module *m, struct sk_err *err) SK_CHECK;
/* Stops and removes what the slot has; -1: it may still run, and the slot is as it was. */
int sk_agent_stop_slot(struct sk_agent_module *m, struct sk_agent_slot *s, unsigned grace_ms,
                       struct sk_err *err) SK_CHECK;
/* The same; what cannot be stopped is set aside, and tried again. */
void sk_agent_end_slot(struct sk_agent_module *m, struct sk_agent_slot *s, unsigned grace_ms);
/* Sets a retired instance aside until its clients are gone; the slot is empty behind it. */
void sk_agent_linger(struct sk_agent_module *m, struct sk_agent_slot *s);
/* Ends those set aside that have no connections left, or have had their time. */
void sk_agent_linger_tick(struct sk_agent_module *m);

/* handover.c */
/* A phase must be on the disk before what it does. */
int sk_agent_enter(struct sk_agent_module *m, enum sk_agent_phase phase,
                   struct sk_err *err) SK_CHECK;
/* The candidate becomes the active one; -1: it does not serve, and is still the candidate. */
int sk_agent_hand_over(struct sk_agent_module *m, struct sk_err *err) SK_CHECK;
/* Undoes as much of a hand-over as was done: the active one serves, or is started anew. */
void sk_agent_hand_back(struct sk_agent_module *m);
void sk_agent_drop_candidate(struct sk_agent_module *m, unsigned grace_ms);
/* The old one becomes active again. */
void sk_agent_back(struct sk_agent_module *m, const char *why);
int sk_agent_commit(struct sk_agent_module *m, struct sk_err *err) SK_CHECK;
/* The next look at a version on probation. */
void sk_agent_probation(struct sk_agent_module *m, const struct sk_agent_spec *want);

/* recover.c: after a start of the agent, what the phase left half done. */
void sk_agent_recover(struct sk_agent_module *m);

void sk_agent_record_clear(struct sk_agent_record *r);
/* All slots into out[SK_AGENT_TOLD_MAX]; their number. */
size_t sk_agent_record_slots(struct sk_agent_record *r, struct sk_agent_slot **out);

/* gate.c: SK_DENIED with the reason: it may not serve. SK_CANCELLED: something else is wanted. */
int sk_agent_gate(struct sk_agent_module *m, const struct sk_agent_slot *candidate,
                  const struct sk_agent_slot *old, struct sk_err *err) SK_CHECK;
/* Before a hand-over: how the active one did. Then whether, by option, its successor does worse:
 * env SKERRY_ROLLBACK_ERROR_RATE, SKERRY_ROLLBACK_P99_RATIO, SKERRY_ROLLBACK_HUB_LOST_SECONDS. */
void sk_agent_note_before(struct sk_agent_module *m);
bool sk_agent_is_worse(struct sk_agent_module *m, char why[200]);
/* Whether a second instance fits beside the running one. why: 160 bytes. */
bool sk_agent_has_memory(const struct sk_instance *running, char *why);

/* ports.c */
struct sk_agent_port {
    char name[SK_KEEPER_NAME_MAX + 1];
    char container[24]; /* "5001/tcp" */
    char host[64];
    uint16_t port;
    bool is_tcp;
};

/* Of createOptions; SK_INVALID, SK_LIMIT (more than max). */
int sk_agent_ports(const char *module, const char *create_options, const char *publish,
                   struct sk_agent_port *out, size_t max, size_t *count,
                   struct sk_err *err) SK_CHECK;

/* Listening sockets of the slot's ports: copies for a native instance, forwards for a container.
 * Close them; names holds what container_port points to. */
int sk_agent_open_ports(struct sk_agent_module *m, const struct sk_agent_slot *s,
                        struct sk_runtime_socket *sockets, char (*names)[24], size_t max,
                        size_t *count, struct sk_err *err) SK_CHECK;
/* Where the forwards of a container's ports go: its address, or nowhere. */
int sk_agent_aim_ports(struct sk_agent_module *m, const struct sk_agent_slot *s,
                       struct sk_err *err) SK_CHECK;
/* Whether `s` has a TCP port that the other has not. */
bool sk_agent_ports_differ(struct sk_agent_module *m, const struct sk_agent_slot *s,
                           const struct sk_agent_slot *other);
/* Closes those of `s` that `but` (NULL: nothing) has not. */
int sk_agent_close_ports(struct sk_agent_module *m, const struct sk_agent_slot *s,
                         const struct sk_agent_slot *but, struct sk_err *err) SK_CHECK;
/* Whether the keeper, which may be another one by now, lacks a port of the slot. */
bool sk_agent_ports_lost(struct sk_agent_module *m, const struct sk_agent_slot *s);
/* Closes all that the keeper has open for the module, but those of `but` (NULL: nothing). */
int sk_agent_tidy_ports(struct sk_agent_module *m, const struct sk_agent_slot *but,
                        struct sk_err *err) SK_CHECK;

/* env.c: "NAME=value" texts, NULL-terminated, without duplicates; free with sk_agent_env_done. */
int sk_agent_env(struct sk_agent *a, const struct sk_agent_spec *spec,
                 const struct sk_runtime_image *image, const char *workload_socket,
                 const char *generation, char ***out, struct sk_err *err) SK_CHECK;
void sk_agent_env_done(char **env);

/* ---- children.c ---- */
/* The keeper and the local hub run; those that are there are taken over. */
int sk_agent_children(struct sk_agent *a, struct sk_err *err) SK_CHECK;
/* A keeper's client; one caller at a time, under a->keeper_lock. */
int sk_agent_keeper(struct sk_agent *a, struct sk_keeper **out, struct sk_err *err) SK_CHECK;
/* Runs a command of ours with an order on stdin; its stdout. */
int sk_agent_child_call(struct sk_agent *a, const char *command, struct sk_view order,
                        unsigned timeout_ms, struct sk_buf *out, struct sk_err *err) SK_CHECK;

/* Until a path is there, at most 10 s. SK_TIMEOUT. */
int sk_agent_await_socket(struct sk_agent *a, const char *path, struct sk_err *err) SK_CHECK;

/* ---- hubuser.c: the local hub has a user of its own, where the agent is root ---- */
uid_t sk_agent_hub_uid(void);                        /* 0: it has ours */
char *sk_agent_hub_socket(const struct sk_agent *a); /* of the wire; malloc'd; NULL: no memory */
/* Makes its folders, and gives them to it. SK_DENIED: it cannot reach them. */
int sk_agent_hub_folders(const struct sk_agent *a, struct sk_err *err) SK_CHECK;
/* In a child of root, before exec: system calls only. -1: errno. */
int sk_agent_hub_become(void) SK_CHECK;

/* ---- link.c: the wire to the local hub ---- */
void sk_agent_link_tick(struct sk_agent *a);
void sk_agent_link_end(struct sk_agent *a);
void sk_agent_send_modules(struct sk_agent *a);
void sk_agent_send_config(struct sk_agent *a);

/* The numbers of what waits in the local hub for the cloud, by priority: of the oldest, and of the
 * next to come. All 0: no local hub was ever here. SK_BUSY: it cannot be asked.
 */
struct sk_agent_range {
    uint64_t first, next;
};

int sk_agent_upstream(struct sk_agent *a, struct sk_agent_range out[SK_AGENT_PRIORITIES],
                      struct sk_err *err) SK_CHECK;
int sk_agent_promote(struct sk_agent *a, const char *type, const char *module, const char *instance,
                     struct sk_err *err) SK_CHECK;

void sk_agent_send_report(struct sk_agent *a, const struct sk_buf *patch);

/* ---- exec.c: commands run as a module (`skerry edge exec`) ---- */
/* Whether a process is, or descends from, that of an exec instance. */
bool sk_agent_exec_has(struct sk_agent *a, const char *instance, pid_t pid);
/* Its entries in `modules`; under the agent's lock. */
void sk_agent_exec_put(struct sk_agent *a, struct sk_buf *b, const char *module, bool is_first);
/* The environment for a process that will run a command as a module: appends
 * "\"env\":[..]". */
int sk_agent_exec_begin(struct sk_agent *a, const char *module, pid_t pid, struct sk_buf *out,
                        struct sk_err *err) SK_CHECK;
/* Forgets those whose process has ended. */
void sk_agent_exec_tick(struct sk_agent *a);

/* ---- report.c ---- */
void sk_agent_report_load(struct sk_agent *a);
void sk_agent_report_tick(struct sk_agent *a);
/* All that is reported now, and what of it was settled is noted as told; under the agent's lock. */
void sk_agent_report_all(struct sk_agent *a, struct sk_buf *b);
/* Appends a merge patch from old (NULL: nothing) to now; false: nothing differs. */
bool sk_agent_report_diff(struct sk_buf *b, const struct sk_json *old, const struct sk_json *now);

/* ---- methods.c: direct methods and the control socket ---- */
/* status and payload (JSON) of a direct method of $edgeAgent. */
int sk_agent_method(struct sk_agent *a, const char *name, const struct sk_json *payload,
                    struct sk_buf *out);
/* {"message":"text"} in place of what `out` has; returns status. */
int sk_agent_method_answer(struct sk_buf *out, int status, const char *text);
int sk_agent_method_logs(struct sk_agent *a, const struct sk_json *payload, struct sk_buf *out);
int sk_agent_restart(struct sk_agent *a, const char *name, struct sk_err *err) SK_CHECK;

struct sk_agent_log_filter {
    unsigned tail;            /* lines; 0: all that fit */
    int64_t since_s, until_s; /* Unix seconds; 0: open */
};

/* Appends a module's output, of too much the end. */
int sk_agent_logs(struct sk_agent *a, const char *name, const struct sk_agent_log_filter *f,
                  struct sk_buf *out, struct sk_err *err) SK_CHECK;
/* "1d", Unix seconds, ISO; NULL and "" leave *out. */
int sk_agent_parse_since(const char *text, int64_t *out, struct sk_err *err) SK_CHECK;
int sk_agent_control_start(struct sk_agent *a, struct sk_err *err) SK_CHECK;
void sk_agent_control_stop(struct sk_agent *a);

/* ---- identity.c ---- */
struct sk_agent_identity {
    char name[SK_AGENT_NAME], generation[64];
    bool is_registered;
    uint64_t refused_ms; /* when the hub refused it last, and it was to be registered again; 0: not
                          */
    bool is_leaving; /* no module has it any more; it is removed when, in each queue upstream,... */
    uint64_t behind[SK_AGENT_PRIORITIES]; /* ...all below this number was sent */
};

int sk_agent_identity_start(struct sk_agent *a, struct sk_err *err) SK_CHECK;
void sk_agent_identity_stop(struct sk_agent *a);
void sk_agent_identity_wake(struct sk_agent *a);
/* A module has it again. Under the agent's lock. */
void sk_agent_identity_stays_locked(struct sk_agent *a, const char *module);
/* The hub refuses a module's login: it was deleted there, or has keys of another. It is registered
 * again, at most once in half a minute. */
void sk_agent_identity_refused(struct sk_agent *a, const char *module);
/* An order for edge-call that asks for the device's modules. */
int sk_agent_order_modules(struct sk_agent *a, struct sk_buf *out, struct sk_err *err) SK_CHECK;
void sk_agent_generation_locked(struct sk_agent *a, const char *module, char out[64],
                                bool *is_registered);
void sk_agent_generation(struct sk_agent *a, const char *module, char out[64], bool *is_registered);

/* ---- modules.c ---- */
void sk_agent_module_free(struct sk_agent_module *m);
/* Gives the record a user that no other module has, if it has none such yet. */
void sk_agent_module_user(struct sk_agent_module *m);
/* What records know of; what runs beside it is stopped. */
int sk_agent_load_modules(struct sk_agent *a, struct sk_err *err) SK_CHECK;
/* Threads of modules that have none. */
void sk_agent_start_threads(struct sk_agent *a);
/* Forgets modules whose threads have ended. */
void sk_agent_reap_modules(struct sk_agent *a);
/* Again the deployment for which the disk had no room, if there is one. */
void sk_agent_take_again(struct sk_agent *a);
/* The deployment that was kept; without one that can be read, modules go on with what they ran. */
void sk_agent_take_kept(struct sk_agent *a);
void sk_agent_hold(struct sk_agent *a);

/* ---- agent.c ---- */
struct sk_agent {
    struct sk_agent_config config;
    struct sk_agent_secrets secrets;
    struct sk_runtime_host host;
    char *dir, *run_dir, *program, *hub_ca;
    char hub_host[280];
    char start_id[40]; /* of this start */
    int lock_fd, wake_fd;
    atomic_bool stops, restarts_host;

    pthread_mutex_t take_lock; /* one deployment after the other; before all other locks */
    struct sk_json *unkept;    /* one that could not be kept, of take_lock; NULL */

    pthread_mutex_t lock; /* everything below, and what modules say it guards */
    struct sk_agent_module *modules[SK_AGENT_MODULES_MAX];
    size_t module_count;
    bool is_loaded;          /* modules has what the records have */
    int64_t desired_version; /* -1: none yet */
    struct sk_json *desired;
    int desired_code; /* 200, or why it could not be taken: 400, 412, 417 */
    char desired_why[400];
    int64_t told_version; /* lastDesiredVersion and its status, as reported */
    int told_code;
    char told_why[512];
    bool is_linked;
    int64_t start_wall_ms;
    char *reported;         /* what was sent last, all of it; also of the run before; NULL: none */
    bool must_report_whole; /* a local hub that is new may not have it */
    struct sk_agent_identity identities[SK_AGENT_MODULES_MAX + 2];
    size_t identity_count;
    uint64_t images_room; /* of the disk budget, at the last look */
    bool has_images_room;
    bool is_uplink;
    char uplink_why[200];                    /* why not; "" */
    int64_t leaf_calls[SK_AGENT_LEAF_CALLS]; /* of the local hub, about devices that are not known
                                              */
    size_t leaf_call_count;
    uint64_t leaves_due_ms;
    struct sk_wire *wire; /* NULL: not connected; of link.c */
    bool wire_is_closed;

    pthread_mutex_t keeper_lock; /* keeper */
    struct sk_keeper *keeper;
    atomic_uint keeper_starts; /* by us: what a keeper before them had open is closed */
    int64_t hub_pid, keeper_pid;
    uint64_t hub_started_ms, hub_not_before_ms;
    unsigned hub_failures;

    pthread_mutex_t wire_lock; /* the life of `wire` */
    pthread_t registrar;
    bool has_registrar;
    int registrar_fd;
    struct sk_agent_control *control;

    struct sk_agent_exec {
        char module[SK_AGENT_NAME], instance[SK_AGENT_NAME + 32];
        pid_t pid;
        uint64_t start_ticks;
    } execs[8]; /* under lock */

    size_t exec_count;
    char bridge[64]; /* the gateway address of the Docker network; "": none */
};

#define SK_AGENT_INIT                                                                              \
    {                                                                                              \
        .lock_fd = -1, .wake_fd = -1, .registrar_fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER,       \
        .keeper_lock = PTHREAD_MUTEX_INITIALIZER, .wire_lock = PTHREAD_MUTEX_INITIALIZER,          \
        .take_lock = PTHREAD_MUTEX_INITIALIZER                                                     \
    }

/* Reads configuration and secrets; takes no lock and changes nothing. */
int sk_agent_open(struct sk_agent *a, const struct sk_agent_options *opts,
                  struct sk_err *err) SK_CHECK;
/* Enough of it to end what runs: without secrets, and with the defaults in place of a configuration
 * that cannot be read.
 */
int sk_agent_open_to_stop(struct sk_agent *a, const struct sk_agent_options *opts,
                          struct sk_err *err) SK_CHECK;
void sk_agent_close(struct sk_agent *a); /* ends the threads there are */
/* engine.c */
/* Finds the network of a Docker Engine (bridge), and installs the hub's CA for it; true: it is new.
 */
bool sk_agent_engine_look(struct sk_agent *a);
/* certs_dir: "/etc/docker/certs.d". A file that is somebody else's is left alone. */
int sk_agent_docker_ca(const char *dir, const struct sk_agent_config *c, const char *certs_dir,
                       struct sk_err *err) SK_CHECK;
/* care.c */
void sk_agent_care(struct sk_agent *a);
int sk_agent_notify(const char *text, struct sk_err *err) SK_CHECK; /* sd_notify(3) */
/* For tests: ends, stops or fails at a phase, as SKERRY_TEST_PHASE says ("m:handover:kill"). */
void sk_agent_test_hook(struct sk_agent *a, const char *module, const char *phase);
/* A new desired document of $edgeAgent; keeps it and tells the modules. */
void sk_agent_take_desired(struct sk_agent *a, const struct sk_json *desired);
void sk_agent_wake(struct sk_agent *a);
struct sk_agent_module *sk_agent_find(struct sk_agent *a, const char *name); /* under the lock */

#endif
