/*
 * cmd_deployment_status.c - `skerry deployment status`: how far an edge device is with what it
 * shall run.
 *
 * Most of it is in the twin of its $edgeAgent: the deployments that target it, the version that is
 * desired and the one that was reported, and what each module does. What the hub found odd about
 * the content, and took all the same, comes from the hub's own interface.
 */
#include "cli/cli_priv.h"
#include "cli/device_priv.h"
#include "cli/remote_priv.h"

#include <string.h>

struct args {
    const char *hub;
    bool json;
};

#define AT(field) .offset = offsetof(struct args, field)

enum {
    LABEL = 18
};

/* clang-format off */
static const struct sk_opt options[] = {
    { "json", 0, SK_OPT_FLAG, NULL, "print the twin of $edgeAgent as JSON", AT(json) },
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

/* clang-format on */

static void add_line(struct sk_buf *out, const char *label, const char *text)
{
    sk_cli_cell(out, label, LABEL);
    sk_cli_cell(out, text, 0);
    sk_buf_chr(out, '\n');
}

/* "north-1 (Applied), gpu (Targeted)" */
static void add_deployments(const struct sk_json *twin, struct sk_buf *out)
{
    const struct sk_json *all = sk_json_get(twin, "configurations");
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 20);

    for (void *it = sk_json_first(all); it; it = sk_json_next(all, it))
        sk_buf_fmt(&text, "%s%s (%s)", text.len > 0 ? ", " : "", sk_json_key(it),
                   sk_json_get_text(sk_json_value(it), "status", ""));
    add_line(out, "deployments", text.len > 0 && sk_buf_ok(&text) ? text.data : "none");
}

static void add_versions(const struct sk_json *desired, const struct sk_json *reported,
                         struct sk_buf *out)
{
    const struct sk_json *status = sk_json_get(reported, "lastDesiredStatus");
    const int64_t wanted = sk_json_int(sk_json_get(desired, "$version"), 0);
    const int64_t seen = sk_json_int(sk_json_get(reported, "lastDesiredVersion"), 0);
    const int64_t code = sk_json_int(sk_json_get(status, "code"), 0);
    const char *why = sk_json_get_text(status, "description", "");
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 20);

    if (seen == 0)
        sk_buf_fmt(&text, "the device has not reported yet");
    else
        sk_buf_fmt(&text, "version %lld of %lld: %lld%s%s", (long long)seen, (long long)wanted,
                   (long long)code,
                   *why          ? " "
                   : code == 200 ? " ok"
                                 : "",
                   why);
    add_line(out, "reported", sk_buf_ok(&text) ? text.data : "");
}

static void add_module(const char *name, const struct sk_json *wanted, const struct sk_json *is,
                       struct sk_buf *out)
{
    const char *want = sk_json_get_text(sk_json_get(wanted, "settings"), "image", "-");
    const char *image = sk_json_get_text(sk_json_get(is, "settings"), "image", want);

    /* What runs; another one is wanted while an update is under way, and after it was given up. */
    sk_cli_cell(out, name, 24);
    sk_cli_cell(out, sk_json_get_text(is, "runtimeStatus", "-"), 12);
    sk_cli_cell(out, wanted ? image : "(no longer wanted)", 40);
    sk_cli_cell(out, sk_json_get_text(is, "statusDescription", ""), 0);
    if (wanted && strcmp(image, want) != 0)
        sk_buf_fmt(out, " (wanted is %s)", want);
    while (sk_buf_ok(out) && out->len > 0 && out->data[out->len - 1] == ' ')
        out->len--;
    sk_buf_chr(out, '\n');
}

/* Those that are wanted, then those that are only there. */
static void add_modules(const struct sk_json *desired, const struct sk_json *reported,
                        const char *kind, struct sk_buf *out)
{
    const struct sk_json *wanted = sk_json_get(desired, kind), *there = sk_json_get(reported, kind);

    for (void *it = sk_json_first(wanted); it; it = sk_json_next(wanted, it))
        add_module(sk_json_key(it), sk_json_value(it), sk_json_get(there, sk_json_key(it)), out);
    for (void *it = sk_json_first(there); it; it = sk_json_next(there, it))
        if (!sk_json_get(wanted, sk_json_key(it)))
            add_module(sk_json_key(it), NULL, sk_json_value(it), out);
}

static void add_warnings(const struct sk_json *list, struct sk_buf *out)
{
    for (size_t i = 0; i < sk_json_count(list); i++) {
        const struct sk_json *w = sk_json_at(list, i);

        sk_buf_str(out, i == 0 ? "\nwarnings\n" : "");
        sk_buf_fmt(out, "  %s: %s\n", sk_json_get_text(w, "place", ""),
                   sk_json_get_text(w, "text", ""));
    }
}

static int ask(struct sk_remote *r, const char *device, struct sk_json **twin,
               struct sk_json **status, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf own = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);

    if (sk_device_path("/twins/", device, "$edgeAgent", NULL, &path, err) < 0)
        return -1;
    sk_buf_str(&own, "/api/v1/deployments/devices/");
    sk_url_escape(&own, device);
    if (!sk_buf_ok(&own))
        return sk_buf_fail(&own, err);
    return sk_remote_call(r, "GET", own.data, NULL, status, err) < 0 ||
                   sk_remote_call(r, "GET", path.data, NULL, twin, err) < 0
               ? -1
               : 0;
}

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_OWN(sk_json_free) struct sk_json *twin = NULL;
    SK_OWN(sk_json_free) struct sk_json *status = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);

    (void)count;
    if (sk_cli_remote(a->hub, &r, err) < 0 || ask(r, operands[0], &twin, &status, err) < 0)
        return -1;
    if (a->json)
        return sk_cli_print_json(twin, err);
    const struct sk_json *properties = sk_json_get(twin, "properties");
    const struct sk_json *desired = sk_json_get(properties, "desired");
    const struct sk_json *reported = sk_json_get(properties, "reported");
    add_line(&out, "state", sk_json_get_text(twin, "connectionState", ""));
    add_deployments(twin, &out);
    add_versions(desired, reported, &out);
    sk_buf_str(&out, "\nMODULE                    STATUS        IMAGE"
                     "                                     DESCRIPTION\n");
    add_modules(desired, reported, "systemModules", &out);
    add_modules(desired, reported, "modules", &out);
    add_warnings(sk_json_get(status, "warnings"), &out);
    return sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_deployment_status = {
    .name = "deployment status",
    .operands = "DEVICE",
    .summary = "Shows how far an edge device is with what it shall run",
    .examples = "skerry deployment status cell-7\n",
    .options = options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
