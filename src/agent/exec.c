/*
 * exec.c - a command that runs as a module: its environment, and a workload socket of its own.
 *
 * The process that will become the command names itself; what it starts counts as it. When it has
 * ended its socket goes.
 */
#include "agent/agent_priv.h"

#include <stdio.h>
#include <string.h>

enum {
    ANCESTORS_MAX = 32
};

/* Parent and start time of a process; false: there is none. */
static bool read_stat(pid_t pid, pid_t *parent, uint64_t *start_ticks)
{
    char path[64], text[1024];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    SK_OWN(fclose) FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    text[n] = '\0';
    const char *behind = strrchr(text, ')'); /* the name may hold anything */
    int ppid = 0;
    unsigned long long start = 0;
    if (!behind ||
        sscanf(behind + 1,
               " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               &ppid, &start) != 2)
        return false;
    *parent = ppid;
    *start_ticks = start;
    return true;
}

bool sk_agent_exec_has(struct sk_agent *a, const char *instance, pid_t pid)
{
    struct sk_agent_exec e = { .pid = 0 };
    pid_t parent = 0;
    uint64_t start = 0;
    {
        SK_LOCK(&a->lock);
        for (size_t i = 0; i < a->exec_count; i++)
            if (strcmp(a->execs[i].instance, instance) == 0)
                e = a->execs[i];
    }
    for (int i = 0; e.pid > 0 && pid > 1 && i < ANCESTORS_MAX; i++) {
        if (!read_stat(pid, &parent, &start))
            return false;
        if (pid == e.pid)
            return start == e.start_ticks;
        pid = parent;
    }
    return false;
}

void sk_agent_exec_put(struct sk_agent *a, struct sk_buf *b, const char *module, bool is_first)
{
    for (size_t i = 0; i < a->exec_count; i++) {
        if (strcmp(a->execs[i].module, module) != 0)
            continue;
        sk_buf_str(b, is_first ? "{\"instance\":" : ",{\"instance\":");
        sk_buf_json_str(b, a->execs[i].instance);
        sk_buf_str(b, ",\"role\":\"exec\"}");
        is_first = false;
    }
}

static int add(struct sk_agent *a, const char *module, pid_t pid, char *instance, size_t cap,
               struct sk_agent_spec **spec, struct sk_err *err)
{
    struct sk_agent_exec e = { .pid = pid };
    pid_t parent;
    if (!read_stat(pid, &parent, &e.start_ticks))
        return sk_fail(err, SK_NOT_FOUND, "process %d is not there", (int)pid);
    (void)snprintf(e.module, sizeof e.module, "%s", module);
    (void)snprintf(e.instance, sizeof e.instance, "%s-exec-%d", module, (int)pid);
    (void)snprintf(instance, cap, "%s", e.instance);
    SK_LOCK(&a->lock);
    struct sk_agent_module *m = sk_agent_find(a, module);
    if (!m || !m->want)
        return sk_fail(err, SK_NOT_FOUND, "the deployment has no module '%s'", module);
    if (a->exec_count == sizeof a->execs / sizeof *a->execs)
        return sk_fail(err, SK_BUSY, "%zu commands run as modules already", a->exec_count);
    *spec = sk_agent_spec_ref(m->want);
    a->execs[a->exec_count++] = e;
    return 0;
}

int sk_agent_exec_begin(struct sk_agent *a, const char *module, pid_t pid, struct sk_buf *out,
                        struct sk_err *err)
{
    SK_OWN(sk_agent_spec_unref) struct sk_agent_spec *spec = NULL;
    char instance[SK_AGENT_NAME + 32], socket[300], generation[64];
    const struct sk_runtime_image image = { .kind = SK_RUNTIME_NATIVE };
    char **env = NULL;
    bool is_registered;
    sk_agent_exec_tick(a);
    if (add(a, module, pid, instance, sizeof instance, &spec, err) < 0)
        return -1;
    (void)snprintf(socket, sizeof socket, "%s/workload/%s/workload.sock", a->run_dir, instance);
    sk_agent_send_modules(a);
    sk_agent_generation(a, module, generation, &is_registered);
    if (sk_agent_await_socket(a, socket, err) < 0 ||
        sk_agent_env(a, spec, &image, socket, generation, &env, err) < 0)
        return -1;
    sk_buf_str(out, "\"env\":[");
    for (size_t i = 0; env[i]; i++) {
        sk_buf_str(out, i > 0 ? "," : "");
        sk_buf_json_str(out, env[i]);
    }
    sk_buf_chr(out, ']');
    sk_agent_env_done(env);
    return 0;
}

void sk_agent_exec_tick(struct sk_agent *a)
{
    bool has_gone = false;
    {
        SK_LOCK(&a->lock);
        for (size_t i = 0; i < a->exec_count;) {
            pid_t parent;
            uint64_t start = 0;
            if (read_stat(a->execs[i].pid, &parent, &start) && start == a->execs[i].start_ticks) {
                i++;
                continue;
            }
            a->execs[i] = a->execs[--a->exec_count];
            has_gone = true;
        }
    }
    if (has_gone)
        sk_agent_send_modules(a);
}
