/* test_models.c - the table of models: loads, swaps, refusals, lookups. The engine is fake and
 * watches for misuse. */
#include "serve/models_priv.h"

#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "harness/fake_engine.h"
#include "harness/golden.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct world {
    char *root;
    struct sk_engine *engine;
    struct sk_models *models;
};

static void copy_model(const char *root, const char *folder, const char *labels)
{
    SK_OWN(free) char *dir = sk_path_join(root, folder);
    SK_OWN(free) char *model = sk_path_join(dir, "model.onnx");
    SK_OWN(free) char *config = sk_path_join(dir, "config.json");
    SK_OWN(free) char *bytes = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len;

    assert_int_equal(sk_mkdirs(dir, 0755, &err), 0);
    assert_int_equal(
        sk_file_read(sk_source_path("tests/data/models/scores.onnx"), 1 << 20, &bytes, &len, &err),
        0);
    assert_int_equal(sk_file_write(model, bytes, len, 0644, &err), 0);
    assert_int_equal(sk_file_write(config, labels, strlen(labels), 0644, &err), 0);
}

#define AB "{\"id2label\":{\"0\":\"a\",\"1\":\"b\"}}"
#define CD "{\"id2label\":{\"0\":\"c\",\"1\":\"d\"}}"

static void open_world(struct world *w)
{
    const struct sk_fake_options quick = { 0 };
    struct sk_err err = SK_ERR_INIT;

    w->root = sk_test_dir();
    w->engine = sk_engine_fake_new(&quick);
    copy_model(w->root, "one", AB);
    copy_model(w->root, "two/1", AB);
    copy_model(w->root, "two/12", CD);
    const struct sk_models_options opts = {
        .engine = w->engine, .paths = &w->root, .path_count = 1, .workers = 2
    };
    if (sk_models_new(&opts, &w->models, &err) < 0)
        fail_msg("%s", err.text);
}

static void close_world(struct world *w)
{
    struct sk_fake_counts counts;

    sk_models_free(w->models);
    sk_engine_fake_counts(w->engine, &counts);
    assert_int_equal(counts.misuse, 0);
    assert_int_equal(counts.nets_alive, 0);
    assert_int_equal(counts.runs_alive, 0);
    sk_engine_close(w->engine);
    sk_test_dir_free(w->root);
}

static void lookups(void **state)
{
    static const struct {
        const char *name, *version, *expected; /* "name/version", or part of the error */
    } rows[] = {
        { "one", NULL, "one/1" },
        { "two", NULL, "two/12" },
        { "two", "1", "two/1" },
        { NULL, NULL, "several models" },
        { "three", NULL, "unknown model 'three'; served: one, two" },
        { "two", "2", "unknown model 'two' version '2'" },
        { "two", "1x", "version '1x' is not a number" },
        { "one", "", "version '' is not a number" },
    };
    struct world w;

    (void)state;
    open_world(&w);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_OWN(sk_loaded_unref) struct sk_loaded *l = NULL;
        struct sk_err err = SK_ERR_INIT;
        char got[128];

        if (sk_models_get(w.models, rows[i].name, rows[i].version, &l, &err) == 0)
            (void)snprintf(err.text, sizeof err.text, "%s/%s", l->slot->name, l->slot->version);
        (void)snprintf(got, sizeof got, "%.100s", err.text);
        if (!strstr(got, rows[i].expected))
            fail_msg("row %zu: '%s' lacks '%s'", i, got, rows[i].expected);
    }
    assert_true(sk_models_ready(w.models));
    close_world(&w);
}

static const char *first_label(struct world *w, const char *name)
{
    SK_OWN(sk_loaded_unref) struct sk_loaded *l = NULL;
    struct sk_err err = SK_ERR_INIT;
    static char text[24];

    if (sk_models_get(w->models, name, NULL, &l, &err) < 0)
        return NULL;
    (void)snprintf(text, sizeof text, "%s", sk_classifier_bundle(l->classifier)->labels[0]);
    return text;
}

static void a_change_is_taken_when_it_has_settled(void **state)
{
    struct world w;

    (void)state;
    open_world(&w);
    assert_int_equal(sk_models_rescan(w.models, false), 0);
    copy_model(w.root, "one", CD);
    assert_int_equal(sk_models_rescan(w.models, false), 0); /* seen for the first time */
    assert_string_equal(first_label(&w, "one"), "a");
    assert_int_equal(sk_models_rescan(w.models, false), 1);
    assert_string_equal(first_label(&w, "one"), "c");
    copy_model(w.root, "one", AB);
    assert_int_equal(sk_models_rescan(w.models, true), 1);
    assert_string_equal(first_label(&w, "one"), "a");
    close_world(&w);
}

static void a_held_instance_outlives_the_swap(void **state)
{
    struct sk_loaded *held = NULL;
    struct sk_err err = SK_ERR_INIT;
    struct sk_lane *lane;
    struct sk_fake_counts counts;
    struct world w;

    (void)state;
    open_world(&w);
    assert_int_equal(sk_models_get(w.models, "one", NULL, &held, &err), 0);
    copy_model(w.root, "one", CD);
    assert_int_equal(sk_models_rescan(w.models, true), 1);
    assert_string_equal(first_label(&w, "one"), "c");
    assert_string_equal(sk_classifier_bundle(held->classifier)->labels[0], "a");
    assert_int_equal(sk_loaded_lane(held, 1, &lane, &err), 0); /* and it still works */
    assert_int_equal(sk_lane_warm(lane, &err), 0);
    sk_engine_fake_counts(w.engine, &counts);
    assert_int_equal(counts.nets_alive, 4);
    sk_loaded_unref(held);
    sk_engine_fake_counts(w.engine, &counts);
    assert_int_equal(counts.nets_alive, 3);
    close_world(&w);
}

static void a_bad_change_keeps_the_old_one(void **state)
{
    const struct sk_fake_options broken = { .fail_loads = true }, quick = { 0 };
    struct world w;

    (void)state;
    open_world(&w);
    sk_engine_fake_set(w.engine, &broken);
    copy_model(w.root, "one", CD);
    assert_int_equal(sk_models_rescan(w.models, true), 1);
    assert_string_equal(first_label(&w, "one"), "a");
    assert_true(sk_models_ready(w.models));
    assert_int_equal(sk_models_rescan(w.models, true), 0); /* not tried again and again */
    sk_engine_fake_set(w.engine, &quick);
    copy_model(w.root, "one", "{\"id2label\":{\"0\":\"x\",\"1\":\"y\"}}");
    assert_int_equal(sk_models_rescan(w.models, true), 1);
    assert_string_equal(first_label(&w, "one"), "x");
    close_world(&w);
}

static void a_classifier_is_not_replaced_by_none(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct world w;

    (void)state;
    open_world(&w);
    copy_model(w.root, "one", "{\"id2label\":{\"0\":\"x\",\"1\":\"y\",\"2\":\"z\"}}"); /* 3 for 2 */
    assert_int_equal(sk_models_rescan(w.models, true), 1);
    assert_string_equal(first_label(&w, "one"), "a");
    assert_int_equal(sk_models_unload(w.models, "one", &err), 0);
    assert_int_equal(sk_models_load(w.models, "one", &err), 0); /* meant */
    assert_string_equal(first_label(&w, "one"), "x");
    close_world(&w);
}

static void folders_come_and_go(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct world w;

    (void)state;
    open_world(&w);
    SK_OWN(free) char *folder = sk_path_join(w.root, "one");
    assert_int_equal(sk_remove_tree(folder, &err), 0);
    copy_model(w.root, "new", CD);
    assert_int_equal(sk_models_rescan(w.models, true), 2);
    assert_null(first_label(&w, "one"));
    assert_string_equal(first_label(&w, "new"), "c");
    copy_model(w.root, "one", CD);
    assert_int_equal(sk_models_rescan(w.models, true), 1);
    assert_string_equal(first_label(&w, "one"), "c");
    close_world(&w);
}

static void unload_and_load(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct world w;

    (void)state;
    open_world(&w);
    assert_int_equal(sk_models_unload(w.models, "two", &err), 0);
    assert_null(first_label(&w, "two"));
    assert_int_equal(sk_models_rescan(w.models, true), 0); /* stays unloaded */
    assert_int_equal(sk_models_load(w.models, "two", &err), 0);
    assert_string_equal(first_label(&w, "two"), "c");
    assert_int_equal(sk_models_load(w.models, "two", &err), 0); /* nothing to do */
    assert_int_equal(sk_models_load(w.models, "absent", &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    assert_int_equal(sk_models_unload(w.models, "absent", &err), -1);
    close_world(&w);
}

static void equal_names_are_told_apart(void **state)
{
    struct world w;

    (void)state;
    open_world(&w);
    copy_model(w.root, "other", CD);
    SK_OWN(free) char *file = sk_path_join(w.root, "other/skerry.json");
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(sk_file_write(file, "{\"name\":\"one\"}", 14, 0644, &err), 0);
    assert_int_equal(sk_models_rescan(w.models, true), 1);
    assert_string_equal(first_label(&w, "one"), "a");
    assert_string_equal(first_label(&w, "other"), "c"); /* its folder's name instead */
    assert_int_equal(sk_models_rescan(w.models, true), 0);
    close_world(&w);
}

static void write_settings(const char *root, const char *path, const char *text)
{
    SK_OWN(free) char *file = sk_path_join(root, path);
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_file_write(file, text, strlen(text), 0644, &err), 0);
}

/* [serve-5] */
static void a_new_folder_is_taken_when_it_has_settled(void **state)
{
    struct world w;

    (void)state;
    open_world(&w);
    copy_model(w.root, "new", AB);
    assert_int_equal(sk_models_rescan(w.models, false), 0);
    copy_model(w.root, "new", CD);
    assert_int_equal(sk_models_rescan(w.models, false), 0);
    assert_int_equal(sk_models_rescan(w.models, false), 1);
    assert_string_equal(first_label(&w, "new"), "c");
    close_world(&w);
}

/* A name that belongs to a model which could not be loaded is not left in "loading". */
static void a_taken_name_does_not_stop_readiness(void **state)
{
    const struct sk_fake_options broken = { .fail_loads = true }, quick = { 0 };
    struct world w;

    (void)state;
    open_world(&w);
    copy_model(w.root, "bad", AB);
    sk_engine_fake_set(w.engine, &broken);
    assert_int_equal(sk_models_rescan(w.models, true), 1);
    sk_engine_fake_set(w.engine, &quick);
    copy_model(w.root, "other", CD);
    write_settings(w.root, "other/skerry.json", "{\"name\":\"bad\"}");
    assert_int_equal(sk_models_rescan(w.models, true), 1);
    assert_string_equal(first_label(&w, "other"), "c");
    assert_true(sk_models_ready(w.models));
    close_world(&w);
}

static void a_renamed_model_leaves_its_old_name(void **state)
{
    struct world w;

    (void)state;
    open_world(&w);
    write_settings(w.root, "one/skerry.json", "{\"name\":\"renamed\"}");
    assert_int_equal(sk_models_rescan(w.models, true), 1);
    assert_string_equal(first_label(&w, "renamed"), "a");
    assert_null(first_label(&w, "one"));
    assert_int_equal(sk_models_rescan(w.models, true), 0); /* not again and again */
    write_settings(w.root, "one/skerry.json", "{");
    assert_int_equal(sk_models_rescan(w.models, true), 1);
    assert_string_equal(first_label(&w, "renamed"), "a"); /* kept, although the name is unknown now
                                                           */
    assert_int_equal(sk_models_rescan(w.models, true), 0);
    close_world(&w);
}

struct visits {
    struct world *w;
    enum sk_slot_state states[8];
    unsigned count;
};

static void look_up(void *ctx, struct sk_slot *slot, enum sk_slot_state state, const char *reason,
                    struct sk_loaded *loaded)
{
    struct visits *v = ctx;

    (void)reason;
    (void)loaded;
    (void)first_label(v->w, slot->name); /* takes the lock */
    assert_true(v->count < 8);
    v->states[v->count++] = state;
}

static void visits_hold_no_lock(void **state)
{
    struct world w;
    struct visits v = { .w = &w };

    (void)state;
    open_world(&w);
    sk_models_each(w.models, look_up, &v);
    assert_int_equal(v.count, 3);
    close_world(&w);
}

static void *scan(void *arg)
{
    (void)sk_models_rescan(arg, true);
    return NULL;
}

/* [serve-30] */
static void a_first_load_is_seen(void **state)
{
    static atomic_bool gate;
    const struct sk_fake_options slow = { .load_gate = &gate };
    struct sk_err err = SK_ERR_INIT;
    pthread_t thread;
    struct world w;
    bool seen = false;

    (void)state;
    open_world(&w);
    copy_model(w.root, "new", AB);
    sk_engine_fake_set(w.engine, &slow);
    assert_int_equal(sk_thread_start(&thread, "scan", scan, w.models, &err), 0);
    for (int i = 0; i < 20000 && !seen; i++) {
        struct visits v = { .w = &w };
        sk_models_each(w.models, look_up, &v);
        seen = v.count == 4 && v.states[0] == SK_SLOT_LOADING;
        assert_true(sk_models_ready(w.models)); /* the others answer meanwhile */
        (void)usleep(1000);
    }
    atomic_store(&gate, true);
    (void)pthread_join(thread, NULL);
    assert_true(seen);
    assert_true(sk_models_ready(w.models));
    close_world(&w);
}

static void load_puts_the_folder_in_place_of_an_upload(void **state)
{
    SK_OWN(free) char *uploads = sk_test_dir();
    struct sk_err err = SK_ERR_INIT;
    struct world w;

    (void)state;
    open_world(&w);
    copy_model(uploads, "model", CD);
    assert_int_equal(sk_models_load_upload(w.models, "one", sk_path_join(uploads, "model"), &err),
                     0);
    assert_string_equal(first_label(&w, "one"), "c");
    assert_int_equal(sk_models_rescan(w.models, true), 0);
    assert_string_equal(first_label(&w, "one"), "c");
    assert_int_equal(sk_models_load(w.models, "one", &err), 0);
    assert_string_equal(first_label(&w, "one"), "a");
    close_world(&w);
    sk_test_dir_free(SK_TAKE(uploads));
}

static void nothing_to_load_is_an_error(void **state)
{
    const struct sk_fake_options broken = { .fail_loads = true };
    struct sk_engine *engine = sk_engine_fake_new(&broken);
    struct sk_models *models = NULL;
    struct sk_err err = SK_ERR_INIT;
    char *root = sk_test_dir();

    (void)state;
    copy_model(root, "one", AB);
    copy_model(root, "two", AB);
    const struct sk_models_options opts = {
        .engine = engine, .paths = &root, .path_count = 1, .workers = 1
    };
    assert_int_equal(sk_models_new(&opts, &models, &err), -1);
    assert_non_null(strstr(err.text, "none of 2 models"));
    sk_engine_close(engine);
    sk_test_dir_free(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lookups),
        cmocka_unit_test(a_change_is_taken_when_it_has_settled),
        cmocka_unit_test(a_held_instance_outlives_the_swap),
        cmocka_unit_test(a_bad_change_keeps_the_old_one),
        cmocka_unit_test(a_classifier_is_not_replaced_by_none),
        cmocka_unit_test(folders_come_and_go),
        cmocka_unit_test(unload_and_load),
        cmocka_unit_test(equal_names_are_told_apart),
        cmocka_unit_test(a_new_folder_is_taken_when_it_has_settled),
        cmocka_unit_test(a_taken_name_does_not_stop_readiness),
        cmocka_unit_test(a_renamed_model_leaves_its_old_name),
        cmocka_unit_test(visits_hold_no_lock),
        cmocka_unit_test(a_first_load_is_seen),
        cmocka_unit_test(load_puts_the_folder_in_place_of_an_upload),
        cmocka_unit_test(nothing_to_load_is_an_error),
    };

    sk_log_setup(SK_LEVEL_COUNT, SK_LOG_TEXT, 2);
    return cmocka_run_group_tests_name("serve/models", tests, NULL, NULL);
}
