/* iot_priv.h - what the files of this module share. */
#ifndef SK_IOT_IOT_PRIV_H
#define SK_IOT_IOT_PRIV_H

#include "iot/iot.h"

#include "base/buf.h"
#include "base/str.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes %XX of either case; '+' stays. out may be v.ptr's memory and gets at most v.len bytes.
 * False: a broken escape, a NUL, or no UTF-8. */
bool sk_iot_unescape(struct sk_view v, char *out, size_t *out_len);
/* Cuts v at the first sign: *head is what stands before it, and v what stands behind it. Without
 * the sign *head is all of v, v is empty, and the answer false. */
bool sk_iot_cut(struct sk_view *v, char sign, struct sk_view *head);

enum sk_iot_write {
    SK_IOT_ALL,      /* as it stands */
    SK_IOT_NO_NULLS, /* members that are null are left out; inside arrays they stay */
};

/* Compact JSON; doubles with the fewest digits, and never so that they would be read as integers.
 */
void sk_iot_write_value(const struct sk_json *v, enum sk_iot_write how, struct sk_buf *out);
/* ',' unless out ends with '{' or '['. */
void sk_iot_write_comma(struct sk_buf *out);
/* "$version" or "$metadata": what a section's own object may carry beside its members. */
bool sk_twin_is_extra(const char *name);

/* sk_iot_error_json at a given time. */
void sk_iot_error_json_at(const char *code, const char *text, const char *tracking,
                          uint64_t wall_ms, struct sk_buf *out);

#endif
