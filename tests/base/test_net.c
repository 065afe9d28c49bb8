/* test_net.c - listening sockets, and addresses as text. */
#include "base/net.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

static void test_listen(void **state)
{
    static const char *const hosts[] = { "127.0.0.1", "127.0.0.2", "localhost" };
    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_close) int fd = -1;
        SK_AUTO(sk_close) int second = -1;
        if (sk_listen(hosts[i], 0, 5, &fd, &err) < 0)
            fail_msg("%s: %s", hosts[i], err.text);
        uint16_t port = sk_port_of(fd);
        assert_true(port > 0);
        assert_int_equal(sk_listen(hosts[i], port, 5, &second, &err), -1); /* taken */
        assert_non_null(strstr(err.text, hosts[i]));
    }
}

static void test_bad_host(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    int fd = -1;
    (void)state;
    assert_int_equal(sk_listen("no such host", 0, 5, &fd, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    assert_int_equal(fd, -1);
    assert_int_equal(sk_port_of(-1), 0);
    assert_int_equal(sk_tcp_acked(-1), 0);
}

static void test_peer(void **state)
{
    char text[SK_PEER_TEXT];
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(5000) };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(65535) };
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    (void)state;
    (void)inet_pton(AF_INET, "192.0.2.1", &in.sin_addr);
    (void)inet_pton(AF_INET6, "2001:db8:1111:2222:3333:4444:5555:6666", &in6.sin6_addr);
    sk_peer_text(&in, sizeof in, text);
    assert_string_equal(text, "192.0.2.1:5000");
    sk_peer_text(&in6, sizeof in6, text);
    assert_string_equal(text, "[2001:db8:1111:2222:3333:4444:5555:6666]:65535");
    sk_peer_text(&un, sizeof un, text);
    assert_string_equal(text, "local");
    sk_peer_text(&in, sizeof in - 1, text); /* cut off */
    assert_string_equal(text, "local");
    sk_peer_text(NULL, 0, text);
    assert_string_equal(text, "local");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_listen),
        cmocka_unit_test(test_bad_host),
        cmocka_unit_test(test_peer),
    };
    return cmocka_run_group_tests_name("base/net", tests, NULL, NULL);
}
