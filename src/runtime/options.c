/*
 * options.c - createOptions as the native runtime reads them.
 *
 * Every member of Docker's create body is in one of these tables, with what becomes of it:
 *
 *     TAKE      honoured, by the code below
 *     PASS      has no meaning without a container, or is so anyway
 *     NOTE      passed over, and said
 *     REFUSE    would change what the module may or sees: only its empty value is fine
 *
 * A member that is in no table is refused like that too: it may be one that matters. Empty is what
 * Docker takes for absent: null, false, 0, "", [], {}.
 */
#include "runtime/runtime_priv.h"

#include "base/str.h"

#include <stdio.h>
#include <string.h>

#define WAY_OUT "; SKERRY_RUNTIME=docker runs it on a Docker Engine"

enum {
    NOT_SAID = INT32_MIN
};

enum fate {
    TAKE,
    PASS,
    NOTE,
    REFUSE
};

struct member {
    const char *name;
    enum fate fate;
    const char *fine; /* REFUSE: values that are fine, "a|b" */
};

static const struct member outer[] = {
    { "Image", TAKE, NULL },
    { "Env", TAKE, NULL },
    { "Cmd", TAKE, NULL },
    { "ExposedPorts", TAKE, NULL },
    { "Labels", TAKE, NULL },
    { "HostConfig", TAKE, NULL },
    { "AttachStdin", PASS, NULL },
    { "AttachStdout", PASS, NULL },
    { "AttachStderr", PASS, NULL },
    { "OpenStdin", PASS, NULL },
    { "StdinOnce", PASS, NULL },
    { "ArgsEscaped", PASS, NULL },
    { "OnBuild", PASS, NULL },
    { "Shell", PASS, NULL },
    { "Healthcheck", PASS, NULL }, /* the agent asks the control socket */
    { "StopTimeout", PASS, NULL },
    { "Hostname", NOTE, NULL },
    { "Domainname", NOTE, NULL },
    { "MacAddress", NOTE, NULL },
    { "NetworkingConfig", NOTE, NULL },
    { "StopSignal", REFUSE, "SIGTERM|15|TERM" },
    { "WorkingDir", REFUSE, "/" },
    { "User", REFUSE, NULL },
    { "Entrypoint", REFUSE, NULL },
    { "Tty", REFUSE, NULL },
    { "Volumes", REFUSE, NULL },
    { "NetworkDisabled", REFUSE, NULL },
    { NULL, PASS, NULL },
};

static const struct member inner[] = {
    { "PortBindings", TAKE, NULL },
    { "Binds", TAKE, NULL },
    { "Memory", TAKE, NULL },
    { "MemorySwap", TAKE, NULL },
    { "MemoryReservation", TAKE, NULL },
    { "NanoCpus", TAKE, NULL },
    { "NanoCPUs", TAKE, NULL },
    { "CpuQuota", TAKE, NULL },
    { "CpuPeriod", TAKE, NULL },
    { "CpuShares", TAKE, NULL },
    { "CpusetCpus", TAKE, NULL },
    { "PidsLimit", TAKE, NULL },
    { "DeviceRequests", TAKE, NULL },
    { "Runtime", TAKE, NULL },
    { "Ulimits", TAKE, NULL },
    { "OomScoreAdj", TAKE, NULL },
    { "AutoRemove", PASS, NULL },
    { "ConsoleSize", PASS, NULL },
    { "ContainerIDFile", PASS, NULL },
    { "Isolation", PASS, NULL },
    { "ReadonlyRootfs", PASS, NULL },
    { "CapDrop", PASS, NULL }, /* it has none */
    { "Init", PASS, NULL },
    { "ShmSize", PASS, NULL },
    { "VolumeDriver", PASS, NULL },
    { "KernelMemory", PASS, NULL },
    { "KernelMemoryTCP", PASS, NULL },
    { "CgroupnsMode", PASS, NULL },
    { "MaskedPaths", PASS, NULL },
    { "ReadonlyPaths", PASS, NULL },
    { "Annotations", PASS, NULL },
    { "RestartPolicy", NOTE, NULL }, /* the manifest's restartPolicy counts */
    { "LogConfig", NOTE, NULL },
    { "MemorySwappiness", NOTE, NULL },
    { "NetworkMode", REFUSE, "host|bridge|default|azure-iot-edge" },
    { "IpcMode", REFUSE, "private|shareable|none" },
    { "SecurityOpt", REFUSE, "no-new-privileges|no-new-privileges:true" },
    { "Privileged", REFUSE, NULL },
    { "CapAdd", REFUSE, NULL },
    { "Devices", REFUSE, NULL },
    { "DeviceCgroupRules", REFUSE, NULL },
    { "Mounts", REFUSE, NULL },
    { "Tmpfs", REFUSE, NULL },
    { "VolumesFrom", REFUSE, NULL },
    { "PidMode", REFUSE, NULL },
    { "UTSMode", REFUSE, NULL },
    { "UsernsMode", REFUSE, NULL },
    { "CgroupParent", REFUSE, NULL },
    { "Cgroup", REFUSE, NULL },
    { "Sysctls", REFUSE, NULL },
    { "StorageOpt", REFUSE, NULL },
    { "GroupAdd", REFUSE, NULL },
    { "Dns", REFUSE, NULL },
    { "DnsOptions", REFUSE, NULL },
    { "DnsSearch", REFUSE, NULL },
    { "ExtraHosts", REFUSE, NULL },
    { "Links", REFUSE, NULL },
    { "PublishAllPorts", REFUSE, NULL },
    { "OomKillDisable", REFUSE, NULL },
    { "BlkioWeight", REFUSE, NULL },
    { "BlkioWeightDevice", REFUSE, NULL },
    { "BlkioDeviceReadBps", REFUSE, NULL },
    { "BlkioDeviceReadIOps", REFUSE, NULL },
    { "BlkioDeviceWriteBps", REFUSE, NULL },
    { "BlkioDeviceWriteIOps", REFUSE, NULL },
    { "IOMaximumBandwidth", REFUSE, NULL },
    { "IOMaximumIOps", REFUSE, NULL },
    { "CpuCount", REFUSE, NULL },
    { "CpuPercent", REFUSE, NULL },
    { "CpuRealtimePeriod", REFUSE, NULL },
    { "CpuRealtimeRuntime", REFUSE, NULL },
    { "CpusetMems", REFUSE, NULL },
    { NULL, PASS, NULL },
};

static bool is_empty(const struct sk_json *v)
{
    switch (sk_json_type(v)) {
    case SK_JSON_NULL:
        return true;
    case SK_JSON_BOOL:
        return !sk_json_bool(v, true);
    case SK_JSON_INT:
        return sk_json_int(v, 1) == 0;
    case SK_JSON_REAL:
        return false;
    case SK_JSON_STRING:
        return sk_json_text_len(v) == 0;
    default:
        return sk_json_count(v) == 0;
    }
}

static bool is_one_of(const char *list, const char *text)
{
    size_t len = strlen(text);

    for (const char *at = list; at; at = strchr(at, '|'), at = at ? at + 1 : NULL)
        if (strncmp(at, text, len) == 0 && (at[len] == '|' || at[len] == '\0'))
            return true;
    return false;
}

static bool is_fine(const struct member *m, const struct sk_json *v)
{
    if (is_empty(v))
        return true;
    if (!m->fine)
        return false;
    if (sk_json_type(v) != SK_JSON_ARRAY)
        return is_one_of(m->fine, sk_json_text(v, "?"));
    for (size_t i = 0; i < sk_json_count(v); i++)
        if (!is_one_of(m->fine, sk_json_text(sk_json_at(v, i), "?")))
            return false;
    return true;
}

static int look_at(const struct sk_json *object, const struct member *rows, const char *where,
                   char *note, struct sk_err *err)
{
    for (void *it = sk_json_first(object); it; it = sk_json_next(object, it)) {
        const char *name = sk_json_key(it);
        const struct sk_json *v = sk_json_value(it);
        const struct member *m = rows;

        while (m->name && strcmp(m->name, name) != 0)
            m++;
        if (!m->name && !is_empty(v))
            return sk_fail(err, SK_UNSUPPORTED,
                           "createOptions: the native runtime does not know %s%.100s" WAY_OUT,
                           where, name);
        if (m->name && m->fate == REFUSE && !is_fine(m, v))
            return sk_fail(err, SK_UNSUPPORTED,
                           "createOptions: the native runtime cannot honour %s%s" WAY_OUT, where,
                           name);
        if (m->name && m->fate == NOTE && !is_empty(v))
            sk_rt_note(note, "%s%s has no effect natively", where, name);
    }
    return 0;
}

/* ---- what is taken ---- */

static int check_texts(const struct sk_json *array, const char *name, struct sk_err *err)
{
    for (size_t i = 0; i < sk_json_count(array); i++)
        if (sk_json_type(sk_json_at(array, i)) != SK_JSON_STRING)
            return sk_fail(err, SK_INVALID, "createOptions: %s has an entry that is no text", name);
    return 0;
}

static int want_amount(const struct sk_json *host, const char *name, int64_t min, uint64_t *out,
                       struct sk_err *err)
{
    int64_t value = 0;

    if (sk_json_want_int(host, name, 0, INT64_MAX, &value, err) < 0)
        return sk_wrap(err, "createOptions: HostConfig");
    if (value != 0 && value < min)
        return sk_fail(err, SK_INVALID, "createOptions: HostConfig.%s: %lld is below %lld", name,
                       (long long)value, (long long)min);
    *out = (uint64_t)value;
    return 0;
}

static int read_limits(const struct sk_json *host, struct sk_rt_limits *l, struct sk_err *err)
{
    int64_t swap = 0, pids = 0;

    if (want_amount(host, "Memory", 6 << 20, &l->memory, err) < 0 ||
        want_amount(host, "MemoryReservation", 6 << 20, &l->memory_reservation, err) < 0 ||
        want_amount(host, "NanoCpus", 1, &l->nano_cpus, err) < 0 ||
        (l->nano_cpus == 0 && want_amount(host, "NanoCPUs", 1, &l->nano_cpus, err) < 0) ||
        want_amount(host, "CpuPeriod", 1000, &l->cpu_period, err) < 0 ||
        want_amount(host, "CpuShares", 2, &l->cpu_shares, err) < 0 ||
        sk_json_want_int(host, "MemorySwap", -1, INT64_MAX, &swap, err) < 0 ||
        sk_json_want_int(host, "PidsLimit", -1, INT64_MAX, &pids, err) < 0)
        return -1;
    int64_t quota = 0;
    if (sk_json_want_int(host, "CpuQuota", -1, INT64_MAX, &quota, err) < 0)
        return -1;
    l->cpu_quota = quota > 0 ? (uint64_t)quota : 0;
    if (l->cpu_quota && l->nano_cpus)
        return sk_fail(err, SK_INVALID, "createOptions: NanoCpus and CpuQuota exclude each other");
    if (l->cpu_shares > 262144)
        l->cpu_shares = 262144;
    if (swap > 0 && (l->memory == 0 || (uint64_t)swap < l->memory))
        return sk_fail(err, SK_INVALID,
                       "createOptions: MemorySwap is Memory and swap together: not less than it");
    l->memory_swap = swap > 0 ? (uint64_t)swap : 0;
    if (swap == 0 && l->memory)
        l->memory_swap = l->memory <= UINT64_MAX / 2 ? l->memory * 2 : 0; /* as Docker has it */
    l->pids = pids;
    return 0;
}

/* Tried and taken back: being root does not tell, without CAP_SYS_RESOURCE. */
static bool may_raise(int resource, rlim_t hard)
{
    struct rlimit now, raised;

    if (getrlimit((__rlimit_resource_t)resource, &now) < 0)
        return false;
    if (hard <= now.rlim_max)
        return true;
    raised = (struct rlimit){ .rlim_cur = now.rlim_cur, .rlim_max = hard };
    if (setrlimit((__rlimit_resource_t)resource, &raised) < 0)
        return false;
    (void)setrlimit((__rlimit_resource_t)resource, &now);
    return true;
}

static int read_ulimits(const struct sk_json *list, struct sk_rt_options *o, struct sk_err *err)
{
    static const struct {
        const char *name;
        int resource;
    } rows[] = { { "core", RLIMIT_CORE },         { "cpu", RLIMIT_CPU },
                 { "data", RLIMIT_DATA },         { "fsize", RLIMIT_FSIZE },
                 { "locks", RLIMIT_LOCKS },       { "memlock", RLIMIT_MEMLOCK },
                 { "msgqueue", RLIMIT_MSGQUEUE }, { "nice", RLIMIT_NICE },
                 { "nofile", RLIMIT_NOFILE },     { "nproc", RLIMIT_NPROC },
                 { "rss", RLIMIT_RSS },           { "rtprio", RLIMIT_RTPRIO },
                 { "rttime", RLIMIT_RTTIME },     { "sigpending", RLIMIT_SIGPENDING },
                 { "stack", RLIMIT_STACK } };

    for (size_t i = 0; i < sk_json_count(list); i++) {
        const struct sk_json *u = sk_json_at(list, i);
        const char *name = sk_json_get_text(u, "Name", "");
        int64_t soft = sk_json_int(sk_json_get(u, "Soft"), -1);
        int64_t hard = sk_json_int(sk_json_get(u, "Hard"), -1);
        size_t at = 0;

        while (at < sizeof rows / sizeof rows[0] && strcmp(rows[at].name, name) != 0)
            at++;
        if (at == sizeof rows / sizeof rows[0] || o->rlimit_count == SK_RT_RLIMITS_MAX)
            return sk_fail(err, SK_INVALID, "createOptions: HostConfig.Ulimits: '%.60s' is unknown",
                           name);
        const rlim_t want_soft = soft < 0 ? RLIM_INFINITY : (rlim_t)soft;
        const rlim_t want_hard = hard < 0 ? RLIM_INFINITY : (rlim_t)hard;
        if (want_soft > want_hard)
            return sk_fail(err, SK_INVALID, "createOptions: HostConfig.Ulimits: %s: Soft > Hard",
                           name);
        if (!may_raise(rows[at].resource, want_hard))
            return sk_fail(err, SK_UNSUPPORTED,
                           "createOptions: HostConfig.Ulimits: %s: the agent may not raise it that "
                           "far" WAY_OUT,
                           name);
        o->rlimits[o->rlimit_count].resource = rows[at].resource;
        o->rlimits[o->rlimit_count++].limit = (struct rlimit){ .rlim_cur = want_soft,
                                                               .rlim_max = want_hard };
    }
    return 0;
}

/* {"5001/tcp":[{"HostIp":"","HostPort":"5001"}]} */
static int read_ports(const struct sk_json *ports, struct sk_rt_options *o, struct sk_err *err)
{
    for (void *it = sk_json_first(ports); it; it = sk_json_next(ports, it)) {
        const char *name = sk_json_key(it);
        const size_t count = sk_json_count(sk_json_value(it));

        if (count == 0)
            continue;
        if (strchr(name, '/') && !sk_ends_with(name, "/tcp"))
            return sk_fail(err, SK_UNSUPPORTED,
                           "createOptions: HostConfig.PortBindings: '%.60s': a native module "
                           "serves TCP only" WAY_OUT,
                           name);
        if (o->port || count > 1)
            return sk_fail(err, SK_UNSUPPORTED,
                           "createOptions: HostConfig.PortBindings: a native module has one "
                           "published port" WAY_OUT);
        o->port = name;
    }
    return 0;
}

static bool names_gpu(const struct sk_json *capabilities)
{
    for (size_t i = 0; i < sk_json_count(capabilities); i++) {
        const struct sk_json *all = sk_json_at(capabilities, i);

        for (size_t k = 0; k < sk_json_count(all); k++)
            if (strcmp(sk_json_text(sk_json_at(all, k), ""), "gpu") == 0)
                return true;
    }
    return false;
}

static int read_gpus(const struct sk_json *host, struct sk_rt_options *o, struct sk_err *err)
{
    const struct sk_json *list = NULL;
    const char *runtime = sk_json_get_text(host, "Runtime", "");

    if (strcmp(runtime, "nvidia") == 0) {
        o->wants_gpu = true;
        o->gpu_count = -1;
    } else if (runtime[0] && strcmp(runtime, "runc") != 0) {
        return sk_fail(err, SK_UNSUPPORTED,
                       "createOptions: the native runtime has no HostConfig.Runtime "
                       "'%.60s'" WAY_OUT,
                       runtime);
    }
    if (sk_json_want_array(host, "DeviceRequests", &list, err) < 0)
        return -1;
    for (size_t i = 0; i < sk_json_count(list); i++) {
        const struct sk_json *r = sk_json_at(list, i);
        const struct sk_json *ids = sk_json_get(r, "DeviceIDs");
        const char *driver = sk_json_get_text(r, "Driver", "");
        int64_t count = sk_json_int(sk_json_get(r, "Count"), 0);

        if ((driver[0] && strcmp(driver, "nvidia") != 0) ||
            (!names_gpu(sk_json_get(r, "Capabilities")) && strcmp(driver, "nvidia") != 0))
            return sk_fail(err, SK_UNSUPPORTED,
                           "createOptions: the native runtime gives NVIDIA GPUs only in "
                           "HostConfig.DeviceRequests, not '%.60s'" WAY_OUT,
                           driver);
        o->wants_gpu = true;
        for (size_t k = 0; k < sk_json_count(ids) && o->gpu_id_count < SK_RT_GPUS_MAX; k++)
            o->gpu_ids[o->gpu_id_count++] = sk_json_text(sk_json_at(ids, k), "");
        if (count < 0 || (count == 0 && sk_json_count(ids) == 0))
            o->gpu_count = count < 0 ? -1 : o->gpu_count + 1;
        else if (o->gpu_count >= 0)
            o->gpu_count += count;
    }
    return 0;
}

static int read_host(const struct sk_json *host, struct sk_rt_options *o, char *note,
                     struct sk_err *err)
{
    const struct sk_json *ports = NULL, *ulimits = NULL, *binds = NULL;
    int64_t oom = NOT_SAID;

    if (look_at(host, inner, "HostConfig.", note, err) < 0 ||
        read_limits(host, &o->limits, err) < 0 ||
        sk_json_want_object(host, "PortBindings", &ports, err) < 0 ||
        read_ports(ports, o, err) < 0 || sk_json_want_array(host, "Binds", &binds, err) < 0 ||
        sk_rt_binds_read(binds, &o->binds, err) < 0 ||
        sk_json_want_array(host, "Ulimits", &ulimits, err) < 0 ||
        read_ulimits(ulimits, o, err) < 0 || read_gpus(host, o, err) < 0 ||
        sk_json_want_text(host, "CpusetCpus", &o->cpuset, err) < 0 ||
        sk_json_want_int(host, "OomScoreAdj", -1000, 1000, &oom, err) < 0)
        return -1;
    o->oom_score = (int)oom;
    if (o->cpuset && o->cpuset[0] == '\0')
        o->cpuset = NULL;
    return 0;
}

int sk_rt_options_read(const char *create_options, struct sk_rt_options *out, char *note,
                       struct sk_err *err)
{
    const struct sk_json *host = NULL;

    *out = (struct sk_rt_options){ .oom_score = NOT_SAID };
    if (sk_rt_options_parse(create_options, &out->doc, err) < 0 ||
        look_at(out->doc, outer, "", note, err) < 0)
        return -1;
    if (sk_json_want_array(out->doc, "Env", &out->env, err) < 0 ||
        sk_json_want_array(out->doc, "Cmd", &out->cmd, err) < 0 ||
        sk_json_want_object(out->doc, "HostConfig", &host, err) < 0)
        return sk_wrap(err, "createOptions");
    if (check_texts(out->env, "Env", err) < 0 || check_texts(out->cmd, "Cmd", err) < 0)
        return -1;
    if (sk_json_count(out->cmd) == 0)
        out->cmd = NULL;
    return host ? read_host(host, out, note, err) : 0;
}

void sk_rt_options_done(struct sk_rt_options *o)
{
    sk_json_free(o->doc);
    o->doc = NULL;
}
