/* test_train_lines.c - the lines and the objects that `skerry train` prints. */
#include "cli/cli_priv.h"
#include "cli/train_priv.h"

#include "base/file.h"
#include "cli_test.h"
#include "harness/golden.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

/* Standard output goes to a file while it lives. */
struct caught {
    int kept;
    char *path;
};

static void begin(struct caught *c, const char *dir)
{
    int fd = -1;

    c->path = sk_path_join(dir, "out");
    (void)fflush(stdout);
    c->kept = dup(1);
    fd = open(c->path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    assert_true(fd >= 0 && c->kept >= 0);
    assert_int_equal(dup2(fd, 1), 1);
    (void)close(fd);
}

static char *end(struct caught *c)
{
    struct sk_err err = SK_ERR_INIT;
    char *text = NULL;
    size_t len = 0;

    (void)fflush(stdout);
    assert_int_equal(dup2(c->kept, 1), 1);
    (void)close(c->kept);
    assert_int_equal(sk_file_read(c->path, 1 << 20, &text, &len, &err), 0);
    free(c->path);
    return text;
}

static const struct sk_train_epoch bare = {
    .epoch = 1, .epochs = 50, .loss = 0.69314, .accuracy = 0.5, .val_loss = NAN, .val_accuracy = NAN
};
static const struct sk_train_epoch judged = {
    .epoch = 2, .epochs = 50, .loss = 0.5, .accuracy = 0.75, .val_loss = 0.25, .val_accuracy = 0.9
};

static char *show(bool json, const struct sk_train_options *o, const struct sk_train_result *r)
{
    char *dir = sk_test_dir();
    struct sk_train_lines lines = { 0 };
    struct sk_err err = SK_ERR_INIT;
    struct caught c = { 0 };
    atomic_bool stop = false;
    struct sk_train_watch watch = sk_train_lines_watch(&lines, json, &stop);

    begin(&c, dir);
    watch.epoch(watch.ctx, &bare);
    watch.epoch(watch.ctx, &judged);
    if (json)
        watch.note(watch.ctx, "a \"note\"");
    sk_train_lines_end(&lines);

    int rc = sk_train_lines_result(&lines, o, r, &err);
    char *text = end(&c);

    assert_int_equal(rc, 0);
    sk_test_dir_free(dir);
    return text;
}

static void lines_have_the_usual_form(void **state)
{
    struct sk_train_options o = { .output_dir = "out", .patience = 3 };
    struct sk_train_result r = {
        .has_figures = true, .validated = true, .accuracy = 0.9, .loss = 0.25
    };
    SK_OWN(free) char *text = show(false, &o, &r);

    (void)state;
    assert_string_equal(text, "Epoch 1/50, Loss: 0.6931\n"
                              "Epoch 2/50, Loss: 0.5000, Val Loss: 0.2500, Val Accuracy: 0.9000\n"
                              "accuracy 90.00 % on the validation pictures, loss 0.2500\n"
                              "bundle: out   report: out/report.html   next: skerry serve out\n");
}

static void ends_are_told_apart(void **state)
{
    static const struct {
        struct sk_train_result result;
        const char *words;
    } rows[] = {
        { { .reused = true }, "out is up to date" },
        { { .interrupted = true }, "--resume" },
        { { .stopped_early = true }, "for 3 epochs" },
        { { .has_figures = true, .accuracy = 1 }, "on the training pictures" },
    };
    struct sk_train_options o = { .output_dir = "out", .patience = 3 };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(free) char *text = show(false, &o, &rows[i].result);

        if (!strstr(text, rows[i].words))
            fail_msg("row %zu: %s", i, text);
    }
}

static void objects_are_json(void **state)
{
    struct sk_train_options o = { .output_dir = "out" };
    struct sk_train_result r = { .accuracy = NAN, .loss = NAN };
    SK_OWN(free) char *text = show(true, &o, &r);

    (void)state;
    assert_non_null(
        strstr(text, "{\"event\": \"epoch\", \"epoch\": 1, \"epochs\": 50, \"loss\": 0.69314,"));
    assert_non_null(strstr(text, "\"val_loss\": null"));
    assert_non_null(strstr(text, "{\"event\": \"note\", \"text\": \"a \\\"note\\\"\"}\n"));
    assert_non_null(strstr(text, "\"evaluated_on\": \"nothing\", \"accuracy\": null"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_have_the_usual_form),
        cmocka_unit_test(ends_are_told_apart),
        cmocka_unit_test(objects_are_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
