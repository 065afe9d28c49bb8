/* json_priv.h - the scan that bounds a text before the parser sees it. For this folder and its
 * tests. */
#ifndef SK_JSON_JSON_PRIV_H
#define SK_JSON_JSON_PRIV_H

#include "json/json.h"

/* Accepts every text whose parse stays within the limits, well-formed or not: syntax is the
 * parser's affair. limits is filled in: no zeros. */
int sk_json_scan(const char *text, size_t len, const struct sk_json_limits *limits,
                 struct sk_err *err) SK_CHECK;

#endif
