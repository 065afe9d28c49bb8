/*
 * bench_spool.c - what the spool costs: puts a second, bytes written for each, starting and
 * draining.
 *
 *     bench_spool FOLDER MESSAGES BODY GROUP [TTL_S] [SEGMENT]
 *
 * Puts MESSAGES of BODY bytes to one endpoint, GROUP at a time, each group waited for (GROUP 0: at
 * most 10,000 on their way); then opens them again and takes all, and does it once more with the
 * queue drained beside it, as it is with an uplink. FOLDER should not exist. Prints one line of
 * JSON for each phase. wchar and write_bytes are those of /proc/self/io: what was given to the
 * kernel, and whole pages that went to the disk.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/thread.h"
#include "spool/spool.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    WINDOW = 10000,
    BODY_MAX = 1 << 19
};

static struct {
    const char *folder;
    uint64_t messages, ttl_ms, segment_bytes;
    size_t body;
    unsigned group;
} set;

static struct sk_spool *spool;
static char body[BODY_MAX];
static atomic_uint on_their_way;
static atomic_uint_fast64_t failed;

static void done(void *ctx, const struct sk_err *why)
{
    (void)ctx;
    if (why)
        (void)atomic_fetch_add(&failed, 1);
    (void)atomic_fetch_sub(&on_their_way, 1);
}

struct io {
    uint64_t wchar, write_bytes;
};

static struct io io_now(void)
{
    SK_OWN(fclose) FILE *f = fopen("/proc/self/io", "re");
    struct io io = { 0 };
    char line[128];
    unsigned long long n;

    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "wchar: %llu", &n) == 1)
            io.wchar = n;
        else if (sscanf(line, "write_bytes: %llu", &n) == 1)
            io.write_bytes = n;
    }
    return io;
}

static int open_spool(struct sk_err *err)
{
    const struct sk_spool_options opts = { .dir = set.folder,
                                           .max_bytes = UINT64_C(64) << 30,
                                           .segment_bytes = set.segment_bytes };

    return sk_spool_open(&opts, &spool, err);
}

static int put_one(uint64_t i, struct sk_err *err)
{
    char bag[64];
    int64_t now = (int64_t)sk_wall_ms();
    (void)snprintf(bag, sizeof bag, "%%24.mid=%016llx", (unsigned long long)i);
    struct sk_spool_target to = { .endpoint = "$upstream",
                                  .priority = 9,
                                  .expires_ms = set.ttl_ms ? now + (int64_t)set.ttl_ms : 0 };
    struct sk_spool_message m = { .key = SK_VIEW("camera/metrics"),
                                  .bag = sk_view_of(bag),
                                  .body = { body, set.body },
                                  .time_ms = now,
                                  .done = done };

    (void)atomic_fetch_add(&on_their_way, 1);
    while (sk_spool_put(spool, &m, &to, 1, err) < 0) {
        if (err->code != SK_BUSY)
            return -1;
        (void)usleep(100);
    }
    return 0;
}

static int put_all(const char *what, bool drains, struct sk_err *err)
{
    SK_OWN(sk_spool_reader_free) struct sk_spool_reader *r = NULL;
    struct sk_spool_item item;
    uint64_t start = sk_now_ns(), taken = 0;
    struct io before = io_now();

    if (drains && sk_spool_reader(spool, "$upstream", &r, err) < 0)
        return -1;
    for (uint64_t i = 0; i < set.messages; i++) {
        if (put_one(i, err) < 0)
            return -1;
        unsigned most = set.group ? set.group : WINDOW;
        if (set.group && (i + 1) % set.group != 0)
            continue;
        while (atomic_load(&on_their_way) >= most || (set.group && atomic_load(&on_their_way) > 0))
            (void)usleep(10);
        while (r && sk_spool_next(r, 1, &item, err) == 1) {
            sk_spool_delivered(r, item.priority, item.seq);
            taken++;
        }
    }
    while (atomic_load(&on_their_way) > 0)
        (void)usleep(10);
    double took = (double)(sk_now_ns() - start) / 1e9, payload = (double)(set.messages * set.body);
    struct io after = io_now();
    (void)printf("{\"%s\": %llu, \"taken\": %llu, \"failed\": %llu, \"seconds\": %.3f, \"per_s\": "
                 "%.0f, \"wchar_per_byte\": %.2f, \"write_bytes_per_byte\": %.2f}\n",
                 what, (unsigned long long)set.messages, (unsigned long long)taken,
                 (unsigned long long)atomic_load(&failed), took, (double)set.messages / took,
                 (double)(after.wchar - before.wchar) / payload,
                 (double)(after.write_bytes - before.write_bytes) / payload);
    return 0;
}

static int drain(struct sk_err *err)
{
    SK_OWN(sk_spool_reader_free) struct sk_spool_reader *r = NULL;
    struct sk_spool_item item;
    uint64_t start = sk_now_ns(), count = 0;
    int rc;

    if (sk_spool_reader(spool, "$upstream", &r, err) < 0)
        return -1;
    while ((rc = sk_spool_next(r, (int64_t)sk_wall_ms(), &item, err)) == 1) {
        sk_spool_delivered(r, item.priority, item.seq);
        count++;
    }
    double took = (double)(sk_now_ns() - start) / 1e9;
    (void)printf("{\"drained\": %llu, \"seconds\": %.3f, \"per_s\": %.0f}\n",
                 (unsigned long long)count, took, (double)count / took);
    return rc;
}

static int timed_open(const char *what, struct sk_err *err)
{
    uint64_t start = sk_now_ns();
    struct sk_spool_state state;

    if (open_spool(err) < 0)
        return -1;
    double took = (double)(sk_now_ns() - start) / 1e6;
    sk_spool_state(spool, &state);
    (void)printf("{\"open\": \"%s\", \"ms\": %.2f, \"waiting\": %llu, \"bytes\": %llu}\n", what,
                 took, (unsigned long long)sk_spool_length(spool, "$upstream", 9),
                 (unsigned long long)state.bytes);
    return 0;
}

static int run(struct sk_err *err)
{
    if (timed_open("nothing", err) < 0 || put_all("put", false, err) < 0)
        return -1;
    sk_spool_close(SK_TAKE(spool));
    if (timed_open("all", err) < 0 || drain(err) < 0)
        return -1;
    sk_spool_close(SK_TAKE(spool));
    if (timed_open("drained", err) < 0 || put_all("put_and_drained", true, err) < 0)
        return -1;
    sk_spool_close(SK_TAKE(spool));
    return 0;
}

int main(int argc, char **argv)
{
    struct sk_err err = SK_ERR_INIT;

    if (argc < 5 || argc > 7 || strtoull(argv[3], NULL, 10) > BODY_MAX) {
        (void)fprintf(stderr, "usage: bench_spool FOLDER MESSAGES BODY GROUP [TTL_S] [SEGMENT]\n");
        return 2;
    }
    set.folder = argv[1];
    set.messages = strtoull(argv[2], NULL, 10);
    set.body = (size_t)strtoull(argv[3], NULL, 10);
    set.group = (unsigned)strtoul(argv[4], NULL, 10);
    set.ttl_ms = argc > 5 ? strtoull(argv[5], NULL, 10) * 1000 : 0;
    set.segment_bytes = argc > 6 ? strtoull(argv[6], NULL, 10) : 0;
    if (run(&err) < 0) {
        (void)fprintf(stderr, "bench_spool: %s\n", err.text);
        return 1;
    }
    return 0;
}
