/*
 * cmd_hub_care.c - `skerry hub backup|restore|verify|gc`: care for a hub's folder, also while
 * `hub run` serves from it. They work on the folder itself, so they need no token and no network.
 */
#include "cli/cli_priv.h"
#include "cli/hub_dir_priv.h"
#include "cli/remote_priv.h"
#include "store/store.h"

#include <signal.h>
#include <sys/stat.h>

struct args {
    const char *data_dir;
    uint64_t grace_ms, upload_ms;
    bool dry_run, json;
};

#define AT(field) .offset = offsetof(struct args, field)

enum {
    OUTPUT_BYTES = 16 << 20,
    SHORT_GRACE_MS = 5 * 60000
};

/* clang-format off */
static const struct sk_opt options[] = {
    SK_CLI_DATA_DIR_OPTION(struct args),
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", AT(json) },
    { .name = NULL },
};

static const struct sk_opt gc_options[] = {
    SK_CLI_DATA_DIR_OPTION(struct args),
    { "grace", 0, SK_OPT_MS, "TIME", "leave what was pushed or looked at by a push this recently",
      .def = "24h", AT(grace_ms) },
    { "upload-age", 0, SK_OPT_MS, "TIME", "leave uploads that got bytes this recently",
      .def = "24h", AT(upload_ms) },
    { "dry-run", 'n', SK_OPT_FLAG, NULL, "only say what would go", AT(dry_run) },
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", AT(json) },
    { .name = NULL },
};

/* clang-format on */

/* ---- Ctrl-C: what was begun is taken away ---- */

static volatile sig_atomic_t is_stopped;

static void stop(int number)
{
    (void)number;
    is_stopped = 1;
}

static void watch_signals(void)
{
    struct sigaction action = { .sa_handler = stop, .sa_flags = (int)SA_RESETHAND };

    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

static bool show(void *ctx, uint64_t done, uint64_t total)
{
    return !is_stopped && sk_transfer_progress(ctx, NULL, done, total);
}

/* ---- answers ---- */

static void add_number(struct sk_buf *out, const char *key, uint64_t value, const char *behind)
{
    sk_buf_fmt(out, "\"%s\":%llu%s", key, (unsigned long long)value, behind);
}

static void add_text(struct sk_buf *out, const char *key, const char *value)
{
    sk_buf_fmt(out, "\"%s\":", key);
    sk_buf_json_str(out, value);
    sk_buf_chr(out, ',');
}

static void add_amount(struct sk_buf *out, uint64_t count, const char *what, uint64_t bytes)
{
    sk_buf_fmt(out, "%llu %s%s, ", (unsigned long long)count, what, count == 1 ? "" : "s");
    sk_cli_size(out, bytes);
}

static void write_copied(struct sk_buf *out, bool json, const char *key, const char *path,
                         const struct sk_store_report *r)
{
    if (json) {
        sk_buf_chr(out, '{');
        add_text(out, key, path);
        add_number(out, "blobs", r->blobs, ",");
        add_number(out, "bytes", r->bytes, "}\n");
        return;
    }
    sk_buf_fmt(out, "%s: ", path);
    add_amount(out, r->blobs, "blob", r->bytes);
    sk_buf_chr(out, '\n');
}

static int open_store(const struct args *a, struct sk_store **out, struct sk_err *err)
{
    SK_OWN(free) char *dir = NULL;

    watch_signals();
    if (sk_cli_hub_dir(a->data_dir, &dir, err) < 0)
        return -1;
    return sk_store_open(dir, out, err);
}

/* ---- backup and restore ---- */

static int backup(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    struct sk_transfer transfer = { .verb = "writing" };
    struct sk_store_report report;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(OUTPUT_BYTES);
    SK_OWN(sk_store_close) struct sk_store *store = NULL;

    (void)count;
    if (open_store(a, &store, err) < 0)
        return -1;
    int rc = sk_store_backup(store, operands[0], show, &transfer, &report, err);
    sk_transfer_end(&transfer);
    if (rc < 0)
        return -1;
    write_copied(&out, a->json, "file", operands[0], &report);
    return sk_cli_print(&out, err);
}

static int restore(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    struct sk_transfer transfer = { .verb = "reading" };
    struct sk_store_report report;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(OUTPUT_BYTES);
    SK_OWN(free) char *dir = NULL;

    (void)count;
    watch_signals();
    if (sk_cli_hub_dir(a->data_dir, &dir, err) < 0)
        return -1;
    int rc = sk_store_restore(operands[0], dir, show, &transfer, &report, err);
    sk_transfer_end(&transfer);
    if (rc < 0)
        return -1;
    write_copied(&out, a->json, "data_dir", dir, &report);
    return sk_cli_print(&out, err);
}

/* ---- verify ---- */

struct problems {
    struct sk_buf *out;
    struct sk_transfer *transfer;
    bool json, any;
};

static void say(void *ctx, const char *text)
{
    struct problems *p = ctx;

    sk_transfer_end(p->transfer);
    if (p->json) {
        sk_buf_str(p->out, p->any ? "," : "");
        sk_buf_json_str(p->out, text);
    } else {
        sk_buf_fmt(p->out, "%s\n", text);
    }
    p->any = true;
}

static void write_verified(struct sk_buf *out, bool json, const struct sk_store_report *r)
{
    if (json) {
        sk_buf_str(out, "],");
        add_number(out, "blobs", r->blobs, ",");
        add_number(out, "bytes", r->bytes, ",");
        add_number(out, "strays", r->strays, ",");
        add_number(out, "stray_bytes", r->stray_bytes, "}\n");
        return;
    }
    add_amount(out, r->blobs, "blob", r->bytes);
    sk_buf_str(out, r->problems ? "" : ": all as they should be");
    if (r->strays) {
        sk_buf_str(out, "; ");
        add_amount(out, r->strays, "stray file", r->stray_bytes);
        sk_buf_str(out, " for gc");
    }
    sk_buf_chr(out, '\n');
}

static int verify(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    struct sk_transfer transfer = { .verb = "reading" };
    struct sk_store_report report;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(OUTPUT_BYTES);
    SK_OWN(sk_store_close) struct sk_store *store = NULL;
    struct problems problems = { .out = &out, .transfer = &transfer, .json = a->json };

    (void)operands;
    (void)count;
    if (open_store(a, &store, err) < 0)
        return -1;
    sk_buf_str(&out, a->json ? "{\"problems\":[" : "");
    int rc = sk_store_verify(store, say, &problems, show, &report, err);
    sk_transfer_end(&transfer);
    if (rc < 0)
        return -1;
    write_verified(&out, a->json, &report);
    if (sk_cli_print(&out, err) < 0)
        return -1;
    if (report.problems)
        return sk_fail(err, SK_CORRUPT, "%s: %llu problem%s: push or restore what is broken",
                       sk_store_dir(store), (unsigned long long)report.problems,
                       report.problems == 1 ? "" : "s");
    return 0;
}

/* ---- gc ---- */

static void write_gc(struct sk_buf *out, const struct args *a, const struct sk_store_report *r)
{
    if (a->json) {
        sk_buf_fmt(out, "{\"dry_run\":%s,", a->dry_run ? "true" : "false");
        add_number(out, "removed", r->removed, ",");
        add_number(out, "removed_bytes", r->removed_bytes, ",");
        add_number(out, "uploads_removed", r->uploads_removed, ",");
        add_number(out, "strays", r->strays, ",");
        add_number(out, "stray_bytes", r->stray_bytes, "}\n");
        return;
    }
    sk_buf_str(out, a->dry_run ? "would remove " : "removed ");
    sk_buf_fmt(out, "%llu upload%s, ", (unsigned long long)r->uploads_removed,
               r->uploads_removed == 1 ? "" : "s");
    sk_buf_fmt(out, "%llu stray file%s, ", (unsigned long long)r->strays,
               r->strays == 1 ? "" : "s");
    add_amount(out, r->removed, "blob", r->removed_bytes + r->stray_bytes);
    sk_buf_str(out, " in all\n");
}

/* A push is many requests; between them only its age keeps what was sent. */
static void warn_of_grace(const struct args *a)
{
    if (a->grace_ms < SHORT_GRACE_MS && !a->dry_run)
        (void)fprintf(stderr, "note: with so short a --grace, a push that is under way may have to "
                              "be repeated\n");
}

static int gc(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    struct sk_store_report report;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(OUTPUT_BYTES);
    SK_OWN(sk_store_close) struct sk_store *store = NULL;

    (void)operands;
    (void)count;
    if (open_store(a, &store, err) < 0 ||
        sk_store_gc(store, a->grace_ms, a->upload_ms, a->dry_run, &report, err) < 0)
        return -1;
    warn_of_grace(a);
    write_gc(&out, a, &report);
    return sk_cli_print(&out, err);
}

/* ---- the commands ---- */

const struct sk_cmd sk_cli_hub_backup = {
    .name = "hub backup",
    .operands = "FILE",
    .summary = "Writes all of a hub into one file, also while it runs",
    .details =
        "FILE is a tar archive with a copy of the database as it was at one moment, every blob, "
        "and the hub's keys and certificates; guard it like them (its mode is 0600). Each blob is "
        "hashed on its way, so a backup that was written can be restored. FILE appears when it is "
        "whole and on the disk; one of that name is replaced. Until then it is "
        "FILE.partial.XXXXXX; nothing is written into the hub's folder. Pushes go on meanwhile; gc "
        "waits.",
    .examples = "skerry hub backup /backup/hub.tar # of the hub in the usual folder\n"
                "skerry hub restore /backup/hub.tar --data-dir /srv/new # and back",
    .options = options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = backup,
};

const struct sk_cmd sk_cli_hub_restore = {
    .name = "hub restore",
    .operands = "FILE",
    .summary = "Makes a hub's folder from a backup",
    .details =
        "The folder must be missing or empty. Every blob must have its digest, and every blob that "
        "the database names must be there. The folder appears in one step when all of it is on the "
        "disk; of a backup that is damaged nothing is left.",
    .examples = "skerry hub restore /backup/hub.tar --data-dir /srv/hub # then hub run",
    .options = options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = restore,
};

const struct sk_cmd sk_cli_hub_verify = {
    .name = "hub verify",
    .summary = "Hashes every blob of a hub and checks every reference",
    .details =
        "Prints a line for each problem, and exits with 1 when there is one. A blob that the disk "
        "has spoiled is mended by pushing it again. Stray files are what a kill in the middle of a "
        "push leaves; they are no problem, and gc removes them.",
    .examples = "skerry hub verify # also while the hub runs\n"
                "skerry hub verify --data-dir /srv/hub --json # for a script",
    .options = options,
    .args_size = sizeof(struct args),
    .run = verify,
};

const struct sk_cmd sk_cli_hub_gc = {
    .name = "hub gc",
    .summary = "Removes what nothing names any more",
    .details =
        "Blobs that no image, model, run or artifact names go, once nobody has pushed or asked "
        "for them in a push for the time of --grace; so do uploads that were never finished. A "
        "request that is running keeps its upload, and the hub goes on meanwhile. But a push is "
        "many requests: with a --grace of less than some minutes one that is under way may find "
        "gone what it sent before, and must be repeated. gc works on a full disk.",
    .examples = "skerry hub gc --dry-run # what would go\n"
                "skerry hub gc --grace 1h --upload-age 1h # sooner than after a day",
    .options = gc_options,
    .args_size = sizeof(struct args),
    .run = gc,
};
