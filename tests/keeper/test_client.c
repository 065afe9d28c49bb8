/* test_client.c - the agent's side against keepers that behave oddly; the test is the keeper. */
#include "keeper_util.h"

#include "base/clock.h"
#include "base/file.h"
#include "harness/alloc_fail.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

/* Answers each request with the next of the packets; NULL hangs up. */
struct fake {
    char dir[64], socket[96];
    int door;
    const char *const *packets;
    const size_t *lens;
    size_t count;
    pthread_t thread;
};

static void *serve(void *arg)
{
    struct fake *f = arg;
    char request[SK_KEEPER_PACKET_MAX];
    int fd = -1;

    for (size_t i = 0; i < f->count; i++) {
        while (fd < 0 || recv(fd, request, sizeof request, 0) <= 0) {
            sk_close(&fd);
            fd = accept(f->door, NULL, NULL);
            if (fd < 0)
                return NULL;
        }
        if (f->packets[i])
            (void)send(fd, f->packets[i], f->lens[i], MSG_NOSIGNAL);
        else
            sk_close(&fd);
    }
    sk_close(&fd);
    return NULL;
}

static void fake_begin(struct fake *f, const char *const *packets, const size_t *lens, size_t count)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };

    *f = (struct fake){
        .dir = "/tmp/skerry-keeper-XXXXXX", .packets = packets, .lens = lens, .count = count
    };
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->socket, sizeof f->socket, "%s/k.sock", f->dir);
    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s", f->socket);
    f->door = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f->door, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(f->door, 4), 0);
    assert_int_equal(pthread_create(&f->thread, NULL, serve, f), 0);
}

static void fake_end(struct fake *f)
{
    struct sk_err err = SK_ERR_INIT;

    (void)shutdown(f->door, SHUT_RDWR);
    (void)pthread_join(f->thread, NULL);
    (void)close(f->door);
    assert_int_equal(sk_remove_tree(f->dir, &err), 0);
}

static const struct {
    const char *name, *first, *second; /* NULL: hangs up */
    size_t first_len, second_len;
    enum sk_code code;
    const char *words;
} rows[] = {
    { "fine", "SKK\1\x83", NULL, 5, 0, SK_OK, "" },
    { "an unknown field", "SKK\1\x83\x77\1\0x", NULL, 9, 0, SK_OK, "" },
    { "hangs up, then fine", NULL, "SKK\1\x83", 0, 5, SK_OK, "" },
    { "hangs up twice", NULL, NULL, 0, 0, SK_BUSY, "hangs up" },
    { "another answer", "SKK\1\x84", NULL, 5, 0, SK_REMOTE, "something else" },
    { "another version", "SKK\2\x83", NULL, 5, 0, SK_UNSUPPORTED, "version 2" },
    { "no packet", "hello", NULL, 5, 0, SK_INVALID, "no packet" },
    { "cut off", "SKK\1\x83\1\5\0x", NULL, 9, 0, SK_REMOTE, "something else" },
    { "an error", "SKK\1\x83\x20\4\0busy\x21\3\0why", NULL, 18, 0, SK_BUSY, "why" },
    { "an error without words", "SKK\1\x83\x20\4\0busy", NULL, 12, 0, SK_BUSY, "no reason" },
    { "an error of later times", "SKK\1\x83\x20\3\0new\x21\1\0w", NULL, 15, 0, SK_REMOTE, "w" },
};

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *const packets[] = { rows[i].first, rows[i].second };
        const size_t lens[] = { rows[i].first_len, rows[i].second_len };
        struct fake f;
        struct sk_keeper *k = NULL;
        struct sk_err err = SK_ERR_INIT;
        fake_begin(&f, packets, lens, 2);
        assert_int_equal(sk_keeper_connect(f.socket, &k, &err), 0);
        int rc = sk_keeper_close(k, "m", &err);
        sk_keeper_free(k);
        fake_end(&f);
        if ((rc == 0) != (rows[i].code == SK_OK) || err.code != rows[i].code ||
            !strstr(err.text, rows[i].words))
            fail_msg("%s: %s", rows[i].name, err.text);
    }
}

static void test_no_socket_comes(void **state)
{
    static const char *const packets[] = { "SKK\1\x81", "SKK\1\x81" };
    static const size_t lens[] = { 5, 5 };
    struct fake f;
    struct sk_keeper *k = NULL;
    struct sk_err err = SK_ERR_INIT;
    int fd = -1;

    (void)state;
    fake_begin(&f, packets, lens, 2);
    assert_int_equal(sk_keeper_connect(f.socket, &k, &err), 0);
    assert_int_equal(sk_keeper_listen(k, "m", "", 1, false, &fd, &err), -1);
    assert_int_equal(err.code, SK_REMOTE);
    assert_int_equal(sk_keeper_listen(k, "m", "", 1, true, NULL, &err), 0);
    sk_keeper_free(k);
    fake_end(&f);
}

static int count(void *ctx, const struct sk_keeper_port *p, struct sk_err *err)
{
    (void)p;
    (void)err;
    ++*(unsigned *)ctx;
    return 0;
}

/* A list that never ends is left after as many answers as there may be ports. */
static void test_endless_list(void **state)
{
    static const char *packets[2 * SK_KEEPER_PORTS_MAX];
    static size_t lens[2 * SK_KEEPER_PORTS_MAX];
    struct fake f;
    struct sk_keeper *k = NULL;
    struct sk_err err = SK_ERR_INIT;
    unsigned ports = 0;

    (void)state;
    for (size_t i = 0; i < 2 * SK_KEEPER_PORTS_MAX; i++) {
        packets[i] = "SKK\1\x84\1\1\0m\x14\0\0";
        lens[i] = 12;
    }
    fake_begin(&f, packets, lens, 2 * SK_KEEPER_PORTS_MAX);
    assert_int_equal(sk_keeper_connect(f.socket, &k, &err), 0);
    assert_int_equal(sk_keeper_list(k, count, &ports, &err), 0);
    assert_int_equal(ports, SK_KEEPER_PORTS_MAX);
    sk_keeper_free(k);
    fake_end(&f);
}

static void test_nobody_there(void **state)
{
    char name[200];
    struct sk_keeper *k = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_keeper_connect("/tmp/skerry-no-keeper/sock", &k, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(sk_keeper_connect(name, &k, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
}

/* One that takes the request and says nothing. */
static void test_silence(void **state)
{
    struct fake f;
    struct sk_keeper *k = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    fake_begin(&f, NULL, NULL, 0);
    assert_int_equal(sk_keeper_connect(f.socket, &k, &err), 0);
    uint64_t begun = sk_now_ms();
    assert_int_equal(sk_keeper_close(k, "m", &err), -1);
    uint64_t took = sk_now_ms() - begun;
    assert_int_equal(err.code, SK_BUSY);
    assert_true(took >= 5000 && took < 20000);
    sk_keeper_free(k);
    fake_end(&f);
}

static int use_once(void *ctx, struct sk_err *err)
{
    SK_OWN(sk_keeper_free) struct sk_keeper *k = NULL;
    unsigned ports = 0;
    const struct rig *r = ctx;

    if (sk_keeper_connect(r->socket, &k, err) < 0 ||
        sk_keeper_listen(k, "m", "127.0.0.1", 0, true, NULL, err) < 0 ||
        sk_keeper_forward(k, "m", NULL, err) < 0)
        return -1;
    return sk_keeper_list(k, count, &ports, err);
}

static void test_allocations(void **state)
{
    struct rig r;

    (void)state;
    rig_begin(&r);
    (void)sk_alloc_sweep("client", use_once, &r, 0);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),      cmocka_unit_test(test_no_socket_comes),
        cmocka_unit_test(test_endless_list), cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_silence),      cmocka_unit_test(test_allocations),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
