/*
 * localhub.h - the local hub of an edge device: what its modules and leaf devices see as their IoT
 * Hub, with the cloud or without. A process of its own and without keys: what needs one asks the
 * agent over the wire.
 *
 *     modules, leaves --MQTT 8883, HTTPS 443--> front --> router --> spool --> upstream lines
 *                     <----- inputs, twins, methods ---- mirror <---------------/
 *     workload API (unix sockets), /metrics (9600), the wire to the agent (unix socket)
 *
 * A message of a module is acknowledged when the spool has it for every endpoint that a route gave
 * (azure-iot-protocol 4.7, 4.8). Each identity has a line of its own upstream, with a token that
 * the agent signs; it carries that identity's messages, twin and methods. Twins are mirrored on the
 * disk: a get is answered from the mirror when the cloud is away; reported patches are merged,
 * acknowledged, and sent up later; desired patches are applied in sequence, else the twin is
 * fetched anew. While a module has a candidate (an update), that one's messages are kept aside, and
 * dropped or released when the agent says so.
 *
 * State: <dir>/hub.json (configuration as the agent gave it), twins/, sessions/, spool/.
 */
#ifndef SK_LOCALHUB_LOCALHUB_H
#define SK_LOCALHUB_LOCALHUB_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sk_localhub_options {
    const char *dir;       /* state; of the process's user */
    const char *run_dir;   /* sockets: hub.sock (the wire), workload/<instance>/workload.sock */
    const char *wire_path; /* where the agent connects to; NULL: <run_dir>/hub.sock */
    const char *certs_dir; /* for sk_localhub_confine: the files that the configuration names */
};

/* Gives up, for good and before there are threads, what serving does not need: other files than
 * dir, the sockets' folders, certs_dir and the system's libraries, names and CAs (Landlock); system
 * calls but those that it uses (seccomp). What the kernel cannot do is left out, and logged. */
int sk_localhub_confine(const struct sk_localhub_options *opts, struct sk_err *err) SK_CHECK;

/* Serves until SIGTERM. The rest of the configuration (addresses, identities, hub) comes over the
 * wire, and is kept in <dir>/hub.json, so that a restart without the agent serves at once. */
int sk_localhub_run(const struct sk_localhub_options *opts, struct sk_err *err) SK_CHECK;

#endif
