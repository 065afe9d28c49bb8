/* cmd_hub_policy.c - `skerry hub policy list`, `show`, `renew`: what programs that speak IoT Hub's
 * service interface log in with. */
#include "cli/cli_priv.h"
#include "cli/remote_priv.h"

#include <string.h>

struct args {
    const char *hub, *key;
    bool is_secondary, json;
};

#define AT(field) .offset = offsetof(struct args, field)

enum {
    PATH_BYTES = 64 << 10
};

/* clang-format off */
static const struct sk_opt list_options[] = {
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

static const struct sk_opt show_options[] = {
    { "secondary", 0, SK_OPT_FLAG, NULL, "with the secondary key", AT(is_secondary) },
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", AT(json) },
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

static const struct sk_opt renew_options[] = {
    { "key", 0, SK_OPT_CHOICE, "KEY", "which one is made anew", .def = "primary", .choices = "primary|secondary", AT(key) },
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", AT(json) },
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

/* clang-format on */

/* The hub's connection string has the primary key. */
static int print(const struct sk_json *p, bool is_secondary, bool as_json, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(PATH_BYTES);
    const char *text = sk_json_get_text(p, "connectionString", "");
    const char *primary = sk_json_get_text(p, "primaryKey", "");
    const size_t len = strlen(text), key_len = strlen(primary);

    if (as_json)
        return sk_cli_print_json(p, err);
    if (!is_secondary)
        sk_buf_str(&out, text);
    else if (len > key_len && strcmp(text + len - key_len, primary) == 0)
        sk_buf_fmt(&out, "%.*s%s", (int)(len - key_len), text,
                   sk_json_get_text(p, "secondaryKey", ""));
    else
        return sk_fail(err, SK_REMOTE, "the hub's connection string has another form");
    sk_buf_chr(&out, '\n');
    return sk_cli_print(&out, err);
}

static int ask(const char *hub, struct sk_remote **r, struct sk_json **out, struct sk_err *err)
{
    return sk_cli_remote(hub, r, err) < 0 ||
                   sk_remote_call(*r, "GET", "/api/v1/policies", NULL, out, err) < 0
               ? -1
               : 0;
}

static int run_list(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(PATH_BYTES);

    (void)operands;
    (void)count;
    if (ask(a->hub, &r, &doc, err) < 0)
        return -1;
    const struct sk_json *list = sk_json_get(doc, "policies");
    sk_buf_str(&out, "NAME               RIGHTS\n");
    for (size_t i = 0; i < sk_json_count(list); i++) {
        const struct sk_json *p = sk_json_at(list, i), *rights = sk_json_get(p, "rights");
        sk_cli_cell(&out, sk_json_get_text(p, "name", ""), 17);
        for (size_t k = 0; k < sk_json_count(rights); k++)
            sk_buf_fmt(&out, "%s%s", k > 0 ? ", " : "", sk_json_text(sk_json_at(rights, k), ""));
        sk_buf_chr(&out, '\n');
    }
    return sk_cli_print(&out, err);
}

static int run_show(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    (void)count;
    if (ask(a->hub, &r, &doc, err) < 0)
        return -1;
    const struct sk_json *list = sk_json_get(doc, "policies");
    for (size_t i = 0; i < sk_json_count(list); i++)
        if (strcmp(sk_json_get_text(sk_json_at(list, i), "name", ""), operands[0]) == 0)
            return print(sk_json_at(list, i), a->is_secondary, a->json, err);
    return sk_fail(err, SK_NOT_FOUND, "there is no policy '%s': see hub policy list", operands[0]);
}

static int run_renew(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_OWN(sk_json_free) struct sk_json *p = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(PATH_BYTES);
    char body[48];

    (void)count;
    sk_buf_str(&path, "/api/v1/policies/");
    sk_url_escape(&path, operands[0]);
    (void)snprintf(body, sizeof body, "{\"renew\":\"%s\"}", a->key);
    if (!sk_buf_ok(&path))
        return sk_buf_fail(&path, err);
    if (sk_cli_remote(a->hub, &r, err) < 0 ||
        sk_remote_call(r, "POST", path.data, body, &p, err) < 0)
        return -1;
    return print(p, strcmp(a->key, "secondary") == 0, a->json, err);
}

const struct sk_cmd sk_cli_hub_policy_list = {
    .name = "hub policy list",
    .summary = "Lists the shared access policies of a hub",
    .examples = "skerry hub policy list\n",
    .options = list_options,
    .args_size = sizeof(struct args),
    .run = run_list,
};

const struct sk_cmd sk_cli_hub_policy_show = {
    .name = "hub policy show",
    .operands = "POLICY",
    .summary = "Prints the connection string of a shared access policy",
    .details = "It is what the service SDKs of IoT Hub take, and the Azure CLI as --login. It has "
               "the key: whoever has it may do what the policy may, until the key is renewed.",
    .examples = "skerry hub policy show service\n",
    .options = show_options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_show,
};

const struct sk_cmd sk_cli_hub_policy_renew = {
    .name = "hub policy renew",
    .operands = "POLICY",
    .summary = "Makes a new key of a policy, and prints its connection string",
    .details = "Programs with the old key are refused from then on; those with the other key of "
               "the policy are not.",
    .examples = "skerry hub policy renew service --key secondary\n",
    .options = renew_options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_renew,
};
