/*
 * output.c - the output folder belongs to one training at a time.
 *
 * The lock is on the folder itself (flock), so it leaves no file and ends with the process, however
 * that ends. Under it, files that a crash left half written ("checkpoint.safetensors.a1B2c3") are
 * removed.
 */
#include "base/file.h"
#include "train/train_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

static bool is_half_written(const char *name, const char *onnx_name)
{
    const char *const ours[] = { "checkpoint.safetensors",
                                 "model.safetensors",
                                 "config.json",
                                 "preprocessor_config.json",
                                 "skerry.json",
                                 SK_TRAIN_TEST_IMAGE,
                                 "training.json",
                                 "report.html",
                                 onnx_name };

    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        if (sk_file_is_leftover(name, ours[i]))
            return true;
    }
    return false;
}

static int remove_half_written(const struct sk_train *t, struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };

    if (sk_dir_read(t->o->output_dir, &dir, err) < 0)
        return -1;
    for (size_t i = 0; i < dir.count; i++) {
        if (is_half_written(dir.names[i], t->o->onnx_name) &&
            unlinkat(t->lock_fd, dir.names[i], 0) < 0)
            return sk_fail_errno(err, "%s/%s", t->o->output_dir, dir.names[i]);
    }
    return 0;
}

int sk_train_lock_output(struct sk_train *t, struct sk_err *err)
{
    if (!t->is_first)
        return 0;
    t->lock_fd = open(t->o->output_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->lock_fd < 0)
        return sk_fail_errno(err, "--output-dir %s", t->o->output_dir);
    if (flock(t->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK)
            return sk_fail(
                err, SK_BUSY,
                "another training writes to %s; wait for it or choose another --output-dir",
                t->o->output_dir);
        return sk_fail_errno(err, "--output-dir %s", t->o->output_dir);
    }
    if (!t->o->resume && !t->o->reuse &&
        faccessat(t->lock_fd, "checkpoint.safetensors", F_OK, 0) == 0)
        sk_train_note(t, "the training in %s will be replaced (--resume would go on with it)",
                      t->o->output_dir);
    return remove_half_written(t, err);
}
