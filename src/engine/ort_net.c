/*
 * ort_net.c - a model's two sessions, and what they say about its tensors.
 *
 * `narrow` runs on the calling thread alone and is shared by all workers; `wide` has a pool of
 * threads over all cores for a lone request. Two sessions of the original file would hold the
 * weights twice, so a model of some size is optimised once, saved with its weights beside it
 * (ort_cache.c), and both sessions are opened on the saved graph without optimising again: they map
 * the same file. A small model, or one whose graph cannot be cached, is opened directly, with the
 * same optimisations and so the same results.
 *
 * Both sessions are made while loading: a net never changes afterwards, and the model's file may.
 */
#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "bundle/bundle.h"
#include "crypto/crypto.h"
#include "engine/ort_priv.h"
#include "onnx/onnx.h"

/* Below, loading directly takes a few milliseconds and the weights are not worth sharing. */
enum {
    CACHE_BYTES = 1 << 20,
    CACHE_NODES = 256
};

/* What is done to a graph when a session is opened on it. */
enum opening {
    OPEN_OPTIMISE,
    OPEN_AS_IS
};

/* A model to load. */
struct source {
    const char *path, *digest; /* digest NULL: not to be cached */
    const struct sk_onnx_info *onnx;
};

static struct sk_ort_net *net_of(struct sk_net *n)
{
    return (struct sk_ort_net *)n; /* base is the first member */
}

/* ---- sessions ---- */

static int set_options(const struct sk_ort_engine *e, struct OrtSessionOptions *o, unsigned threads,
                       enum opening opening, struct sk_err *err)
{
    static const char *const config[][2] = {
        { "session.intra_op.allow_spinning", "0" }, /* an idle server is idle */
        { "session.inter_op.allow_spinning", "0" },
        { "session.set_denormal_as_zero", "0" }, /* the bits of the reference */
    };
    unsigned level = opening == OPEN_OPTIMISE ? SK_ORT_ENABLE_ALL : SK_ORT_DISABLE_ALL;

    if (sk_ort_check(e, e->api.SetSessionExecutionMode(o, SK_ORT_SEQUENTIAL), SK_BUG, err) < 0 ||
        sk_ort_check(e, e->api.SetIntraOpNumThreads(o, (int)threads), SK_BUG, err) < 0 ||
        sk_ort_check(e, e->api.SetInterOpNumThreads(o, 1), SK_BUG, err) < 0 ||
        sk_ort_check(e, e->api.SetSessionGraphOptimizationLevel(o, level), SK_BUG, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof(config) / sizeof(config[0]); i++) {
        if (sk_ort_check(e, e->api.AddSessionConfigEntry(o, config[i][0], config[i][1]), SK_BUG,
                         err) < 0)
            return -1;
    }
    return strcmp(e->base.device, "cuda") == 0 ? sk_ort_device_use_cuda(e, o, err) : 0;
}

/* The optimised graph goes to `path`, weights of 1 KiB and more into the file beside it. */
static int set_saving(const struct sk_ort_engine *e, struct OrtSessionOptions *o, const char *path,
                      struct sk_err *err)
{
    if (sk_ort_check(e, e->api.SetOptimizedModelFilePath(o, path), SK_BUG, err) < 0 ||
        sk_ort_check(
            e,
            e->api.AddSessionConfigEntry(
                o, "session.optimized_model_external_initializers_file_name", SK_ORT_CACHE_WEIGHTS),
            SK_BUG, err) < 0 ||
        sk_ort_check(
            e,
            e->api.AddSessionConfigEntry(
                o, "session.optimized_model_external_initializers_min_size_in_bytes", "1024"),
            SK_BUG, err) < 0)
        return -1;
    return 0;
}

/* save_to: NULL, or where the graph is saved as it is after opening. */
static int open_session(const struct sk_ort_engine *e, const char *path, unsigned threads,
                        enum opening opening, const char *save_to, struct OrtSession **out,
                        struct sk_err *err)
{
    struct OrtSessionOptions *options = NULL;
    int rc;

    if (sk_ort_check(e, e->api.CreateSessionOptions(&options), SK_BUG, err) < 0)
        return -1;
    rc = set_options(e, options, threads, opening, err);
    if (rc == 0 && save_to)
        rc = set_saving(e, options, save_to, err);
    if (rc == 0)
        rc = sk_ort_check(e, e->api.CreateSession(e->env, path, options, out), SK_CORRUPT, err);
    e->api.ReleaseSessionOptions(options);
    return rc;
}

static void close_sessions(const struct sk_ort_engine *e, struct sk_ort_net *n)
{
    if (n->wide && n->wide != n->narrow)
        e->api.ReleaseSession(n->wide);
    if (n->narrow)
        e->api.ReleaseSession(n->narrow);
    n->wide = n->narrow = NULL;
}

static int open_sessions(const struct sk_ort_engine *e, struct sk_ort_net *n, const char *path,
                         enum opening opening, struct sk_err *err)
{
    bool is_single = e->threads == 1 || strcmp(e->base.device, "cuda") == 0;

    if (open_session(e, path, 1, opening, NULL, &n->narrow, err) < 0)
        return -1;
    if (is_single) {
        n->wide = n->narrow;
        return 0;
    }
    if (open_session(e, path, e->threads, opening, NULL, &n->wide, err) < 0) {
        close_sessions(e, n);
        return -1;
    }
    return 0;
}

/* ---- the saved graph ---- */

/* What was optimised must be what the digest says: a file that was replaced in between would be
 * kept under the name of the old one, and served when that comes back. */
static int check_unchanged(const struct source *m, struct sk_err *err)
{
    char now[SK_SHA256_HEX];

    if (sk_bundle_digest_files(m->path, m->onnx, now, err) < 0)
        return -1;
    if (strcmp(now, m->digest) != 0)
        return sk_fail(err, SK_CORRUPT, "'%s' changed while it was being loaded", m->path);
    return 0;
}

static int save_graph(const struct sk_ort_engine *e, const struct source *m, const char *key,
                      char **graph, struct sk_err *err)
{
    SK_AUTO(free_cleanup) char *folder = NULL;
    SK_AUTO(free_cleanup) char *path = NULL;
    struct OrtSession *session = NULL;
    int rc;

    if (sk_ort_cache_begin(&folder, err) < 0)
        return -1;
    path = sk_path_join(folder, SK_ORT_CACHE_GRAPH);
    if (!path)
        return sk_nomem(err);
    rc = open_session(e, m->path, 1, OPEN_OPTIMISE, path, &session, err);
    if (rc == 0) {
        e->api.ReleaseSession(session); /* it holds the weights in memory of its own */
        rc = check_unchanged(m, err);
    }
    if (rc == 0)
        rc = sk_ort_cache_commit(folder, key, graph, err);
    if (rc < 0)
        sk_ort_cache_remove(folder);
    return rc;
}

static bool is_worth_caching(const struct sk_ort_engine *e, const struct source *m)
{
    return e->use_cache && m->digest && strcmp(e->base.device, "cpu") == 0 &&
           (m->onnx->file_bytes >= CACHE_BYTES || m->onnx->external_bytes >= CACHE_BYTES ||
            m->onnx->node_count >= CACHE_NODES);
}

/* False: nothing is open, load directly. */
static bool open_cached(const struct sk_ort_engine *e, struct sk_ort_net *n, const struct source *m)
{
    SK_AUTO(free_cleanup) char *graph = NULL;
    struct sk_err why = SK_ERR_INIT;
    char key[SK_ORT_KEY_TEXT];

    if (sk_ort_cache_key(e, m->digest, key, &why) < 0)
        return false;
    graph = sk_ort_cache_find(key);
    n->base.info.from_cache = graph != NULL;
    if (!graph && save_graph(e, m, key, &graph, &why) < 0) {
        sk_log(SK_DEBUG, "graph_not_cached",
               "model=\"%s\" error=\"%s\" next=\"loading it directly\"", m->path, why.text);
        return false;
    }
    if (open_sessions(e, n, graph, OPEN_AS_IS, &why) < 0) {
        sk_log(SK_DEBUG, "graph_cache_refused",
               "entry=\"%s\" error=\"%s\" next=\"removing it, loading directly\"", graph, why.text);
        sk_ort_cache_discard(key);
        n->base.info.from_cache = false;
        return false;
    }
    return true;
}

/* ---- tensors ---- */

enum sk_dtype sk_ort_dtype(unsigned type)
{
    switch (type) {
#define TO_OURS(ours, number, name)                                                                \
    case number:                                                                                   \
        return ours;
        SK_ORT_DTYPE_TABLE(TO_OURS)
#undef TO_OURS
    default:
        return SK_DT_COUNT;
    }
}

unsigned sk_ort_type(enum sk_dtype dtype)
{
    switch (dtype) {
#define TO_THEIRS(ours, number, name)                                                              \
    case ours:                                                                                     \
        return number;
        SK_ORT_DTYPE_TABLE(TO_THEIRS)
#undef TO_THEIRS
    default:
        return 0;
    }
}

/* Names of symbolic dimensions while a net is being loaded; "" for none. */
struct axis_names {
    char axis[SK_LIMIT_RANK][64];
};

static int read_shape(const struct sk_ort_engine *e, const struct OrtTensorTypeAndShapeInfo *shape,
                      struct sk_tensor_info *out, struct axis_names *names, struct sk_err *err)
{
    const char *symbols[SK_LIMIT_RANK] = { NULL };
    unsigned type = 0;
    size_t rank = 0;

    if (sk_ort_check(e, e->api.GetTensorElementType(shape, &type), SK_BUG, err) < 0 ||
        sk_ort_check(e, e->api.GetDimensionsCount(shape, &rank), SK_BUG, err) < 0)
        return -1;
    if (rank > SK_LIMIT_RANK)
        return 0; /* stays "no tensor that we know" */
    if (sk_ort_check(e, e->api.GetDimensions(shape, out->dims, rank), SK_BUG, err) < 0 ||
        sk_ort_check(e, e->api.GetSymbolicDimensions(shape, symbols, rank), SK_BUG, err) < 0)
        return -1;
    for (size_t i = 0; i < rank; i++) {
        if (out->dims[i] < 0) {
            out->dims[i] = -1;
            (void)snprintf(names->axis[i], sizeof(names->axis[i]), "%s",
                           symbols[i] ? symbols[i] : "");
        }
    }
    out->dtype = sk_ort_dtype(type);
    out->rank = (unsigned)rank;
    return 0;
}

static int read_type(const struct sk_ort_engine *e, const struct OrtTypeInfo *type,
                     struct sk_tensor_info *out, struct axis_names *names, struct sk_err *err)
{
    const struct OrtTensorTypeAndShapeInfo *shape = NULL;
    unsigned kind = 0;

    if (sk_ort_check(e, e->api.GetOnnxTypeFromTypeInfo(type, &kind), SK_BUG, err) < 0)
        return -1;
    if (kind != SK_ORT_TYPE_TENSOR)
        return 0;
    if (sk_ort_check(e, e->api.CastTypeInfoToTensorInfo(type, &shape), SK_BUG, err) < 0)
        return -1;
    return shape ? read_shape(e, shape, out, names, err) : 0;
}

static int read_tensor(const struct sk_ort_engine *e, const struct OrtSession *s, bool is_input,
                       size_t index, struct sk_tensor_info *out, struct axis_names *names,
                       struct sk_err *err)
{
    struct OrtTypeInfo *type = NULL;
    char *name = NULL;
    int rc;

    out->dtype = SK_DT_COUNT;
    if (sk_ort_check(e,
                     is_input ? e->api.SessionGetInputName(s, index, e->allocator, &name)
                              : e->api.SessionGetOutputName(s, index, e->allocator, &name),
                     SK_BUG, err) < 0)
        return -1;
    out->name = strdup(name);
    if (sk_ort_check(e, e->api.AllocatorFree(e->allocator, name), SK_BUG, err) < 0)
        return -1;
    if (!out->name)
        return sk_nomem(err);
    if (sk_ort_check(e,
                     is_input ? e->api.SessionGetInputTypeInfo(s, index, &type)
                              : e->api.SessionGetOutputTypeInfo(s, index, &type),
                     SK_BUG, err) < 0)
        return -1;
    rc = read_type(e, type, out, names, err);
    e->api.ReleaseTypeInfo(type);
    return rc;
}

/* An output's dimension with the name of an input's dimension has its size: so its memory can be
 * bound before the run. */
static void link_dims(struct sk_ort_net *n, const struct axis_names *in,
                      const struct axis_names *out)
{
    const struct sk_net_info *info = &n->base.info;

    for (size_t o = 0; o < info->output_count; o++) {
        for (unsigned a = 0; a < info->outputs[o].rank; a++) {
            struct sk_ort_dim_link *link = &n->links[o][a];

            for (size_t i = 0;
                 out[o].axis[a][0] != '\0' && !link->is_linked && i < info->input_count; i++) {
                for (unsigned b = 0; b < info->inputs[i].rank && !link->is_linked; b++) {
                    if (strcmp(out[o].axis[a], in[i].axis[b]) == 0)
                        *link = (struct sk_ort_dim_link){ true, (unsigned char)i,
                                                          (unsigned char)b };
                }
            }
        }
    }
}

static int read_tensors(const struct sk_ort_engine *e, struct sk_ort_net *n, struct sk_err *err)
{
    SK_AUTO(free_cleanup) struct axis_names *in = NULL;
    SK_AUTO(free_cleanup) struct axis_names *out = NULL;
    size_t in_count, out_count;

    if (sk_ort_check(e, e->api.SessionGetInputCount(n->narrow, &in_count), SK_BUG, err) < 0 ||
        sk_ort_check(e, e->api.SessionGetOutputCount(n->narrow, &out_count), SK_BUG, err) < 0 ||
        sk_net_init(&n->base, n->base.engine, in_count, out_count, err) < 0)
        return -1;
    in = calloc(in_count + 1, sizeof(*in));
    out = calloc(out_count + 1, sizeof(*out));
    n->input_names = calloc(in_count + 1, sizeof(*n->input_names));
    n->output_names = calloc(out_count + 1, sizeof(*n->output_names));
    n->links = calloc(out_count + 1, sizeof(*n->links));
    if (!in || !out || !n->input_names || !n->output_names || !n->links)
        return sk_nomem(err);
    for (size_t i = 0; i < in_count; i++) {
        if (read_tensor(e, n->narrow, true, i, &sk_net_inputs(&n->base)[i], &in[i], err) < 0)
            return -1;
        n->input_names[i] = n->base.info.inputs[i].name;
    }
    for (size_t i = 0; i < out_count; i++) {
        if (read_tensor(e, n->narrow, false, i, &sk_net_outputs(&n->base)[i], &out[i], err) < 0)
            return -1;
        n->output_names[i] = n->base.info.outputs[i].name;
    }
    link_dims(n, in, out);
    return 0;
}

/* ---- loading ---- */

static void free_net_cleanup(struct sk_ort_net **n)
{
    if (*n)
        sk_ort_net_free(&(*n)->base);
}

static int open_source(const struct sk_ort_engine *e, struct sk_ort_net *n, const struct source *m,
                       struct sk_err *err)
{
    if (is_worth_caching(e, m) && open_cached(e, n, m))
        return 0;
    if (open_sessions(e, n, m->path, OPEN_OPTIMISE, err) < 0)
        return sk_wrap(err, "%s refuses the model", e->name);
    return m->digest ? check_unchanged(m, err) : 0;
}

int sk_ort_net_load(struct sk_engine *base, const char *model_path, const char *digest,
                    struct sk_net **out, struct sk_err *err)
{
    struct sk_ort_engine *e = sk_ort_engine_of(base);
    SK_AUTO(free_net_cleanup) struct sk_ort_net *n = calloc(1, sizeof(*n));
    SK_OWN(sk_onnx_free) struct sk_onnx_info *onnx = NULL;
    struct source m = { .path = model_path, .digest = digest };

    if (!n)
        return sk_nomem(err);
    n->base.engine = base;
    n->base.info.platform = "onnxruntime_onnx";
    /* External data must be sound before the library opens it. */
    if (sk_onnx_inspect(model_path, &onnx, err) < 0)
        return -1;
    m.onnx = onnx;
    if (open_source(e, n, &m, err) < 0 || read_tensors(e, n, err) < 0)
        return -1;
    *out = &SK_TAKE(n)->base;
    return 0;
}

void sk_ort_net_free(struct sk_net *base)
{
    struct sk_ort_net *n = net_of(base);

    close_sessions(sk_ort_engine_of(base->engine), n);
    sk_net_done(base);
    free(n->input_names);
    free(n->output_names);
    free(n->links);
    free(n);
}
