/*
 * cmd_inspect.c - `skerry model inspect BUNDLE`: what a model is, without running it.
 *
 * Everything comes from our own reader of ONNX files and from the bundle's JSON; no engine is
 * loaded, so it works where none is installed, and on a model that no engine would load.
 */
#include "bundle/bundle.h"
#include "cli/cli_priv.h"
#include "prep/prep.h"

struct args {
    const char *labels;
    bool json;
};

static const struct sk_opt options[] = {
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", .offset = offsetof(struct args, json) },
    { "labels", 'l', SK_OPT_TEXT, "FILE", "labels for a model without: one a line, or JSON",
      .offset = offsetof(struct args, labels) },
    { .name = NULL },
};

static const char *activation_name(enum sk_activation a)
{
    static const char *const names[] = {
        [SK_ACT_AUTO] = "auto",
        [SK_ACT_SOFTMAX] = "softmax",
        [SK_ACT_SIGMOID] = "sigmoid",
        [SK_ACT_NONE] = "none",
    };
    return names[a];
}

/* The plan of the model's image input; NULL when it has none, and *why says so. */
static struct sk_prep *plan_of(const struct sk_bundle *b, struct sk_err *why)
{
    struct sk_prep *plan = NULL;
    struct sk_prep_input input;
    const struct sk_prep_extra extra = { .exif_orientation = b->exif_orientation,
                                         .grey16 = b->grey16 };

    if (b->onnx->input_count != 1) {
        (void)sk_fail(why, SK_NOT_SCORES, "it has %zu inputs", b->onnx->input_count);
        return NULL;
    }
    const struct sk_onnx_value *v = &b->onnx->inputs[0];
    if (!sk_prep_input_of(v->dtype, v->rank, v->dims, &input)) {
        (void)sk_fail(why, SK_NOT_SCORES, "its input does not have the shape of a picture");
        return NULL;
    }
    return sk_prep_new(b->prep_config, &input, &extra, &plan, why) < 0 ? NULL : plan;
}

/* ---- text ---- */

/* One line, whatever the text holds: it comes out of a model from elsewhere, and control characters
 * would break the table or move a terminal's cursor. */
static void add_flat(struct sk_buf *out, const char *text)
{
    for (; *text; text++)
        sk_buf_chr(out, (unsigned char)*text < ' ' || *text == 0x7f ? ' ' : *text);
}

static void add_shape(struct sk_buf *out, const struct sk_onnx_value *v)
{
    sk_buf_fmt(out, "%s [", sk_dtype_name(v->dtype));
    for (unsigned i = 0; i < v->rank; i++) {
        sk_buf_str(out, i ? ", " : "");
        if (v->dims[i] >= 0)
            sk_buf_i64(out, v->dims[i]);
        else
            add_flat(out, v->dim_names[i] ? v->dim_names[i] : "?");
    }
    sk_buf_str(out, "]");
}

static void add_values(struct sk_buf *out, const char *what, const struct sk_onnx_value *values,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sk_buf_fmt(out, "%-14s", i ? "" : what);
        add_flat(out, values[i].name);
        sk_buf_str(out, "  ");
        add_shape(out, &values[i]);
        sk_buf_chr(out, '\n');
    }
}

/* "12,345,678" */
static void add_grouped(struct sk_buf *out, uint64_t value)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);

    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            sk_buf_chr(out, ',');
        sk_buf_chr(out, digits[i]);
    }
}

static void add_size(struct sk_buf *out, uint64_t bytes)
{
    if (bytes >= 1u << 20)
        sk_buf_fmt(out, "%.1f MiB", (double)bytes / (1 << 20));
    else
        sk_buf_fmt(out, "%.1f KiB", (double)bytes / (1 << 10));
}

static void add_files(struct sk_buf *out, const struct sk_onnx_info *o)
{
    sk_buf_str(out, "size          ");
    add_size(out, o->file_bytes + o->external_bytes);
    if (o->external_count) {
        sk_buf_fmt(out, ", of it in %zu external file%s ", o->external_count,
                   o->external_count > 1 ? "s" : "");
        add_size(out, o->external_bytes);
    }
    sk_buf_str(out, "\nparameters    ");
    add_grouped(out, o->parameter_count);
    sk_buf_str(out, ", weights ");
    add_size(out, o->weight_bytes);
    sk_buf_chr(out, '\n');
}

static void add_operators(struct sk_buf *out, const struct sk_onnx_info *o)
{
    sk_buf_fmt(out, "opsets        ");
    for (size_t i = 0; i < o->opset_count; i++)
        sk_buf_fmt(out, "%s%s %s", i ? ", " : "", *o->opsets[i].key ? o->opsets[i].key : "ai.onnx",
                   o->opsets[i].value);
    sk_buf_fmt(out, " (IR %lld)\noperators     %llu nodes of %zu kinds\n", (long long)o->ir_version,
               (unsigned long long)o->node_count, o->op_count);
    for (size_t i = 0; i < o->op_count; i++) {
        sk_buf_fmt(out, "              %6llu ", (unsigned long long)o->ops[i].count);
        add_flat(out, o->ops[i].domain);
        sk_buf_str(out, *o->ops[i].domain ? "." : "");
        add_flat(out, o->ops[i].name);
        sk_buf_chr(out, '\n');
    }
}

/* Lines of text, each behind the margin of the second column. */
static void add_lines(struct sk_buf *out, const char *what, const char *text)
{
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, "\n");
        sk_buf_fmt(out, "%-14s%.*s\n", p == text ? what : "", (int)n, p);
        p += n + (p[n] == '\n');
    }
}

static void add_labels(struct sk_buf *out, const struct sk_bundle *b)
{
    enum {
        SHOWN = 8
    };

    if (!b->labels) {
        sk_buf_str(out, "labels        none: class_0, class_1, ...\n");
        return;
    }
    sk_buf_fmt(out, "labels        %zu: ", b->label_count);
    for (size_t i = 0; i < b->label_count && i < SHOWN; i++) {
        sk_buf_str(out, i ? ", " : "");
        add_flat(out, b->labels[i]);
    }
    sk_buf_str(out, b->label_count > SHOWN ? ", ...\n" : "\n");
}

static int add_text(struct sk_buf *out, const struct sk_bundle *b, const struct sk_prep *plan,
                    const struct sk_err *why, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf steps = SK_BUF_INIT(65536);
    const struct sk_onnx_info *o = b->onnx;

    sk_buf_fmt(out, "name          %s\n", b->name);
    if (b->description)
        add_lines(out, "description", b->description);
    sk_buf_fmt(out, "model         %s\n", b->model_path);
    if (o->producer && *o->producer) {
        sk_buf_str(out, "producer      ");
        add_flat(out, o->producer);
        sk_buf_chr(out, '\n');
    }
    add_files(out, o);
    add_values(out, "inputs", o->inputs, o->input_count);
    add_values(out, "outputs", o->outputs, o->output_count);
    if (plan) {
        sk_prep_describe(plan, &steps);
        if (!sk_buf_ok(&steps))
            return sk_buf_fail(&steps, err);
        add_lines(out, "preprocessing", steps.data ? steps.data : "");
    } else {
        sk_buf_fmt(out, "preprocessing none: %s\n", why->text);
    }
    sk_buf_fmt(out, "scores        %s, activation %s%s\n", b->output ? b->output : "first output",
               activation_name(b->activation), b->multi_label ? ", several labels at once" : "");
    add_labels(out, b);
    add_operators(out, o);
    for (size_t i = 0; i < o->metadata_count; i++) {
        sk_buf_fmt(out, "%-14s", i ? "" : "metadata");
        add_flat(out, o->metadata[i].key);
        sk_buf_str(out, " = ");
        add_flat(out, o->metadata[i].value);
        sk_buf_chr(out, '\n');
    }
    if (b->warnings)
        add_lines(out, "warnings", b->warnings);
    return 0;
}

/* ---- JSON ---- */

static void add_string(struct sk_buf *out, const char *text)
{
    if (text)
        sk_buf_json_str(out, text);
    else
        sk_buf_str(out, "null");
}

static void add_values_json(struct sk_buf *out, const char *key, const struct sk_onnx_value *values,
                            size_t count)
{
    sk_buf_fmt(out, ",\"%s\":[", key);
    for (size_t i = 0; i < count; i++) {
        sk_buf_str(out, i ? ",{\"name\":" : "{\"name\":");
        add_string(out, values[i].name);
        sk_buf_fmt(out, ",\"datatype\":\"%s\",\"shape\":[", sk_dtype_name(values[i].dtype));
        for (unsigned k = 0; k < values[i].rank; k++)
            sk_buf_fmt(out, "%s%lld", k ? "," : "", (long long)values[i].dims[k]);
        sk_buf_str(out, "]}");
    }
    sk_buf_chr(out, ']');
}

static void add_pairs_json(struct sk_buf *out, const char *key, const struct sk_onnx_pair *pairs,
                           size_t count)
{
    sk_buf_fmt(out, ",\"%s\":{", key);
    for (size_t i = 0; i < count; i++) {
        sk_buf_str(out, i ? "," : "");
        add_string(out, pairs[i].key);
        sk_buf_chr(out, ':');
        add_string(out, pairs[i].value);
    }
    sk_buf_chr(out, '}');
}

/* A JSON array of the lines of a text. */
static void add_lines_json(struct sk_buf *out, const char *key, const char *text)
{
    sk_buf_fmt(out, ",\"%s\":[", key);
    for (const char *p = text; p && *p;) {
        size_t n = strcspn(p, "\n");
        sk_buf_str(out, p == text ? "" : ",");
        sk_buf_json(out, p, n);
        p += n + (p[n] == '\n');
    }
    sk_buf_chr(out, ']');
}

static void add_onnx_json(struct sk_buf *out, const struct sk_onnx_info *o)
{
    sk_buf_fmt(out, ",\"ir_version\":%lld,\"producer\":", (long long)o->ir_version);
    add_string(out, o->producer);
    sk_buf_fmt(
        out,
        ",\"size_bytes\":%llu,\"external_bytes\":%llu,\"parameters\":%llu,\"weight_bytes\":%llu",
        (unsigned long long)(o->file_bytes + o->external_bytes),
        (unsigned long long)o->external_bytes, (unsigned long long)o->parameter_count,
        (unsigned long long)o->weight_bytes);
    sk_buf_str(out, ",\"external_files\":[");
    for (size_t i = 0; i < o->external_count; i++) {
        sk_buf_str(out, i ? "," : "");
        add_string(out, o->external_files[i]);
    }
    sk_buf_chr(out, ']');
    add_values_json(out, "inputs", o->inputs, o->input_count);
    add_values_json(out, "outputs", o->outputs, o->output_count);
    add_pairs_json(out, "opsets", o->opsets, o->opset_count);
    add_pairs_json(out, "metadata", o->metadata, o->metadata_count);
    sk_buf_fmt(out, ",\"nodes\":%llu,\"operators\":[", (unsigned long long)o->node_count);
    for (size_t i = 0; i < o->op_count; i++) {
        sk_buf_str(out, i ? ",{\"domain\":" : "{\"domain\":");
        add_string(out, o->ops[i].domain);
        sk_buf_str(out, ",\"name\":");
        add_string(out, o->ops[i].name);
        sk_buf_fmt(out, ",\"count\":%llu}", (unsigned long long)o->ops[i].count);
    }
    sk_buf_chr(out, ']');
}

static void add_json(struct sk_buf *out, const struct sk_bundle *b, const struct sk_prep *plan,
                     const struct sk_err *why)
{
    sk_buf_str(out, "{\"name\":");
    add_string(out, b->name);
    sk_buf_str(out, ",\"description\":");
    add_string(out, b->description);
    sk_buf_str(out, ",\"model\":");
    add_string(out, b->model_path);
    add_onnx_json(out, b->onnx);
    sk_buf_str(out, ",\"preprocessing\":");
    if (plan)
        sk_prep_json(plan, out);
    else
        sk_buf_str(out, "null");
    sk_buf_str(out, ",\"no_preprocessing_reason\":");
    add_string(out, plan ? NULL : why->text);
    sk_buf_str(out, ",\"scores_output\":");
    add_string(out, b->output);
    sk_buf_fmt(out, ",\"activation\":\"%s\",\"multi_label\":%s,\"labels\":",
               activation_name(b->activation), b->multi_label ? "true" : "false");
    sk_buf_str(out, b->labels ? "[" : "null");
    for (size_t i = 0; b->labels && i < b->label_count; i++) {
        sk_buf_str(out, i ? "," : "");
        add_string(out, b->labels[i]);
    }
    sk_buf_str(out, b->labels ? "]" : "");
    add_lines_json(out, "warnings", b->warnings);
    sk_buf_str(out, "}\n");
}

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);
    SK_OWN(sk_bundle_free) struct sk_bundle *bundle = NULL;
    SK_OWN(sk_prep_free) struct sk_prep *plan = NULL;
    const struct args *a = args;
    struct sk_err why = SK_ERR_INIT;

    (void)count;
    if (sk_bundle_open(operands[0], a->labels, &bundle, err) < 0)
        return -1;
    plan = plan_of(bundle, &why);
    if (a->json)
        add_json(&out, bundle, plan, &why);
    else if (add_text(&out, bundle, plan, &why, err) < 0)
        return -1;
    return sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_inspect = {
    .name = "model inspect",
    .operands = "BUNDLE",
    .summary = "Tells what a model is: inputs, outputs, operators, size, preprocessing, labels",
    .details = "BUNDLE is a folder with one .onnx file, or a lone .onnx file. The model is read, "
               "not run, so no "
               "engine is needed.",
    .examples = "skerry model inspect models/digits # for people\n"
                "skerry model inspect --json models/digits | jq .inputs # for programs",
    .options = options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
