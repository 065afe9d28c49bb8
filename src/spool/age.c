/*
 * age.c - whether a message is expired, on a device whose clock may be wrong by decades.
 *
 * A message has a time to live: expires less time, both by the clock of its putter, so that it is
 * right whatever that clock showed. How old it is, is told by the time since the machine's start
 * as long as that is the same start: no step of the wall clock matters then. After another start it
 * is at least as old as this start; and if the kernel said both times that the clock follows a
 * source (NTP), the dates decide. Otherwise it is kept: nothing unexpired is dropped for a wrong
 * clock, and nothing is kept longer than its time to live after the last start.
 */
#include "spool/spool_priv.h"

#include "base/clock.h"
#include "base/mix64.h"

#include <fcntl.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

enum {
    SYNC_MS = 1000,
    AGAIN_MS = 60000 /* for one of another boot */
};

/* 2024-01-01 and 2100-01-01: a date outside is wrong whatever the kernel says. */
static const int64_t sane_from_ms = INT64_C(1704067200000), sane_until_ms = INT64_C(4102444800000);

static uint64_t real_boot_ms(void)
{
    struct timespec t = { 0 };

    (void)clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static pthread_once_t boot_once = PTHREAD_ONCE_INIT;
static uint32_t boot_number;

static void read_boot(void)
{
    char id[64] = { 0 };
    SK_AUTO(sk_close) int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    uint64_t h = 0, word;

    if (fd < 0 || read(fd, id, sizeof id - 8) < 32)
        return;
    for (size_t at = 0; at < sizeof id; at += sizeof word) {
        memcpy(&word, id + at, sizeof word);
        h = sk_mix64(h ^ word);
    }
    boot_number = (uint32_t)(h >> 40) | 1;
}

static uint32_t real_boot(void)
{
    (void)pthread_once(&boot_once, read_boot);
    return boot_number;
}

/* Asked once a second. The time in ms, and in the lowest bit the answer. */
static bool real_is_synced(void)
{
    static atomic_uint_fast64_t known;
    uint64_t now = real_boot_ms(), before = atomic_load(&known);
    struct timex t = { 0 };

    if (before != 0 && now - (before >> 1) < SYNC_MS)
        return before & 1;
    bool is_synced = adjtimex(&t) != TIME_ERROR && !(t.status & STA_UNSYNC);
    atomic_store(&known, now << 1 | is_synced);
    return is_synced;
}

struct sk_spool_clocks sk_spool_clocks = {
    .wall_ms = sk_wall_ms,
    .boot_ms = real_boot_ms,
    .boot = real_boot,
    .is_synced = real_is_synced,
    .sync_ms = SK_SPOOL_SYNC_MS,
};

struct sk_spool_now sk_spool_now(int64_t wall_ms)
{
    return (struct sk_spool_now){
        .wall_ms = wall_ms,
        .boot_ms = sk_spool_clocks.boot_ms(),
        .boot = sk_spool_clocks.boot(),
        .is_synced = sk_spool_clocks.is_synced(),
    };
}

static bool is_sane(int64_t wall_ms)
{
    return wall_ms >= sane_from_ms && wall_ms < sane_until_ms;
}

bool sk_spool_is_expired(const struct sk_spool_record *r, int64_t time_ms,
                         const struct sk_spool_now *now)
{
    int64_t ttl;

    if (!r->has_expiry)
        return false;
    if (__builtin_sub_overflow(r->expires_ms, time_ms, &ttl))
        return r->expires_ms < time_ms;
    if (ttl <= 0)
        return true;
    if (r->boot != 0 && now->boot == r->boot)
        return now->boot_ms > r->boot_ms && now->boot_ms - r->boot_ms >= (uint64_t)ttl;
    if (r->boot != 0 && now->boot != 0 && now->boot_ms >= (uint64_t)ttl)
        return true;
    return r->was_synced && now->is_synced && is_sane(time_ms) && is_sane(now->wall_ms) &&
           now->wall_ms >= r->expires_ms;
}

uint64_t sk_spool_look_again(const struct sk_spool_record *r, int64_t time_ms,
                             const struct sk_spool_now *now)
{
    int64_t ttl;

    if (!r->has_expiry)
        return UINT64_MAX;
    if (r->boot != 0 && r->boot == now->boot &&
        !__builtin_sub_overflow(r->expires_ms, time_ms, &ttl))
        return r->boot_ms + (uint64_t)ttl;
    return now->boot_ms + AGAIN_MS;
}
