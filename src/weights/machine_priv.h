/* machine_priv.h - one run of a pickle: bytes, stack, memo. Shared by machine.c and pickle.c. */
#ifndef SK_WEIGHTS_MACHINE_PRIV_H
#define SK_WEIGHTS_MACHINE_PRIV_H

#include "weights/pickle_priv.h"

struct sk_machine {
    struct sk_pickle *p;
    const uint8_t *base, *at, *end;
    bool is_done;
    uint32_t result; /* when it is done */
};

/* "pickle: <what> at byte N" */
int sk_machine_corrupt(const struct sk_machine *m, const char *what, struct sk_err *err);

/* The next n bytes. */
int sk_machine_take(struct sk_machine *m, uint64_t n, const uint8_t **out,
                    struct sk_err *err) SK_CHECK;
/* A little-endian number of 1, 2, 4 or 8 bytes. */
int sk_machine_number(struct sk_machine *m, unsigned width, uint64_t *out,
                      struct sk_err *err) SK_CHECK;
/* Bytes behind their length, a number of width bytes. */
int sk_machine_counted(struct sk_machine *m, unsigned width, struct sk_view *out,
                       struct sk_err *err) SK_CHECK;
/* Up to a line feed, which is taken too. */
int sk_machine_line(struct sk_machine *m, struct sk_view *out, struct sk_err *err) SK_CHECK;

int sk_machine_push(struct sk_machine *m, uint32_t value, struct sk_err *err) SK_CHECK;
int sk_machine_push_value(struct sk_machine *m, const struct sk_pickle_value *v,
                          struct sk_err *err) SK_CHECK;
/* There are n values above the last mark. */
int sk_machine_want(const struct sk_machine *m, uint32_t n, struct sk_err *err) SK_CHECK;
int sk_machine_top(const struct sk_machine *m, uint32_t *out, struct sk_err *err) SK_CHECK;
int sk_machine_pop(struct sk_machine *m, uint32_t *out, struct sk_err *err) SK_CHECK;
/* The value at a place below the stack's count. */
uint32_t sk_machine_at(const struct sk_machine *m, uint32_t place);

int sk_machine_mark(struct sk_machine *m, struct sk_err *err) SK_CHECK;
/* Takes the last mark away; *first is where its values begin. */
int sk_machine_pop_mark(struct sk_machine *m, uint32_t *first, struct sk_err *err) SK_CHECK;

/* The top of the stack goes into a slot of the memo; a slot of the memo goes onto the stack. */
int sk_machine_remember(struct sk_machine *m, uint64_t slot, struct sk_err *err) SK_CHECK;
int sk_machine_recall(struct sk_machine *m, uint64_t slot, struct sk_err *err) SK_CHECK;

#endif
