/* test_care.c - words to systemd, and the disk budget over images that records name. */
#include "agent/world.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int listener(const char *path, bool is_abstract, socklen_t *len)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    (void)snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (is_abstract)
        to.sun_path[0] = '\0';
    assert_int_equal(bind(fd, (struct sockaddr *)&to, *len), 0);
    return fd;
}

static void test_notify(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    char path[100], got[64];
    (void)unsetenv("NOTIFY_SOCKET");
    DONE(sk_agent_notify("READY=1", &err)); /* nobody asked */
    for (int is_abstract = 0; is_abstract < 2; is_abstract++) {
        socklen_t len;
        if (is_abstract)
            (void)snprintf(path, sizeof path, "@skerry-%d", (int)getpid());
        else
            (void)snprintf(path, sizeof path, "%.80s/n", r->dir);
        SK_AUTO(sk_close) int fd = listener(path, is_abstract, &len);
        assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
        DONE(sk_agent_notify("WATCHDOG=1", &err));
        assert_int_equal(recv(fd, got, sizeof got, MSG_DONTWAIT), 10);
        assert_memory_equal(got, "WATCHDOG=1", 10);
    }
    assert_int_equal(setenv("NOTIFY_SOCKET", at(r->dir, "none"), 1), 0);
    FAILS(sk_agent_notify("x", &err), SK_NOT_FOUND, "NOTIFY_SOCKET");
    char long_path[200];
    memset(long_path, 'a', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    assert_int_equal(setenv("NOTIFY_SOCKET", long_path, 1), 0);
    FAILS(sk_agent_notify("x", &err), SK_INVALID, "too long");
    (void)unsetenv("NOTIFY_SOCKET");
}

static void save(struct rig *r, const char *name)
{
    struct sk_agent_record rec = { .next = 1 };
    struct sk_agent_slot *slots[SK_AGENT_TOLD_MAX];
    struct sk_err err = SK_ERR_INIT;
    size_t n = sk_agent_record_slots(&rec, slots);
    for (size_t i = 0; i < n; i++) {
        slots[i]->spec = spec_of(name, "{\"settings\":{\"image\":\"i\"}}");
        (void)snprintf(slots[i]->image.digest, sizeof slots[i]->image.digest, "%s-d%zu", name, i);
        (void)snprintf(slots[i]->image.layer, sizeof slots[i]->image.layer, "%s-l%zu", name, i);
    }
    DONE(sk_agent_record_save(r->dir, name, &rec, &err));
    sk_agent_record_clear(&rec);
    (void)rig_module(r, name, NULL);
}

/* All that may run again is kept; the room is what spool and logs leave of the budget. */
static void test_budget(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    *world = (struct world){ .now_ms = 1 };
    r->a.config.disk_bytes = 10 << 20;
    r->a.config.spool_bytes = 4 << 20;
    DONE(sk_mkdirs(at(r->dir, "logs"), 0700, &err));
    save(r, "a");
    save(r, "b");
    (void)rig_module(r, "without", NULL);
    sk_agent_care(&r->a);
    assert_int_equal(world->keep_count, 2 * 2 * SK_AGENT_TOLD_MAX);
    assert_int_equal(world->trim_bytes, 6 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf log = SK_BUF_INIT(1 << 20);
    (void)memset(sk_buf_reserve(&log, 100000), 'x', 100000);
    sk_buf_commit(&log, 100000);
    DONE(sk_file_write(at(r->dir, "logs/a.log"), log.data, log.len, 0600, &err));
    sk_agent_care(&r->a);
    assert_in_range(world->trim_bytes, (6 << 20) - 110000, (6 << 20) - 100000);
    r->a.config.spool_bytes = 20 << 20; /* more than there is */
    sk_agent_care(&r->a);
    assert_int_equal(world->trim_bytes, 0);
    /* One that is there and cannot be read may name any of them. */
    world->trim_bytes = 7;
    DONE(sk_remove_tree(at(r->dir, "state/modules/a.json"), &err));
    DONE(sk_mkdirs(at(r->dir, "state/modules/a.json"), 0700, &err));
    sk_agent_care(&r->a);
    assert_int_equal(world->trim_bytes, 7);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)
    const struct CMUnitTest tests[] = { ROW(test_notify), ROW(test_budget) };
    world_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
