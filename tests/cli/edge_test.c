/* edge_test.c - an agent that answers as it is told, over a real wire. */
#include "edge_test.h"

#include "base/file.h"
#include "base/thread.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
    TICK_MS = 20
};

static void message(struct sk_wire *w, const char *type, int64_t id, const struct sk_json *m,
                    void *ctx)
{
    struct fake_agent *a = ctx;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(sizeof a->last - 1);
    sk_json_dump(m, &text);
    (void)snprintf(a->last, sizeof a->last, "%.*s", (int)text.len, text.data ? text.data : "");
    for (const struct fake_row *row = a->rows; row->type; row++) {
        if (strcmp(row->type, type) != 0)
            continue;
        if (*row->answer != '!') {
            assert_int_equal(sk_wire_answer(w, id, sk_view_of(row->answer), &err), 0);
            return;
        }
        struct sk_err why = SK_ERR_INIT;
        (void)sk_fail(&why, SK_NOT_FOUND, "%s", row->answer + 1);
        assert_int_equal(sk_wire_refuse(w, id, &why, &err), 0);
        return;
    }
}

static void *serve(void *arg)
{
    struct fake_agent *a = arg;
    struct sk_wire *wires[64];
    size_t count = 0;
    while (!atomic_load(&a->stop)) {
        struct pollfd p = { .fd = a->listen_fd, .events = POLLIN };
        struct sk_err err = SK_ERR_INIT;
        if (poll(&p, 1, TICK_MS) != 1 || count == COUNT(wires))
            continue;
        const struct sk_wire_handler handler = { .message = message, .ctx = a };
        int fd = accept4(a->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0 && sk_wire_open(fd, &handler, &wires[count], &err) == 0)
            count++;
    }
    for (size_t i = 0; i < count; i++)
        sk_wire_free(wires[i]);
    return NULL;
}

void agent_start(struct fake_agent *a, const struct fake_row *rows)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    struct sk_err err = SK_ERR_INIT;
    char run[96];
    *a = (struct fake_agent){ .dir = "/tmp/skerry-agent-XXXXXX", .rows = rows };
    assert_non_null(mkdtemp(a->dir));
    (void)snprintf(run, sizeof run, "%s/run", a->dir);
    assert_int_equal(sk_mkdirs(run, 0700, &err), 0);
    (void)snprintf(addr.sun_path, sizeof addr.sun_path, "%s/run/agent.sock", a->dir);
    a->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(a->listen_fd >= 0);
    assert_int_equal(bind(a->listen_fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(a->listen_fd, 16), 0);
    assert_int_equal(sk_thread_start(&a->thread, "fake-agent", serve, a, &err), 0);
}

void agent_stop(struct fake_agent *a)
{
    struct sk_err err = SK_ERR_INIT;
    atomic_store(&a->stop, true);
    (void)pthread_join(a->thread, NULL);
    sk_close(&a->listen_fd);
    assert_int_equal(sk_remove_tree(a->dir, &err), 0);
}
