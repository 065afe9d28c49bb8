/*
 * cmd_deployment.c - `skerry deployment create`, `update`, `delete`, `list`, `show`: what many edge
 * devices shall run, by a target condition.
 */
#include "cli/cli_priv.h"
#include "cli/device_priv.h"
#include "cli/manifest_priv.h"
#include "cli/remote_priv.h"
#include "manifest/manifest.h"

#include <stdlib.h>
#include <string.h>

struct args {
    const char *hub, *content, *target, *metrics, *priority;
    struct sk_opt_list labels;
    uint64_t top;
    bool is_layered, force, yes, json;
};

#define AT(field) .offset = offsetof(struct args, field)

/* clang-format off */
static const struct sk_opt create_options[] = {
    { "content", 'k', SK_OPT_TEXT, "FILE", "the deployment manifest; - is standard input", AT(content) },
    { "target-condition", 't', SK_OPT_TEXT, "CONDITION", "which devices: tags.site = 'north', deviceId = 'cell-7', * for all; none while it is empty", .def = "", AT(target) },
    { "priority", 'p', SK_OPT_TEXT, "N", "the highest one wins where several target a device; the newest among equals", .def = "0", AT(priority) },
    { "label", 0, SK_OPT_LIST, "KEY=VALUE", "for people", AT(labels) },
    { "metrics", 'm', SK_OPT_TEXT, "FILE", "queries of your own as JSON: {\"queries\": {\"NAME\": \"SELECT ...\"}}", AT(metrics) },
    { "layered", 0, SK_OPT_FLAG, NULL, "a layer, which goes over a deployment and other layers", AT(is_layered) },
    { "force", 'f', SK_OPT_FLAG, NULL, "send it in spite of warnings", AT(force) },
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", AT(json) },
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

static const struct sk_opt update_options[] = {
    { "target-condition", 't', SK_OPT_TEXT, "CONDITION", "which devices", AT(target) },
    { "priority", 'p', SK_OPT_TEXT, "N", "the highest one wins", AT(priority) },
    { "label", 0, SK_OPT_LIST, "KEY=VALUE", "instead of those before", AT(labels) },
    { "metrics", 'm', SK_OPT_TEXT, "FILE", "instead of those before", AT(metrics) },
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", AT(json) },
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

static const struct sk_opt delete_options[] = {
    { "yes", 'y', SK_OPT_FLAG, NULL, "do not ask", AT(yes) },
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

static const struct sk_opt list_options[] = {
    { "top", 0, SK_OPT_U64, "N", "most rows", .def = "1000", .min = 1, .max = 1000, AT(top) },
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", AT(json) },
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

static const struct sk_opt show_options[] = {
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", AT(json) },
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};
/* clang-format on */

#define CONFIGURATIONS "/configurations/"

/* ---- the body ---- */

/* ,"priority":5 */
static int add_priority(const char *text, struct sk_buf *out, struct sk_err *err)
{
    uint64_t priority = 0;

    if (sk_parse_u64("--priority", text, 0, INT32_MAX, &priority, err) < 0)
        return sk_fail(err, SK_USAGE, "--priority: '%.40s' is not 0 to %d", text, INT32_MAX);
    sk_buf_fmt(out, ",\"priority\":%llu", (unsigned long long)priority);
    return 0;
}

static int add_labels(const struct sk_opt_list *labels, struct sk_buf *out, struct sk_err *err)
{
    sk_buf_str(out, ",\"labels\":{");
    if (sk_device_pairs(labels, "--label", out, err) < 0)
        return -1;
    sk_buf_chr(out, '}');
    return 0;
}

/* The queries of {"metrics":{"queries":{}}}, {"queries":{}}, or of an object of texts. */
static int add_metrics(const char *file, struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    const struct sk_json *queries = NULL;

    if (sk_json_file(file, &doc, err) < 0)
        return -1;
    queries = doc;
    if (sk_json_get(queries, "metrics"))
        queries = sk_json_get(queries, "metrics");
    if (sk_json_get(queries, "queries"))
        queries = sk_json_get(queries, "queries");
    if (sk_json_type(queries) != SK_JSON_OBJECT)
        return sk_fail(err, SK_INVALID, "%s: expected {\"queries\": {\"NAME\": \"SELECT ...\"}}",
                       file);
    sk_buf_str(out, ",\"metrics\":{\"queries\":");
    sk_json_dump(queries, out);
    sk_buf_chr(out, '}');
    return 0;
}

static int path_of(const char *id, struct sk_buf *out, struct sk_err *err)
{
    return sk_device_path(CONFIGURATIONS, id, NULL, NULL, out, err);
}

static int finish(const struct args *a, const struct sk_json *made, const char *id,
                  const char *what, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);

    if (a->json)
        return sk_cli_print_json(made, err);
    sk_buf_fmt(&out, "deployment %s is %s\n", id, what);
    return sk_cli_print(&out, err);
}

/* ---- create ---- */

static int add_new(const struct args *a, const char *id, struct sk_buf *out, struct sk_err *err)
{
    sk_buf_str(out, "{\"id\":");
    sk_buf_json_str(out, id);
    sk_buf_str(out, ",\"targetCondition\":");
    sk_buf_json_str(out, a->target);
    if (add_priority(a->priority, out, err) < 0 || add_labels(&a->labels, out, err) < 0 ||
        (a->metrics && add_metrics(a->metrics, out, err) < 0))
        return -1;
    sk_buf_str(out, ",\"content\":");
    if (sk_cli_manifest(a->content, a->is_layered, a->force, out, err) < 0)
        return -1;
    sk_buf_chr(out, '}');
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

static int run_create(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_OWN(sk_json_free) struct sk_json *made = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(SK_CLI_MANIFEST_BYTES);

    (void)count;
    if (!a->content)
        return sk_fail(err, SK_USAGE, "--content is missing");
    if (add_new(a, operands[0], &body, err) < 0 || path_of(operands[0], &path, err) < 0 ||
        sk_cli_remote(a->hub, &r, err) < 0 ||
        sk_remote_call(r, "PUT", path.data, body.data, &made, err) < 0)
        return -1;
    if (!a->target || !*a->target)
        (void)fprintf(stderr,
                      "skerry: warning: without --target-condition no device gets it; "
                      "'skerry deployment update %s' sets one\n",
                      operands[0]);
    return finish(a, made, operands[0], "created", err);
}

const struct sk_cmd sk_cli_deployment_create = {
    .name = "deployment create",
    .operands = "ID",
    .summary = "Says what all edge devices that meet a condition shall run",
    .details = "The hub keeps to it: devices that meet the condition later get it then. The "
               "manifest is checked first; errors, and without --force warnings too, end the "
               "command before anything is sent.",
    .examples =
        "skerry deployment create north-7 --content deployment.json --target-condition "
        "\"tags.site = 'north'\" --priority 10\n"
        "skerry deployment create gpu --content gpu.json -t \"tags.gpu = 'yes'\" --layered\n",
    .options = create_options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_create,
};

/* ---- update ---- */

/* ,"name":VALUE as it is, when there is one. */
static void keep(const struct sk_json *old, const char *name, struct sk_buf *out)
{
    const struct sk_json *value = sk_json_get(old, name);

    if (sk_json_type(value) == SK_JSON_NULL)
        return;
    sk_buf_fmt(out, ",\"%s\":", name);
    sk_json_dump(value, out);
}

static void keep_metrics(const struct sk_json *old, struct sk_buf *out)
{
    const struct sk_json *queries = sk_json_get(sk_json_get(old, "metrics"), "queries");

    if (sk_json_type(queries) != SK_JSON_OBJECT)
        return;
    sk_buf_str(out, ",\"metrics\":{\"queries\":");
    sk_json_dump(queries, out);
    sk_buf_chr(out, '}');
}

static int add_changed(const struct args *a, const char *id, const struct sk_json *old,
                       struct sk_buf *out, struct sk_err *err)
{
    sk_buf_str(out, "{\"id\":");
    sk_buf_json_str(out, id);
    keep(old, "content", out);
    if (a->target) {
        sk_buf_str(out, ",\"targetCondition\":");
        sk_buf_json_str(out, a->target);
    } else {
        keep(old, "targetCondition", out);
    }
    if (!a->priority)
        keep(old, "priority", out);
    else if (add_priority(a->priority, out, err) < 0)
        return -1;
    if (a->labels.count == 0)
        keep(old, "labels", out);
    else if (add_labels(&a->labels, out, err) < 0)
        return -1;
    if (!a->metrics)
        keep_metrics(old, out);
    else if (add_metrics(a->metrics, out, err) < 0)
        return -1;
    sk_buf_chr(out, '}');
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

static int run_update(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_OWN(sk_json_free) struct sk_json *old = NULL;
    SK_OWN(sk_json_free) struct sk_json *now = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(SK_CLI_MANIFEST_BYTES);

    (void)count;
    if (!a->target && !a->priority && !a->metrics && a->labels.count == 0)
        return sk_fail(err, SK_USAGE,
                       "--target-condition, --priority, --label or --metrics is missing");
    if (path_of(operands[0], &path, err) < 0 || sk_cli_remote(a->hub, &r, err) < 0 ||
        sk_remote_call(r, "GET", path.data, NULL, &old, err) < 0 ||
        add_changed(a, operands[0], old, &body, err) < 0 ||
        sk_device_change(r, "PUT", path.data, body.data, &now, err) < 0)
        return -1;
    return finish(a, now, operands[0], "changed", err);
}

const struct sk_cmd sk_cli_deployment_update = {
    .name = "deployment update",
    .operands = "ID",
    .summary = "Changes the condition, priority, labels or metrics of a deployment",
    .details = "What it deploys stays: for other modules make another deployment.",
    .examples = "skerry deployment update north-7 --priority 20\n",
    .options = update_options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_update,
};

/* ---- delete ---- */

static int run_delete(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);
    char answer[16];

    (void)count;
    if (!a->yes && !isatty(STDIN_FILENO))
        return sk_fail(err, SK_USAGE, "--yes is needed where nobody can be asked");
    if (!a->yes) {
        (void)fprintf(stderr, "delete deployment %s? [y/N] ", operands[0]);
        if (!fgets(answer, sizeof(answer), stdin) || (answer[0] != 'y' && answer[0] != 'Y'))
            return sk_fail(err, SK_CANCELLED, "nothing was deleted");
    }
    if (path_of(operands[0], &path, err) < 0 || sk_cli_remote(a->hub, &r, err) < 0 ||
        sk_device_change(r, "DELETE", path.data, NULL, NULL, err) < 0)
        return -1;
    return finish(a, NULL, operands[0], "deleted", err);
}

const struct sk_cmd sk_cli_deployment_delete = {
    .name = "deployment delete",
    .operands = "ID",
    .summary = "Deletes a deployment",
    .details = "Its devices get the next one that targets them; without any, what runs stays.",
    .examples = "skerry deployment delete north-7 --yes\n",
    .options = delete_options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_delete,
};

/* ---- list, show ---- */

static int run_list(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_OWN(sk_json_free) struct sk_json *list = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);
    char path[96], priority[24];

    (void)operands;
    (void)count;
    (void)snprintf(path, sizeof path, "/configurations?top=%llu&" SK_IOT_API,
                   (unsigned long long)a->top);
    if (sk_cli_remote(a->hub, &r, err) < 0 || sk_remote_call(r, "GET", path, NULL, &list, err) < 0)
        return -1;
    if (a->json)
        return sk_cli_print_json(list, err);
    sk_buf_str(&out, "ID                                PRIORITY  CREATED (UTC)     TARGET\n");
    for (size_t i = 0; i < sk_json_count(list); i++) {
        const struct sk_json *c = sk_json_at(list, i);
        (void)snprintf(priority, sizeof priority, "%lld",
                       (long long)sk_json_int(sk_json_get(c, "priority"), 0));
        sk_cli_cell(&out, sk_json_get_text(c, "id", ""), 32);
        sk_cli_cell(&out, priority, 8);
        sk_device_when(&out, sk_json_get_text(c, "createdTimeUtc", ""));
        sk_cli_cell(&out, sk_json_get_text(c, "targetCondition", ""), 0);
        sk_buf_chr(&out, '\n');
    }
    return sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_deployment_list = {
    .name = "deployment list",
    .summary = "Lists the deployments of a hub",
    .examples = "skerry deployment list\n",
    .options = list_options,
    .args_size = sizeof(struct args),
    .run = run_list,
};

/* "image.filter      registry/filter:3" */
static int add_image(void *ctx, const char *module, const char *image, struct sk_err *err)
{
    struct sk_buf *out = ctx;
    SK_AUTO(sk_buf_done) struct sk_buf name = SK_BUF_INIT(4096);

    sk_buf_fmt(&name, "image.%s", module);
    if (!sk_buf_ok(&name))
        return sk_buf_fail(&name, err);
    sk_cli_cell(out, name.data, 34);
    sk_cli_cell(out, image, 0);
    sk_buf_chr(out, '\n');
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

static int run_show(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    static const char *const without[] = { "content", "queries", NULL };
    const struct args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);

    (void)count;
    if (path_of(operands[0], &path, err) < 0 || sk_cli_remote(a->hub, &r, err) < 0 ||
        sk_remote_call(r, "GET", path.data, NULL, &doc, err) < 0)
        return -1;
    if (a->json)
        return sk_cli_print_json(doc, err);
    const struct sk_json *modules = sk_json_get(sk_json_get(doc, "content"), "modulesContent");
    sk_cli_leaves(doc, without, &out);
    if (modules && sk_manifest_images(modules, add_image, &out, err) < 0)
        return -1;
    return sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_deployment_show = {
    .name = "deployment show",
    .operands = "ID",
    .summary = "Shows a deployment, and how many devices have it",
    .details = "--json has its whole content.",
    .examples = "skerry deployment show north-7 --json\n",
    .options = show_options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_show,
};
