/*
 * lint.h - included before every file when clang-tidy reads it (tools/lint.sh).
 *
 * The functions that record an error return -1 always. The analyzer does not look into other files,
 * would follow "failed, and returned 0", and report what cannot happen behind it.
 */
#ifndef SK_TOOLS_LINT_H
#define SK_TOOLS_LINT_H

#include "base/buf.h"
#include "base/err.h"

#define sk_fail(...)       (sk_fail(__VA_ARGS__), -1)
#define sk_fail_errno(...) (sk_fail_errno(__VA_ARGS__), -1)
#define sk_nomem(...)      (sk_nomem(__VA_ARGS__), -1)
#define sk_wrap(...)       (sk_wrap(__VA_ARGS__), -1)
#define sk_buf_fail(...)   (sk_buf_fail(__VA_ARGS__), -1)

#endif
