/*
 * care.c - the disk budget, and words to systemd.
 *
 * One budget holds images, the spool and logs. The spool has its part of it and refuses what
 * exceeds it; logs have a bound each; images without use go first when the rest needs room, the one
 * that was used longest ago before others.
 */
#include "agent/agent_priv.h"

#include "base/file.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum {
    KEEP_MAX = 2 * SK_AGENT_TOLD_MAX * SK_AGENT_MODULES_MAX
};

static uint64_t bytes_in(const char *path)
{
    struct sk_dir dir = { .count = 0 };
    struct sk_err err = SK_ERR_INIT;
    uint64_t sum = 0;
    if (sk_dir_read(path, &dir, &err) < 0)
        return 0;
    for (size_t i = 0; i < dir.count; i++) {
        SK_OWN(free) char *name = sk_path_join(path, dir.names[i]);
        struct stat st;
        if (name && lstat(name, &st) == 0 && S_ISREG(st.st_mode))
            sum += (uint64_t)st.st_blocks * 512;
    }
    sk_dir_done(&dir);
    return sum;
}

/* Digests that a record names: what runs, and what may run again. is_sure: all were read. */
static size_t used_digests(struct sk_agent *a, char (*out)[160], size_t max, bool *is_sure)
{
    char names[SK_AGENT_MODULES_MAX][SK_AGENT_NAME];
    size_t count = 0, n = 0;
    {
        SK_LOCK(&a->lock);
        for (size_t i = 0; i < a->module_count; i++)
            (void)snprintf(names[n++], SK_AGENT_NAME, "%s", a->modules[i]->name);
    }
    for (size_t i = 0; i < n; i++) {
        struct sk_agent_record r = { .next = 1 };
        struct sk_err err = SK_ERR_INIT;
        if (sk_agent_record_load(a->dir, names[i], &r, &err) < 0) {
            *is_sure = *is_sure && err.code == SK_NOT_FOUND;
            continue;
        }
        struct sk_agent_slot *slots[SK_AGENT_TOLD_MAX];
        size_t used = sk_agent_record_slots(&r, slots);
        for (size_t k = 0; k < used; k++)
            if (slots[k]->spec && count + 2 <= max) {
                (void)snprintf(out[count++], 160, "%s", slots[k]->image.digest);
                (void)snprintf(out[count++], 160, "%s", slots[k]->image.layer);
            }
        sk_agent_record_clear(&r);
    }
    return count;
}

void sk_agent_care(struct sk_agent *a)
{
    SK_OWN(free) char *logs = sk_agent_path(a->dir, "logs", NULL);
    char(*digests)[160] = calloc(KEEP_MAX, sizeof *digests);
    const char *keep[KEEP_MAX + 1];
    struct sk_err err = SK_ERR_INIT;
    uint64_t bytes = 0;
    bool is_sure = true;
    size_t count = digests ? used_digests(a, digests, KEEP_MAX, &is_sure) : 0;
    for (size_t i = 0; i < count; i++)
        keep[i] = digests[i];
    keep[count] = NULL;
    uint64_t others = a->config.spool_bytes + (logs ? bytes_in(logs) : 0);
    uint64_t room = a->config.disk_bytes > others ? a->config.disk_bytes - others : 0;
    if (!is_sure)
        sk_log(SK_WARN, "images_not_trimmed", "error=\"a record cannot be read\"");
    else if (digests && sk_runtime_images_trim(&a->host, keep, room, &bytes, &err) < 0)
        sk_log(SK_WARN, "images_not_trimmed", "error=\"%s\"", err.text);
    else if (bytes > room)
        sk_log(
            SK_WARN, "disk_budget",
            "images=%llu room=%llu what_next=\"all of them are in use: give a larger diskBytes\"",
            (unsigned long long)bytes, (unsigned long long)room);
    free(digests);
    if (!is_sure || err.code != SK_OK)
        return;
    SK_LOCK(&a->lock);
    a->images_room = room > bytes ? room - bytes : 0;
    a->has_images_room = true;
}

int sk_agent_notify(const char *text, struct sk_err *err)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    if (!path || !*path)
        return 0;
    size_t len = strlen(path);
    if (len >= sizeof to.sun_path)
        return sk_fail(err, SK_INVALID, "NOTIFY_SOCKET is too long");
    memcpy(to.sun_path, path, len);
    if (*path == '@')
        to.sun_path[0] = '\0';
    SK_AUTO(sk_close) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&to,
                         (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
        return sk_fail_errno(err, "NOTIFY_SOCKET");
    return 0;
}
