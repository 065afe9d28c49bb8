/* opt_priv.h - what opt.c and the files that print its tables share. */
#ifndef SK_BASE_OPT_PRIV_H
#define SK_BASE_OPT_PRIV_H

#include "base/opt.h"

enum {
    SK_OPT_MAX = 64
}; /* rows of one option table */

/* Is known a likely reading of the mistyped word, and a better one than *best? Then *best is its
 * distance. */
bool sk_near_enough(const char *word, const char *known, int *best);

/* "SKERRY_MAX_QUEUE" */
void sk_opt_env_name(const struct sk_opt *o, char *out, size_t size);

/* "skerry serve [options] MODEL..." */
void sk_cmd_usage(const struct sk_cmd *cmd, struct sk_buf *out);

/* "default 5001, SKERRY_PORT": what is told about an option behind its sentence; empty when there
 * is nothing. */
void sk_opt_note(const struct sk_opt *o, struct sk_buf *out);

/* Walks the groups of a table in order of appearance: NULL starts, NULL ends. A group is named by
 * its heading. */
const char *sk_opt_next_group(const struct sk_opt *options, const char *previous);
const char *sk_opt_group(const struct sk_opt *o);

/* Splits "command # what it does"; returns the explanation or NULL, *len is the command's length.
 */
const char *sk_example_split(const char *line, size_t line_len, size_t *len);

#endif
