/* track_test.h - a tracking against the hub of hub_test.h, and what the hub has of it. */
#ifndef SK_TESTS_CLI_TRACK_TEST_H
#define SK_TESTS_CLI_TRACK_TEST_H

#include "cli/track_priv.h"

#include "base/cleanup.h"
#include "json/json.h"

/* What was shown: notes one after the other, the number of epochs and batches. */
struct shown {
    char notes[4096];
    unsigned epochs, batches;
};

/* Options with `shown` as watch; train's output folder is `out`. */
struct sk_track_options track_options(const char *hub, const char *experiment, const char *out,
                                      struct shown *shown);
/* What the hub answers to a POST or GET (body NULL). */
struct sk_json *ask_hub(const char *path, const char *body);
/* {"runs":[...]} of an experiment by name. */
struct sk_json *runs_of(const char *experiment);

#endif
