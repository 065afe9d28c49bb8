/*
 * date.c - dates as numbers: RFC 3339, and what is left out of it in practice.
 *
 * Texts of one instant differ ("05:00Z", "05:00:00.000Z", "06:00+01:00"), so times are compared as
 * numbers. Digits beyond the milliseconds are cut.
 */
#include "base/clock.h"

/* At most `most` and at least `least` digits; what was read is cut off. */
static bool digits(struct sk_view *v, size_t count, int64_t least, int64_t most, int64_t *out)
{
    int64_t value = 0;

    if (v->len < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (v->ptr[i] < '0' || v->ptr[i] > '9')
            return false;
        value = 10 * value + (v->ptr[i] - '0');
    }
    *v = (struct sk_view){ v->ptr + count, v->len - count };
    *out = value;
    return value >= least && value <= most;
}

static bool sign(struct sk_view *v, char c)
{
    if (v->len == 0 || v->ptr[0] != c)
        return false;
    *v = (struct sk_view){ v->ptr + 1, v->len - 1 };
    return true;
}

/* Days since 1970-01-01 in the Gregorian calendar; years begin in March, so that the leap day is
 * the last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month > 2 ? year : year - 1, m = month > 2 ? month - 3 : month + 9;

    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static int64_t month_days(int64_t year, int64_t month)
{
    if (month == 2)
        return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

static bool fraction(struct sk_view *v, int64_t *ms)
{
    size_t count = 0;

    for (; v->len > 0 && v->ptr[0] >= '0' && v->ptr[0] <= '9'; count++) {
        if (count < 3)
            *ms = 10 * *ms + (v->ptr[0] - '0');
        *v = (struct sk_view){ v->ptr + 1, v->len - 1 };
    }
    for (size_t i = count; i < 3; i++)
        *ms *= 10;
    return count > 0;
}

/* Behind the T. */
static bool clock_of(struct sk_view *v, int64_t *ms)
{
    int64_t hour, minute, second = 0, part = 0;

    if (!digits(v, 2, 0, 23, &hour) || !sign(v, ':') || !digits(v, 2, 0, 59, &minute))
        return false;
    if (sign(v, ':')) {
        if (!digits(v, 2, 0, 59, &second))
            return false;
        if (sign(v, '.') && !fraction(v, &part))
            return false;
    }
    *ms += ((hour * 60 + minute) * 60 + second) * 1000 + part;
    return true;
}

static bool zone(struct sk_view *v, int64_t *ms)
{
    int64_t hour, minute, direction;

    if (v->len == 0 || sign(v, 'Z') || sign(v, 'z'))
        return true;
    direction = sign(v, '+') ? 1 : sign(v, '-') ? -1 : 0;
    if (direction == 0 || !digits(v, 2, 0, 23, &hour) || !sign(v, ':') ||
        !digits(v, 2, 0, 59, &minute))
        return false;
    *ms -= direction * (hour * 60 + minute) * 60000;
    return true;
}

bool sk_time_parse(struct sk_view text, int64_t *ms)
{
    struct sk_view v = text;
    int64_t year, month, day, value;

    if (!digits(&v, 4, 1, 9999, &year) || !sign(&v, '-') || !digits(&v, 2, 1, 12, &month) ||
        !sign(&v, '-') || !digits(&v, 2, 1, month_days(year, month), &day))
        return false;
    value = days_of(year, month, day) * 86400000;
    if ((sign(&v, 'T') || sign(&v, ' ')) && (!clock_of(&v, &value) || !zone(&v, &value)))
        return false;
    if (v.len > 0)
        return false;
    *ms = value;
    return true;
}
