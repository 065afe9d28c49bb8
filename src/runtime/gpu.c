/*
 * gpu.c - which NVIDIA GPUs there are, which of them a module gets, and what the driver needs.
 *
 *     /proc/driver/nvidia/gpus/BUS/information   "Device Minor: 0", "GPU UUID: GPU-..."
 *     /dev/nvidiaN                               where the former is not to be seen
 *
 * A module gets the devices of its GPUs only, and CUDA_VISIBLE_DEVICES with their UUIDs (or
 * numbers), so that CUDA counts what it can open.
 */
#include "runtime/runtime_priv.h"

#include "base/file.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

enum {
    INFORMATION_BYTES = 64 << 10
};

/* The text behind "key:" in a line; false: none. */
static bool value_of(const char *text, const char *key, char *out, size_t cap)
{
    const char *at = strstr(text, key);

    if (!at)
        return false;
    at += strlen(key);
    at += strspn(at, ": \t");
    (void)snprintf(out, cap, "%.*s", (int)strcspn(at, " \t\r\n"), at);
    return out[0] != '\0';
}

static void add_gpu(struct sk_rt_gpus *g, unsigned minor, const char *uuid)
{
    size_t at = g->count;

    if (g->count == SK_RT_GPUS_MAX)
        return;
    while (at > 0 && g->items[at - 1].minor > minor)
        at--;
    memmove(&g->items[at + 1], &g->items[at], (g->count - at) * sizeof g->items[0]);
    g->items[at].minor = minor;
    (void)snprintf(g->items[at].uuid, sizeof g->items[at].uuid, "%s", uuid);
    g->count++;
}

static void read_information(const char *folder, const char *bus, struct sk_rt_gpus *out)
{
    char path[SK_RT_PATH], minor[16], uuid[64] = "";
    SK_OWN(free) char *text = NULL;
    struct sk_err ignored = SK_ERR_INIT;
    size_t len = 0;
    uint64_t number = 0;

    (void)snprintf(path, sizeof path, "%.500s/%.255s/information", folder, bus);
    if (sk_file_read(path, INFORMATION_BYTES, &text, &len, &ignored) < 0 ||
        !value_of(text, "Device Minor", minor, sizeof minor) ||
        sk_parse_u64("minor", minor, 0, 255, &number, &ignored) < 0)
        return;
    (void)value_of(text, "GPU UUID", uuid, sizeof uuid);
    add_gpu(out, (unsigned)number, uuid);
}

void sk_rt_gpus_find(const char *root, struct sk_rt_gpus *out)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    struct sk_err ignored = SK_ERR_INIT;
    char folder[SK_RT_PATH];

    out->count = 0;
    (void)snprintf(folder, sizeof folder, "%s/proc/driver/nvidia/gpus", root);
    if (sk_dir_read(folder, &dir, &ignored) == 0)
        for (size_t i = 0; i < dir.count; i++)
            read_information(folder, dir.names[i], out);
    if (out->count > 0)
        return;
    for (unsigned minor = 0; minor < SK_RT_GPUS_MAX; minor++) {
        (void)snprintf(folder, sizeof folder, "%s/dev/nvidia%u", root, minor);
        if (access(folder, F_OK) == 0)
            add_gpu(out, minor, "");
    }
}

/* By number, or by UUID, whole or its beginning, as Docker takes them. */
static const struct sk_rt_gpu *find_id(const struct sk_rt_gpus *all, const char *id)
{
    for (size_t i = 0; i < all->count; i++) {
        char number[24];

        (void)snprintf(number, sizeof number, "%zu", i);
        if (strcmp(number, id) == 0 ||
            (sk_starts_with(id, "GPU-") && sk_starts_with(all->items[i].uuid, id)))
            return &all->items[i];
    }
    return NULL;
}

static bool has_gpu(const struct sk_rt_gpus *g, unsigned minor)
{
    for (size_t i = 0; i < g->count; i++)
        if (g->items[i].minor == minor)
            return true;
    return false;
}

int sk_rt_gpus_choose(const struct sk_rt_gpus *all, const struct sk_rt_options *o, bool is_required,
                      struct sk_rt_gpus *out, char *note, struct sk_err *err)
{
    out->count = 0;
    if (!o->wants_gpu && !is_required)
        return 0;
    if (all->count == 0) {
        if (is_required)
            return sk_fail(err, SK_UNSUPPORTED,
                           "SKERRY_GPU=required, and this machine has no NVIDIA GPU (neither "
                           "/proc/driver/nvidia/gpus nor /dev/nvidia0)");
        sk_rt_note(note, "no GPU here: the module runs on the CPU");
        return 0;
    }
    for (size_t i = 0; i < o->gpu_id_count; i++) {
        const struct sk_rt_gpu *g = find_id(all, o->gpu_ids[i]);

        if (!g)
            return sk_fail(err, SK_UNSUPPORTED,
                           "createOptions: HostConfig.DeviceRequests: there is no GPU '%.60s'; "
                           "there are %zu",
                           o->gpu_ids[i], all->count);
        if (!has_gpu(out, g->minor))
            add_gpu(out, g->minor, g->uuid);
    }
    size_t count = o->gpu_count < 0 || !o->wants_gpu ? all->count : (size_t)o->gpu_count;
    for (size_t i = 0; i < all->count && count > 0; i++)
        if (!has_gpu(out, all->items[i].minor)) {
            add_gpu(out, all->items[i].minor, all->items[i].uuid);
            count--;
        }
    if (count > 0 && o->gpu_count > 0) {
        if (is_required)
            return sk_fail(err, SK_UNSUPPORTED,
                           "SKERRY_GPU=required, and this machine has fewer GPUs (%zu) than are "
                           "asked for",
                           all->count);
        sk_rt_note(note, "only %zu of the GPUs that are asked for are here", out->count);
    }
    return 0;
}

void sk_rt_gpus_paths(const struct sk_rt_gpus *g, struct sk_rt_paths *out)
{
    static const char *const devices[] = { "/dev/nvidiactl", "/dev/nvidia-uvm",
                                           "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset",
                                           "/dev/nvidia-caps" };
    static const char *const read[] = {
        "/proc/driver/nvidia", "/proc/devices", "/proc/modules",
        "/proc/sys/vm",        "/sys/bus/pci",  "/sys/devices",
        "/sys/module/nvidia",  "/etc/nvidia",   "/usr/share/nvidia"
    };
    char path[32];

    if (g->count == 0)
        return;
    for (size_t i = 0; i < g->count; i++) {
        (void)snprintf(path, sizeof path, "/dev/nvidia%u", g->items[i].minor);
        sk_rt_paths_add(out, SK_RT_PATH_DEVICE, path);
    }
    for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++)
        sk_rt_paths_add(out, SK_RT_PATH_DEVICE, devices[i]);
    for (size_t i = 0; i < sizeof read / sizeof read[0]; i++)
        sk_rt_paths_add(out, SK_RT_PATH_READ, read[i]);
    sk_rt_paths_add(out, SK_RT_PATH_RUN, "/usr/local/cuda");
    sk_rt_paths_add(out, SK_RT_PATH_WRITE, "/dev/shm");
}
