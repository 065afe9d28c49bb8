/*
 * fuzz_onnx.c - ONNX files: what is refused has a reason; what is accepted keeps the limits, and is
 * accepted as the same again. External data is looked for too, in a folder that has other files.
 */
#include "base/limits.h"
#include "onnx/onnx.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_true)
{
    if (!is_true)
        abort();
}

static void check_values(const struct sk_onnx_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        require(values[i].name && values[i].rank <= SK_LIMIT_RANK &&
                values[i].dtype <= SK_DT_COUNT);
        for (unsigned k = 0; k < values[i].rank; k++)
            require(values[i].dims[k] >= -1 &&
                    (!values[i].dim_names[k] || values[i].dims[k] == -1));
    }
}

static void check(const struct sk_onnx_info *info)
{
    uint64_t nodes = 0;

    require(info->op_count <= SK_ONNX_MAX_OPS && info->node_count <= SK_ONNX_MAX_NODES);
    require(info->metadata_count <= SK_ONNX_MAX_PAIRS && info->external_count == 0);
    require(info->producer && info->graph_name);
    for (size_t i = 0; i < info->op_count; i++) {
        require(i == 0 || info->ops[i].count <= info->ops[i - 1].count);
        nodes += info->ops[i].count;
    }
    require(nodes == info->node_count);
    check_values(info->inputs, info->input_count);
    check_values(info->outputs, info->output_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sk_err err = SK_ERR_INIT, again = SK_ERR_INIT;
    SK_OWN(sk_onnx_free) struct sk_onnx_info *info = NULL;
    SK_OWN(sk_onnx_free) struct sk_onnx_info *second = NULL;
    int rc = sk_onnx_inspect_bytes(data, size, NULL, &info, &err);

    require(rc == 0 || (err.code != SK_OK && err.text[0] != '\0'));
    if (rc == 0)
        check(info);
    /* What needs no external data needs no folder either. */
    if (sk_onnx_inspect_bytes(data, size, "/usr", &second, &again) < 0)
        require(rc < 0 && again.text[0] != '\0');
    else if (info)
        require(second->node_count == info->node_count);
    return 0;
}
