/*
 * comm.c - one process, or the plugin that knows MPI.
 *
 * Without mpirun nothing is loaded and every operation returns at once. Under mpirun the plugin is
 * searched in this order, the first that exists wins: SKERRY_MPI, beside the program,
 * ../lib/skerry. It is opened RTLD_GLOBAL, since the MPI library opens components of its own that
 * expect to find its symbols, and never closed: its threads and exit handlers outlive MPI_Finalize.
 */
#include "comm/comm.h"

#include "base/cleanup.h"
#include "base/dl.h"
#include "base/file.h"
#include "base/str.h"
#include "comm/comm_priv.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define PLUGIN_FILE "skerry-mpi.so"
#define INSTALL_HINT                                                                               \
    "It is built where MPI is found (Debian: libopenmpi-dev); name it with SKERRY_MPI, or start "  \
    "one process without mpirun"

/* Invariant: plugin is NULL exactly when place.size is 1. */
struct sk_comm {
    const struct sk_comm_plugin *plugin;
    struct sk_comm_place place;
};

/* ---- the plugin ---- */

/* "/opt/bin/skerry" gives "/opt/bin"; NULL when the place is unknown or memory is out. */
static char *program_folder(void)
{
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    char *slash;

    exe[n > 0 ? n : 0] = '\0';
    slash = strrchr(exe, '/');
    if (!slash)
        return NULL;
    *slash = '\0';
    return strdup(exe);
}

/* The path to open: a name that is not a file is for dlopen to refuse, with its reason. */
static int find_plugin(char **out, struct sk_err *err)
{
    static const char *const places[] = { PLUGIN_FILE, "../lib/skerry/" PLUGIN_FILE };
    SK_AUTO(free_cleanup) char *folder = NULL;
    const char *named = getenv("SKERRY_MPI");

    if (named && named[0]) {
        *out = strdup(named);
        return *out ? 0 : sk_nomem(err);
    }
    folder = program_folder();
    if (!folder)
        return sk_nomem(err);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        SK_AUTO(free_cleanup) char *path = sk_path_join(folder, places[i]);

        if (!path)
            return sk_nomem(err);
        if (sk_is_file(path)) {
            *out = SK_TAKE(path);
            return 0;
        }
    }
    return sk_fail(err, SK_UNSUPPORTED,
                   "started by mpirun, but there is no %s in %s or %s/../lib/skerry. %s",
                   PLUGIN_FILE, folder, folder, INSTALL_HINT);
}

/* NULL: err says why. */
static const struct sk_comm_plugin *load_plugin(struct sk_err *err)
{
    SK_AUTO(free_cleanup) char *path = NULL;
    const struct sk_comm_plugin *plugin;
    sk_comm_plugin_fn *get;
    void *handle;

    if (find_plugin(&path, err) < 0)
        return NULL;
    handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (!handle) {
        (void)sk_fail(err, SK_UNSUPPORTED, "started by mpirun, but %s. %s", dlerror(),
                      INSTALL_HINT);
        return NULL;
    }
    if (!sk_dl_find(handle, SK_COMM_PLUGIN_SYMBOL, &get)) {
        (void)sk_fail(err, SK_UNSUPPORTED, "%s is not a plugin of skerry: it has no %s", path,
                      SK_COMM_PLUGIN_SYMBOL);
        return NULL;
    }
    plugin = get();
    if (plugin->version != SK_COMM_PLUGIN_VERSION) {
        (void)sk_fail(err, SK_UNSUPPORTED,
                      "%s is of another version of skerry (interface %u, this is %d)", path,
                      plugin->version, SK_COMM_PLUGIN_VERSION);
        return NULL;
    }
    return plugin;
}

/* ---- open and close ---- */

/* Open MPI and MPICH tell the number of processes; a PMIx launcher (srun) only the rank, so that
 * the plugin must be asked. */
static bool is_launched(void)
{
    static const char *const sizes[] = { "OMPI_COMM_WORLD_SIZE", "PMI_SIZE" };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const char *text = getenv(sizes[i]);
        struct sk_err ignored = SK_ERR_INIT;
        uint64_t size;

        if (text && sk_parse_u64(sizes[i], text, 1, UINT_MAX, &size, &ignored) == 0)
            return size > 1;
    }
    return getenv("PMIX_RANK") != NULL;
}

int sk_comm_open(struct sk_comm **out, struct sk_err *err)
{
    SK_AUTO(free_cleanup) struct sk_comm *c = calloc(1, sizeof(*c));

    if (!c)
        return sk_nomem(err);
    c->place = (struct sk_comm_place){ .rank = 0, .size = 1, .name = "single" };
    if (is_launched()) {
        const struct sk_comm_plugin *plugin = load_plugin(err);

        if (!plugin || plugin->open(&c->place, err) < 0)
            return -1;
        c->plugin = plugin;
    }
    *out = SK_TAKE(c);
    return 0;
}

void sk_comm_close(struct sk_comm *c)
{
    if (!c)
        return;
    if (c->plugin)
        c->plugin->close();
    free(c);
}

unsigned sk_comm_rank(const struct sk_comm *c)
{
    return c->place.rank;
}

unsigned sk_comm_size(const struct sk_comm *c)
{
    return c->place.size;
}

const char *sk_comm_name(const struct sk_comm *c)
{
    return c->place.name;
}

/* ---- operations ---- */

int sk_comm_sum_f32(struct sk_comm *c, float *values, size_t count, struct sk_err *err)
{
    return c->plugin ? c->plugin->sum_f32(values, count, err) : 0;
}

int sk_comm_sum_f64(struct sk_comm *c, double *values, size_t count, struct sk_err *err)
{
    return c->plugin ? c->plugin->sum_f64(values, count, err) : 0;
}

int sk_comm_max_i64(struct sk_comm *c, int64_t *values, size_t count, struct sk_err *err)
{
    return c->plugin ? c->plugin->max_i64(values, count, err) : 0;
}

int sk_comm_share(struct sk_comm *c, void *bytes, size_t len, struct sk_err *err)
{
    return c->plugin ? c->plugin->share(bytes, len, err) : 0;
}

void sk_comm_abort(struct sk_comm *c, int status)
{
    if (c->plugin)
        c->plugin->abort(status);
}
