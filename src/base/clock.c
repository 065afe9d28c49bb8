/* clock.c - the two clocks. clock_gettime cannot fail for clocks that every Linux has. */
#include "base/clock.h"

static uint64_t read_ns(clockid_t id)
{
    struct timespec t = { 0 };
    (void)clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t sk_now_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

uint64_t sk_now_ms(void)
{
    return read_ns(CLOCK_MONOTONIC) / 1000000u;
}

uint64_t sk_wall_ms(void)
{
    return read_ns(CLOCK_REALTIME) / 1000000u;
}

void sk_time_text(uint64_t wall_ms, char *out)
{
    const time_t seconds = (time_t)(wall_ms / 1000u);
    struct tm t = { 0 };

    if (!gmtime_r(&seconds, &t) || t.tm_year > 9999 - 1900) {
        (void)snprintf(out, SK_TIME_TEXT, "9999-12-31T23:59:59.999Z");
        return;
    }
    (void)snprintf(out, SK_TIME_TEXT, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
                   (unsigned)(t.tm_year + 1900) % 10000u, (unsigned)(t.tm_mon + 1) % 100u,
                   (unsigned)t.tm_mday % 100u, (unsigned)t.tm_hour % 100u,
                   (unsigned)t.tm_min % 100u, (unsigned)t.tm_sec % 100u,
                   (unsigned)(wall_ms % 1000u));
}
