/* test_listen.c - listeners as the configuration says; methods and metrics over HTTP. */
#include "rig.h"

#include <netinet/in.h>
#include <sys/socket.h>

static uint16_t free_port(void)
{
    struct sk_err err = SK_ERR_INIT;
    int fd = -1;
    DONE(sk_listen("127.0.0.1", 0, 1, &fd, &err));
    const uint16_t port = sk_port_of(fd);
    (void)close(fd);
    return port;
}

static bool answers(uint16_t port)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    SK_AUTO(sk_close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
}

static void await(uint16_t port, bool is_there)
{
    const uint64_t until = sk_now_ms() + PATIENCE_MS;
    while (answers(port) != is_there) {
        if (sk_now_ms() > until)
            fail_msg("port %u: not %d", port, is_there);
        (void)usleep(5000);
    }
}

static void configure(struct rig *r, uint16_t mqtt, uint16_t https, uint16_t metrics)
{
    char text[4096];
    (void)snprintf(text, sizeof text,
                   "{\"type\":\"config\",\"device\":\"" DEVICE "\",\"hub\":{\"name\":\"" HUB
                   "\",\"address\":\"127.0.0.1\",\"mqttPort\":1},\"gateway\":\"gateway\","
                   "\"listen\":[\"127.0.0.1\"],\"mqttPort\":%u,\"httpsPort\":%u,"
                   "\"metrics\":{\"address\":\"127.0.0.1\",\"port\":%u},"
                   "\"certFile\":\"%s\",\"keyFile\":\"%s\",\"trustFile\":\"%s\"}",
                   mqtt, https, metrics, r->cert, r->key, r->ca);
    (void)agent_call(r, text);
}

static void ports_follow_the_configuration(void **state)
{
    struct rig *r = *state;
    const uint16_t a = free_port(), b = free_port(), c = free_port(), d = free_port();
    configure(r, a, b, c);
    await(a, true);
    await(b, true);
    await(c, true);
    configure(r, d, 0, 0);
    await(d, true);
    await(a, false);
    await(b, false);
    await(c, false);
}

static void a_port_that_is_taken_is_tried_again(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    int fd = -1;
    DONE(sk_listen("127.0.0.1", 0, 1, &fd, &err));
    const uint16_t port = sk_port_of(fd), metrics = free_port();
    configure(r, port, 0, metrics);
    await(metrics, true);
    (void)close(fd);
    await(port, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_ROW(ports_follow_the_configuration),
        LONE_ROW(a_port_that_is_taken_is_tried_again),
    };
    return cmocka_run_group_tests_name("localhub/listen", tests, NULL, NULL);
}
