/*
 * ort_cache.c - optimised graphs, kept on disk so that they are made once and their weights exist
 * once in memory.
 *
 *   $CACHE/graphs/KEY/model.onnx   the graph after the library's optimisations
 *                     weights.bin  its weights, mapped by every session of every process
 *                     manifest     what the two looked like when they were written
 *
 * KEY is a digest of everything that the result depends on: the model, the library's build, the
 * CPU, our format. An entry is written in a temporary folder and renamed, so a folder under its
 * final name is complete; two processes may do it at once, the second uses the first one's. Nothing
 * is synced: instead the manifest names the boot during which it was written. Within that boot an
 * entry is sound when size, inode and times of its files are still those of the manifest; after a
 * reboot (which may have lost data) the SHA-256 sums are compared once and the manifest is renewed.
 * What is unsound is removed. Entries that were not used for 30 days are removed when a new one is
 * made.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "crypto/crypto.h"
#include "engine/ort_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FORMAT = 1,
    MANIFEST_BYTES = 4096,
    UNUSED_SECONDS = 30 * 24 * 3600,
    TEMP_SECONDS = 3600,
    BOOT_TEXT = 64
};

static const char *const cached_files[] = { SK_ORT_CACHE_GRAPH, SK_ORT_CACHE_WEIGHTS };

enum {
    FILE_COUNT = sizeof(cached_files) / sizeof(cached_files[0])
};

/* ---- the key ---- */

/* Lines of /proc/cpuinfo that say what the CPU can do; the first of each, since the cores are
 * alike. */
static void add_cpu(const char *text, struct sk_buf *out)
{
    static const char *const fields[] = { "vendor_id", "cpu family",      "model",   "flags",
                                          "Features",  "CPU implementer", "CPU part" };

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        for (const char *line = text; line;
             line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
            size_t name_len = strlen(fields[i]);

            if (strncmp(line, fields[i], name_len) != 0 ||
                (line[name_len] != '\t' && line[name_len] != ' ' && line[name_len] != ':'))
                continue;
            sk_buf_add(out, line, strcspn(line, "\n"));
            sk_buf_chr(out, '\n');
            break;
        }
    }
}

int sk_ort_cache_key(const struct sk_ort_engine *e, const char *digest, char *out,
                     struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(64 << 10);
    char hex[SK_SHA256_HEX];

    sk_buf_fmt(&b, "format %d\nmodel %s\nlibrary %s %s\n", FORMAT, digest, e->name,
               e->api.GetBuildInfoString());
    add_cpu(e->cpu_text, &b);
    if (!sk_buf_ok(&b))
        return sk_buf_fail(&b, err);
    if (sk_sha256_hex(b.data, b.len, hex, err) < 0)
        return -1;
    (void)snprintf(out, SK_ORT_KEY_TEXT, "%.32s", hex);
    return 0;
}

static char *graphs_folder(struct sk_err *err)
{
    SK_AUTO(free_cleanup) char *cache = NULL;
    SK_AUTO(free_cleanup) char *folder = NULL;

    if (sk_cache_dir(&cache, err) < 0)
        return NULL;
    folder = sk_path_join(cache, "graphs");
    if (!folder) {
        (void)sk_nomem(err);
        return NULL;
    }
    return sk_mkdirs(folder, 0700, err) < 0 ? NULL : SK_TAKE(folder);
}

static char *entry_folder(const char *key, struct sk_err *err)
{
    SK_AUTO(free_cleanup) char *graphs = graphs_folder(err);
    char *folder = graphs ? sk_path_join(graphs, key) : NULL;

    if (graphs && !folder)
        (void)sk_nomem(err);
    return folder;
}

/* ---- the manifest ---- */

/* Without the file every boot looks alike: then only the sums count, see is_sound. */
static bool read_boot(char *out)
{
    SK_AUTO(sk_close) int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, BOOT_TEXT - 1);

    if (n <= 0)
        return false;
    out[n] = '\0';
    out[strcspn(out, "\n")] = '\0';
    return true;
}

/* Identity of one file: cheap to find out, changes with every write. */
static int add_identity(const char *path, struct sk_buf *out, struct sk_err *err)
{
    struct stat st;

    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
        if (errno != ENOENT)
            return sk_fail(err, SK_CORRUPT, "'%s' is not a regular file", path);
        sk_buf_str(out, "absent\n");
        return 0;
    }
    sk_buf_fmt(out, "%jd %jd %ju %jd.%09ld %jd.%09ld\n", (intmax_t)st.st_size, (intmax_t)st.st_dev,
               (uintmax_t)st.st_ino, (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
               (intmax_t)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
    return 0;
}

static int add_sum(const char *path, struct sk_buf *out, struct sk_err *err)
{
    char hex[SK_SHA256_HEX] = "absent";

    if (sk_is_file(path) && sk_sha256_file(path, hex, err) < 0)
        return -1;
    sk_buf_fmt(out, "%s\n", hex);
    return 0;
}

/* Two parts: what is cheap to compare, and the sums. */
static int describe(const char *folder, bool with_sums, struct sk_buf *identity,
                    struct sk_buf *sums, struct sk_err *err)
{
    char boot[BOOT_TEXT];

    sk_buf_fmt(identity, "skerry graph %d\nboot %s\n", FORMAT, read_boot(boot) ? boot : "unknown");
    for (int i = 0; i < FILE_COUNT; i++) {
        SK_AUTO(free_cleanup) char *path = sk_path_join(folder, cached_files[i]);

        if (!path)
            return sk_nomem(err);
        if (add_identity(path, identity, err) < 0 || (with_sums && add_sum(path, sums, err) < 0))
            return -1;
    }
    if (!sk_buf_ok(identity) || !sk_buf_ok(sums))
        return sk_buf_fail(sk_buf_ok(identity) ? sums : identity, err);
    return 0;
}

/* In one step, but without waiting for the disk: a sync would write out the weights too, which
 * takes seconds on a slow card. What a power loss does to the manifest is_sound finds out. */
static int replace_file(const char *folder, const char *name, const struct sk_buf *text,
                        struct sk_err *err)
{
    SK_AUTO(free_cleanup) char *temp = sk_path_join(folder, "manifest.XXXXXX");
    SK_AUTO(free_cleanup) char *path = sk_path_join(folder, name);
    SK_AUTO(sk_close) int fd = -1;

    if (!temp || !path)
        return sk_nomem(err);
    fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0)
        return sk_fail_errno(err, "cannot make a file in '%s'", folder);
    if (write(fd, text->data, text->len) != (ssize_t)text->len || rename(temp, path) != 0) {
        (void)sk_fail_errno(err, "cannot write '%s'", path);
        (void)unlink(temp);
        return -1;
    }
    return 0;
}

static int write_manifest(const char *folder, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(MANIFEST_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf sums = SK_BUF_INIT(MANIFEST_BYTES);

    if (describe(folder, true, &text, &sums, err) < 0)
        return -1;
    sk_buf_add(&text, sums.data, sums.len);
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    return replace_file(folder, "manifest", &text, err);
}

/* The entry is what its manifest says; a manifest of another boot is checked by the sums and
 * renewed. */
static bool is_sound(const char *folder)
{
    SK_AUTO(sk_buf_done) struct sk_buf identity = SK_BUF_INIT(MANIFEST_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf sums = SK_BUF_INIT(MANIFEST_BYTES);
    SK_AUTO(free_cleanup) char *path = sk_path_join(folder, "manifest");
    SK_AUTO(free_cleanup) char *text = NULL;
    struct sk_err ignored = SK_ERR_INIT;
    char boot[BOOT_TEXT];
    size_t len;

    if (!path || sk_file_read(path, MANIFEST_BYTES, &text, &len, &ignored) < 0)
        return false;
    if (describe(folder, false, &identity, &sums, &ignored) < 0)
        return false;
    if (read_boot(boot) && sk_starts_with(text, identity.data)) {
        (void)utimensat(AT_FDCWD, path, NULL, 0); /* last use, for prune */
        return true;
    }
    sk_buf_clear(&identity);
    if (describe(folder, true, &identity, &sums, &ignored) < 0 || !sk_ends_with(text, sums.data))
        return false;
    return write_manifest(folder, &ignored) == 0;
}

/* ---- finding, making, removing ---- */

void sk_ort_cache_remove(const char *folder)
{
    struct sk_err err = SK_ERR_INIT;

    if (sk_remove_tree(folder, &err) < 0) /* what stays is found unsound the next time */
        sk_log(SK_DEBUG, "graph_cache_stays", "entry=\"%s\" error=\"%s\"", folder, err.text);
}

char *sk_ort_cache_find(const char *key)
{
    struct sk_err ignored = SK_ERR_INIT;
    SK_AUTO(free_cleanup) char *folder = entry_folder(key, &ignored);

    if (!folder || !sk_is_dir(folder))
        return NULL;
    if (!is_sound(folder)) {
        sk_log(SK_DEBUG, "graph_cache_unsound",
               "entry=\"%s\" next=\"removing and making it again\"", folder);
        sk_ort_cache_remove(folder);
        return NULL;
    }
    return sk_path_join(folder, SK_ORT_CACHE_GRAPH);
}

void sk_ort_cache_discard(const char *key)
{
    struct sk_err ignored = SK_ERR_INIT;
    SK_AUTO(free_cleanup) char *folder = entry_folder(key, &ignored);

    if (folder)
        sk_ort_cache_remove(folder);
}

/* Entries without use for long, and temporary folders of processes that died. */
static void prune(const char *graphs)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    struct sk_err ignored = SK_ERR_INIT;
    int64_t now = (int64_t)(sk_wall_ms() / 1000);

    if (sk_dir_read(graphs, &dir, &ignored) < 0)
        return;
    for (size_t i = 0; i < dir.count; i++) {
        SK_AUTO(free_cleanup) char *folder = sk_path_join(graphs, dir.names[i]);
        SK_AUTO(free_cleanup) char *manifest = folder ? sk_path_join(folder, "manifest") : NULL;
        bool is_temp = sk_starts_with(dir.names[i], "tmp.");
        struct stat st;

        if (!manifest || (lstat(manifest, &st) != 0 && lstat(folder, &st) != 0))
            continue;
        if (now - (int64_t)st.st_mtim.tv_sec > (is_temp ? TEMP_SECONDS : UNUSED_SECONDS))
            sk_ort_cache_remove(folder);
    }
}

int sk_ort_cache_begin(char **folder, struct sk_err *err)
{
    SK_AUTO(free_cleanup) char *graphs = graphs_folder(err);
    SK_AUTO(free_cleanup) char *path = graphs ? sk_path_join(graphs, "tmp.XXXXXX") : NULL;

    if (!graphs)
        return -1;
    if (!path)
        return sk_nomem(err);
    prune(graphs);
    if (!mkdtemp(path))
        return sk_fail_errno(err, "cannot make a folder in '%s'", graphs);
    *folder = SK_TAKE(path);
    return 0;
}

int sk_ort_cache_commit(const char *folder, const char *key, char **graph, struct sk_err *err)
{
    SK_AUTO(free_cleanup) char *final = entry_folder(key, err);
    SK_AUTO(free_cleanup) char *path = final ? sk_path_join(final, SK_ORT_CACHE_GRAPH) : NULL;

    if (!final)
        return -1;
    if (!path)
        return sk_nomem(err);
    if (write_manifest(folder, err) < 0)
        return -1;
    if (rename(folder, final) != 0) {
        if ((errno != EEXIST && errno != ENOTEMPTY) || !is_sound(final))
            return sk_fail_errno(err, "cannot rename '%s' to '%s'", folder, final);
        sk_ort_cache_remove(folder); /* another process was first: its entry is as good */
    }
    *graph = SK_TAKE(path);
    return 0;
}
