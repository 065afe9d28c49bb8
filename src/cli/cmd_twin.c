/* cmd_twin.c - `skerry twin show`, `update`. */
#include "cli/cli_priv.h"
#include "cli/device_priv.h"
#include "cli/remote_priv.h"

#include <string.h>

struct args {
    const char *hub, *module, *desired, *tags, *file;
    bool replace, json;
};

#define AT(field) .offset = offsetof(struct args, field)

/* clang-format off */
static const struct sk_opt show_options[] = {
    { "module", 'm', SK_OPT_TEXT, "ID", "of this module of it", AT(module) },
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON, with metadata", AT(json) },
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

static const struct sk_opt update_options[] = {
    { "module", 'm', SK_OPT_TEXT, "ID", "of this module of it", AT(module) },
    { "desired", 0, SK_OPT_TEXT, "JSON", "desired properties; null takes one away", AT(desired) },
    { "tags", 0, SK_OPT_TEXT, "JSON", "tags; null takes one away", AT(tags) },
    { "file", 'f', SK_OPT_TEXT, "FILE", "{\"tags\": ..., \"properties\": {\"desired\": ...}}; - is standard input", AT(file) },
    { "replace", 0, SK_OPT_FLAG, NULL, "tags and desired properties become what is given, instead of being merged", AT(replace) },
    { "json", 0, SK_OPT_FLAG, NULL, "print the new twin as JSON", AT(json) },
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

/* clang-format on */

static int print_twin(const struct sk_json *twin, bool as_json, struct sk_err *err)
{
    static const char *const without[] = { "$metadata", NULL };
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);

    if (as_json)
        return sk_cli_print_json(twin, err);
    sk_cli_leaves(twin, without, &out);
    return sk_cli_print(&out, err);
}

static int run_show(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_OWN(sk_json_free) struct sk_json *twin = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);

    (void)count;
    if (sk_device_path("/twins/", operands[0], a->module, NULL, &path, err) < 0 ||
        sk_cli_remote(a->hub, &r, err) < 0 ||
        sk_remote_call(r, "GET", path.data, NULL, &twin, err) < 0)
        return -1;
    return print_twin(twin, a->json, err);
}

const struct sk_cmd sk_cli_twin_show = {
    .name = "twin show",
    .operands = "DEVICE",
    .summary = "Shows the tags and properties of a device or module",
    .examples = "skerry twin show line-3\n"
                "skerry twin show cell-7 --module '$edgeAgent' --json\n",
    .options = show_options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_show,
};

/* ---- update ---- */

static int check(const struct args *a, struct sk_err *err)
{
    if (!a->desired && !a->tags && !a->file)
        return sk_fail(err, SK_USAGE, "--desired, --tags or --file is missing");
    if (a->file && (a->desired || a->tags))
        return sk_fail(err, SK_USAGE, "--file has both: it goes without --desired and --tags");
    return 0;
}

/* Parsed here, so that an error names the option. */
static int add_section(const char *option, const char *text, struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *section = NULL;

    if (sk_device_json(option, text, NULL, &section, err) < 0)
        return -1;
    if (sk_json_type(section) != SK_JSON_OBJECT)
        return sk_fail(err, SK_INVALID, "%s: expected an object, such as {\"a\": 1}", option);
    sk_json_dump(section, out);
    return 0;
}

/* A file with neither would be taken and change nothing, or with --replace take all away. */
static int check_file(const char *name, const struct sk_json *file, struct sk_err *err)
{
    const struct sk_json *desired = sk_json_get(sk_json_get(file, "properties"), "desired");

    if (!sk_json_get(file, "desired") &&
        (sk_json_type(sk_json_get(file, "tags")) == SK_JSON_OBJECT ||
         sk_json_type(desired) == SK_JSON_OBJECT))
        return 0;
    return sk_fail(err, SK_INVALID,
                   "%s: expected {\"tags\": {...}, \"properties\": {\"desired\": {...}}}, or one "
                   "of the two",
                   name);
}

static int add_change(const struct args *a, struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *file = NULL;

    if (a->file) {
        if (sk_device_json("--file", NULL, a->file, &file, err) < 0 ||
            check_file(a->file, file, err) < 0)
            return -1;
        sk_json_dump(file, out);
    } else {
        sk_buf_chr(out, '{');
        if (a->tags) {
            sk_buf_str(out, "\"tags\":");
            if (add_section("--tags", a->tags, out, err) < 0)
                return -1;
        }
        if (a->desired) {
            sk_buf_fmt(out, "%s\"properties\":{\"desired\":", a->tags ? "," : "");
            if (add_section("--desired", a->desired, out, err) < 0)
                return -1;
            sk_buf_chr(out, '}');
        }
        sk_buf_chr(out, '}');
    }
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

static int run_update(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_OWN(sk_json_free) struct sk_json *twin = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(SK_DEVICE_BODY_BYTES);

    (void)count;
    if (check(a, err) < 0 || add_change(a, &body, err) < 0 ||
        sk_device_path("/twins/", operands[0], a->module, NULL, &path, err) < 0 ||
        sk_cli_remote(a->hub, &r, err) < 0 ||
        sk_remote_call(r, a->replace ? "PUT" : "PATCH", path.data, body.data, &twin, err) < 0)
        return -1;
    return print_twin(twin, a->json, err);
}

const struct sk_cmd sk_cli_twin_update = {
    .name = "twin update",
    .operands = "DEVICE",
    .summary = "Changes the tags and desired properties of a device or module",
    .details = "What is given is merged into what is there. A device that is connected is told at "
               "once, another one when it comes.",
    .examples = "skerry twin update line-3 --desired '{\"interval\": 5}'\n"
                "skerry twin update line-3 --tags '{\"site\": \"north\", \"old\": null}'\n",
    .options = update_options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_update,
};
