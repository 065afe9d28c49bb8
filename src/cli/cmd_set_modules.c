/*
 * cmd_set_modules.c - `skerry set-modules`: what one edge device shall run, as `az iot edge
 * set-modules` sets it, with the same options.
 */
#include "cli/cli_priv.h"
#include "cli/device_priv.h"
#include "cli/manifest_priv.h"
#include "cli/policy_login_priv.h"
#include "cli/remote_priv.h"

#include <string.h>

struct args {
    const char *hub, *hub_name, *device, *content, *login;
    bool force, json;
};

#define AT(field) .offset = offsetof(struct args, field)

/* clang-format off */
static const struct sk_opt options[] = {
    { "device-id", 'd', SK_OPT_TEXT, "ID", "the edge device", AT(device) },
    { "content", 'k', SK_OPT_TEXT, "FILE", "the deployment manifest; - is standard input", AT(content) },
    { "force", 'f', SK_OPT_FLAG, NULL, "send it in spite of warnings", AT(force) },
    { "json", 0, SK_OPT_FLAG, NULL, "print the modules as JSON", AT(json) },
    { "login", 'l', SK_OPT_TEXT, "STRING", "a policy's connection string; goes before a context and its token", AT(login), .group = "Hub" },
    { "hub-name", 'n', SK_OPT_TEXT, "HUB", "as --hub, and before it", AT(hub_name), .group = "Hub" },
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

/* clang-format on */

static int check(const struct args *a, struct sk_err *err)
{
    if (!a->device || !a->content)
        return sk_fail(err, SK_USAGE, "%s is missing", a->device ? "--content" : "--device-id");
    return 0;
}

static int apply(struct sk_remote *r, const char *const *headers, const char *device,
                 const struct sk_buf *content, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);

    if (sk_device_path("/devices/", device, NULL, "/applyConfigurationContent", &path, err) < 0)
        return -1;
    const struct sk_remote_request q = { .method = "POST",
                                         .path = path.data,
                                         .headers = headers,
                                         .body = content->data,
                                         .body_len = content->len };
    return sk_remote_send(r, &q, NULL, err);
}

static int print_modules(struct sk_remote *r, const char *const *headers, const struct args *a,
                         struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *list = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf answer = SK_BUF_INIT(SK_DEVICE_BODY_BYTES);

    if (sk_device_path("/devices/", a->device, NULL, "/modules", &path, err) < 0)
        return -1;
    const struct sk_remote_request q = { .method = "GET", .path = path.data, .headers = headers };
    if (sk_remote_send(r, &q, &answer, err) < 0 ||
        sk_json_parse(answer.data ? answer.data : "", answer.len, NULL, &list, err) < 0)
        return sk_wrap(err, "the modules are set, but not listed");
    return (a->json ? sk_device_print_modules_json : sk_device_print_modules)(list, err);
}

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf content = SK_BUF_INIT(SK_CLI_MANIFEST_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf header = SK_BUF_INIT(4096);

    (void)operands;
    (void)count;
    if (check(a, err) < 0 || sk_cli_manifest(a->content, false, a->force, &content, err) < 0)
        return -1;
    if (a->login ? sk_cli_policy_login(a->login, &r, &header, err) < 0
                 : sk_cli_remote(a->hub_name ? a->hub_name : a->hub, &r, err) < 0)
        return -1;
    const char *const headers[] = { header.data, NULL };
    if (apply(r, headers, a->device, &content, err) < 0)
        return a->login && err->code == SK_UNAUTHENTICATED
                   ? sk_fail(err, err->code, "%s: the key of --login is not accepted",
                             sk_remote_context(r)->host)
                   : -1;
    return print_modules(r, headers, a, err);
}

const struct sk_cmd sk_cli_set_modules = {
    .name = "set-modules",
    .summary = "Says what an edge device shall run",
    .details =
        "The manifest is checked first. Errors, and without --force warnings too, end the command "
        "before anything is sent. Then the modules of the device are listed.\n"
        "--login takes what the IoT extension of the Azure CLI takes. The hub's certificate must "
        "lead to SKERRY_CA_FILE, else to the CA of a context of that host, else to "
        "REQUESTS_CA_BUNDLE or SSL_CERT_FILE, else to the system's certificates.",
    .examples = "skerry set-modules --device-id cell-7 --content deployment.json\n"
                "skerry set-modules -d cell-7 -k deployment.json -l \"$(skerry hub policy show "
                "iothubowner)\"\n",
    .options = options,
    .args_size = sizeof(struct args),
    .run = run,
};
