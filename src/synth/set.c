/*
 * set.c - a labelled set of synthetic pictures in folders.
 *
 * Picture i of a part follows from the set's seed, the part and i alone: even ones are whole, odd
 * ones defective, and kinds and surfaces take turns. So a larger set begins with the smaller one,
 * and any number of threads makes the same files.
 *
 *     dir/.partial/train, .partial/val    while it is made; what an interrupted run leaves is
 * removed dir/train, dir/val                  renamed when every file is written dir/README.md
 * last: it marks a whole set, and a folder as ours to replace
 */
#include "synth/synth_priv.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

static const char readme_head[] = "# Synthetic pictures of surfaces\n";
static const char readme_name[] = "README.md";
static const char partial_name[] = ".partial";
static const char *const part_names[] = { "train", "val" };

enum {
    PARTS = 2,
    KINDS = SK_SYNTH_DEFECT_COUNT - 1,
    PATH_BYTES = 4096,
    THREADS_MAX = 256,
};

static size_t count_of(const struct sk_synth_set *set, unsigned part)
{
    return part == 0 ? set->train_count : set->val_count;
}

static struct sk_synth picture_of(const struct sk_synth_set *set, unsigned part, size_t i)
{
    size_t pair = i / 2;
    struct sk_dice d = { set->seed };
    d.state = sk_dice_next(&d) ^ part; /* twice through the dice: seeds 0, 1, 2... are no neighbours
                                        */
    d.state = sk_dice_next(&d) ^ i;
    return (struct sk_synth){
        .surface = (enum sk_synth_surface)(pair / KINDS % SK_SYNTH_SURFACE_COUNT),
        .defect = i % 2 ? (enum sk_synth_defect)(1 + pair % KINDS) : SK_SYNTH_WHOLE,
        .side = set->side,
        .seed = sk_dice_next(&d),
    };
}

static const char *class_of(const struct sk_synth_set *set, const struct sk_synth *p)
{
    if (p->defect == SK_SYNTH_WHOLE)
        return "no_defect";
    return set->by_kind ? sk_synth_defect_name(p->defect) : "defect";
}

/* ---- where the set goes ---- */

static int check_options(const struct sk_synth_set *set, struct sk_err *err)
{
    size_t least = set->by_kind ? 2u * KINDS : 2u;

    if (set->train_count < least)
        return sk_fail(err, SK_INVALID, "%zu pictures are too few for training: at least %zu",
                       set->train_count, least);
    if (set->side < SK_SYNTH_SIDE_MIN || set->side > SK_SYNTH_SIDE_MAX)
        return sk_fail(err, SK_INVALID, "a side of %u pixels is not within %d and %d", set->side,
                       SK_SYNTH_SIDE_MIN, SK_SYNTH_SIDE_MAX);
    return 0;
}

static int find_readme(const char *dir, bool *is_ours, struct sk_err *err)
{
    SK_OWN(free) char *path = sk_path_join(dir, readme_name);
    SK_OWN(free) char *text = NULL;
    size_t len = 0;

    if (!path)
        return sk_nomem(err);
    *is_ours = false;
    if (!sk_is_file(path))
        return 0;
    if (sk_file_read(path, SK_LIMIT_CONFIG_BYTES, &text, &len, err) < 0)
        return -1;
    *is_ours = sk_starts_with(text, readme_head);
    return 0;
}

/* Replacing must not take pictures of somebody else with it: all files below `part` are ours. */
static int check_part(const struct sk_synth_set *set, const char *part, struct sk_err *err)
{
    SK_OWN(free) char *root = sk_path_join(set->dir, part);
    SK_AUTO(sk_dir_done) struct sk_dir classes = { 0 };

    if (!root)
        return sk_nomem(err);
    if (!sk_is_dir(root))
        return 0;
    if (sk_dir_read(root, &classes, err) < 0)
        return -1;
    for (size_t c = 0; c < classes.count; c++) {
        SK_OWN(free) char *folder = sk_path_join(root, classes.names[c]);
        SK_AUTO(sk_dir_done) struct sk_dir files = { 0 };

        if (!folder)
            return sk_nomem(err);
        if (sk_dir_read(folder, &files, err) < 0)
            return -1;
        for (size_t i = 0; i < files.count; i++) {
            if (!sk_starts_with(files.names[i], "synthetic-"))
                return sk_fail(err, SK_EXISTS,
                               "'%s/%s' is no part of a sample set and would be lost; move it away",
                               folder, files.names[i]);
        }
    }
    return 0;
}

/* The folder must be ours to write into. */
static int check_dir(const struct sk_synth_set *set, struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir found = { 0 };
    bool is_ours = false;

    if (find_readme(set->dir, &is_ours, err) < 0 || sk_dir_read(set->dir, &found, err) < 0)
        return -1;
    for (size_t i = 0; i < found.count; i++) {
        const char *name = found.names[i];
        bool is_part = strcmp(name, part_names[0]) == 0 || strcmp(name, part_names[1]) == 0;
        if (strcmp(name, partial_name) == 0)
            continue;
        if (!is_ours || !(is_part || strcmp(name, readme_name) == 0))
            return sk_fail(err, SK_EXISTS,
                           "'%s' is not empty: it holds '%s', which is no part of a sample set",
                           set->dir, name);
        if (!set->replace)
            return sk_fail(err, SK_EXISTS, "'%s' holds a sample set already (--force replaces it)",
                           set->dir);
    }
    for (unsigned part = 0; part < PARTS; part++) {
        if (check_part(set, part_names[part], err) < 0)
            return -1;
    }
    return 0;
}

/* ---- the files ---- */

struct work {
    const struct sk_synth_set *set;
    const char *root; /* the hidden folder */
    atomic_size_t next;
    pthread_mutex_t lock; /* guards the following */
    size_t done;
    struct sk_err failed;
};

static int write_file(const char *path, const uint8_t *bytes, size_t len, struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

    if (fd < 0)
        return sk_fail_errno(err, "'%s'", path);
    if (sk_write_all(fd, bytes, len) < 0 || close(sk_take_fd(&fd)) < 0)
        return sk_fail_errno(err, "'%s'", path);
    return 0;
}

static int path_fail(const char *dir, struct sk_err *err)
{
    return sk_fail(err, SK_LIMIT, "'%s': the path is too long", dir);
}

static int make_picture(struct work *w, size_t n, struct sk_err *err)
{
    const struct sk_synth_set *set = w->set;
    unsigned part = n < set->train_count ? 0 : 1;
    size_t i = part == 0 ? n : n - set->train_count;
    const struct sk_synth picture = picture_of(set, part, i);
    SK_OWN(free) uint8_t *jpeg = NULL;
    size_t len = 0;
    char path[PATH_BYTES];

    int used = snprintf(path, sizeof path, "%s/%s/%s/synthetic-%05zu-%s-%s.jpg", w->root,
                        part_names[part], class_of(set, &picture), i,
                        sk_synth_surface_name(picture.surface),
                        sk_synth_defect_name(picture.defect));
    if (used < 0 || (size_t)used >= sizeof path)
        return path_fail(w->root, err);
    if (sk_synth_jpeg(&picture, &jpeg, &len, err) < 0)
        return -1;
    return write_file(path, jpeg, len, err);
}

static void *run(void *p)
{
    struct work *w = p;
    size_t total = w->set->train_count + w->set->val_count;

    for (;;) {
        struct sk_err err = SK_ERR_INIT;
        size_t n = atomic_fetch_add(&w->next, 1);
        if (n >= total)
            return NULL;
        int rc = make_picture(w, n, &err);
        SK_LOCK(&w->lock);
        w->done++;
        if (rc == 0 && w->set->progress && !w->set->progress(w->set->ctx, w->done, total))
            rc = sk_fail(&err, SK_CANCELLED, "stopped");
        if (rc == 0)
            continue;
        if (w->failed.code == SK_OK)
            w->failed = err;
        atomic_store(&w->next, total); /* the others end, too */
    }
}

/* Makes all pictures with up to n threads, this one among them. */
static int make_pictures(const struct sk_synth_set *set, const char *root, struct sk_err *err)
{
    struct work w = { .set = set, .root = root, .lock = PTHREAD_MUTEX_INITIALIZER };
    pthread_t threads[THREADS_MAX];
    unsigned wanted = set->threads ? set->threads : sk_cpu_count(), started = 0;
    struct sk_err ignored = SK_ERR_INIT;

    while (started + 1 < wanted && started < THREADS_MAX &&
           sk_thread_start(&threads[started], "sample-data", run, &w, &ignored) == 0)
        started++; /* fewer are slower, no failure */
    (void)run(&w);
    for (unsigned i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    (void)pthread_mutex_destroy(&w.lock);
    if (w.failed.code == SK_OK)
        return 0;
    *err = w.failed;
    return -1;
}

static int make_folders(const struct sk_synth_set *set, const char *root, struct sk_err *err)
{
    char path[PATH_BYTES];

    for (unsigned part = 0; part < PARTS; part++) {
        for (size_t i = 0; i < count_of(set, part) && i < 2u * KINDS; i++) {
            const struct sk_synth picture = picture_of(set, part, i);
            int used = snprintf(path, sizeof path, "%s/%s/%s", root, part_names[part],
                                class_of(set, &picture));
            if (used < 0 || (size_t)used >= sizeof path)
                return path_fail(root, err);
            if (sk_mkdirs(path, 0777, err) < 0)
                return -1;
        }
    }
    return 0;
}

static int write_readme(const struct sk_synth_set *set, const char *root, struct sk_err *err)
{
    SK_OWN(free) char *path = sk_path_join(root, readme_name);
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 16);

    if (!path)
        return sk_nomem(err);
    sk_buf_str(&b, readme_head);
    sk_buf_fmt(
        &b,
        "\nEvery picture here was computed by `skerry sample-data` (Skerry %s). None is a "
        "photograph, "
        "none shows a real\nproduct, and figures measured on them say nothing about real parts. "
        "They "
        "are for trying out training, evaluation\nand serving.\n\n"
        "- Surfaces: brushed metal, castings, woven fabric, with grit and specks that are no "
        "defect.\n"
        "- Defects: scratch, dent, stain, crack; one per defective picture. File names tell both.\n"
        "- %zu pictures for training, %zu for validation, half of them defective, %u x %u pixels, "
        "seed %llu.\n"
        "- The same options give the same pixels on every machine; each JPEG has a comment that "
        "says "
        "it is synthetic.\n\n"
        "Try: `skerry train --data-path train%s --weights none --image-size 64 --output-dir out`\n",
        SK_VERSION, set->train_count, set->val_count, set->side, set->side,
        (unsigned long long)set->seed, set->val_count > 0 ? " --val-path val" : "");
    return sk_buf_ok(&b) ? sk_file_write(path, b.data, b.len, 0666, err) : sk_buf_fail(&b, err);
}

/* ---- the set ---- */

/* dir/name becomes root/name, if there is one; whatever was there goes. */
static int replace(const struct sk_synth_set *set, const char *root, const char *name,
                   struct sk_err *err)
{
    SK_OWN(free) char *from = sk_path_join(root, name);
    SK_OWN(free) char *to = sk_path_join(set->dir, name);

    if (!from || !to)
        return sk_nomem(err);
    if (sk_remove_tree(to, err) < 0)
        return -1;
    if (rename(from, to) < 0 && errno != ENOENT)
        return sk_fail_errno(err, "'%s'", to);
    return 0;
}

static int make_set(const struct sk_synth_set *set, const char *root, struct sk_err *err)
{
    if (make_folders(set, root, err) < 0 || make_pictures(set, root, err) < 0 ||
        write_readme(set, root, err) < 0 || replace(set, root, readme_name, err) < 0)
        return -1;
    for (unsigned part = 0; part < PARTS; part++)
        if (replace(set, root, part_names[part], err) < 0)
            return -1;
    return 0;
}

int sk_synth_write(const struct sk_synth_set *set, struct sk_err *err)
{
    struct sk_err ignored = SK_ERR_INIT;

    if (check_options(set, err) < 0 || sk_mkdirs(set->dir, 0777, err) < 0 ||
        check_dir(set, err) < 0)
        return -1;
    SK_OWN(free) char *root = sk_path_join(set->dir, partial_name);
    if (!root)
        return sk_nomem(err);
    if (sk_remove_tree(root, err) < 0)
        return -1;
    int rc = make_set(set, root, err);
    if (sk_remove_tree(root, &ignored) < 0 && rc == 0) /* what is left of it is empty */
        return sk_fail(err, ignored.code, "%s", ignored.text);
    return rc;
}
