/*
 * cmd_image_inspect.c - `skerry image inspect REF`: what an image is, without its layers.
 *
 * Manifest and configuration come from the registry and are checked by digest; of an index the
 * platforms are listed and, when one of them fits, shown.
 */
#include "base/file.h"
#include "cli/cli_priv.h"
#include "cli/image_priv.h"
#include "json/json.h"

#include <unistd.h>

struct args {
    const char *platform;
    bool json;
    struct sk_cli_registry registry;
};

/* clang-format off */
static const struct sk_opt options[] = {
    { "platform", 0, SK_OPT_TEXT, "OS/CPU", "of an image for several, such as linux/arm64; else this machine's",
      .offset = offsetof(struct args, platform) },
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", .offset = offsetof(struct args, json) },
    SK_CLI_REGISTRY_OPTIONS(struct args),
    { .name = NULL },
};

/* clang-format on */

struct found {
    char *top_bytes, *bytes; /* bytes NULL: an index without a fitting manifest */
    size_t top_len, len;
    char top_digest[SK_OCI_DIGEST_TEXT], digest[SK_OCI_DIGEST_TEXT];
    struct sk_oci_manifest top, m;
    struct sk_json *config; /* NULL: none that is JSON */
};

static void found_done(struct found *f)
{
    free(f->top_bytes);
    free(f->bytes);
    sk_oci_manifest_done(&f->top);
    sk_oci_manifest_done(&f->m);
    sk_json_free(f->config);
}

static bool is_image_config(const char *type)
{
    return strcmp(type, SK_OCI_CONFIG) == 0 || strstr(type, "docker.container.image");
}

static int get_config(const struct sk_cli_image *i, struct found *f, struct sk_err *err)
{
    SK_OWN(free) char *text = NULL;
    size_t len = 0;

    if (!is_image_config(f->m.config.media_type) || f->m.config.size > SK_OCI_MANIFEST_MAX)
        return 0;
    if (sk_oci_read_blob(i->registry, i->ref.repository, &f->m.config, SK_OCI_MANIFEST_MAX, &text,
                         &len, err) < 0)
        return -1;
    return sk_json_parse(text, len, NULL, &f->config, err);
}

static int find(const struct args *a, const struct sk_cli_image *i, struct found *f,
                struct sk_err *err)
{
    struct sk_err why = SK_ERR_INIT;

    if (sk_oci_find_image(i->registry, &i->ref, "all", NULL, &f->top_bytes, &f->top_len,
                          f->top_digest, err) < 0 ||
        sk_oci_manifest_parse(f->top_bytes, f->top_len, &f->top, err) < 0)
        return -1;
    if (sk_oci_find_image(i->registry, &i->ref, a->platform, f->top_digest, &f->bytes, &f->len,
                          f->digest, &why) < 0) {
        if (why.code == SK_NOT_FOUND && !a->platform)
            return 0;
        *err = why;
        return -1;
    }
    if (sk_oci_manifest_parse(f->bytes, f->len, &f->m, err) < 0)
        return -1;
    return get_config(i, f, err);
}

/* ---- what is shown ---- */

static void add_platform(struct sk_buf *out, const struct sk_oci_descriptor *d)
{
    sk_cli_cell(out, d->os, 0);
    sk_buf_chr(out, '/');
    sk_cli_cell(out, d->architecture, 0);
    if (d->variant[0]) {
        sk_buf_chr(out, '/');
        sk_cli_cell(out, d->variant, 0);
    }
}

static void add_row(struct sk_buf *out, const char *name, const char *value)
{
    if (!value || !value[0])
        return;
    sk_cli_cell(out, name, 12);
    sk_cli_cell(out, value, 0);
    sk_buf_chr(out, '\n');
}

/* The texts of an array in one line. */
static void add_list(struct sk_buf *out, const char *name, const struct sk_json *list)
{
    if (sk_json_count(list) == 0)
        return;
    sk_cli_cell(out, name, 12);
    for (size_t i = 0; i < sk_json_count(list); i++) {
        sk_buf_str(out, i ? " " : "");
        sk_cli_cell(out, sk_json_text(sk_json_at(list, i), "?"), 0);
    }
    sk_buf_chr(out, '\n');
}

static void add_config(struct sk_buf *out, const struct sk_json *config)
{
    const struct sk_json *c = sk_json_get(config, "config");
    const struct sk_json *labels = sk_json_get(c, "Labels");
    struct sk_oci_descriptor d = { 0 };

    (void)snprintf(d.os, sizeof d.os, "%s", sk_json_get_text(config, "os", ""));
    (void)snprintf(d.architecture, sizeof d.architecture, "%s",
                   sk_json_get_text(config, "architecture", ""));
    (void)snprintf(d.variant, sizeof d.variant, "%s", sk_json_get_text(config, "variant", ""));
    sk_cli_cell(out, "platform", 12);
    add_platform(out, &d);
    sk_buf_chr(out, '\n');
    add_row(out, "created", sk_json_get_text(config, "created", ""));
    add_list(out, "entrypoint", sk_json_get(c, "Entrypoint"));
    add_list(out, "command", sk_json_get(c, "Cmd"));
    add_row(out, "user", sk_json_get_text(c, "User", ""));
    for (void *it = sk_json_first(labels); it; it = sk_json_next(labels, it)) {
        sk_cli_cell(out, "label", 12);
        sk_cli_cell(out, sk_json_key(it), 0);
        sk_buf_str(out, " = ");
        sk_cli_cell(out, sk_json_text(sk_json_value(it), "?"), 0);
        sk_buf_chr(out, '\n');
    }
}

static void add_text(struct sk_buf *out, const char *name, const struct found *f)
{
    uint64_t total = 0;

    add_row(out, "image", name);
    add_row(out, "digest", f->top_digest);
    add_row(out, "type", f->top.media_type);
    for (size_t i = 0; f->top.is_index && i < f->top.count; i++) {
        sk_buf_fmt(out, "  %s  ", f->top.items[i].digest);
        add_platform(out, &f->top.items[i]);
        sk_buf_chr(out, '\n');
    }
    if (!f->bytes)
        return;
    if (f->top.is_index)
        add_row(out, "this one", f->digest);
    add_row(out, "artifact", f->m.artifact_type);
    if (f->config)
        add_config(out, f->config);
    for (size_t i = 0; i < f->m.count; i++) {
        sk_buf_fmt(out, "  %s  ", f->m.items[i].digest);
        sk_cli_size(out, f->m.items[i].size);
        sk_buf_fmt(out, "  %s\n", f->m.items[i].media_type);
        total += f->m.items[i].size < UINT64_MAX - total ? f->m.items[i].size : 0;
    }
    sk_cli_cell(out, "layers", 12);
    sk_buf_fmt(out, "%zu, ", f->m.count);
    sk_cli_size(out, total);
    sk_buf_chr(out, '\n');
}

/* Manifest and configuration as they are. */
static void add_json(struct sk_buf *out, const char *name, const struct found *f)
{
    sk_buf_str(out, "{\"reference\":");
    sk_buf_json_str(out, name);
    sk_buf_fmt(out, ",\"digest\":\"%s\",\"media_type\":\"%s\"", f->top_digest, f->top.media_type);
    if (f->top.is_index) {
        sk_buf_str(out, ",\"index\":");
        sk_buf_add(out, f->top_bytes, f->top_len);
    }
    if (f->bytes) {
        sk_buf_fmt(out, ",\"manifest_digest\":\"%s\",\"manifest\":", f->digest);
        sk_buf_add(out, f->bytes, f->len);
    }
    if (f->config) {
        sk_buf_str(out, ",\"config\":");
        sk_json_dump(f->config, out);
    }
    sk_buf_str(out, "}\n");
}

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    SK_AUTO(sk_cli_image_done) struct sk_cli_image i = { 0 };
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf name = SK_BUF_INIT(1024);
    SK_AUTO(found_done) struct found f = { 0 };
    const struct args *a = args;

    (void)count;
    if (sk_cli_image_open(&a->registry, operands[0], "fetching", NULL, &i, err) < 0 ||
        find(a, &i, &f, err) < 0)
        return -1;
    sk_transfer_end(&i.transfer);
    sk_oci_ref_print(&i.ref, &name);
    if (!sk_buf_ok(&name))
        return sk_buf_fail(&name, err);
    if (a->json)
        add_json(&out, name.data, &f);
    else
        add_text(&out, name.data, &f);
    return sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_image_inspect = {
    .name = "image inspect",
    .operands = "REF",
    .summary = "Tells what an image in a registry is: digest, platforms, layers, labels",
    .details = "Only manifest and configuration are fetched. With --json they are printed as they "
               "are, beside the digests.",
    .examples = "skerry image inspect team/cats:3\n"
                "skerry image inspect --json team/cats:3 | jq .config.config.Labels",
    .options = options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
