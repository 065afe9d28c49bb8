/*
 * dnnl.c - loads oneDNN and lends its threads.
 *
 * The library is the one of the major version that this file was compiled against (libdnnl.so.2 or
 * .so.3): named by SKERRY_ONEDNN, below the prefix that the build was given, or found by the
 * loader. It is never unloaded. Its threads are OpenMP's: GOMP_parallel is the stable entry that
 * compiled "#pragma omp parallel" calls, in GNU's, Intel's and LLVM's runtime alike, so our loops
 * run on the very threads that the convolutions use, and none compete.
 *
 * OpenMP reads its environment when it is loaded, so that is set first, where the user has not: an
 * idle thread sleeps soon, because the cores are needed by those who decode pictures.
 */
#include "nn/dnnl_link_priv.h"

#include "base/dl.h"
#include "base/thread.h"

#define TEXT2(x) #x
#define TEXT(x)  TEXT2(x)
#define SONAME   "libdnnl.so." TEXT(DNNL_VERSION_MAJOR)

#ifndef SK_ONEDNN_PREFIX
#define SK_ONEDNN_PREFIX "" /* the system's headers */
#endif

#define INSTALL_HINT                                                                               \
    "training needs oneDNN: install it (Debian 12: apt install libdnnl2, Debian 13: libdnnl3) or " \
    "name a " SONAME " with SKERRY_ONEDNN"

struct sk_dn_lib sk_dn;

/* OpenMP's; NULL in a library without it. */
static struct {
    void (*parallel)(void (*fn)(void *), void *data, unsigned threads, unsigned flags);
    int (*thread_num)(void);
    int (*num_threads)(void);
    void (*set_threads)(int count);
} omp;

static pthread_mutex_t start_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the start, is_started */
static bool is_started;
static char name[96];

int sk_dn_check(dnnl_status_t status, const char *what, struct sk_err *err)
{
    static const char *const texts[] = {
        [dnnl_success] = "success",
        [dnnl_out_of_memory] = "out of memory",
        [dnnl_invalid_arguments] = "invalid arguments",
        [dnnl_unimplemented] = "unimplemented",
        [dnnl_runtime_error] = "runtime error",
        [dnnl_not_required] = "not required",
    };
    const char *text = (size_t)status < sizeof(texts) / sizeof(texts[0]) ? texts[status] : NULL;

    if (status == dnnl_success)
        return 0;
    if (status == dnnl_out_of_memory)
        return sk_nomem(err);
    return sk_fail(err, SK_BUG, "oneDNN: %s: %s (%d)", what, text ? text : "unknown status",
                   (int)status);
}

/* ---- loading ---- */

static const struct sk_dl_symbol symbols[] = {
#define SYMBOL(call) { "dnnl_" #call, offsetof(struct sk_dn_lib, call) },
    SK_DN_CALLS(SYMBOL)
#undef SYMBOL
};

static int link_library(void *handle, struct sk_err *err)
{
    const char *missing = sk_dl_fill(handle, symbols, sizeof(symbols) / sizeof(symbols[0]), &sk_dn);
    const dnnl_version_t *version;

    if (missing)
        return sk_fail(err, SK_UNSUPPORTED, "%s has no function %s", SONAME, missing);
    version = sk_dn.version();
    if (version->major != DNNL_VERSION_MAJOR)
        return sk_fail(err, SK_UNSUPPORTED, "oneDNN %d.%d is loaded, this build is for %d.x",
                       version->major, version->minor, DNNL_VERSION_MAJOR);
    if (!sk_dl_find(handle, "GOMP_parallel", &omp.parallel) ||
        !sk_dl_find(handle, "omp_get_thread_num", &omp.thread_num) ||
        !sk_dl_find(handle, "omp_get_num_threads", &omp.num_threads))
        omp.parallel = NULL;
    if (!sk_dl_find(handle, "omp_set_num_threads", &omp.set_threads))
        omp.set_threads = NULL;
    return 0;
}

static const char *isa_name(void)
{
    static const struct {
        dnnl_cpu_isa_t isa;
        const char *name;
    } names[] = {
        { dnnl_cpu_isa_avx512_core_amx, "avx512_core_amx" },
        { dnnl_cpu_isa_avx512_core_bf16, "avx512_core_bf16" },
        { dnnl_cpu_isa_avx512_core_vnni, "avx512_core_vnni" },
        { dnnl_cpu_isa_avx512_core, "avx512_core" },
        { dnnl_cpu_isa_avx2_vnni, "avx2_vnni" },
        { dnnl_cpu_isa_avx2, "avx2" },
        { dnnl_cpu_isa_avx, "avx" },
        { dnnl_cpu_isa_sse41, "sse41" },
    };

    unsigned isa = (unsigned)sk_dn.get_effective_cpu_isa();

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if ((isa & (unsigned)names[i].isa) == (unsigned)names[i].isa)
            return names[i].name;
    return "generic";
}

static void *open_library(struct sk_err *err)
{
    static const char *const names[] = { SK_ONEDNN_PREFIX "/lib/" SONAME, SONAME, NULL };
    const char *named = getenv("SKERRY_ONEDNN");

    if (named && named[0])
        return sk_dl_open(named, err);
    return sk_dl_open_first(SK_ONEDNN_PREFIX[0] ? names : names + 1, err);
}

static int start(struct sk_err *err)
{
    struct sk_err why = SK_ERR_INIT;
    const dnnl_version_t *version;
    void *handle;

    (void)setenv("OMP_WAIT_POLICY", "passive", 0);
    (void)setenv("GOMP_SPINCOUNT", "5000", 0);
    handle = open_library(&why);
    if (!handle)
        return sk_fail(err, SK_UNSUPPORTED, "%s; %s", why.text, INSTALL_HINT);
    if (link_library(handle, err) < 0)
        return -1;
    if (sk_dn_check(sk_dn.engine_create(&sk_dn.engine, dnnl_cpu, 0), "engine", err) < 0 ||
        sk_dn_check(sk_dn.stream_create(&sk_dn.stream, sk_dn.engine, dnnl_stream_default_flags),
                    "stream", err) < 0)
        return -1;
    version = sk_dn.version();
    (void)snprintf(name, sizeof(name), "oneDNN %d.%d.%d (%s)", version->major, version->minor,
                   version->patch, isa_name());
    return 0;
}

int sk_dn_start(struct sk_err *err)
{
    SK_LOCK(&start_lock);
    if (!is_started && start(err) < 0)
        return -1;
    is_started = true;
    return 0;
}

const char *sk_dn_name(void)
{
    return name;
}

bool sk_dn_has_bf16(void)
{
    unsigned needed = dnnl_cpu_isa_avx512_core_bf16;

    return ((unsigned)sk_dn.get_effective_cpu_isa() & needed) == needed;
}

/* ---- threads ---- */

struct team {
    sk_dn_team *fn;
    void *ctx;
};

static void enter_team(void *arg)
{
    const struct team *t = arg;

    t->fn(t->ctx, (unsigned)omp.thread_num(), (unsigned)omp.num_threads());
}

void sk_dn_parallel(unsigned threads, sk_dn_team *fn, void *ctx)
{
    struct team t = { fn, ctx };

    if (threads > 1 && omp.parallel)
        omp.parallel(enter_team, &t, threads, 0);
    else
        fn(ctx, 0, 1);
}

void sk_dn_set_threads(unsigned threads)
{
    if (omp.set_threads)
        omp.set_threads((int)threads);
}

int sk_dn_sgemm(const struct sk_dn_gemm *g, struct sk_err *err)
{
    dnnl_dim_t m = (dnnl_dim_t)g->m, n = (dnnl_dim_t)g->n, k = (dnnl_dim_t)g->k;

    return sk_dn_check(sk_dn.sgemm(g->a_transposed ? 'T' : 'N', g->b_transposed ? 'T' : 'N', m, n,
                                   k, 1, g->a, g->a_transposed ? m : k, g->b,
                                   g->b_transposed ? k : n, g->beta, g->c, n),
                       "sgemm", err);
}
