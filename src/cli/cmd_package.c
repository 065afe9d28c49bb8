/*
 * cmd_package.c - `skerry package MODEL -t REPO:TAG`: a container image, without Docker.
 *
 * The image is put together in a layout (the one that is asked for, or one in a folder of its own),
 * and from there goes into a file, to a registry, or both.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "catalog/catalog.h"
#include "cli/bundle_record_priv.h"
#include "cli/cli_priv.h"
#include "cli/image_priv.h"
#include "cli/package_priv.h"
#include "engine/engine.h"
#include "pack/pack.h"
#include "sign/sign.h"

struct args {
    const char *tag, *output, *format, *platform, *base, *version, *title, *description, *created;
    const char *onnxruntime, *sign, *key_password_file;
    struct sk_opt_list labels;
    uint64_t port;
    bool push, json;
    struct sk_cli_registry registry;
};

#define AT(field) .offset = offsetof(struct args, field)

/* clang-format off */
static const struct sk_opt options[] = {
    { "tag", 't', SK_OPT_TEXT, "REPO:TAG", "the image's name: [HOST[:PORT]/]NAME[:TAG]", AT(tag) },
    { "output", 'o', SK_OPT_TEXT, "PATH", "where it is written: a new folder or a layout, or a file", AT(output) },
    { "format", 'f', SK_OPT_CHOICE, "FORMAT", "auto: docker for a name that ends in .tar, else an OCI layout",
      .def = "auto", .choices = "auto|oci|oci-archive|docker", AT(format) },
    { "push", 0, SK_OPT_FLAG, NULL, "send it to the registry that its name says", AT(push) },
    { "platform", 0, SK_OPT_TEXT, "OS/ARCH", "refuse to make an image for another one", AT(platform) },
    { "base", 0, SK_OPT_TEXT, "PATH", "base of another machine: what 'skerry image base' wrote there", AT(base) },
    { "onnxruntime", 0, SK_OPT_TEXT, "FILE", "ONNX Runtime library that goes into the image", AT(onnxruntime) },
    { "port", 'p', SK_OPT_U64, "N", "port that the image serves on", .def = "5001", .min = 1, .max = 65535, AT(port) },
    { "sign", 0, SK_OPT_TEXT, "KEY", "sign it with a private key, as cosign does", AT(sign) },
    { "key-password-file", 0, SK_OPT_TEXT, "FILE", "password of the key; else COSIGN_PASSWORD", AT(key_password_file) },
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", AT(json) },

    { "label", 'l', SK_OPT_LIST, "KEY=VALUE", "a further label", AT(labels), .group = "Labels" },
    { "version", 0, SK_OPT_TEXT, "TEXT", "the model's version; of a registered one it is known", AT(version), .group = "Labels" },
    { "title", 0, SK_OPT_TEXT, "TEXT", "the image's title; else the model's name", AT(title), .group = "Labels" },
    { "description", 0, SK_OPT_TEXT, "TEXT", "else the model's", AT(description), .group = "Labels" },
    { "created", 0, SK_OPT_TEXT, "TIME", "time in the image (RFC 3339); else SOURCE_DATE_EPOCH, else 1970, so that the digest does not change",
      AT(created), .group = "Labels" },
    SK_CLI_REGISTRY_OPTIONS(struct args),
    { .name = NULL },
};

/* clang-format on */

enum {
    DESCRIPTION_BYTES = 1 << 20 /* as for a registered version */
};

enum form {
    NOWHERE,
    LAYOUT,
    OCI_ARCHIVE,
    DOCKER_ARCHIVE
};

/* All that a run has opened. */
struct work {
    const struct args *args;
    enum form form;
    struct sk_package_source source;
    struct sk_cli_image image;
    struct sk_signer *signer;
    char *onnxruntime, *layout;
    struct sk_cli_record record;
    struct sk_catalog_files files;
    char digest[SK_OCI_DIGEST_TEXT], created[SK_TIME_TEXT];
    struct sk_pack_result result;
};

static void work_done(struct work *w)
{
    sk_package_done(&w->source);
    sk_cli_image_done(&w->image);
    sk_signer_free(w->signer);
    free(w->onnxruntime);
    free(w->layout);
    sk_cli_record_done(&w->record);
    sk_catalog_files_done(&w->files);
}

static enum form form_of(const struct args *a)
{
    if (!a->output)
        return NOWHERE;
    if (strcmp(a->format, "auto") == 0)
        return sk_ends_with(a->output, ".tar") ? DOCKER_ARCHIVE : LAYOUT;
    return strcmp(a->format, "oci") == 0      ? LAYOUT
           : strcmp(a->format, "docker") == 0 ? DOCKER_ARCHIVE
                                              : OCI_ARCHIVE;
}

static int check(const struct args *a, struct sk_err *err)
{
    if (!a->tag)
        return sk_fail(err, SK_USAGE, "--tag REPO:TAG is needed: the name of the image");
    if (!a->output && !a->push)
        return sk_fail(err, SK_USAGE, "where to? Give --output PATH, or --push, or both");
    if (form_of(a) != LAYOUT && a->output && sk_is_dir(a->output))
        return sk_fail(err, SK_USAGE, "--output '%s' is a folder, and %s is one file", a->output,
                       form_of(a) == DOCKER_ARCHIVE ? "docker" : "oci-archive");
    return 0;
}

/* SOURCE_DATE_EPOCH: https://reproducible-builds.org/specs/source-date-epoch/ */
static int find_time(struct work *w, struct sk_err *err)
{
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    uint64_t seconds = 0;

    if (w->args->created || !epoch || !*epoch)
        return 0;
    if (sk_parse_u64("SOURCE_DATE_EPOCH", epoch, 0, 253402300799u, &seconds, err) < 0)
        return -1;
    sk_time_text(seconds * 1000, w->created);
    memcpy(strchr(w->created, '.'), "Z", 2); /* whole seconds */
    return 0;
}

static int open_signer(struct work *w, struct sk_err *err)
{
    SK_OWN(free) char *password = NULL;

    if (!w->args->sign)
        return 0;
    if (sk_cli_key_password(w->args->key_password_file, &password, err) < 0)
        return -1;
    return sk_signer_open(w->args->sign, password, &w->signer, err);
}

/* The registry, when it is needed: without --push neither libcurl nor a hub is. */
static int open_name(struct work *w, struct sk_err *err)
{
    const struct args *a = w->args;

    if (a->push)
        return sk_cli_image_open(&a->registry, a->tag, "pushing", NULL, &w->image, err);
    return sk_oci_ref_parse(a->tag, NULL, &w->image.ref, err);
}

/* What can fail without work comes first: the name, the registry's options, the key. */
static int prepare(struct work *w, const char *model, struct sk_err *err)
{
    const struct args *a = w->args;

    w->form = form_of(a);
    if (check(a, err) < 0 || find_time(w, err) < 0 || open_signer(w, err) < 0 ||
        open_name(w, err) < 0)
        return -1;
    if (w->image.ref.digest[0])
        return sk_fail(err, SK_USAGE, "--tag '%s' has a digest: that is what comes out", a->tag);
    if (!a->base && sk_engine_library(a->onnxruntime, &w->onnxruntime, err) < 0)
        return -1;
    if (w->form == LAYOUT && sk_cli_output_check(a->output, true, err) < 0)
        return -1;
    if (sk_package_open(model, a->registry.hub, &w->source, err) < 0 ||
        sk_package_check_output(&w->source, a->output, err) < 0)
        return -1;
    if (w->form == LAYOUT) {
        w->layout = strdup(a->output);
        return w->layout ? 0 : sk_nomem(err);
    }
    return sk_package_scratch(&w->source, "layout", &w->layout, err);
}

/* What `model register` would say, too: it is one model. */
static int check_bundle(struct work *w, struct sk_err *err)
{
    SK_OWN(sk_bundle_free) struct sk_bundle *b = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf ignored = SK_BUF_INIT(DESCRIPTION_BYTES);
    const struct sk_catalog_new n = { .bundle = w->source.bundle };

    if (sk_bundle_open(w->source.bundle, NULL, &b, err) < 0 || sk_cli_report_bundle(b, err) < 0 ||
        sk_cli_record(b, w->onnxruntime, &w->record, err) < 0)
        return -1;
    return sk_is_dir(w->source.bundle) ? sk_catalog_describe(&n, b, &ignored, err) : 0;
}

/* The digest that registering this bundle gives, or has given. A bundle that cannot be registered
 * (a snapshot of links, say) may still be packed, or be refused there with a better reason. */
static int find_digest(struct work *w, struct sk_err *err)
{
    struct sk_err why = SK_ERR_INIT;
    const char *known = sk_json_get_text(w->source.version, "digest", NULL);

    if (known && strlen(known) < sizeof w->digest) {
        (void)snprintf(w->digest, sizeof w->digest, "%s", known);
        return 0;
    }
    if (sk_catalog_files_read(w->source.bundle, &w->files, &why) == 0) {
        if (w->record.settings &&
            sk_catalog_files_put(&w->files, "skerry.json", w->record.settings, err) < 0)
            return -1;
        return sk_catalog_digest(&w->files, w->digest, err);
    }
    if (why.code == SK_INVALID || why.code == SK_NOT_FOUND)
        return 0;
    *err = why;
    return -1;
}

static const char *field(const struct work *w, const char *key)
{
    const char *text = sk_json_get_text(w->source.version, key, NULL);
    return text && *text ? text : NULL;
}

static int pack(struct work *w, struct sk_err *err)
{
    const struct args *a = w->args;
    const char *labels[SK_OPT_LIST_MAX + 1] = { NULL };

    for (size_t i = 0; i < a->labels.count; i++)
        labels[i] = a->labels.items[i];
    uint64_t signature = sk_bundle_signature(w->source.bundle);
    if (check_bundle(w, err) < 0 || find_digest(w, err) < 0)
        return -1;
    const struct sk_pack_options o = {
        .bundle = w->source.bundle,
        .settings = w->record.settings,
        .name = field(w, "name"),
        .version = a->version ? a->version : field(w, "version"),
        .digest = w->digest[0] ? w->digest : NULL,
        .signature = signature,
        .title = a->title,
        .description = a->description ? a->description : field(w, "description"),
        .created = a->created      ? a->created
                   : w->created[0] ? w->created
                                   : NULL,
        .platform = a->platform,
        .own = { .onnxruntime = w->onnxruntime },
        .base = a->base,
        .layout = w->layout,
        .tag = w->image.ref.tag,
        .labels = labels,
        .port = (unsigned)a->port,
    };
    return sk_pack(&o, &w->result, err);
}

/* Out of the layout. */
static int deliver(struct work *w, struct sk_err *err)
{
    const struct args *a = w->args;
    const char *digest = w->result.manifest;

    if (w->signer && w->form != NOWHERE) {
        SK_AUTO(sk_buf_done) struct sk_buf name = SK_BUF_INIT(1024);
        struct sk_oci_ref ref = w->image.ref;
        ref.tag[0] = '\0';
        sk_oci_ref_print(&ref, &name);
        if (!sk_buf_ok(&name))
            return sk_buf_fail(&name, err);
        if (sk_sign_layout(w->signer, w->layout, name.data, digest, err) < 0)
            return -1;
    }
    if ((w->form == OCI_ARCHIVE || w->form == DOCKER_ARCHIVE) &&
        sk_pack_archive(w->layout, digest, a->tag, w->form == DOCKER_ARCHIVE, a->output, err) < 0)
        return -1;
    if (!a->push)
        return 0;
    if (sk_oci_push(w->image.registry, w->layout, digest, &w->image.ref, err) < 0)
        return sk_wrap(err, "pushing");
    if (w->signer && sk_sign_image(w->signer, w->image.registry, &w->image.ref, digest, err) < 0)
        return sk_wrap(err, "signing");
    sk_transfer_end(&w->image.transfer);
    return 0;
}

/* ---- what it says ---- */

static void add_json(const struct work *w, const char *name, struct sk_buf *out)
{
    const struct sk_pack_result *r = &w->result;

    sk_buf_str(out, "{\"reference\":");
    sk_buf_json_str(out, name);
    sk_buf_fmt(out, ",\"digest\":\"%s\",\"config\":\"%s\",\"platform\":\"%s\"", r->manifest,
               r->config, r->platform);
    sk_buf_fmt(out,
               ",\"base\":{\"digest\":\"%s\",\"bytes\":%llu,\"unpacked_bytes\":%llu,\"cached\":%s}",
               r->base_layer, (unsigned long long)r->base_bytes,
               (unsigned long long)r->base_unpacked_bytes, r->base_was_cached ? "true" : "false");
    sk_buf_fmt(out, ",\"model\":{\"digest\":\"%s\",\"bytes\":%llu,\"path\":", r->model_layer,
               (unsigned long long)r->model_bytes);
    sk_buf_json_str(out, r->model_path);
    sk_buf_fmt(out, ",\"model_digest\":\"%s\"},\"output\":", r->model_digest);
    if (w->args->output)
        sk_buf_json_str(out, w->args->output);
    else
        sk_buf_str(out, "null");
    sk_buf_fmt(out, ",\"pushed\":%s,\"signed\":%s}\n", w->args->push ? "true" : "false",
               w->signer ? "true" : "false");
}

static void add_text(const struct work *w, const char *name, struct sk_buf *out)
{
    const struct sk_pack_result *r = &w->result;
    const char *output = w->args->output;

    sk_buf_fmt(out, "%s\n  digest    %s\n  platform  %s\n  base      ", name, r->manifest,
               r->platform);
    sk_cli_size(out, r->base_bytes);
    if (r->base_unpacked_bytes > 0) {
        sk_buf_str(out, ", unpacked ");
        sk_cli_size(out, r->base_unpacked_bytes);
    }
    sk_buf_str(out, r->base_was_cached ? " (cached)\n  model     " : "\n  model     ");
    sk_cli_size(out, r->model_bytes);
    sk_buf_fmt(out, " at %s\n", r->model_path);
    if (w->form != NOWHERE) {
        bool is_docker = w->form == DOCKER_ARCHIVE;
        sk_buf_fmt(out, "written to %s   next: %s ", output,
                   is_docker ? "docker load -i" : "skerry push");
        sk_cli_path(out, output);
        sk_buf_str(out, is_docker ? "\n" : " REF\n");
    }
    if (w->args->push)
        sk_buf_fmt(out, "pushed %s\n", name);
}

static int report(const struct work *w, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf name = SK_BUF_INIT(1024);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);

    if (w->args->push)
        sk_oci_ref_print(&w->image.ref, &name);
    else
        sk_buf_str(&name, w->args->tag);
    if (!sk_buf_ok(&name))
        return sk_buf_fail(&name, err);
    if (w->args->json)
        add_json(w, name.data, &out);
    else
        add_text(w, name.data, &out);
    return sk_cli_print(&out, err);
}

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    SK_AUTO(work_done) struct work w = { .args = args };

    (void)count;
    if (prepare(&w, operands[0], err) < 0 || pack(&w, err) < 0 || deliver(&w, err) < 0)
        return -1;
    return report(&w, err);
}

const struct sk_cmd sk_cli_package = {
    .name = "package",
    .operands = "MODEL",
    .summary = "Makes a container image of a model, without Docker",
    .details =
        "MODEL is a bundle (a folder, or a lone .onnx file), or a registered version of the hub: "
        "NAME, NAME:3, NAME@champion, NAME@sha256:....\n\n"
        "The image has two layers: a base with this program, the libraries that 'skerry serve' "
        "needs and ONNX Runtime, and the model. It serves on port 5001 as an unprivileged user "
        "and checks its own health. The same input gives the same digest, whenever and wherever "
        "it is made; the base is made once and kept in the cache.\n\n"
        "A folder goes whole, but for hidden files and weights that the model does not use. A file "
        "with a private key is refused; files that no model needs, and labels that do not fit, "
        "give a warning. What the model makes of its test picture (\"test\" or \"warmup_image\" of "
        "skerry.json) is recorded in the image unless it was before, so that a device can check "
        "it; the bundle stays as it is.\n\n"
        "A docker archive is what 'docker load' reads, and an OCI archive at the same time. "
        "'skerry pull --model-only' fetches the model's layer alone.\n\n"
        "An image for another CPU needs a base from there: 'skerry image base' makes one, and "
        "--base takes it.",
    .examples =
        "skerry package out -t defect-detector:v1 -o defect.tar # then: docker load -i defect.tar\n"
        "skerry package defect-detector@champion -t team/defect-detector:v3 --push # to the hub\n"
        "skerry package out -t defect-detector:v1 -o defect --base arm64.tar --platform "
        "linux/arm64\n",
    .options = options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
