/* train_priv.h - what `skerry train` shows: lines, a bar, or JSON. */
#ifndef SK_CLI_TRAIN_PRIV_H
#define SK_CLI_TRAIN_PRIV_H

#include "train/train.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct sk_train_lines {
    bool json, has_bar;
    const atomic_bool *stop;
    bool told_stop, drawn;
    uint64_t last_ns;
};

/* lines must outlive the watch. */
struct sk_train_watch sk_train_lines_watch(struct sk_train_lines *lines, bool json,
                                           const atomic_bool *stop);
/* Clears the bar. */
void sk_train_lines_end(struct sk_train_lines *lines);
/* The last words: where the bundle is, what it reached, what to type next. */
int sk_train_lines_result(struct sk_train_lines *lines, const struct sk_train_options *o,
                          const struct sk_train_result *r, struct sk_err *err) SK_CHECK;

#endif
