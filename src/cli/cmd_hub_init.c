/* cmd_hub_init.c - `skerry hub init`: makes a hub and says what to type next. */
#include "cli/cli_priv.h"
#include "cli/hub_dir_priv.h"
#include "hub/hub.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct args {
    const char *data_dir;
    struct sk_opt_list hostnames;
    uint64_t port;
    bool json;
};

#define AT(field) .offset = offsetof(struct args, field)

enum {
    HOST_BYTES = 256,
    PORT = 8443
};

/* clang-format off */
static const struct sk_opt options[] = {
    SK_CLI_DATA_DIR_OPTION(struct args),
    { "hostname", 'n', SK_OPT_LIST, "NAME",
      "name or address under which clients reach the hub; the first is its name; "
      "else this machine's name", AT(hostnames) },
    { "port", 'p', SK_OPT_U64, "N", "port of the address that is printed",
      .def = "8443", .min = 1, .max = 65535, AT(port) },
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", AT(json) },
    { .name = NULL },
};

/* clang-format on */

static void add_field(struct sk_buf *out, const char *key, const char *value, char separator)
{
    sk_buf_fmt(out, "%c\"%s\":", separator, key);
    sk_buf_json_str(out, value);
}

static void write_json(const struct sk_hub_made *made, const char *dir, struct sk_buf *out)
{
    add_field(out, "url", made->url, '{');
    add_field(out, "data_dir", dir, ',');
    add_field(out, "ca_file", made->ca_file, ',');
    add_field(out, "ca_sha256", made->ca_sha256, ',');
    add_field(out, "token_file", made->token_file, ',');
    sk_buf_str(out, "}\n");
}

static void write_text(const struct sk_hub_made *made, const struct args *a, const char *dir,
                       const char *name, struct sk_buf *out)
{
    char port[32] = "", listen[32] = "";
    if (a->port != PORT)
        (void)snprintf(port, sizeof port, " --port %u", (unsigned)a->port);
    if (strncmp(name, "127.", 4) != 0 && strcmp(name, "localhost") != 0 && strcmp(name, "::1") != 0)
        (void)snprintf(listen, sizeof listen, " --listen 0.0.0.0");
    sk_buf_fmt(out, "URL                %s\n", made->url);
    sk_buf_fmt(out, "folder             %s\n", dir);
    sk_buf_fmt(out, "CA certificate     %s\n", made->ca_file);
    sk_buf_fmt(out, "CA fingerprint     sha256:%s\n", made->ca_sha256);
    sk_buf_fmt(out, "owner's token      in %s\n", made->token_file);
    sk_buf_fmt(out, "connection string  HostName=%s;Port=%u;CaSha256=%s\n", name, (unsigned)a->port,
               made->ca_sha256);
    sk_buf_fmt(out, "\nnext:\n  skerry hub run --data-dir %s%s%s\n", dir, listen, port);
    sk_buf_fmt(out, "  skerry login %s --ca-file %s --token-file %s\n", made->url, made->ca_file,
               made->token_file);
    sk_buf_fmt(out, "  skerry hub token create --user ci --role publisher\n");
}

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    char host[HOST_BYTES] = "";
    const char *const own[] = { host };
    struct sk_hub_made made;
    SK_OWN(free) char *dir = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(64 << 10);
    (void)operands;
    (void)count;
    if (a->hostnames.count == 0 && (gethostname(host, sizeof host - 1) < 0 || !*host))
        return sk_fail(err, SK_USAGE, "this machine has no name: give --hostname");
    if (sk_cli_hub_dir(a->data_dir, &dir, err) < 0)
        return -1;
    const struct sk_hub_init init = {
        .dir = dir,
        .hostnames = a->hostnames.count > 0 ? a->hostnames.items : own,
        .hostname_count = a->hostnames.count > 0 ? a->hostnames.count : 1,
        .port = (uint16_t)a->port,
    };
    if (sk_hub_init(&init, &made, err) < 0)
        return -1;
    explicit_bzero(made.owner_token, sizeof made.owner_token);
    if (a->json)
        write_json(&made, dir, &out);
    else
        write_text(&made, a, dir, init.hostnames[0], &out);
    return sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_hub_init = {
    .name = "hub init",
    .summary = "Makes the folder of a hub, with its CA, certificate and owner",
    .details =
        "The folder gets the database, a certificate authority of its own, a server certificate "
        "for the names of --hostname (and localhost, 127.0.0.1, ::1), and the owner's token in "
        "owner.token, readable by its owner only. It appears in one step, or not at all.",
    .examples = "skerry hub init --data-dir /srv/hub --hostname hub.example # a hub for this name\n"
                "skerry hub run --data-dir /srv/hub --listen 0.0.0.0 # and it serves",
    .options = options,
    .args_size = sizeof(struct args),
    .run = run,
};
