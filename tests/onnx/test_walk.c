/*
 * test_walk.c - every way through a model to a tensor, and every limit on the way. Models are
 * written field by field (pb.h).
 */
#include "onnx/onnx.h"

#include "pb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define BUF(name) SK_AUTO(sk_buf_done) struct sk_buf name = SK_BUF_INIT(128 << 20)

/* A tensor whose data lies outside: refused wherever it is, since these models have no folder. */
static void add_external(struct sk_buf *b, unsigned field)
{
    BUF(tensor);

    pb_varint(&tensor, 1, 4);
    pb_varint(&tensor, 2, 1);
    pb_text(&tensor, 8, "weights");
    pb_pair(&tensor, 13, "location", "../../etc/passwd");
    pb_varint(&tensor, 14, 1);
    pb_message(b, field, &tensor);
}

static void add_sparse(struct sk_buf *b, unsigned field, unsigned part)
{
    BUF(sparse);

    add_external(&sparse, part);
    pb_message(b, field, &sparse);
}

/* A node with one attribute that holds `what` in `field`. */
static void add_attribute_node(struct sk_buf *graph, unsigned node_field, unsigned field,
                               struct sk_buf *what)
{
    BUF(node);
    BUF(attribute);

    pb_message(&attribute, field, what);
    pb_message(&node, 5, &attribute);
    pb_text(&node, 4, "If");
    pb_message(graph, node_field, &node);
}

static void plain_attribute(struct sk_buf *graph, unsigned field)
{
    BUF(node);
    BUF(attribute);

    add_external(&attribute, field);
    pb_message(&node, 5, &attribute);
    pb_message(graph, 1, &node);
}

/* Where a tensor with external data can hide. */
static void hide_in_initializer(struct sk_buf *model)
{
    BUF(graph);

    add_external(&graph, 5);
    pb_message(model, 7, &graph);
}

static void hide_in_sparse_values(struct sk_buf *model)
{
    BUF(graph);

    add_sparse(&graph, 15, 1);
    pb_message(model, 7, &graph);
}

static void hide_in_sparse_indices(struct sk_buf *model)
{
    BUF(graph);

    add_sparse(&graph, 15, 2);
    pb_message(model, 7, &graph);
}

static void hide_in_attribute(struct sk_buf *model)
{
    BUF(graph);

    plain_attribute(&graph, 5);
    pb_message(model, 7, &graph);
}

static void hide_in_attribute_list(struct sk_buf *model)
{
    BUF(graph);

    plain_attribute(&graph, 10);
    pb_message(model, 7, &graph);
}

static void hide_in_attribute_sparse(struct sk_buf *model)
{
    BUF(graph);
    BUF(node);
    BUF(attribute);

    add_sparse(&attribute, 22, 1);
    pb_message(&node, 5, &attribute);
    pb_message(&graph, 1, &node);
    pb_message(model, 7, &graph);
}

static void hide_in_subgraph(struct sk_buf *model)
{
    BUF(graph);
    BUF(inner);

    add_external(&inner, 5);
    add_attribute_node(&graph, 1, 6, &inner);
    pb_message(model, 7, &graph);
}

static void hide_in_subgraph_list(struct sk_buf *model)
{
    BUF(graph);
    BUF(inner);

    add_external(&inner, 5);
    add_attribute_node(&graph, 1, 11, &inner);
    pb_message(model, 7, &graph);
}

static void hide_in_function(struct sk_buf *model)
{
    BUF(graph);
    BUF(function);
    BUF(inner);

    pb_text(&graph, 2, "g");
    pb_message(model, 7, &graph);
    add_external(&inner, 5);
    add_attribute_node(&function, 7, 6, &inner);
    pb_message(model, 25, &function);
}

static void hide_in_function_default(struct sk_buf *model)
{
    BUF(graph);
    BUF(function);
    BUF(attribute);

    pb_text(&graph, 2, "g");
    pb_message(model, 7, &graph);
    add_external(&attribute, 5);
    pb_message(&function, 11, &attribute);
    pb_message(model, 25, &function);
}

static void hide_in_training(struct sk_buf *model)
{
    BUF(graph);
    BUF(training);
    BUF(inner);

    pb_text(&graph, 2, "g");
    pb_message(model, 7, &graph);
    add_external(&inner, 5);
    pb_message(&training, 2, &inner);
    pb_message(model, 20, &training);
}

/* data_location says "here", but there are entries: a parser that ignores data_location would
 * follow them. */
static void hide_behind_default_location(struct sk_buf *model)
{
    BUF(graph);
    BUF(tensor);

    pb_text(&tensor, 8, "weights");
    pb_pair(&tensor, 13, "location", "/etc/passwd");
    pb_message(&graph, 5, &tensor);
    pb_message(model, 7, &graph);
}

/* The two halves of one external tensor; a parser merges them. */
static void hide_in_halves(struct sk_buf *model)
{
    BUF(graph);
    BUF(node);
    BUF(attribute);
    BUF(half);

    pb_varint(&half, 14, 0);
    pb_message(&attribute, 5, &half);
    pb_varint(&half, 1, 4);
    pb_message(&attribute, 5, &half);
    pb_message(&node, 5, &attribute);
    pb_message(&graph, 1, &node);
    pb_message(model, 7, &graph);
}

static void second_graph(struct sk_buf *model)
{
    BUF(graph);

    pb_text(&graph, 2, "one");
    pb_message(model, 7, &graph);
    pb_text(&graph, 2, "two");
    pb_message(model, 7, &graph);
}

static void node_as_number(struct sk_buf *model)
{
    BUF(graph);

    pb_varint(&graph, 1, 5);
    pb_message(model, 7, &graph);
}

static void no_graph(struct sk_buf *model)
{
    pb_varint(model, 1, 8);
}

static void nest(struct sk_buf *model, int depth)
{
    BUF(inner);

    pb_text(&inner, 2, "innermost");
    for (int i = 1; i < depth; i++) {
        BUF(outer);

        add_attribute_node(&outer, 1, 6, &inner);
        sk_buf_add(&inner, outer.data, outer.len);
    }
    pb_message(model, 7, &inner);
}

static void nested_33(struct sk_buf *model)
{
    nest(model, 33);
}

static void nested_32(struct sk_buf *model)
{
    nest(model, 32);
}

static void many_ops(struct sk_buf *model, unsigned count)
{
    BUF(graph);

    for (unsigned i = 0; i < count; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "Op%u", i);
        pb_node(&graph, name, "x", NULL, "y");
    }
    pb_message(model, 7, &graph);
}

static void ops_512(struct sk_buf *model)
{
    many_ops(model, 512);
}

static void ops_513(struct sk_buf *model)
{
    many_ops(model, 513);
}

static void many_nodes(struct sk_buf *model, unsigned count)
{
    BUF(graph);

    for (unsigned i = 0; i < count; i++)
        sk_buf_add(&graph, "\x0a\x03\x22\x01N", 5);
    pb_message(model, 7, &graph);
}

static void nodes_1000000(struct sk_buf *model)
{
    many_nodes(model, 1000000);
}

static void nodes_1000001(struct sk_buf *model)
{
    many_nodes(model, 1000001);
}

static void pairs(struct sk_buf *model, unsigned count)
{
    BUF(graph);

    pb_message(model, 7, &graph);
    for (unsigned i = 0; i < count; i++)
        pb_pair(model, 14, "k", "v");
}

static void pairs_4096(struct sk_buf *model)
{
    pairs(model, 4096);
}

static void pairs_4097(struct sk_buf *model)
{
    pairs(model, 4097);
}

static void long_name(struct sk_buf *model)
{
    BUF(graph);
    SK_AUTO(free_cleanup) char *name = malloc((16 << 20) + 2);

    memset(name, 'n', (16 << 20) + 1);
    name[(16 << 20) + 1] = '\0';
    pb_text(&graph, 2, name);
    pb_message(model, 7, &graph);
}

static const struct {
    const char *name;
    void (*write)(struct sk_buf *model);
    enum sk_code code;
    const char *text;
} rows[] = {
    { "initializer", hide_in_initializer, SK_INVALID,
      "tensor 'weights': external data '../../etc/passwd'" },
    { "sparse values", hide_in_sparse_values, SK_INVALID, "external data" },
    { "sparse indices", hide_in_sparse_indices, SK_INVALID, "external data" },
    { "attribute", hide_in_attribute, SK_INVALID, "external data" },
    { "attribute list", hide_in_attribute_list, SK_INVALID, "external data" },
    { "attribute sparse", hide_in_attribute_sparse, SK_INVALID, "external data" },
    { "subgraph", hide_in_subgraph, SK_INVALID, "external data" },
    { "subgraph list", hide_in_subgraph_list, SK_INVALID, "external data" },
    { "function", hide_in_function, SK_INVALID, "external data" },
    { "function default", hide_in_function_default, SK_INVALID, "external data" },
    { "training", hide_in_training, SK_INVALID, "external data" },
    { "default location", hide_behind_default_location, SK_INVALID, "external data '/etc/passwd'" },
    { "halves", hide_in_halves, SK_CORRUPT, "the tensor of an attribute occurs twice" },
    { "second graph", second_graph, SK_CORRUPT, "the graph occurs twice" },
    { "node as number", node_as_number, SK_CORRUPT, "field 1 has wire type 0" },
    { "no graph", no_graph, SK_CORRUPT, "it has no graph" },
    { "32 graphs deep", nested_32, SK_OK, NULL },
    { "33 graphs deep", nested_33, SK_LIMIT, "nested more than 32 deep" },
    { "512 operators", ops_512, SK_OK, NULL },
    { "513 operators", ops_513, SK_LIMIT, "more than 512 different operators" },
    { "1000000 nodes", nodes_1000000, SK_OK, NULL },
    { "1000001 nodes", nodes_1000001, SK_LIMIT, "more than 1000000 nodes" },
    { "4096 pairs", pairs_4096, SK_OK, NULL },
    { "4097 pairs", pairs_4097, SK_LIMIT, "more than 4096 entries" },
    { "name of 16 MiB", long_name, SK_LIMIT, "names and metadata exceed" },
};

/* [bundle-31] [bundle-32] [bundle-33] */
static void models(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        BUF(model);
        SK_OWN(sk_onnx_free) struct sk_onnx_info *info = NULL;
        struct sk_err err = SK_ERR_INIT;
        int rc;

        rows[i].write(&model);
        assert_true(sk_buf_ok(&model));
        rc = sk_onnx_inspect_bytes(model.data, model.len, NULL, &info, &err);
        if ((rc == 0) != (rows[i].code == SK_OK) || (rc < 0 && err.code != rows[i].code))
            fail_msg("row '%s': %s: %s", rows[i].name, sk_code_name(err.code),
                     rc < 0 ? err.text : "accepted");
        if (rc < 0 && !strstr(err.text, rows[i].text))
            fail_msg("row '%s': %s", rows[i].name, err.text);
    }
}

/* Nodes are counted in all graphs; the most frequent operator comes first; "ai.onnx" is "". */
static void operators_are_counted(void **state)
{
    BUF(model);
    BUF(graph);
    BUF(inner);
    BUF(node);
    SK_OWN(sk_onnx_free) struct sk_onnx_info *info = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    pb_node(&inner, "Relu", "a", NULL, "b");
    pb_node(&inner, "Relu", "b", NULL, "c");
    add_attribute_node(&graph, 1, 6, &inner);
    pb_text(&node, 4, "Relu");
    pb_text(&node, 7, "ai.onnx");
    pb_message(&graph, 1, &node);
    pb_text(&node, 4, "Relu");
    pb_text(&node, 7, "my.domain");
    pb_message(&graph, 1, &node);
    pb_message(&model, 7, &graph);
    if (sk_onnx_inspect_bytes(model.data, model.len, NULL, &info, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(info->node_count, 5);
    assert_int_equal(info->op_count, 3);
    assert_string_equal(info->ops[0].name, "Relu");
    assert_string_equal(info->ops[0].domain, "");
    assert_int_equal(info->ops[0].count, 3);
    assert_string_equal(info->ops[1].name, "If");
    assert_string_equal(info->ops[2].domain, "my.domain");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models),
        cmocka_unit_test(operators_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
