/*
 * ort.c - finds, loads and opens ONNX Runtime: the one place that knows where the library comes
 * from.
 *
 * Searched in this order, the first that exists wins: --onnxruntime PATH, SKERRY_ONNXRUNTIME, the
 * library that the build fetched, ../lib beside the executable, the system's. A library that was
 * named and does not load is an error, not a reason to go on: who names one wants that one. The
 * library is never unloaded: its threads and static objects outlive its environment.
 *
 * Its telemetry is switched off before its environment exists; its log goes to ours at debug.
 */
#include "base/buf.h"
#include "base/dl.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "base/thread.h"
#include "engine/ort_priv.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <unistd.h>

#ifndef SK_ONNXRUNTIME_PATH
#define SK_ONNXRUNTIME_PATH "" /* the build fetched none */
#endif

#define INSTALL_HINT                                                                               \
    "Get one with `make deps` in the source tree, or `pip install onnxruntime` and name it with "  \
    "--onnxruntime PATH or SKERRY_ONNXRUNTIME (the library, or the folder onnxruntime/capi)"

/* ---- errors and log ---- */

int sk_ort_check(const struct sk_ort_engine *e, struct OrtStatus *status, enum sk_code code,
                 struct sk_err *err)
{
    const char *text;
    char flat[SK_ERR_TEXT];
    size_t n = 0;

    if (!status)
        return 0;
    text = e->api.GetErrorMessage(status);
    for (; text[n] != '\0' && n < sizeof(flat) - 1; n++)
        flat[n] = (unsigned char)text[n] < ' ' ? ' ' : text[n];
    while (n > 0 && flat[n - 1] == ' ')
        n--;
    flat[n] = '\0';
    if (e->api.GetErrorCode(status) == SK_ORT_NO_SUCHFILE)
        code = SK_NOT_FOUND;
    if (strstr(flat, "bad_alloc") || strstr(flat, "Failed to allocate memory"))
        code = SK_NOMEM;
    e->api.ReleaseStatus(status);
    return sk_fail(err, code, "%s", n > 0 ? flat : "ONNX Runtime failed without a reason");
}

static void take_log(void *ctx, unsigned severity, const char *category, const char *log_id,
                     const char *location, const char *message)
{
    char flat[400];
    size_t n = 0;

    (void)ctx;
    (void)category;
    (void)log_id;
    if (!sk_log_enabled(SK_DEBUG))
        return;
    for (; message[n] != '\0' && n < sizeof(flat) - 1; n++)
        flat[n] = (unsigned char)message[n] < ' ' ? ' ' : message[n] == '"' ? '\'' : message[n];
    flat[n] = '\0';
    sk_log(SK_DEBUG, "onnxruntime", "severity=%u where=\"%s\" message=\"%s\"", severity, location,
           flat);
}

/* ---- the library ---- */

/* In a folder such as that of the Python package: libonnxruntime.so, .so.1, .so.1.32.0; the longest
 * name has the version. */
static int find_in_folder(const char *folder, char **out, struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    const char *best = NULL;

    if (sk_dir_read(folder, &dir, err) < 0)
        return -1;
    for (size_t i = 0; i < dir.count; i++) {
        if (sk_starts_with(dir.names[i], "libonnxruntime.so") &&
            (!best || strlen(dir.names[i]) >= strlen(best)))
            best = dir.names[i];
    }
    if (!best)
        return sk_fail(err, SK_NOT_FOUND, "%s: no libonnxruntime.so* in this folder", folder);
    *out = sk_path_join(folder, best);
    return *out ? 0 : sk_nomem(err);
}

/* Loads one candidate; NULL: err says why not. */
static void *try_library(const char *path, struct sk_err *err)
{
    SK_AUTO(free_cleanup) char *inside = NULL;

    if (sk_is_dir(path) && find_in_folder(path, &inside, err) < 0)
        return NULL;
    return sk_dl_open(inside ? inside : path, err);
}

/* Our own folder's ../lib; NULL when memory is out or the place is unknown, which is no error. */
static char *path_beside_program(void)
{
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

    for (int up = 0; up < 2; up++) {
        char *slash;

        exe[n > 0 ? n : 0] = '\0';
        slash = strrchr(exe, '/');
        if (!slash)
            return NULL;
        n = slash - exe;
    }
    exe[n] = '\0';
    return sk_path_join(exe, "lib/libonnxruntime.so.1");
}

struct candidate {
    const char *path, *why;
};

static void *load_first(const struct candidate *list, size_t count, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf tried = SK_BUF_INIT(8192);

    for (size_t i = 0; i < count; i++) {
        struct sk_err why = SK_ERR_INIT;
        void *handle = list[i].path && list[i].path[0] ? try_library(list[i].path, &why) : NULL;

        if (handle)
            return handle;
        if (why.code == SK_NOMEM) {
            *err = why;
            return NULL;
        }
        if (why.code != SK_OK)
            sk_buf_fmt(&tried, "%s%s (%s)", tried.len > 0 ? "; " : "", why.text, list[i].why);
    }
    if (!sk_buf_ok(&tried))
        (void)sk_buf_fail(&tried, err);
    else
        (void)sk_fail(err, SK_UNSUPPORTED, "no ONNX Runtime library: tried %s. %s",
                      tried.data ? tried.data : "nothing", INSTALL_HINT);
    return NULL;
}

static void *load_library(const char *named, struct sk_err *err)
{
    SK_AUTO(free_cleanup) char *beside = NULL;
    const char *from_env = getenv("SKERRY_ONNXRUNTIME");

    if (named && named[0]) {
        /* The command line takes an option from the environment too. */
        bool is_env = from_env && strcmp(named, from_env) == 0;

        return load_first(
            &(struct candidate){ named, is_env ? "SKERRY_ONNXRUNTIME" : "--onnxruntime" }, 1, err);
    }
    if (from_env && from_env[0])
        return load_first(&(struct candidate){ from_env, "SKERRY_ONNXRUNTIME" }, 1, err);
    beside = path_beside_program();
    {
        const struct candidate list[] = {
            { SK_ONNXRUNTIME_PATH, "fetched by the build" },
            { beside && sk_is_file(beside) ? beside : NULL, "beside the program" },
            { "libonnxruntime.so.1", "system" },
            { "libonnxruntime.so", "system" },
        };

        return load_first(list, sizeof(list) / sizeof(list[0]), err);
    }
}

int sk_engine_library(const char *named, char **out, struct sk_err *err)
{
    void *handle = load_library(named, err);
    struct link_map *map = NULL;
    char *path;

    if (!handle)
        return -1;
    if (dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0)
        return sk_fail(err, SK_BUG, "the loader does not say where ONNX Runtime is");
    path = realpath(map->l_name, NULL);
    if (!path)
        return sk_fail_errno(err, "'%s'", map->l_name);
    *out = path;
    return 0;
}

static int copy_api(void *handle, struct sk_ort_engine *e, struct sk_err *err)
{
    const struct sk_ort_api_base *(*get_base)(void);
    const struct sk_ort_api_base *base;
    const sk_ort_slot *table;
    struct link_map *map = NULL;

    if (!sk_dl_find(handle, "OrtGetApiBase", &get_base)) {
        if (dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0)
            map = NULL;
        return sk_fail(err, SK_UNSUPPORTED, "'%s' is not ONNX Runtime: it has no OrtGetApiBase",
                       map ? map->l_name : "the library");
    }
    base = get_base();
    (void)snprintf(e->name, sizeof(e->name), "onnxruntime %s", base->GetVersionString());
    table = base->GetApi(SK_ORT_API_VERSION);
    if (!table)
        return sk_fail(err, SK_UNSUPPORTED, "%s is too old: 1.%d or later is needed", e->name,
                       SK_ORT_API_VERSION);
#define COPY_SLOT(slot, result, name, params) e->api.name = (result(*) params)table[slot];
    SK_ORT_API_TABLE(COPY_SLOT)
#undef COPY_SLOT
    return 0;
}

static char *library_folder(const struct sk_ort_engine *e)
{
    Dl_info info;
    void *inside;
    const char *slash;

    memcpy(&inside, &e->api.GetErrorCode, sizeof(inside));
    if (dladdr(inside, &info) == 0 || !info.dli_fname)
        return strdup("");
    slash = strrchr(info.dli_fname, '/');
    return slash ? strndup(info.dli_fname, (size_t)(slash - info.dli_fname)) : strdup("");
}

/* The library ends the process when it cannot read this file, so it is read here first. */
static int read_cpu_text(char **out, struct sk_err *err)
{
    SK_AUTO(free_cleanup) char *text = malloc(SK_ORT_CPU_TEXT);
    SK_AUTO(sk_close) int fd = -1;
    size_t len = 0;

    if (!text)
        return sk_nomem(err);
    fd = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && len < SK_ORT_CPU_TEXT - 1) {
        ssize_t n = read(fd, text + len, SK_ORT_CPU_TEXT - 1 - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    if (len == 0)
        return sk_fail(err, SK_UNSUPPORTED,
                       "cannot read /proc/cpuinfo, which ONNX Runtime needs: mount /proc in this "
                       "container or chroot");
    text[len] = '\0';
    *out = SK_TAKE(text);
    return 0;
}

/* ---- opening ---- */

static void close_engine(struct sk_engine *base)
{
    struct sk_ort_engine *e = sk_ort_engine_of(base);

    if (e->cpu_memory)
        e->api.ReleaseMemoryInfo(e->cpu_memory);
    if (e->env)
        e->api.ReleaseEnv(e->env);
    free(e->library_folder);
    free(e->cpu_text);
    free(e);
}

static void close_engine_cleanup(struct sk_ort_engine **e)
{
    if (*e)
        close_engine(&(*e)->base);
}

static const struct sk_engine_ops ort_ops = {
    .close = close_engine,
    .net_load = sk_ort_net_load,
    .net_free = sk_ort_net_free,
    .run_new = sk_ort_run_new,
    .run_free = sk_ort_run_free,
    .run_exec = sk_ort_run_exec,
    .run_cancel = sk_ort_run_cancel,
};

static int open_environment(struct sk_ort_engine *e, struct sk_err *err)
{
    const struct sk_ort_api *api = &e->api;

    if (sk_ort_check(
            e,
            api->CreateEnvWithCustomLogger(take_log, NULL, SK_ORT_LOG_WARNING, "skerry", &e->env),
            SK_BUG, err) < 0 ||
        sk_ort_check(e, api->DisableTelemetryEvents(e->env), SK_BUG, err) < 0 ||
        sk_ort_check(
            e,
            api->CreateCpuMemoryInfo(SK_ORT_DEVICE_ALLOCATOR, SK_ORT_MEM_DEFAULT, &e->cpu_memory),
            SK_BUG, err) < 0 ||
        sk_ort_check(e, api->GetAllocatorWithDefaultOptions(&e->allocator), SK_BUG, err) < 0)
        return sk_wrap(err, "%s", e->name);
    return 0;
}

int sk_ort_open(const struct sk_engine_options *opts, struct sk_engine **out, struct sk_err *err)
{
    SK_AUTO(close_engine_cleanup) struct sk_ort_engine *e = calloc(1, sizeof(*e));
    void *handle;

    if (!e)
        return sk_nomem(err);
    e->base.ops = &ort_ops;
    e->base.name = e->name;
    e->threads = opts->threads ? opts->threads : sk_cpu_count();
    e->use_cache = opts->use_cache;
    if (setenv("ORT_DISABLE_TELEMETRY", "1", 1) != 0)
        return sk_fail_errno(err, "cannot switch telemetry off");
    if (read_cpu_text(&e->cpu_text, err) < 0)
        return -1;
    handle = load_library(opts->library, err);
    if (!handle || copy_api(handle, e, err) < 0)
        return -1;
    e->library_folder = library_folder(e);
    if (!e->library_folder)
        return sk_nomem(err);
    if (open_environment(e, err) < 0)
        return -1;
    sk_ort_device_pick(e, opts->device);
    *out = &SK_TAKE(e)->base;
    return 0;
}
