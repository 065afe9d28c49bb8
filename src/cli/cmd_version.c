/*
 * cmd_version.c - `skerry version`, also `skerry --version`: what this build is and what it found
 * on the machine.
 */
#include "base/thread.h"
#include "cli/cli_priv.h"
#include "image/image.h"

struct args {
    struct sk_cli_engine engine;
    bool json;
};

/* clang-format off */
static const struct sk_opt options[] = {
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", .offset = offsetof(struct args, json) },
    SK_CLI_ENGINE_OPTIONS(struct args),
    { .name = NULL },
};

/* clang-format on */

/* What is told; the texts of the engine live as long as it does. */
struct facts {
    const char *build;
    const char *engine; /* NULL: none, and `missing` says why */
    const char *device;
    const char *reason;
    const char *missing;
};

#if defined(__clang__)
#define COMPILER __VERSION__
#else
#define COMPILER "GCC " __VERSION__
#endif

static const char *build_type(void)
{
#if defined(__SANITIZE_ADDRESS__)
    return "address sanitizer";
#elif defined(__SANITIZE_THREAD__)
    return "thread sanitizer";
#elif defined(__OPTIMIZE__)
    return "optimised";
#else
    return "not optimised";
#endif
}

static void add_text(struct sk_buf *out, const struct facts *f)
{
    const char *const *kernels = sk_image_kernels_available();

    sk_buf_fmt(out, "skerry %s (%s, %s)\n", SK_VERSION, f->build, COMPILER);
    if (f->engine)
        sk_buf_fmt(out, "engine    %s, device %s%s%s\n", f->engine, f->device,
                   *f->reason ? ": " : "", f->reason);
    else
        sk_buf_fmt(out, "engine    none: %s\n", f->missing);
    sk_buf_fmt(out, "pictures  %s\n", sk_image_formats());
    sk_buf_str(out, "codecs    ");
    sk_image_codecs(out);
    sk_buf_fmt(out, "\nkernels   %s in use; this CPU has", sk_image_kernels_name());
    for (size_t i = 0; kernels[i]; i++)
        sk_buf_fmt(out, "%s %s", i ? "," : "", kernels[i]);
    sk_buf_fmt(out, "\ncores     %u\n", sk_cpu_count());
}

static void add_member(struct sk_buf *out, const char *key, const char *text)
{
    sk_buf_fmt(out, ",\"%s\":", key);
    if (text)
        sk_buf_json_str(out, text);
    else
        sk_buf_str(out, "null");
}

static void add_json(struct sk_buf *out, const struct facts *f)
{
    SK_AUTO(sk_buf_done) struct sk_buf codecs = SK_BUF_INIT(4096);
    const char *const *kernels = sk_image_kernels_available();

    sk_buf_str(out, "{\"version\":\"" SK_VERSION "\"");
    add_member(out, "build", f->build);
    add_member(out, "compiler", COMPILER);
    add_member(out, "engine", f->engine);
    add_member(out, "device", f->device);
    add_member(out, "reason", f->engine ? f->reason : f->missing);
    add_member(out, "pictures", sk_image_formats());
    sk_image_codecs(&codecs);
    add_member(out, "codecs", codecs.data);
    add_member(out, "kernels", sk_image_kernels_name());
    sk_buf_str(out, ",\"kernels_available\":[");
    for (size_t i = 0; kernels[i]; i++) {
        sk_buf_str(out, i ? "," : "");
        sk_buf_json_str(out, kernels[i]);
    }
    sk_buf_fmt(out, "],\"cores\":%u}\n", sk_cpu_count());
}

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);
    SK_OWN(sk_engine_close) struct sk_engine *engine = NULL;
    const struct args *a = args;
    struct sk_err missing = SK_ERR_INIT;
    const struct sk_engine_options opts = sk_cli_engine_options(&a->engine);
    struct facts f = { .build = build_type(), .reason = "" };

    (void)operands;
    (void)count;
    if (sk_engine_open(&opts, &engine, &missing) == 0) {
        f.engine = sk_engine_name(engine);
        f.device = sk_engine_device(engine, &f.reason);
    } else {
        f.missing = missing.text;
    }
    if (a->json)
        add_json(&out, &f);
    else
        add_text(&out, &f);
    return sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_version = {
    .name = "version",
    .summary = "Prints the version, the engine and the picture formats that it found",
    .details = "A missing engine is reported, not an error.",
    .options = options,
    .args_size = sizeof(struct args),
    .run = run,
};
