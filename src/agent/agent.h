/*
 * agent.h - the agent of an edge device: takes a deployment and makes it so.
 *
 * `skerry edge init` is sk_agent_init(), `skerry edge run` is sk_agent_run(). The agent starts the
 * socket keeper and the local hub (processes of their own, adopted when they are there), gets
 * $edgeAgent's desired properties from the local hub, and has one thread per module, which brings
 * that module to what is wanted: pull, start beside the old one, gate, hand-over, probation,
 * commit. Every transition is on the disk before its side effect (docs/spec/agent.md has the
 * states), so that a kill at any instant ends in the old version, the new one, or a reported
 * failure.
 *
 * The folder (0711: modules have users of their own, and pass through it):
 *     edge.json             what init wrote: hub, device, names, addresses, budgets
 *     secrets/              device.key or device.pem, master.key (0600)
 *     tls/                  ca.pem, ca.key, server.pem (with its key), hub-ca.pem
 *     state/deployment.json desired properties of $edgeAgent, as last received
 *     state/modules/NAME.json, state/identities.json
 *     images/ logs/ hub/    of runtime and local hub, which has a user of its own as well
 */
#ifndef SK_AGENT_AGENT_H
#define SK_AGENT_AGENT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sk_agent_init {
    const char *dir;
    const char *connection_string;    /* of an edge device at the hub */
    const char *cert_file, *key_file; /* instead of its key (x509=true in the string); NULL */
    const char *hub_ca_file;          /* PEM; NULL: the system's certificates, or hub_ca_sha256 */
    const char *hub_ca_sha256; /* hex: the CA that the hub shows is taken when it has this digest */
    const char *hostname;      /* gateway name; NULL: the first of listen */
    const char *const *listen; /* addresses, NULL-terminated; empty: 127.0.0.1 */
    const char *publish;       /* address of published ports without one; NULL: 0.0.0.0 */
    uint16_t hub_https_port;   /* 0: the one behind the name in the connection string, else 443 */
    uint16_t hub_mqtt_port, mqtt_port, https_port, metrics_port; /* 0: 8883, 8883, 443, 9600 */
    uint64_t disk_bytes;            /* of images, spool and logs together; 0: 8 GiB */
    uint64_t spool_bytes;           /* of these; 0: a quarter */
    const char *docker_socket;      /* NULL: /var/run/docker.sock */
    const char *const *verify_keys; /* that native images must be signed by; NULL-terminated */
    bool force; /* over a folder that is there: identity and keys are replaced */
};

/* What init made, for the command to print. */
struct sk_agent_made {
    char device[130], hub[270], gateway[260], ca_file[512], ca_sha256[65];
};

/* SK_EXISTS: the folder has a configuration. SK_DENIED: the hub's CA is another one. */
int sk_agent_init(const struct sk_agent_init *init, struct sk_agent_made *out,
                  struct sk_err *err) SK_CHECK;

struct sk_agent_options {
    const char *dir, *run_dir;
    const char *program; /* NULL: the running one */
};

/* Runs until SIGTERM or SIGINT; modules go on without it, and are adopted by the next run.
 * SK_BUSY: another agent has the folder. */
int sk_agent_run(const struct sk_agent_options *opts, struct sk_err *err) SK_CHECK;

struct sk_agent_stopped {
    int64_t agent_pid, hub_pid; /* 0: none was there */
    unsigned instances;
    bool has_keeper;
};

/* Ends the agent of the folder, if one runs; is_all: then its modules, the local hub and the
 * keeper too, also when no agent runs. The next sk_agent_run starts them all again. SK_BUSY: a
 * service manager would start it again; SK_TIMEOUT. */
int sk_agent_stop(const struct sk_agent_options *opts, bool is_all, struct sk_agent_stopped *out,
                  struct sk_err *err) SK_CHECK;
/* Where sockets are: run_dir, else /run/skerry-edge for /var/lib/skerry/edge, else <dir>/run;
 * free(). SK_INVALID: too long for a socket's path. */
int sk_agent_run_dir(const char *dir, const char *run_dir, char **out, struct sk_err *err) SK_CHECK;
/* A call to the running agent, such as {"type":"list"} (docs/spec/agent.md); *out (may be NULL):
 * sk_json_free. SK_BUSY: none runs. */
int sk_agent_call(const char *run_dir, struct sk_view json, uint64_t timeout_ms,
                  struct sk_json **out, struct sk_err *err) SK_CHECK;
/* Findings of `edge check`: each(ctx, group, name, "ok"|"warning"|"error", text, fix or ""). */
typedef int sk_agent_finding(void *ctx, const char *group, const char *name, const char *result,
                             const char *text, const char *fix, struct sk_err *err);
int sk_agent_check(const struct sk_agent_options *opts, sk_agent_finding *each, void *ctx,
                   struct sk_err *err) SK_CHECK;
/* The child that talks to the hub's REST with libcurl, so that the agent need not map it: an order
 * on stdin, the answer on stdout (hidden command `edge-call`). */
int sk_agent_call_main(struct sk_err *err) SK_CHECK;
/* The child that packs logs with libarchive, for the same reason: text on stdin, gzip on stdout
 * (hidden command `edge-gzip`). */
int sk_agent_gzip_main(struct sk_err *err) SK_CHECK;

#endif
