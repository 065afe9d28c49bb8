/*
 * describe.c - what the registry keeps of a bundle beside its files.
 */
#include "base/file.h"
#include "catalog/catalog.h"

#include <stdlib.h>

static void add_values(struct sk_buf *out, const char *what, const struct sk_onnx_value *v,
                       size_t count)
{
    sk_buf_fmt(out, ", \"%s\": [", what);
    for (size_t i = 0; i < count; i++) {
        sk_buf_str(out, i ? ", {\"name\": " : "{\"name\": ");
        sk_buf_json_str(out, v[i].name);
        sk_buf_fmt(out, ", \"datatype\": \"%s\", \"shape\": [", sk_dtype_name(v[i].dtype));
        for (unsigned d = 0; d < v[i].rank; d++) {
            sk_buf_str(out, d ? ", " : "");
            sk_buf_i64(out, v[i].dims[d]);
        }
        sk_buf_str(out, "]}");
    }
    sk_buf_str(out, "]");
}

static void add_labels(struct sk_buf *out, const struct sk_bundle *b)
{
    if (!b->labels)
        return;
    sk_buf_str(out, ", \"labels\": [");
    for (size_t i = 0; i < b->label_count; i++) {
        sk_buf_str(out, i ? ", " : "");
        sk_buf_json_str(out, b->labels[i]);
    }
    sk_buf_str(out, "]");
}

/* A member of an object under another name, when it is there. */
static void add_member(struct sk_buf *out, const struct sk_json *object, const char *key,
                       const char *as)
{
    const struct sk_json *v = sk_json_get(object, key);

    if (sk_json_type(v) == SK_JSON_NULL)
        return;
    sk_buf_fmt(out, ", \"%s\": ", as);
    sk_json_dump(v, out);
}

/* training.json, without the line of every epoch but the last: the file itself is in the version.
 */
static void add_training(struct sk_buf *out, const struct sk_json *t)
{
    const struct sk_json *epochs = sk_json_get(t, "epochs");
    size_t count = sk_json_count(epochs);

    sk_buf_fmt(out, ", \"training\": {\"epochs\": %zu", count);
    add_member(out, t, "settings", "settings");
    add_member(out, t, "weights", "weights");
    add_member(out, t, "seconds", "seconds");
    add_member(out, t, "written", "written");
    add_member(out, t, "engine", "engine");
    if (count > 0) {
        sk_buf_str(out, ", \"last_epoch\": ");
        sk_json_dump(sk_json_at(epochs, count - 1), out);
    }
    sk_buf_str(out, "}");
    add_member(out, t, "evaluation", "evaluation");
    add_member(out, t, "evaluated_on", "evaluated_on");
}

static int open_training(const struct sk_bundle *b, struct sk_json **out, struct sk_err *err)
{
    SK_OWN(free) char *path = sk_path_join(b->folder, "training.json");

    if (!path)
        return sk_nomem(err);
    if (!sk_is_file(path))
        return 0;
    return sk_json_file(path, out, err);
}

int sk_catalog_describe(const struct sk_catalog_new *n, const struct sk_bundle *b,
                        struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *training = NULL;

    if (open_training(b, &training, err) < 0)
        return -1;
    sk_buf_str(out, "{\"type\": ");
    sk_buf_json_str(out, n->type ? n->type : "custom_model");
    sk_buf_str(out, ", \"format\": \"onnx\", \"bundle_name\": ");
    sk_buf_json_str(out, b->name);
    if (b->onnx->producer && *b->onnx->producer) {
        sk_buf_str(out, ", \"producer\": ");
        sk_buf_json_str(out, b->onnx->producer);
    }
    sk_buf_fmt(out, ", \"parameters\": %llu", (unsigned long long)b->onnx->parameter_count);
    add_values(out, "inputs", b->onnx->inputs, b->onnx->input_count);
    add_values(out, "outputs", b->onnx->outputs, b->onnx->output_count);
    add_labels(out, b);
    if (b->prep_config) {
        sk_buf_str(out, ", \"preprocessing\": ");
        sk_json_dump(b->prep_config, out);
    }
    if (training)
        add_training(out, training);
    sk_buf_str(out, ", \"lineage\": {\"tool\": \"skerry " SK_VERSION "\"");
    if (training)
        add_member(out, training, "data_digest", "data_digest");
    if (n->parent) {
        sk_buf_str(out, ", \"parent\": ");
        sk_buf_json_str(out, n->parent);
    }
    sk_buf_str(out, "}}");
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}
