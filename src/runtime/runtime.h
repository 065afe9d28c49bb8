/*
 * runtime.h - how an instance of a module is run: natively (our own images, as a supervised child)
 * or by a Docker Engine. One interface, two rows.
 *
 * An instance has a name of its own ("defect-detector-3"), its folder, its cgroup or container; it
 * outlives the agent, and is found again by what was kept of it (struct sk_instance as text).
 * Threads: calls block; different instances may be handled by different threads.
 */
#ifndef SK_RUNTIME_RUNTIME_H
#define SK_RUNTIME_RUNTIME_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What all instances share; borrowed for the program's life. */
struct sk_runtime_host {
    const char *data_dir, *run_dir; /* images/, logs/; instances/ */
    const char *program;            /* our executable, absolute; NULL: the running one */
    const char *docker_socket;      /* NULL: /var/run/docker.sock */
    const char *network;            /* NULL: azure-iot-edge */
    const char *hub_ca_file;        /* for pulls from hub_host; NULL: the system's */
    const char *hub_host; /* "hub" or "hub:443": pulls from there go with the device's token */
    const char *hub_user; /* the device's id: user name of pulls from the hub */
    /* A fresh password for them. */
    int (*token)(void *ctx, struct sk_buf *out, struct sk_err *err);
    void *ctx;
    const char *const *verify_keys; /* public keys (PEM files) that native images must be signed by;
                                       NULL: not demanded */
    uid_t first_uid;                /* of native modules; 0: stay as we are (tests without root);
                                       the user of downloads is the one before it */
    uint64_t log_bytes;             /* of one module's log; 0: 4 MiB */
    const char *cgroup_root;        /* NULL: /sys/fs/cgroup */
};

enum sk_runtime_kind {
    SK_RUNTIME_NATIVE,
    SK_RUNTIME_DOCKER
};

struct sk_runtime_auth {
    const char *username, *password, *address; /* of registryCredentials */
};

/* An image that lies here. */
struct sk_runtime_image {
    enum sk_runtime_kind kind; /* that fits it: see sk_runtime_pull */
    char digest[160];          /* of the manifest, or the Engine's id */
    char layer[160];           /* native: digest of the model layer */
    char model_path[512];      /* native: the unpacked bundle's folder */
    char why[256];             /* why not native; "" */
};

/* wanted: "native", "docker" or NULL: native when the image's entry point is `skerry serve` and its
 * label skerry.bundle is a version that this program knows, else Docker. A native pull runs in a
 * child without keys (hidden command `edge-fetch`, which has libcurl), fetches manifest, config and
 * the model layer only, and goes on after a cut; every byte is checked by digest, and the
 * manifest's signature when verify_keys are there. is_needed false (imagePullPolicy never): only
 * what is here. progress: about once a second; false stops (SK_CANCELLED). SK_NOT_FOUND, SK_DENIED,
 * SK_CORRUPT, SK_FULL, those of fetch.h and docker.h. */
int sk_runtime_pull(const struct sk_runtime_host *h, const char *image, const char *wanted,
                    const struct sk_runtime_auth *auth, bool may_pull,
                    bool (*progress)(void *ctx, const char *what, uint64_t done, uint64_t total),
                    void *ctx, struct sk_runtime_image *out, struct sk_err *err) SK_CHECK;

/* A published TCP port whose listening socket the module takes over (native). */
struct sk_runtime_socket {
    const char *container_port; /* "5001/tcp" */
    int fd;
};

struct sk_runtime_start {
    const char *module, *instance;
    const struct sk_runtime_image *image;
    const char *image_name;      /* as the manifest has it */
    const char *create_options;  /* JSON object */
    const char *const *env;      /* "NAME=value", NULL-terminated, without duplicates */
    const char *workload_socket; /* path on the host */
    const struct sk_runtime_socket *sockets;
    size_t socket_count;
    const char *const *hosts; /* Docker: "name:address" */
    bool is_paused;           /* native: does not accept until sk_runtime_control "accept" */
    bool is_low_priority;     /* native, as root: until sk_runtime_awake */
    uid_t uid;                /* native; 0: the host's first_uid */
};

/* What is kept of a running instance. */
struct sk_instance {
    enum sk_runtime_kind kind;
    char module[130], instance[160];
    int64_t pid;          /* native */
    uint64_t start_ticks; /* native: field 22 of /proc/PID/stat */
    char container[80];   /* Docker */
    char control[200];    /* native: path of its control socket */
    char address[64];     /* Docker: in the network */
    uid_t uid;
    char note[256]; /* what could not be done as asked, for statusDescription; "" */
};

/* Checks that a runtime can honour the createOptions; SK_UNSUPPORTED with the reason. note: what is
 * done otherwise than asked, and said (a GPU that is not there); 256 bytes. */
int sk_runtime_check(const struct sk_runtime_host *h, const struct sk_runtime_start *s, char *note,
                     struct sk_err *err) SK_CHECK;
/* Whether two instances of it can be side by side: no UDP, host network, devices, writable binds.
 * why: the reason; 160 bytes. */
bool sk_runtime_can_overlap(enum sk_runtime_kind kind, const char *create_options, char *why);
int sk_runtime_start(const struct sk_runtime_host *h, const struct sk_runtime_start *s,
                     struct sk_instance *out, struct sk_err *err) SK_CHECK;

enum sk_runtime_state {
    SK_RUNTIME_RUNNING,
    SK_RUNTIME_STOPPED, /* exited with 0 */
    SK_RUNTIME_FAILED,
    SK_RUNTIME_GONE /* nothing is known of it any more */
};

struct sk_runtime_status {
    enum sk_runtime_state state;
    int exit_code; /* 128 + signal when killed by one; -1: ended while no agent ran, so nobody saw
                      it, and the state is FAILED */
    bool oom_killed;
    uint32_t lost_requests;          /* native: inside it when it ended, without an answer */
    char health[16];                 /* Docker */
    int64_t started_ms, finished_ms; /* 0: unknown */
    char text[160];                  /* "running", "Exited (139)", ... */
};

/* Also for instances of an agent that died: a process is known by pid and start time. */
int sk_runtime_status(const struct sk_runtime_host *h, const struct sk_instance *i,
                      struct sk_runtime_status *out, struct sk_err *err) SK_CHECK;
/* Native: becomes readable when the process ends (pidfd); -1: none, ask for the status. close(). */
int sk_runtime_watch(const struct sk_instance *i);
/* SIGTERM, after grace_ms SIGKILL for all that is in its cgroup; waits. */
int sk_runtime_stop(const struct sk_runtime_host *h, const struct sk_instance *i, unsigned grace_ms,
                    struct sk_err *err) SK_CHECK;
/* What is left of a stopped one: cgroup, folder, container. Logs stay (native). */
int sk_runtime_remove(const struct sk_runtime_host *h, const struct sk_instance *i,
                      struct sk_err *err) SK_CHECK;
bool sk_runtime_has_process(const struct sk_runtime_host *h, const struct sk_instance *i, pid_t pid,
                            uid_t uid);
/* The priority of one that was started low is that of others from now on; sk_runtime_control "test"
 * and "accept" do so too. Nothing for a container. */
void sk_runtime_awake(const struct sk_instance *i);
/* A call to a native instance's control socket: POST /control/<what> (docs/spec/serve.md); *out may
 * be NULL; sk_json_free. */
int sk_runtime_control(const struct sk_instance *i, const char *what, uint64_t timeout_ms,
                       struct sk_json **out, struct sk_err *err) SK_CHECK;
int sk_runtime_logs(const struct sk_runtime_host *h, const struct sk_instance *i, unsigned tail,
                    int64_t since_s, int64_t until_s, bool follow,
                    int (*sink)(void *ctx, const void *bytes, size_t len, struct sk_err *err),
                    void *ctx, struct sk_err *err) SK_CHECK;
/* Native: the logs outlive instances and agents, and are cut from their beginning here: call it
 * once a second. *bytes: of the disk, of all of them. */
int sk_runtime_logs_trim(const struct sk_runtime_host *h, uint64_t *bytes,
                         struct sk_err *err) SK_CHECK;
/* The log of a module that is not deployed any more. */
int sk_runtime_logs_remove(const struct sk_runtime_host *h, const char *module,
                           struct sk_err *err) SK_CHECK;
/* Instances that run and are not among the known ones (an agent died between start and keeping):
 * stopped and removed. */
int sk_runtime_sweep(const struct sk_runtime_host *h, const struct sk_instance *known, size_t count,
                     struct sk_err *err) SK_CHECK;

/* The address at which containers reach this machine: of the Engine's network, which is made when
 * it is missing. SK_UNSUPPORTED: there is no Engine; SK_BUSY. */
int sk_runtime_gateway(const struct sk_runtime_host *h, char address[64],
                       struct sk_err *err) SK_CHECK;

/* ---- the store of native images ---- */
/* Bytes of all images; removes those whose digests are not in keep (NULL-terminated), the oldest
 * use first, until at most max_bytes are left. */
int sk_runtime_images_trim(const struct sk_runtime_host *h, const char *const *keep,
                           uint64_t max_bytes, uint64_t *bytes, struct sk_err *err) SK_CHECK;

/* The child of sk_runtime_pull: reads its order from stdin, answers on stdout. */
int sk_runtime_fetch_main(struct sk_err *err) SK_CHECK;

#endif
