/* fuzz_native_options.c - createOptions of native modules: what is accepted is within its limits,
 * and what is refused says why. */
#include "runtime/runtime_priv.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const struct sk_rt_options *o)
{
    const struct sk_rt_limits *l = &o->limits;

    if (o->gpu_id_count > SK_RT_GPUS_MAX || o->rlimit_count > SK_RT_RLIMITS_MAX ||
        o->binds.count > SK_RT_BINDS_MAX || (l->cpu_quota && l->nano_cpus) ||
        (l->memory_swap && l->memory_swap < l->memory))
        abort();
    for (size_t i = 0; i < o->binds.count; i++)
        if (o->binds.items[i].source[0] != '/' || o->binds.items[i].target[0] != '/' ||
            strstr(o->binds.items[i].target, "/../"))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SK_OWN(free) char *text = strndup((const char *)data, size);
    struct sk_rt_options o;
    struct sk_rt_gpus gpus = { .items = { { 0, "GPU-0" } }, .count = size % 2 }, chosen;
    struct sk_err err = SK_ERR_INIT;
    char note[SK_RT_NOTE] = "", why[SK_RT_WHY];

    if (!text)
        return 0;
    if (sk_rt_options_read(text, &o, note, &err) == 0) {
        look(&o);
        if (sk_rt_gpus_choose(&gpus, &o, size % 3 == 0, &chosen, note, &err) == 0 &&
            chosen.count > gpus.count)
            abort();
    } else if (!err.text[0]) {
        abort();
    }
    if (strlen(note) >= sizeof note)
        abort();
    sk_rt_options_done(&o);
    for (int kind = SK_RUNTIME_NATIVE; kind <= SK_RUNTIME_DOCKER; kind++)
        if (!sk_runtime_can_overlap((enum sk_runtime_kind)kind, text, why) && !why[0])
            abort();
    return 0;
}
