/*
 * keep.c - what is known of an instance on the disk of this boot, so that one whose agent died
 * between start and keeping is found again, and how one ended is known after its number was given
 * back.
 *
 * The run folder is emptied by a restart of the machine (/run), and so is what is said here: a
 * process number of an earlier boot is never looked at, since the instance's folder is gone.
 */
#include "runtime/runtime_priv.h"

#include "base/file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int sk_rt_keep_path(const struct sk_runtime_host *h, const char *instance, const char *file,
                    char out[SK_RT_PATH], struct sk_err *err)
{
    if (instance[0] == '\0' || instance[0] == '.' || strchr(instance, '/'))
        return sk_fail(err, SK_INVALID, "'%.100s' is no name of an instance", instance);
    return snprintf(out, SK_RT_PATH, "%s/instances/%s%s%s", h->run_dir, instance, file ? "/" : "",
                    file ? file : "") < SK_RT_PATH
               ? 0
               : sk_fail(err, SK_LIMIT, "the path '%.100s...' is too long", h->run_dir);
}

int sk_rt_keep_write(const struct sk_runtime_host *h, const struct sk_instance *i,
                     struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(8192);
    char path[SK_RT_PATH];

    sk_buf_str(&text, "{\"module\":");
    sk_buf_json_str(&text, i->module);
    sk_buf_fmt(&text, ",\"pid\":%" PRId64 ",\"ticks\":%" PRIu64 ",\"uid\":%u,\"control\":", i->pid,
               i->start_ticks, (unsigned)i->uid);
    sk_buf_json_str(&text, i->control);
    sk_buf_str(&text, ",\"note\":");
    sk_buf_json_str(&text, i->note);
    sk_buf_str(&text, "}\n");
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    if (sk_rt_keep_path(h, i->instance, "instance.json", path, err) < 0)
        return -1;
    return sk_file_write(path, text.data, text.len, 0600, err);
}

int sk_rt_keep_read(const struct sk_runtime_host *h, const char *instance, struct sk_instance *out,
                    struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_instance i = { .kind = SK_RUNTIME_NATIVE };
    char path[SK_RT_PATH];

    if (sk_rt_keep_path(h, instance, "instance.json", path, err) < 0 ||
        sk_json_file(path, &doc, err) < 0)
        return -1;
    (void)snprintf(i.instance, sizeof i.instance, "%s", instance);
    (void)snprintf(i.module, sizeof i.module, "%s", sk_json_get_text(doc, "module", ""));
    (void)snprintf(i.control, sizeof i.control, "%s", sk_json_get_text(doc, "control", ""));
    (void)snprintf(i.note, sizeof i.note, "%s", sk_json_get_text(doc, "note", ""));
    i.pid = sk_json_int(sk_json_get(doc, "pid"), 0);
    i.start_ticks = (uint64_t)sk_json_int(sk_json_get(doc, "ticks"), 0);
    i.uid = (uid_t)sk_json_int(sk_json_get(doc, "uid"), 0);
    *out = i;
    return 0;
}

int sk_rt_keep_exit(const struct sk_runtime_host *h, const char *instance,
                    const struct sk_rt_exit *e, struct sk_err *err)
{
    char path[SK_RT_PATH], text[128];

    if (sk_rt_keep_path(h, instance, "exit", path, err) < 0)
        return -1;
    int len = snprintf(text, sizeof text, "{\"code\":%d,\"oom\":%s,\"finished\":%" PRId64 "}\n",
                       e->code, e->oom_killed ? "true" : "false", e->finished_ms);
    return sk_file_write(path, text, (size_t)len, 0600, err);
}

bool sk_rt_keep_ended(const struct sk_runtime_host *h, const char *instance, struct sk_rt_exit *out)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err ignored = SK_ERR_INIT;
    char path[SK_RT_PATH];

    if (sk_rt_keep_path(h, instance, "exit", path, &ignored) < 0 ||
        sk_json_file(path, &doc, &ignored) < 0)
        return false;
    *out = (struct sk_rt_exit){ .code = (int)sk_json_int(sk_json_get(doc, "code"), -1),
                                .oom_killed = sk_json_bool(sk_json_get(doc, "oom"), false),
                                .finished_ms = sk_json_int(sk_json_get(doc, "finished"), 0) };
    return true;
}
