/* remote_priv.h - what the commands that talk to a hub share. */
#ifndef SK_CLI_REMOTE_PRIV_H
#define SK_CLI_REMOTE_PRIV_H

#include "base/buf.h"
#include "base/err.h"
#include "remote/remote.h"
#include "json/json.h"

#include <stdbool.h>
#include <stdint.h>

/* The row of --hub; type is the argument structure, with a field `const char *hub`. */
/* clang-format off */
#define SK_CLI_HUB_OPTION(type)                                                                    \
    { "hub", 0, SK_OPT_TEXT, "HUB", "context or URL; else SKERRY_HUB, else the current context",   \
      .offset = offsetof(type, hub), .group = "Hub" }

/* clang-format on */

/* As sk_remote_new, for a command: with sk_cli_waiting. */
int sk_cli_remote_new(const struct sk_context *c, struct sk_remote **out,
                      struct sk_err *err) SK_CHECK;
/* The hub that the option, the environment or the current context names. */
int sk_cli_remote(const char *hub, struct sk_remote **out, struct sk_err *err) SK_CHECK;

/* A line on standard error that shows how far a transfer is: on terminals only, at most ten times a
 * second. A sk_remote_progress; ctx is the structure. */
struct sk_transfer {
    const char *verb; /* "uploading" */
    uint64_t last_ns;
    bool is_shown;
};

bool sk_transfer_progress(void *ctx, const char *what, uint64_t done, uint64_t total);
/* Clears the line. */
void sk_transfer_end(struct sk_transfer *t);

/* A sk_fetch_options.waiting: "waiting for HOST ..." on standard error while that is so, on
 * terminals only. */
void sk_cli_waiting(void *ctx, const char *host, bool is_waiting);

/* "12.3 MiB" */
void sk_cli_size(struct sk_buf *out, uint64_t bytes);
/* A cell of a table, padded to width, without control characters; longer texts are cut with "...".
 */
void sk_cli_cell(struct sk_buf *out, const char *text, unsigned width);
/* "2026-11-28 22:46", of milliseconds since 1970. */
void sk_cli_when(struct sk_buf *out, int64_t ms);
/* The document's text and a newline, for --json. */
int sk_cli_print_json(const struct sk_json *v, struct sk_err *err) SK_CHECK;

#endif
