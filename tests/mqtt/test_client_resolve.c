/* test_client_resolve.c - names on threads that nobody waits for; the test decides how long they
 * take. */
#include "client_rig.h"

#include "base/clock.h"
#include "base/thread.h"

#include <netdb.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static atomic_uint begun, ended;
static atomic_bool may_go_on;

/* "hang..." waits until the test lets it go on; "bad" is unknown. */
static int find(const char *host, const char *port, const struct addrinfo *hints,
                struct addrinfo **out)
{
    (void)atomic_fetch_add(&begun, 1);
    while (strncmp(host, "hang", 4) == 0 && !atomic_load(&may_go_on))
        (void)usleep(500);
    int rc = strcmp(host, "bad") == 0 ? EAI_NONAME : getaddrinfo("192.0.2.1", port, hints, out);
    (void)atomic_fetch_add(&ended, 1);
    return rc;
}

struct world {
    struct sk_resolver *resolver;
    int wake;
};

static void open_world(struct world *w)
{
    struct sk_err err = SK_ERR_INIT;

    atomic_store(&begun, 0);
    atomic_store(&ended, 0);
    atomic_store(&may_go_on, false);
    w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_true(w->wake >= 0);
    assert_int_equal(sk_resolver_new(w->wake, find, &w->resolver, &err), 0);
}

/* Threads of the test's own may still be on their way out. */
static void close_world(struct world *w)
{
    sk_resolver_free(w->resolver);
    atomic_store(&may_go_on, true);
    sk_close(&w->wake);
    while (atomic_load(&ended) < atomic_load(&begun))
        (void)usleep(500);
}

static struct sk_lookup *ask(struct world *w, const char *host, void *owner)
{
    struct sk_lookup *k = NULL;
    struct sk_err err = SK_ERR_INIT;

    if (sk_resolver_ask(w->resolver, host, 8883, owner, &k, &err) < 0)
        fail_msg("%s", err.text);
    return k;
}

static struct sk_lookup *wait_for_one(struct world *w)
{
    struct pollfd p = { .fd = w->wake, .events = POLLIN };
    struct sk_lookup *k;
    uint64_t count;

    while (!(k = sk_resolver_take(w->resolver))) {
        assert_int_equal(poll(&p, 1, CLIENT_WAIT_MS), 1);
        assert_true(read(w->wake, &count, sizeof count) > 0);
    }
    return k;
}

static void wait_until(atomic_uint *counter, unsigned n)
{
    uint64_t by_ms = sk_now_ms() + CLIENT_WAIT_MS;

    while (atomic_load(counter) < n) {
        assert_true(sk_now_ms() < by_ms);
        (void)usleep(500);
    }
}

static void found_and_not(void **state)
{
    static const struct {
        const char *host;
        int rc;
        unsigned looked_for;
    } rows[] = {
        { "192.0.2.9", 0, 0 },
        { "2001:db8::1", 0, 0 },
        { "name", 0, 1 },
        { "bad", EAI_NONAME, 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;
        int owner;

        open_world(&w);
        struct sk_lookup *asked = ask(&w, rows[i].host, &owner);
        struct sk_lookup *k = wait_for_one(&w);
        if (k != asked || k->owner != &owner || k->rc != rows[i].rc ||
            (k->found == NULL) != (rows[i].rc != 0) || atomic_load(&begun) != rows[i].looked_for)
            fail_msg("%s: rc %d", rows[i].host, k->rc);
        assert_null(sk_resolver_take(w.resolver));
        sk_lookup_free(k);
        close_world(&w);
    }
}

/* As many threads as allowed hang; others wait in line, addresses in figures do not. */
static void bounded_threads(void **state)
{
    static const char *const hosts[] = { "hang1", "hang2", "hang3", "hang4", "hang5", "hang6" };
    struct world w;
    int owners[6];

    (void)state;
    open_world(&w);
    for (size_t i = 0; i < 6; i++)
        (void)ask(&w, hosts[i], &owners[i]);
    wait_until(&begun, SK_CLIENT_LOOKUPS);
    (void)usleep(20000);
    assert_int_equal(atomic_load(&begun), SK_CLIENT_LOOKUPS);
    (void)ask(&w, "::1", &w);
    struct sk_lookup *k = wait_for_one(&w);
    assert_ptr_equal(k->owner, &w);
    sk_lookup_free(k);
    atomic_store(&may_go_on, true);
    for (size_t i = 0; i < 6; i++)
        sk_lookup_free(wait_for_one(&w));
    assert_int_equal(atomic_load(&begun), 6);
    close_world(&w);
}

/* One that hangs and was given up is inherited by the next who asks, not asked for again. */
static void inherited(void **state)
{
    struct world w;
    int first, second, other;

    (void)state;
    open_world(&w);
    struct sk_lookup *k = ask(&w, "hang", &first);
    wait_until(&begun, 1);
    sk_lookup_drop(k);
    assert_ptr_equal(ask(&w, "hang", &second), k);
    (void)ask(&w, "hang", &other); /* it has an owner: one more thread */
    wait_until(&begun, 2);
    atomic_store(&may_go_on, true);
    for (int i = 0; i < 2; i++) {
        struct sk_lookup *got = wait_for_one(&w);
        assert_ptr_equal(got->owner, got == k ? &second : &other);
        sk_lookup_free(got);
    }
    assert_int_equal(atomic_load(&begun), 2);
    close_world(&w);
}

/* Given up in each of the lists, and the resolver's end while threads hang. */
static void given_up(void **state)
{
    struct world w;
    struct sk_lookup *k[6];
    int owner;

    (void)state;
    open_world(&w);
    for (size_t i = 0; i < 6; i++)
        k[i] = ask(&w, "hang", &owner);
    wait_until(&begun, SK_CLIENT_LOOKUPS);
    sk_lookup_drop(k[0]);                         /* runs */
    sk_lookup_drop(k[5]);                         /* waits */
    sk_lookup_drop(ask(&w, "127.0.0.1", &owner)); /* is done */
    sk_lookup_drop(NULL);
    assert_null(sk_resolver_take(w.resolver));
    sk_resolver_free(w.resolver); /* they would hang for ever */
    w.resolver = NULL;
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found_and_not),
        cmocka_unit_test(bounded_threads),
        cmocka_unit_test(inherited),
        cmocka_unit_test(given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
