/* docker_rt_priv.h - what the files of the Docker row share. */
#ifndef SK_RUNTIME_DOCKER_RT_PRIV_H
#define SK_RUNTIME_DOCKER_RT_PRIV_H

#include "docker/docker.h"
#include "runtime/runtime_priv.h"

/* ---- docker_row.c ---- */
int sk_docker_rt_check(const struct sk_runtime_host *h, const struct sk_runtime_start *s,
                       char *note, struct sk_err *err) SK_CHECK;
int sk_docker_rt_start(const struct sk_runtime_host *h, const struct sk_runtime_start *s,
                       struct sk_instance *out, struct sk_err *err) SK_CHECK;
int sk_docker_rt_status(const struct sk_runtime_host *h, const struct sk_instance *i,
                        struct sk_runtime_status *out, struct sk_err *err) SK_CHECK;
int sk_docker_rt_watch(const struct sk_instance *i);
int sk_docker_rt_stop(const struct sk_runtime_host *h, const struct sk_instance *i,
                      unsigned grace_ms, struct sk_err *err) SK_CHECK;
int sk_docker_rt_remove(const struct sk_runtime_host *h, const struct sk_instance *i,
                        struct sk_err *err) SK_CHECK;
bool sk_docker_rt_has_process(const struct sk_runtime_host *h, const struct sk_instance *i,
                              pid_t pid, uid_t uid);
int sk_docker_rt_logs(const struct sk_runtime_host *h, const struct sk_instance *i, unsigned tail,
                      int64_t since_s, int64_t until_s, bool follow, SK_RT_SINK, void *ctx,
                      struct sk_err *err) SK_CHECK;
/* What the Engine knows it by. */
const char *sk_docker_rt_id(const struct sk_instance *i);

/* ---- docker_names.c ---- */
/* "defect-detector-old-3" of instance "defect-detector-3"; 256 bytes. */
void sk_docker_rt_old_name(const char *module, const char *instance, char *out);
/* Removes the container of this name if it is an instance of ours that nobody knows; SK_EXISTS: it
 * is somebody else's. */
int sk_docker_rt_remove_leftover(const struct sk_docker *d, const char *name,
                                 struct sk_err *err) SK_CHECK;
int sk_docker_rt_sweep(const struct sk_runtime_host *h, const struct sk_instance *known,
                       size_t count, struct sk_err *err) SK_CHECK;

#endif
