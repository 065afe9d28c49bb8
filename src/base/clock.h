/* clock.h - time. Durations come from the monotonic clock, dates from the wall clock. */
#ifndef SK_BASE_CLOCK_H
#define SK_BASE_CLOCK_H

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t sk_now_ns(void);  /* CLOCK_MONOTONIC */
uint64_t sk_now_ms(void);  /* CLOCK_MONOTONIC */
uint64_t sk_wall_ms(void); /* since 1970 */

/* "2026-11-24T12:00:00.123Z"; out needs SK_TIME_TEXT bytes. */
enum {
    SK_TIME_TEXT = 32
};

void sk_time_text(uint64_t wall_ms, char *out);
/* A date, or date and time (ISO 8601: 'T' or a space between, seconds and a fraction optional, 'Z',
 * an offset, or nothing for UTC) into ms since 1970. False: it is none. */
bool sk_time_parse(struct sk_view text, int64_t *ms);

#endif
