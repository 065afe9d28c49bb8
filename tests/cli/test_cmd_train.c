/* test_cmd_train.c - `skerry train`: what it says, what it refuses, and one short training. */
#include "cli/cli.h"

#include "base/file.h"
#include "cli_test.h"
#include "harness/golden.h"

#define TINY                                                                                       \
    "--weights none --arch mobilenet_v3_small --image-size 32 --precision f32 --batch-size 4 "

static const struct {
    const char *line;
    int status;
    const char *out, *err; /* contained */
} rows[] = {
    { "skerry train", 2, "", "--data-path is needed" },
    { "skerry train --data-path %s/none " TINY, 1, "", "/none" },
    { "skerry train -d %s/d --device cuda", 1, "", "--device cpu" },
    { "skerry train -d %s/d --optimizer lion", 2, "", "adam" },
    { "skerry train -d %s/d --augment flop", 2, "", "flop" },
    { "skerry train -d %s/d --val-split 1", 2, "", "--val-split" },
    { "skerry train -d %s/d --ema 1", 2, "", "--ema" },
    { "skerry train -d %s/d --arch resnet19 -o %s/out", 2, "", "resnet18" },
    { "skerry train -d %s/d --epochs 1 -o %s/out " TINY, 0, "Epoch 1/1, Loss: ", "" },
    { "skerry train -d %s/d --epochs 1 -o %s/out --reuse " TINY, 0, "up to date", "" },
    { "skerry train -d %s/d --epochs 1 -o %s/out --log-json " TINY, 0, "{\"event\": \"epoch\"",
      "" },
    { "skerry train word", 2, "", "word" },
};

static void test_rows(void **state)
{
    char *dir = sk_test_dir();
    char name[64];

    (void)state;
    for (unsigned label = 0; label < 2; label++) {
        SK_OWN(free) char *folder = sk_path_join(dir, label ? "d/b" : "d/a");
        struct sk_err err = SK_ERR_INIT;

        assert_int_equal(sk_mkdirs(folder, 0755, &err), 0);
        for (unsigned i = 0; i < 4; i++) {
            (void)snprintf(name, sizeof(name), "d/%c/%u.png", label ? 'b' : 'a', i);
            write_picture(dir, name, label ? 200 : 20, (uint8_t)(i * 40), 9);
        }
    }
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct ran r = run_words(rows[i].line, dir, NULL);

        check_status(rows[i].line, &r, rows[i].status);
        if (!strstr(r.out, rows[i].out) || !strstr(r.err, rows[i].err))
            fail_msg("row %zu: %s%s", i, r.out, r.err);
        ran_done(&r);
    }
    sk_test_dir_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
