/* test_record.c - what is kept of a module: all of it comes back, damage costs one version. */
#include "agent/agent_util.h"
#include "harness/alloc_fail.h"

#include "base/file.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define V1 "{\"settings\":{\"image\":\"r.test/cats:v1\"},\"version\":\"1\",\"status\":\"running\"}"
#define V2                                                                                         \
    "{\"settings\":{\"image\":\"r.test/cats:v2\"},\"env\":{\"a\":{\"value\":\"\\u00e4 \\\"\"}}}"

static void fill_slot(struct sk_agent_slot *s, const char *module, unsigned n)
{
    s->spec = spec_of("cats", module);
    s->is_started = n % 2 == 1;
    s->image.kind = n % 2 ? SK_RUNTIME_DOCKER : SK_RUNTIME_NATIVE;
    (void)snprintf(s->image.digest, sizeof s->image.digest, "sha256:%u", n);
    (void)snprintf(s->image.layer, sizeof s->image.layer, "layer %u", n);
    (void)snprintf(s->image.model_path, sizeof s->image.model_path, "/images/\"%u\"", n);
    s->instance.kind = s->image.kind;
    (void)snprintf(s->instance.module, sizeof s->instance.module, "cats");
    (void)snprintf(s->instance.instance, sizeof s->instance.instance, "cats-%u", n);
    s->instance.pid = 100 + n;
    s->instance.start_ticks = (1ull << 40) + n;
    s->instance.uid = 61184 + n;
    (void)snprintf(s->instance.container, sizeof s->instance.container, "c%u", n);
    (void)snprintf(s->instance.control, sizeof s->instance.control, "/run/%u", n);
    (void)snprintf(s->instance.address, sizeof s->instance.address, "172.18.0.%u", n);
    (void)snprintf(s->instance.note, sizeof s->instance.note, "note\n%u", n);
}

static void fill(struct sk_agent_record *r)
{
    struct sk_agent_slot *slots[SK_AGENT_TOLD_MAX];
    memset(r, 0, sizeof *r);
    size_t n = sk_agent_record_slots(r, slots);
    for (size_t i = 0; i < n; i++)
        fill_slot(slots[i], i % 2 ? V2 : V1, (unsigned)i);
    r->next = 77;
    r->probation_left_ms = -5;
    r->deaths = 2;
    r->attempts = 3;
    r->restarts = 1ull << 33;
    r->last_restart_ms = 1700000000001;
    r->last_start_ms = 1700000000002;
    r->last_exit_ms = 1700000000003;
    r->last_exit = 137;
    r->uid_index = 9;
    (void)snprintf(r->tried, sizeof r->tried, "aa");
    (void)snprintf(r->failed, sizeof r->failed, "bb");
    (void)snprintf(r->failed_why, sizeof r->failed_why, "gate: \"slow\"");
}

static void check_slot(const struct sk_agent_slot *a, const struct sk_agent_slot *b)
{
    assert_string_equal(a->spec->text, b->spec->text);
    assert_string_equal(a->spec->hash, b->spec->hash);
    assert_int_equal(a->is_started, b->is_started);
    assert_int_equal(a->image.kind, b->image.kind);
    assert_string_equal(a->image.digest, b->image.digest);
    assert_string_equal(a->image.layer, b->image.layer);
    assert_string_equal(a->image.model_path, b->image.model_path);
    assert_memory_equal(&a->instance, &b->instance, sizeof a->instance);
}

static void check_same(struct sk_agent_record *a, struct sk_agent_record *b)
{
    struct sk_agent_slot *one[SK_AGENT_TOLD_MAX], *two[SK_AGENT_TOLD_MAX];
    size_t n = sk_agent_record_slots(a, one);
    assert_int_equal(n, sk_agent_record_slots(b, two));
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(!one[i]->spec, !two[i]->spec);
        if (one[i]->spec)
            check_slot(one[i], two[i]);
    }
    assert_int_equal(a->phase, b->phase);
    assert_int_equal(a->next, b->next);
    assert_int_equal(a->probation_left_ms, b->probation_left_ms);
    assert_int_equal(a->deaths, b->deaths);
    assert_int_equal(a->attempts, b->attempts);
    assert_int_equal(a->restarts, b->restarts);
    assert_int_equal(a->last_restart_ms, b->last_restart_ms);
    assert_int_equal(a->last_start_ms, b->last_start_ms);
    assert_int_equal(a->last_exit_ms, b->last_exit_ms);
    assert_int_equal(a->last_exit, b->last_exit);
    assert_int_equal(a->uid_index, b->uid_index);
    assert_string_equal(a->tried, b->tried);
    assert_string_equal(a->failed, b->failed);
    assert_string_equal(a->failed_why, b->failed_why);
}

static void test_round_trip(void **state)
{
    struct rig *rig = *state;
    struct sk_err err = SK_ERR_INIT;
    for (int phase = 0; phase < SK_PHASE_COUNT; phase++) {
        struct sk_agent_record r, got = { .next = 1 };
        struct stat st;
        fill(&r);
        r.phase = (enum sk_agent_phase)phase;
        if (phase % 2) /* also with empty slots */
            sk_agent_slot_clear(&r.candidate);
        DONE(sk_agent_record_save(rig->dir, "cats", &r, &err));
        assert_int_equal(stat(at(rig->dir, "state/modules/cats.json"), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        DONE(sk_agent_record_load(rig->dir, "cats", &got, &err));
        check_same(&r, &got);
        sk_agent_record_clear(&r);
        sk_agent_record_clear(&got);
    }
}

/* ---- damage ---- */

static void cut(const char *path, long keep)
{
    assert_int_equal(truncate(path, keep), 0);
}

static void flip(const char *path, long at_byte)
{
    FILE *f = fopen(path, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, at_byte, SEEK_SET), 0);
    int c = fgetc(f);
    assert_int_equal(fseek(f, at_byte, SEEK_SET), 0);
    (void)fputc(c ^ 0x10, f);
    (void)fclose(f);
}

static void save_two(struct rig *rig, unsigned first, unsigned second)
{
    struct sk_agent_record r;
    struct sk_err err = SK_ERR_INIT;
    fill(&r);
    r.deaths = first;
    DONE(sk_agent_record_save(rig->dir, "cats", &r, &err));
    r.deaths = second;
    DONE(sk_agent_record_save(rig->dir, "cats", &r, &err));
    sk_agent_record_clear(&r);
}

/* Every damaged byte, and every length: the version before is used, the damaged one set aside. */
static void test_damaged(void **state)
{
    struct rig *rig = *state;
    char path[512];
    struct sk_err err = SK_ERR_INIT;
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/state/modules/cats.json", rig->dir);
    save_two(rig, 10, 11);
    assert_int_equal(stat(path, &st), 0);
    for (long i = 0; i < 2 * st.st_size; i += 37) {
        struct sk_agent_record got = { .next = 1 };
        save_two(rig, 10, 11);
        if (i < st.st_size)
            cut(path, i);
        else
            flip(path, i - st.st_size);
        DONE(sk_agent_record_load(rig->dir, "cats", &got, &err));
        if (got.deaths != 10)
            fail_msg("byte %ld: version %u", i, got.deaths);
        sk_agent_record_clear(&got);
        assert_int_equal(access(at(rig->dir, "state/modules/cats.damaged"), F_OK), 0);
        assert_int_equal(access(path, F_OK), -1);
    }
}

/* The version before stays until there is another one: a kill in the next save finds it. */
static void test_save_after_damage(void **state)
{
    struct rig *rig = *state;
    struct sk_agent_record r, got = { .next = 1 };
    struct sk_err err = SK_ERR_INIT;
    save_two(rig, 10, 11);
    cut(at(rig->dir, "state/modules/cats.json"), 3);
    DONE(sk_agent_record_load(rig->dir, "cats", &got, &err));
    sk_agent_record_clear(&got);
    /* A save that fails: the folder under the file's name cannot be replaced by a file. */
    assert_int_equal(mkdir(at(rig->dir, "state/modules/cats.json"), 0700), 0);
    fill(&r);
    assert_int_equal(sk_agent_record_save(rig->dir, "cats", &r, &err), -1);
    assert_int_equal(rmdir(at(rig->dir, "state/modules/cats.json")), 0);
    DONE(sk_agent_record_load(rig->dir, "cats", &got, &err));
    assert_int_equal(got.deaths, 10);
    sk_agent_record_clear(&got);
    sk_agent_record_clear(&r);
}

static void test_both_damaged(void **state)
{
    struct rig *rig = *state;
    struct sk_agent_record got = { .next = 1 };
    struct sk_err err = SK_ERR_INIT;
    save_two(rig, 10, 11);
    cut(at(rig->dir, "state/modules/cats.json"), 30);
    flip(at(rig->dir, "state/modules/cats.bak"), 30);
    FAILS(sk_agent_record_load(rig->dir, "cats", &got, &err), SK_CORRUPT,
          "cats.json': it is cut off");
    assert_null(got.active.spec);
    assert_int_equal(got.next, 1);
    /* Set aside once; from then on it is as if there were none. */
    FAILS(sk_agent_record_load(rig->dir, "cats", &got, &err), SK_NOT_FOUND, "nothing is kept");
    save_two(rig, 1, 2);
    DONE(sk_agent_record_load(rig->dir, "cats", &got, &err));
    assert_int_equal(got.deaths, 2);
    sk_agent_record_clear(&got);
}

/* With a good digest, but not what we write. */
static void test_odd_contents(void **state)
{
    struct rig *rig = *state;

    static const struct {
        const char *name, *text, *words;
        enum sk_code code;
    } rows[] = {
        { "no JSON", "{", "", SK_INVALID },
        { "array", "[]", "format", SK_UNSUPPORTED },
        { "later", "{\"format\":2,\"phase\":\"steady\"}", "later version", SK_UNSUPPORTED },
        { "phase", "{\"format\":1,\"phase\":\"dancing\"}", "'dancing' is none", SK_CORRUPT },
        { "no phase", "{\"format\":1}", "is none", SK_CORRUPT },
        { "spec", "{\"format\":1,\"phase\":\"steady\",\"active\":{\"spec\":3}}", "", SK_INVALID },
        { "image", "{\"format\":1,\"phase\":\"steady\",\"old\":{\"spec\":{\"module\":{}}}}",
          "settings.image", SK_INVALID },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_agent_record got = { .next = 1 };
        struct sk_err err = SK_ERR_INIT;
        char digest[SK_SHA256_HEX], text[512];
        DONE(sk_sha256_hex(rows[i].text, strlen(rows[i].text), digest, &err));
        (void)snprintf(text, sizeof text, "%s%s\n", rows[i].text, digest);
        write_text(at(rig->dir, "state/modules/m.json"), text);
        if (sk_agent_record_load(rig->dir, "m", &got, &err) == 0)
            fail_msg("%s: taken", rows[i].name);
        if (err.code != SK_CORRUPT || !strstr(err.text, rows[i].words))
            fail_msg("%s: %s: %s", rows[i].name, sk_code_name(err.code), err.text);
        (void)unlink(at(rig->dir, "state/modules/m.damaged"));
    }
}

/* ---- names ---- */

static void test_names(void **state)
{
    struct rig *rig = *state;
    static const char *const names[] = { "cats",      "a-b.c_d", "..", "a/b",
                                         "../../etc", "%41",     "$x", "a b\n\"",
                                         "m.json",    "m.bak",   ".",  "\xc3\xa4" };
    struct sk_err err = SK_ERR_INIT;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct sk_agent_record r = { .next = 40 + i }, got = { .next = 1 };
        DONE(sk_agent_record_save(rig->dir, names[i], &r, &err));
        DONE(sk_agent_record_load(rig->dir, names[i], &got, &err));
        assert_int_equal(got.next, 40 + i);
    }
    /* Each has a file of its own, in the folder, whose name tells the module's. */
    struct sk_dir dir = { .count = 0 };
    size_t found = 0;
    DONE(sk_dir_read(at(rig->dir, "state/modules"), &dir, &err));
    assert_int_equal(dir.count, COUNT(names));
    for (size_t k = 0; k < dir.count; k++) {
        char name[SK_AGENT_NAME];
        assert_true(sk_agent_record_name(dir.names[k], name, sizeof name));
        for (size_t i = 0; i < COUNT(names); i++)
            found += strcmp(names[i], name) == 0;
    }
    assert_int_equal(found, COUNT(names));
    sk_dir_done(&dir);
}

static void test_file_names(void **state)
{
    static const struct {
        const char *file, *name;
    } rows[] = {
        { "a.json", "a" },     { "a.bak", "a" },          { "a%2Db.json", "a-b" },
        { "a%2d.json", "a-" }, { "a.b.json", "a.b" },     { ".json", NULL },
        { "a", NULL },         { "a.json.a1B2c3", NULL }, { "a.damaged", NULL },
        { "a%2.json", NULL },  { "a%.json", NULL },       { "a%zz.json", NULL },
        { "", NULL },          { "%41%42.bak", "AB" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char name[8];
        bool is = sk_agent_record_name(rows[i].file, name, sizeof name);
        if (is != (rows[i].name != NULL) || (is && strcmp(name, rows[i].name) != 0))
            fail_msg("'%s': %s", rows[i].file, is ? name : "none");
    }
    char small[4];
    assert_true(sk_agent_record_name("abc.json", small, sizeof small));
    assert_false(sk_agent_record_name("abcd.json", small, sizeof small));
}

static void test_delete(void **state)
{
    struct rig *rig = *state;
    struct sk_agent_record got = { .next = 1 };
    struct sk_err err = SK_ERR_INIT;
    save_two(rig, 1, 2);
    cut(at(rig->dir, "state/modules/cats.json"), 5);
    DONE(sk_agent_record_load(rig->dir, "cats", &got, &err));
    sk_agent_record_clear(&got);
    save_two(rig, 1, 2);
    DONE(sk_agent_record_delete(rig->dir, "cats", &err));
    FAILS(sk_agent_record_load(rig->dir, "cats", &got, &err), SK_NOT_FOUND, "module 'cats'");
    DONE(sk_agent_record_delete(rig->dir, "cats", &err)); /* again */
    struct sk_dir dir = { .count = 0 };
    DONE(sk_dir_read(at(rig->dir, "state/modules"), &dir, &err));
    assert_int_equal(dir.count, 0);
    sk_dir_done(&dir);
}

static void test_slots(void **state)
{
    struct sk_agent_slot a = { .is_started = false }, b = { .is_started = false };
    (void)state;
    fill_slot(&a, V1, 1);
    fill_slot(&b, V2, 2);
    struct sk_agent_spec *kept = sk_agent_spec_ref(a.spec);
    sk_agent_slot_move(&b, &a);
    assert_null(a.spec);
    assert_false(a.is_started);
    assert_ptr_equal(b.spec, kept);
    assert_string_equal(b.instance.instance, "cats-1");
    sk_agent_slot_clear(&b);
    sk_agent_slot_clear(&b);
    assert_string_equal(kept->tag, "v1");
    sk_agent_spec_unref(kept);
    for (int i = 0; i < SK_PHASE_COUNT; i++)
        assert_true(*sk_agent_phase_name((enum sk_agent_phase)i));
}

/* ---- without memory ---- */

static int save_it(void *ctx, struct sk_err *err)
{
    void **args = ctx;
    return sk_agent_record_save(args[0], "cats", args[1], err);
}

static int load_it(void *ctx, struct sk_err *err)
{
    void **args = ctx;
    struct sk_agent_record got = { .next = 1 };
    int rc = sk_agent_record_load(args[0], "cats", &got, err);
    sk_agent_record_clear(&got);
    return rc;
}

/* jansson's memory is not ours to fail: the sweep covers what this program asks for itself. */
static void test_no_memory(void **state)
{
    struct rig *rig = *state;
    struct sk_agent_record r;
    struct sk_err err = SK_ERR_INIT;
    fill(&r);
    void *args[] = { rig->dir, &r };
    assert_true(sk_alloc_sweep("save", save_it, args, 0) > 3);
    DONE(sk_agent_record_save(rig->dir, "cats", &r, &err));
    assert_true(sk_alloc_sweep("load", load_it, args, 0) > 10);
    /* Want of memory is no damage: the file is where it was. */
    assert_int_equal(access(at(rig->dir, "state/modules/cats.json"), F_OK), 0);
    assert_int_equal(access(at(rig->dir, "state/modules/cats.damaged"), F_OK), -1);
    sk_agent_record_clear(&r);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_round_trip),   ROW(test_damaged),      ROW(test_save_after_damage),
        ROW(test_both_damaged), ROW(test_odd_contents), ROW(test_names),
        ROW(test_file_names),   ROW(test_delete),       ROW(test_slots),
        ROW(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
