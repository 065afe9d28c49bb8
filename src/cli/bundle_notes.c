/*
 * bundle_notes.c - what is worth a line before a model is registered or packed: it can be served,
 * and may yet not be what was meant.
 */
#include "base/buf.h"
#include "cli/cli_priv.h"

static void note(const struct sk_bundle *b, const char *text)
{
    (void)fprintf(stderr, "skerry: warning: %s: %s\n", b->name, text);
}

/* Scores of one picture; 0: not known before it runs. */
static uint64_t count_scores(const struct sk_bundle *b)
{
    const struct sk_onnx_value *v = b->onnx->output_count ? &b->onnx->outputs[0] : NULL;

    for (size_t i = 0; b->output && i < b->onnx->output_count; i++)
        if (strcmp(b->onnx->outputs[i].name, b->output) == 0)
            v = &b->onnx->outputs[i];
    if (!v || (v->rank != 2 && v->rank != 4) || v->dims[1] <= 0)
        return 0;
    return (uint64_t)v->dims[1];
}

static void note_labels(const struct sk_bundle *b, struct sk_buf *text)
{
    uint64_t scores = count_scores(b);

    if (!b->labels)
        sk_buf_str(text, "no labels: classes are called class_0, class_1, ...; config.json "
                         "(id2label) or labels.txt name them");
    else if (scores > 0 && scores != b->label_count)
        sk_buf_fmt(text, "labels: %zu, but scores: %llu; it cannot classify until they fit",
                   b->label_count, (unsigned long long)scores);
    if (text->len > 0 && sk_buf_ok(text))
        note(b, text->data);
}

int sk_cli_report_bundle(const struct sk_bundle *b, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf names = SK_BUF_INIT(64 << 10);
    SK_AUTO(sk_buf_done) struct sk_buf labels = SK_BUF_INIT(1024);
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(128 << 10);

    sk_cli_report_warnings(b);
    note_labels(b, &labels);
    if (sk_bundle_foreign(b, &names, err) < 0)
        return -1;
    if (names.len == 0)
        return 0;
    sk_buf_fmt(&text, "no model needs %s: it goes along", names.data);
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    note(b, text.data);
    return 0;
}
