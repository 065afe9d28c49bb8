/* cmd_image_base.c - `skerry image base`: the layer below every model, listed or written. */
#include "base/file.h"
#include "base/str.h"
#include "cli/cli_priv.h"
#include "cli/package_priv.h"
#include "cli/remote_priv.h"
#include "engine/engine.h"
#include "pack/pack.h"

struct args {
    const char *output, *onnxruntime;
    bool list, json;
};

static const struct sk_opt options[] = {
    { "output", 'o', SK_OPT_TEXT, "PATH",
      "where it is written: NAME.tar, or a new folder (OCI layout)",
      .offset = offsetof(struct args, output) },
    { "list", 0, SK_OPT_FLAG, NULL, "print the files that are in it, with their sizes",
      .offset = offsetof(struct args, list) },
    { "onnxruntime", 0, SK_OPT_TEXT, "FILE", "ONNX Runtime library that goes into it",
      .offset = offsetof(struct args, onnxruntime) },
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", .offset = offsetof(struct args, json) },
    { .name = NULL },
};

struct listing {
    struct sk_buf out;
    bool json;
    uint64_t files, bytes;
};

static void listing_done(struct listing *l)
{
    sk_buf_done(&l->out);
}

static int add_file(void *ctx, const char *path, uint64_t size, struct sk_err *err)
{
    struct listing *l = ctx;

    if (l->json) {
        sk_buf_str(&l->out, l->files ? ",{\"path\":" : "{\"path\":");
        sk_buf_json_str(&l->out, path);
        sk_buf_fmt(&l->out, ",\"bytes\":%llu}", (unsigned long long)size);
    } else {
        sk_buf_fmt(&l->out, "%10llu  %s\n", (unsigned long long)size, path);
    }
    l->files++;
    l->bytes += size;
    return sk_buf_ok(&l->out) ? 0 : sk_buf_fail(&l->out, err);
}

static int list(const struct args *a, const struct sk_pack_own *own, struct sk_err *err)
{
    SK_AUTO(listing_done)
    struct listing l = { .out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES), .json = a->json };

    sk_buf_str(&l.out, a->json ? "{\"files\":[" : "");
    if (sk_pack_base_list(own, add_file, &l, err) < 0)
        return -1;
    if (a->json)
        sk_buf_fmt(&l.out, "],\"bytes\":%llu}\n", (unsigned long long)l.bytes);
    else
        sk_buf_fmt(&l.out, "%10llu  in %llu files\n", (unsigned long long)l.bytes,
                   (unsigned long long)l.files);
    return sk_cli_print(&l.out, err);
}

static int write_base(const struct args *a, const struct sk_pack_own *own, struct sk_err *err)
{
    SK_AUTO(sk_package_done) struct sk_package_source scratch = { 0 };
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);
    SK_OWN(free) char *layout = NULL;
    struct sk_pack_result r = { 0 };
    bool is_file = sk_ends_with(a->output, ".tar");

    if (!is_file && sk_cli_output_check(a->output, true, err) < 0)
        return -1;
    if (!is_file)
        layout = strdup(a->output);
    else if (sk_package_scratch(&scratch, "layout", &layout, err) < 0)
        return -1;
    if (!layout)
        return sk_nomem(err);
    if (sk_pack_base(own, layout, NULL, &r, err) < 0 ||
        (is_file && sk_pack_archive(layout, r.manifest, NULL, false, a->output, err) < 0))
        return -1;
    if (a->json) {
        sk_buf_fmt(&out, "{\"digest\":\"%s\",\"platform\":\"%s\",\"bytes\":%llu,", r.manifest,
                   r.platform, (unsigned long long)r.base_bytes);
        sk_buf_fmt(
            &out, "\"unpacked_bytes\":%llu,\"output\":", (unsigned long long)r.base_unpacked_bytes);
        sk_buf_json_str(&out, a->output);
        sk_buf_str(&out, "}\n");
    } else {
        sk_buf_fmt(&out, "base for %s, ", r.platform);
        sk_cli_size(&out, r.base_bytes);
        sk_buf_str(&out, ", unpacked ");
        sk_cli_size(&out, r.base_unpacked_bytes);
        sk_buf_fmt(&out, ": %s\nwritten to %s   next: skerry package MODEL --base ", r.manifest,
                   a->output);
        sk_cli_path(&out, a->output);
        sk_buf_str(&out, " ...\n");
    }
    return sk_cli_print(&out, err);
}

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(free) char *onnxruntime = NULL;

    (void)operands;
    (void)count;
    if (a->list == (a->output != NULL))
        return sk_fail(err, SK_USAGE, "give one of --list and --output PATH");
    if (sk_engine_library(a->onnxruntime, &onnxruntime, err) < 0)
        return -1;
    const struct sk_pack_own own = { .onnxruntime = onnxruntime };
    return a->list ? list(a, &own, err) : write_base(a, &own, err);
}

const struct sk_cmd sk_cli_image_base = {
    .name = "image base",
    .summary = "Lists or writes the base layer of the images that 'skerry package' makes here",
    .details = "The base has this program, the libraries that 'skerry serve' needs and ONNX "
               "Runtime, for this machine's CPU. Written to a file it is what --base of 'skerry "
               "package' takes on another machine.",
    .examples = "skerry image base --list # what is in every image\n"
                "skerry image base -o arm64.tar # on an arm64 machine\n",
    .options = options,
    .args_size = sizeof(struct args),
    .run = run,
};
