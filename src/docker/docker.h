/*
 * docker.h - a Docker Engine as IoT Edge drives it: pulls, containers, logs, over its unix socket
 * (Engine API 1.44, or the nearest that it speaks; podman's socket answers the same).
 *
 * Bodies of "create" are the manifest's createOptions with members added, never a typed copy:
 * what we do not know reaches the Engine byte for byte. Errors: those of unixhttp.h with the
 * Engine's words; SK_BUSY when no Engine answers (there is no socket, or it ended in the middle),
 * SK_INVALID (status 400). Threads: any; calls block.
 */
#ifndef SK_DOCKER_DOCKER_H
#define SK_DOCKER_DOCKER_H

#include "base/buf.h"
#include "base/err.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SK_DOCKER_ID = 65 /* of a container or image, with NUL; images have "sha256:" in front */
};

struct sk_docker {
    const char *socket; /* "/var/run/docker.sock" */
};

struct sk_docker_auth {
    const char *username, *password, *address; /* registryCredentials; all NULL: none */
};

/* SK_BUSY: nobody answers there. version may be NULL; else 64 bytes. */
int sk_docker_ping(const struct sk_docker *d, char *version, struct sk_err *err) SK_CHECK;
/* Pulls (X-Registry-Auth when auth is given). progress may be NULL; false stops. id receives the
 * image's id ("sha256:..", 80 bytes). An error inside the stream is an error. */
int sk_docker_pull(const struct sk_docker *d, const char *image, const struct sk_docker_auth *auth,
                   bool (*progress)(void *ctx, const char *what), void *ctx, char id[80],
                   struct sk_err *err) SK_CHECK;
/* The image's inspect document; SK_NOT_FOUND. *out: sk_json_free. */
int sk_docker_image(const struct sk_docker *d, const char *image, struct sk_json **out,
                    struct sk_err *err) SK_CHECK;
int sk_docker_image_remove(const struct sk_docker *d, const char *image,
                           struct sk_err *err) SK_CHECK;
/* A bridge of this name, made when missing; gateway: its address ("172.18.0.1", 64 bytes). */
int sk_docker_network(const struct sk_docker *d, const char *name, char *gateway,
                      struct sk_err *err) SK_CHECK;

struct sk_docker_create {
    const char *name;           /* of the container */
    const char *module;         /* label skerry.module */
    const char *image;          /* label net.azure-devices.edge.original-image too */
    const char *create_options; /* JSON object; "{}" */
    const char *const *env;   /* "NAME=value", NULL-terminated; entries of createOptions.Env win */
    const char *const *binds; /* "host:container", added to HostConfig.Binds */
    const char *const *hosts; /* "name:address", added to HostConfig.ExtraHosts; may be NULL */
    const char *network;      /* joined unless createOptions has EndpointsConfig or NetworkMode */
    bool drop_port_bindings;  /* TCP belongs to a forwarder: it goes from HostConfig.PortBindings */
    bool is_supervised; /* somebody restarts and removes it: RestartPolicy and AutoRemove go, or the
                           Engine would do so behind their back */
    const char *labels; /* JSON object of further labels; NULL: none */
    uint64_t log_bytes; /* the Engine keeps so much of the output, unless createOptions has a
                           LogConfig; 0: as the Engine does */
};

/* Whether createOptions can be merged, without an Engine. SK_INVALID, SK_LIMIT. */
int sk_docker_check(const struct sk_docker_create *c, struct sk_err *err) SK_CHECK;
/* id: SK_DOCKER_ID bytes. SK_EXISTS: a container of that name is there. */
int sk_docker_create(const struct sk_docker *d, const struct sk_docker_create *c, char *id,
                     struct sk_err *err) SK_CHECK;
int sk_docker_start(const struct sk_docker *d, const char *id, struct sk_err *err) SK_CHECK;
int sk_docker_stop(const struct sk_docker *d, const char *id, unsigned grace_s,
                   struct sk_err *err) SK_CHECK;
/* Also one that runs, with its anonymous volumes. One that is not there is fine. */
int sk_docker_remove(const struct sk_docker *d, const char *id, struct sk_err *err) SK_CHECK;
/* SK_EXISTS: another has the name. */
int sk_docker_rename(const struct sk_docker *d, const char *id, const char *name,
                     struct sk_err *err) SK_CHECK;

enum sk_docker_state { /* as section 3.2 of the reference maps them */
    SK_DOCKER_CREATED,
    SK_DOCKER_RUNNING,
    SK_DOCKER_STOPPED,
    SK_DOCKER_DEAD
};

struct sk_docker_container {
    char id[SK_DOCKER_ID], name[256], image_id[80];
    char address[64]; /* in `network`, else in its first network that has one, or "" */
    enum sk_docker_state state;
    int exit_code, pid;
    bool oom_killed;
    char health[16];                /* "", "starting", "healthy", "unhealthy" */
    char started[40], finished[40]; /* ISO; "" unknown */
    char error[256];                /* State.Error */
    bool is_tty;                    /* its output has no frames */
};

int sk_docker_inspect(const struct sk_docker *d, const char *id, const char *network,
                      struct sk_docker_container *out, struct sk_err *err) SK_CHECK;

struct sk_docker_item {
    const char *id, *name;
    const char *module, *instance, *agent; /* labels skerry.*; "": it has none */
};

/* Containers with the label net.azure-devices.edge.owner of an agent: ours, and those of IoT Edge.
 */
int sk_docker_list(const struct sk_docker *d,
                   int (*each)(void *ctx, const struct sk_docker_item *c, struct sk_err *err),
                   void *ctx, struct sk_err *err) SK_CHECK;
/* Whether a process is one of the container's. */
int sk_docker_has_pid(const struct sk_docker *d, const char *id, int pid, bool *has,
                      struct sk_err *err) SK_CHECK;
/* Lines of stdout and stderr, without the Engine's frames. tail 0: all; since and until: Unix
 * seconds, 0: open. follow: until the sink says -1 or the container ends; a sink is also called
 * with no bytes about once a minute while there are none. */
int sk_docker_logs(const struct sk_docker *d, const char *id, unsigned tail, int64_t since,
                   int64_t until, bool follow,
                   int (*sink)(void *ctx, const void *bytes, size_t len, struct sk_err *err),
                   void *ctx, struct sk_err *err) SK_CHECK;

#endif
