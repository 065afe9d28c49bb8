/*
 * request.c - addresses, and whose name stands in them.
 *
 * Runs on http's loop. What is open is answered here; the rest goes to a worker, but not before
 * the module in the path was compared with the one whose socket this is.
 */
#include "workload/workload_priv.h"

#include "base/file.h"

void sk_wl_refuse(struct sk_http_req *r, const struct sk_err *why)
{
    struct sk_buf *out = sk_http_out(r);
    sk_buf_clear(out);
    sk_http_set_status(r, sk_code_http(why->code));
    sk_buf_str(out, "{\"message\":");
    sk_buf_json_str(out, why->text);
    sk_buf_str(out, "}");
    if (!sk_buf_ok(out)) { /* the status has to do */
        sk_buf_clear(out);
        sk_http_set_static(r, "{\"message\":\"out of memory\"}", 27);
    }
    sk_http_answer(r);
}

static void refuse(struct sk_http_req *r, enum sk_code code, const char *text)
{
    struct sk_err why = SK_ERR_INIT;
    (void)sk_fail(&why, code, "%s", text);
    sk_wl_refuse(r, &why);
}

static void give_bundle(struct sk_http_req *r, const char *file)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *pem = NULL;
    size_t len = 0;
    if (file && sk_file_read(file, SK_WORKLOAD_PEM_BYTES, &pem, &len, &err) < 0) {
        (void)sk_wrap(&err, "the trust bundle");
        err.code = SK_IO; /* a file that is missing here is no address that is unknown */
        sk_wl_refuse(r, &err);
        return;
    }
    sk_buf_str(sk_http_out(r), "{\"certificate\":");
    sk_buf_json(sk_http_out(r), pem ? pem : "", len);
    sk_buf_str(sk_http_out(r), "}");
    sk_http_answer(r);
}

static void get_trust_bundle(struct sk_http_req *r, void *ctx)
{
    const struct sk_workload *w = ctx;
    give_bundle(r, w->trust_bundle_file);
}

static void get_manifest_trust_bundle(struct sk_http_req *r, void *ctx)
{
    (void)ctx;
    give_bundle(r, NULL);
}

/* Cuts the next part off a path; NULL: there is none. */
static char *next_part(char **rest)
{
    char *part = *rest;
    if (!part)
        return NULL;
    char *slash = strchr(part, '/');
    if (slash)
        *slash = '\0';
    *rest = slash ? slash + 1 : NULL;
    return part;
}

bool sk_wl_parse_op(char *rest, enum sk_wl_op *op, const char **generation)
{
    static const struct {
        const char *path;
        enum sk_wl_op op;
        bool has_generation;
    } ops[] = {
        { "sign", SK_WL_SIGN, true },
        { "encrypt", SK_WL_ENCRYPT, true },
        { "decrypt", SK_WL_DECRYPT, true },
        { "certificate/server", SK_WL_SERVER_CERT, true },
        { "certificate/identity", SK_WL_IDENTITY_CERT, false },
    };

    bool has_generation = sk_starts_with(rest, "genid/");
    const char *value = "";
    if (has_generation) {
        (void)next_part(&rest);
        value = next_part(&rest);
    }
    for (size_t i = 0; rest && i < sizeof ops / sizeof *ops; i++)
        if (ops[i].has_generation == has_generation && strcmp(rest, ops[i].path) == 0) {
            *op = ops[i].op;
            *generation = value;
            return true;
        }
    return false;
}

static void push(struct sk_http_req *r, struct sk_workload *w, enum sk_wl_op op,
                 const char *generation)
{
    struct sk_wl_job *job = sk_arena_alloc(sk_http_arena(r), sizeof *job);
    if (!job || !generation) {
        refuse(r, SK_NOMEM, "out of memory");
        return;
    }
    *job = (struct sk_wl_job){ .req = r, .op = op, .generation = generation };
    if (!sk_wl_push(w, job))
        refuse(r, SK_CANCELLED, "the local hub is ending; try again");
}

static void get_modules(struct sk_http_req *r, void *ctx)
{
    push(r, ctx, SK_WL_LIST, "");
}

static void post_module(struct sk_http_req *r, void *ctx)
{
    const struct sk_wl_peer *peer = sk_http_tag(r);
    const char *raw = sk_http_rest(r);
    char *rest = sk_arena_strndup(sk_http_arena(r), raw, strlen(raw));
    const char *part = next_part(&rest);
    const char *module = part ? sk_http_decoded(r, part, strlen(part)) : NULL;
    enum sk_wl_op op = SK_WL_LIST;
    const char *generation = NULL;
    if (!module) {
        refuse(r, SK_NOMEM, "out of memory");
    } else if (atomic_load(&peer->instance->is_closed)) {
        refuse(r, SK_DENIED, "the module of this socket was removed");
    } else if (strcmp(module, peer->instance->module) != 0) {
        struct sk_err why = SK_ERR_INIT;
        (void)sk_fail(&why, SK_DENIED,
                      "this socket is that of module '%s', and gives nothing of '%s'",
                      peer->instance->module, module);
        sk_wl_refuse(r, &why);
    } else if (!rest || !sk_wl_parse_op(rest, &op, &generation)) {
        refuse(r, SK_NOT_FOUND, "the workload API has no such operation");
    } else {
        push(r, ctx, op, sk_http_decoded(r, generation, strlen(generation)));
    }
}

const struct sk_http_route sk_wl_routes[] = {
    { "GET", "/trust-bundle", 0, get_trust_bundle, NULL, 0 },
    { "GET", "/manifest-trust-bundle", 0, get_manifest_trust_bundle, NULL, 0 },
    { "GET", "/modules", 0, get_modules, NULL, 0 },
    { "POST", "/modules/", SK_HTTP_PREFIX, post_module, NULL, 0 },
    { NULL, NULL, 0, NULL, NULL, 0 },
};
