/*
 * cmd_model_register.c - `skerry model register` and `skerry model download`.
 */
#include "base/str.h"
#include "catalog/catalog.h"
#include "cli/bundle_record_priv.h"
#include "cli/cli_priv.h"
#include "cli/remote_priv.h"

#include <stdlib.h>
#include <string.h>

struct register_args {
    const char *hub, *name, *description, *type, *parent, *run_id, *version;
    struct sk_opt_list tags, aliases;
    bool json;
};

#define AT(field) .offset = offsetof(struct register_args, field)

/* clang-format off */
static const struct sk_opt register_options[] = {
    { "name", 'n', SK_OPT_TEXT, "NAME", "of the model; else the bundle's own", AT(name) },
    { "description", 0, SK_OPT_TEXT, "TEXT", "of this version; else the bundle's own", AT(description) },
    { "tag", 0, SK_OPT_LIST, "KEY=VALUE", "tag of this version; may be repeated", AT(tags) },
    { "alias", 0, SK_OPT_LIST, "ALIAS", "name that points to this version from now on, such as champion", AT(aliases) },
    { "type", 0, SK_OPT_TEXT, "TYPE", "kind of model", .def = "custom_model", AT(type) },
    { "version", 0, SK_OPT_TEXT, "N", "auto: the next number; another one is refused unless it is just that", .def = "auto", AT(version) },
    { "parent", 0, SK_OPT_TEXT, "MODEL", "version of the hub that this one was trained from: NAME:N, NAME@alias", AT(parent) },
    { "run-id", 0, SK_OPT_TEXT, "ID", "run of the hub that made it", AT(run_id) },
    { "json", 0, SK_OPT_FLAG, NULL, "print the version as JSON", AT(json) },
    SK_CLI_HUB_OPTION(struct register_args),
    { .name = NULL },
};
/* clang-format on */
#undef AT

static int set_alias(struct sk_remote *r, const char *name, const char *version, const char *alias,
                     struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(1 << 16);

    sk_buf_str(&body, "{\"name\": ");
    sk_buf_json_str(&body, name);
    sk_buf_str(&body, ", \"alias\": ");
    sk_buf_json_str(&body, alias);
    sk_buf_str(&body, ", \"version\": ");
    sk_buf_json_str(&body, version);
    sk_buf_str(&body, "}");
    if (!sk_buf_ok(&body))
        return sk_buf_fail(&body, err);
    return sk_remote_call(r, "POST", "/api/2.0/mlflow/registered-models/alias", body.data, NULL,
                          err);
}

static int print_version(const struct sk_json *v, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);

    sk_buf_fmt(&out, "%s:%s  ", sk_json_get_text(v, "name", ""),
               sk_json_get_text(v, "version", ""));
    sk_cli_size(&out, (uint64_t)sk_json_int(sk_json_get(v, "size"), 0));
    sk_buf_fmt(&out, "  %s\n", sk_json_get_text(v, "digest", ""));
    return sk_cli_print(&out, err);
}

/* A number that was asked for must be the next one; looked at before anything is sent. */
static int check_number(struct sk_remote *r, const char *name, const char *wanted,
                        struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(8192);
    SK_OWN(sk_json_free) struct sk_json *answer = NULL;
    struct sk_err missing = SK_ERR_INIT;
    uint64_t number = 0, next = 1;

    if (strcmp(wanted, "auto") == 0)
        return 0;
    if (sk_parse_u64("--version", wanted, 1, INT64_MAX, &number, err) < 0)
        return -1;
    sk_buf_str(&path, "/api/v1/models/");
    sk_url_escape(&path, name);
    if (!sk_buf_ok(&path))
        return sk_buf_fail(&path, err);
    if (sk_remote_call(r, "GET", path.data, NULL, &answer, &missing) < 0) {
        if (missing.code != SK_NOT_FOUND) {
            *err = missing;
            return -1;
        }
    } else {
        next = (uint64_t)sk_json_int(sk_json_get(answer, "next_version"), 1);
    }
    if (number != next)
        return sk_fail(err, SK_EXISTS,
                       "--version %s: the next version of %s is %llu; --version auto takes it",
                       wanted, name, (unsigned long long)next);
    return 0;
}

/* What the version refers to must be at the hub; *parent becomes NAME:N, which an alias is not for
 * long. */
static int check_origin(struct sk_remote *r, const struct register_args *a, char parent[400],
                        struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(8192);
    SK_OWN(sk_json_free) struct sk_json *from = NULL;
    SK_OWN(sk_json_free) struct sk_json *run = NULL;

    if (a->parent) {
        if (sk_catalog_resolve(r, a->parent, &from, err) < 0)
            return sk_wrap(err, "--parent %.100s", a->parent);
        (void)snprintf(parent, 400, "%s:%s", sk_json_get_text(from, "name", ""),
                       sk_json_get_text(from, "version", ""));
    }
    if (a->run_id) {
        sk_buf_str(&path, "/api/2.0/mlflow/runs/get?run_id=");
        sk_url_escape(&path, a->run_id);
        if (!sk_buf_ok(&path))
            return sk_buf_fail(&path, err);
        if (sk_remote_call(r, "GET", path.data, NULL, &run, err) < 0)
            return sk_wrap(err, "--run-id %.100s", a->run_id);
    }
    return 0;
}

static int run_register(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct register_args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_OWN(sk_json_free) struct sk_json *version = NULL;
    SK_OWN(sk_bundle_free) struct sk_bundle *b = NULL;
    SK_AUTO(sk_cli_record_done) struct sk_cli_record record = { 0 };
    struct sk_transfer t = { .verb = "uploading" };
    char parent[400];
    struct sk_catalog_new n = {
        .bundle = operands[0],
        .name = a->name,
        .description = a->description,
        .type = a->type,
        .run_id = a->run_id,
        .tags = a->tags.items,
        .tag_count = a->tags.count,
    };

    (void)count;
    if ((a->name && sk_catalog_check_name(a->name, err) < 0) ||
        sk_bundle_open(operands[0], NULL, &b, err) < 0)
        return -1;
    if (sk_cli_report_bundle(b, err) < 0)
        return -1;
    if (sk_cli_remote(a->hub, &r, err) < 0 ||
        check_number(r, a->name ? a->name : b->name, a->version, err) < 0 ||
        check_origin(r, a, parent, err) < 0)
        return -1;
    n.parent = a->parent ? parent : NULL;
    if (sk_cli_record(b, NULL, &record, err) < 0)
        return -1;
    n.settings = record.settings;

    int rc = sk_catalog_register(r, &n, sk_transfer_progress, &t, &version, err);

    sk_transfer_end(&t);
    if (rc < 0)
        return -1;
    for (size_t i = 0; i < a->aliases.count; i++) {
        if (set_alias(r, sk_json_get_text(version, "name", ""),
                      sk_json_get_text(version, "version", ""), a->aliases.items[i], err) < 0)
            return sk_wrap(err, "%s:%s is registered, but --alias %s",
                           sk_json_get_text(version, "name", ""),
                           sk_json_get_text(version, "version", ""), a->aliases.items[i]);
    }
    return a->json ? sk_cli_print_json(version, err) : print_version(version, err);
}

const struct sk_cmd sk_cli_model_register = {
    .name = "model register",
    .operands = "PATH",
    .summary = "Registers a bundle or .onnx file as the next version of a model",
    .details =
        "The bundle is read first, so a model that cannot be served is refused here. Files are "
        "sent by digest; those that the hub has already are not sent again, and an upload that "
        "was cut goes on where it stopped. The version appears with all its files or not at "
        "all. A file with a private key is refused; files that no model needs, and labels that do "
        "not fit, give a warning. What the model makes of its test picture (\"test\" or "
        "\"warmup_image\" of skerry.json) is recorded in the version unless it was before; the "
        "folder stays as it is.\n\n"
        "Kept with it: description, tags, type, inputs and outputs, labels, preprocessing, how it "
        "was trained and evaluated (training.json), the digest of the training data, the version "
        "it came from.",
    .examples =
        "skerry model register out --name defect-detector --tag framework=skerry  # version 1\n"
        "skerry model register out2 -n defect-detector --parent defect-detector:1 --alias champion "
        " # version 2, in use from now on\n",
    .options = register_options,
    .args_size = sizeof(struct register_args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_register,
};

/* ---- download ---- */

struct download_args {
    const char *hub, *output;
    bool json;
};

static const struct sk_opt download_options[] = {
    { "output", 'o', SK_OPT_TEXT, "DIR", "folder to make; else the model's name in this folder",
      .offset = offsetof(struct download_args, output) },
    { "json", 0, SK_OPT_FLAG, NULL, "print the version as JSON",
      .offset = offsetof(struct download_args, json) },
    SK_CLI_HUB_OPTION(struct download_args),
    { .name = NULL },
};

/* The name of a reference, which may have characters that a folder should not. */
static char *folder_of(const char *reference)
{
    char *name = strndup(reference, strcspn(reference, ":@"));

    for (char *p = name; p && *p; p++) {
        if (*p == '/' || (*p == '.' && p == name))
            *p = '_';
    }
    return name;
}

static int run_download(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct download_args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_OWN(sk_json_free) struct sk_json *version = NULL;
    SK_OWN(free) char *dir = a->output ? strdup(a->output) : folder_of(operands[0]);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);
    struct sk_transfer t = { .verb = "downloading" };

    (void)count;
    if (!dir)
        return sk_nomem(err);
    if (sk_cli_remote(a->hub, &r, err) < 0)
        return -1;

    int rc = sk_catalog_download(r, operands[0], dir, sk_transfer_progress, &t, &version, err);

    sk_transfer_end(&t);
    if (rc < 0)
        return -1;
    if (a->json)
        return sk_cli_print_json(version, err);
    sk_buf_fmt(&out, "%s:%s is in %s   next: skerry serve ", sk_json_get_text(version, "name", ""),
               sk_json_get_text(version, "version", ""), dir);
    sk_cli_path(&out, dir);
    sk_buf_chr(&out, '\n');
    return sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_model_download = {
    .name = "model download",
    .operands = "MODEL",
    .summary = "Fetches a registered version into a folder",
    .details = "MODEL is NAME (the latest version that is not archived), NAME:3, NAME@champion (an "
               "alias) or NAME@sha256:... (a digest). Every file is checked against its digest; "
               "the folder appears when all are there. A download that was cut goes on where it "
               "stopped.",
    .examples =
        "skerry model download defect-detector@champion -o model  # then: skerry serve model\n",
    .options = download_options,
    .args_size = sizeof(struct download_args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_download,
};
