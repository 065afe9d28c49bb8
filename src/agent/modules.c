/*
 * modules.c - which modules there are: from what was kept, and from deployments.
 *
 * A module is there as long as a deployment wants it or a record knows of it. Everything here is
 * under the agent's lock but for the ends of threads.
 */
#include "agent/agent_priv.h"

#include "base/file.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

/* ---- modules ---- */

void sk_agent_module_free(struct sk_agent_module *m)
{
    if (!m)
        return;
    sk_agent_spec_unref(m->want);
    sk_close(&m->wake_fd);
    free(m);
}

/* Under the lock. */
static int add_module(struct sk_agent *a, const char *name, struct sk_agent_spec *want,
                      struct sk_err *err)
{
    if (a->module_count == SK_AGENT_MODULES_MAX)
        return sk_fail(err, SK_LIMIT, "more than %d modules", SK_AGENT_MODULES_MAX);
    struct sk_agent_module *m = calloc(1, sizeof *m);
    if (!m)
        return sk_nomem(err);
    m->agent = a;
    m->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    m->want = sk_agent_spec_ref(want);
    (void)snprintf(m->name, sizeof m->name, "%s", name);
    if (m->wake_fd < 0) {
        sk_agent_module_free(m);
        return sk_fail_errno(err, "eventfd");
    }
    a->modules[a->module_count++] = m;
    sk_agent_identity_stays_locked(a, name);
    return 0;
}

void sk_agent_start_threads(struct sk_agent *a)
{
    struct sk_err err = SK_ERR_INIT;
    SK_LOCK(&a->lock);
    if (atomic_load(&a->stops)) /* nobody would wait for them any more */
        return;
    for (size_t i = 0; i < a->module_count; i++) {
        struct sk_agent_module *m = a->modules[i];
        if (!m->has_thread && !m->is_ended &&
            sk_thread_start(&m->thread, "sk-module", sk_agent_module_main, m, &err) == 0)
            m->has_thread = true;
    }
}

void sk_agent_module_wake(struct sk_agent_module *m)
{
    const uint64_t one = 1;
    (void)!write(m->wake_fd, &one, sizeof one);
}

static bool is_user_of_other(const struct sk_agent_module *m, uint32_t index)
{
    const struct sk_agent *a = m->agent;
    for (size_t i = 0; i < a->module_count; i++)
        if (a->modules[i] != m && a->modules[i]->has_uid && a->modules[i]->uid_index == index)
            return true;
    return false;
}

void sk_agent_module_user(struct sk_agent_module *m)
{
    SK_LOCK(&m->agent->lock);
    if (is_user_of_other(m, m->rec.uid_index))
        for (m->rec.uid_index = 0; is_user_of_other(m, m->rec.uid_index);)
            m->rec.uid_index++;
    m->uid_index = m->rec.uid_index;
    m->has_uid = true;
}

/* Under the lock: what is wanted of each module from now on. */
static void apply(struct sk_agent *a, struct sk_agent_plan *plan)
{
    struct sk_err err = SK_ERR_INIT;
    for (size_t i = 0; i < a->module_count; i++) {
        struct sk_agent_module *m = a->modules[i];
        struct sk_agent_spec *next = NULL;
        for (size_t k = 0; k < plan->count; k++)
            if (strcmp(plan->specs[k]->name, m->name) == 0)
                next = plan->specs[k];
        if (next != m->want && !(next && m->want && strcmp(next->text, m->want->text) == 0)) {
            m->view.is_settled = m->view.is_hindered = false;
            sk_agent_spec_unref(m->want);
            m->want = sk_agent_spec_ref(next);
        }
        sk_agent_module_wake(m);
    }
    for (size_t k = 0; k < plan->count; k++)
        if (!sk_agent_find(a, plan->specs[k]->name) &&
            add_module(a, plan->specs[k]->name, plan->specs[k], &err) < 0)
            sk_log(SK_ERROR, "module_failed", "module=%s error=\"%s\"", plan->specs[k]->name,
                   err.text);
}

/* Modules whose threads have ended; one that is wanted again begins anew. */
void sk_agent_reap_modules(struct sk_agent *a)
{
    for (;;) {
        struct sk_agent_module *m = NULL;

        struct sk_err err = SK_ERR_INIT;
        {
            SK_LOCK(&a->lock);
            for (size_t i = 0; i < a->module_count && !m; i++)
                if (a->modules[i]->is_ended) {
                    m = a->modules[i];
                    a->modules[i] = a->modules[--a->module_count];
                }
            /* At once: a deployment that comes in between would add it too. */
            if (m && m->want && add_module(a, m->name, m->want, &err) < 0)
                sk_log(SK_ERROR, "module_failed", "module=%s error=\"%s\"", m->name, err.text);
        }

        if (!m)
            return;
        if (m->has_thread)
            (void)pthread_join(m->thread, NULL);
        sk_agent_module_free(m);
        sk_agent_send_modules(a);
        sk_agent_identity_wake(a);
        sk_agent_start_threads(a);
    }
}

/* ---- deployments ---- */

static int code_of(const struct sk_err *err)
{
    return err->code == SK_UNSUPPORTED ? 412 : err->code == SK_NOT_FOUND ? 417 : 400;
}

static int keep_desired(struct sk_agent *a, const struct sk_json *desired, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_AGENT_FILE_MAX);
    SK_OWN(free) char *path = sk_agent_path(a->dir, "state", "deployment.json");
    if (!path)
        return sk_nomem(err);
    sk_json_dump(desired, &b);
    sk_buf_chr(&b, '\n');
    if (sk_digest_line(&b, err) < 0)
        return -1;
    return sk_file_write(path, b.data, b.len, 0600, err);
}

static int copy_json(const struct sk_json *from, struct sk_json **out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_AGENT_FILE_MAX);
    sk_json_dump(from, &b);
    if (!sk_buf_ok(&b))
        return sk_buf_fail(&b, err);
    return sk_json_parse(b.data, b.len, NULL, out, err);
}

/* With take_lock: what could not be kept is taken again later. */
static void put_off(struct sk_agent *a, const struct sk_json *desired)
{
    struct sk_err err = SK_ERR_INIT;
    if (copy_json(desired, &a->unkept, &err) < 0)
        sk_log(SK_ERROR, "deployment_lost", "error=\"%s\"", err.text);
}

/* With take_lock. */
static void take(struct sk_agent *a, const struct sk_json *desired, bool is_new)
{
    SK_OWN(sk_json_free) struct sk_json *copy = NULL;
    struct sk_agent_plan plan = { .count = 0 };
    struct sk_err err = SK_ERR_INIT;
    if (is_new)
        sk_json_free(SK_TAKE(a->unkept));
    if (is_new && keep_desired(a, desired, &err) < 0) {
        sk_log(SK_ERROR, "deployment_not_kept",
               "error=\"%s\" what_next=\"it is not begun, and tried again\"", err.text);
        put_off(a, desired);
        return;
    }
    int rc = sk_agent_plan_parse(desired, &plan, &err);
    if (rc == 0)
        rc = copy_json(desired, &copy, &err);
    {
        SK_LOCK(&a->lock);
        a->desired_version = sk_json_int(sk_json_get(desired, "$version"), 0);
        a->desired_code = rc < 0 ? code_of(&err) : 200;
        (void)snprintf(a->desired_why, sizeof a->desired_why, "%s", rc < 0 ? err.text : "");
        if (rc == 0) {
            sk_json_free(a->desired);
            a->desired = SK_TAKE(copy);
            apply(a, &plan);
        }
    }
    sk_log(rc < 0 ? SK_WARN : SK_INFO, "deployment",
           "version=%lld modules=%zu code=%d error=\"%s\"", (long long)a->desired_version,
           plan.count, a->desired_code, rc < 0 ? err.text : "");
    sk_agent_plan_done(&plan);
    sk_agent_start_threads(a);
    sk_agent_identity_wake(a);
    sk_agent_wake(a);
}

void sk_agent_take_desired(struct sk_agent *a, const struct sk_json *desired)
{
    if (sk_json_type(desired) != SK_JSON_OBJECT)
        return;
    SK_LOCK(&a->take_lock);
    {
        SK_LOCK(&a->lock);
        if (a->desired && sk_json_equal(a->desired, desired))
            return;
    }
    take(a, desired, true);
}

void sk_agent_take_again(struct sk_agent *a)
{
    SK_LOCK(&a->take_lock);
    SK_OWN(sk_json_free) struct sk_json *desired = SK_TAKE(a->unkept);
    if (desired)
        take(a, desired, true);
}

void sk_agent_take_kept(struct sk_agent *a)
{
    SK_OWN(free) char *path = sk_agent_path(a->dir, "state", "deployment.json");
    SK_OWN(free) char *text = NULL;
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;
    SK_LOCK(&a->take_lock); /* a newer one may come meanwhile: it is taken before, or after */
    if (!path || !sk_is_file(path))
        return;
    if (sk_file_read(path, 2 * SK_AGENT_FILE_MAX, &text, &len, &err) < 0 ||
        sk_digest_line_check(text, &len, &err) < 0 ||
        sk_json_parse(text, len, NULL, &doc, &err) < 0)
        sk_log(
            SK_ERROR, "state_damaged",
            "file=\"%s\" error=\"%s\" what_next=\"modules go on as they were; the hub is asked\"",
            path, err.text);
    else
        take(a, doc, false);
}

/* Without a deployment that can be read, modules go on with what they ran: nothing is removed for
 * want of a file. */
void sk_agent_hold(struct sk_agent *a)
{
    SK_LOCK(&a->lock);
    for (size_t i = 0; i < a->module_count; i++) {
        struct sk_agent_record r = { .next = 1 };
        struct sk_err err = SK_ERR_INIT;
        if (sk_agent_record_load(a->dir, a->modules[i]->name, &r, &err) == 0 &&
            !a->modules[i]->want)
            a->modules[i]->want = sk_agent_spec_ref(r.active.spec);
        sk_agent_record_clear(&r);
    }
}

/* What ran before, of which records know; the rest is stopped. An instance that was begun, and of
 * which no process is known, is among the rest. */
static size_t load_module(struct sk_agent *a, const char *name, struct sk_instance *known,
                          bool *is_sure)
{
    struct sk_agent_record r = { .next = 1 };
    struct sk_agent_slot *slots[SK_AGENT_TOLD_MAX];
    struct sk_err err = SK_ERR_INIT;
    size_t count = 0;
    if (sk_agent_record_load(a->dir, name, &r, &err) < 0) {
        if (err.code != SK_NOT_FOUND && err.code != SK_CORRUPT) {
            sk_log(SK_ERROR, "state_not_read", "module=%s error=\"%s\"", name, err.text);
            *is_sure = false; /* it may name instances */
        }
        return 0;
    }
    size_t n = sk_agent_record_slots(&r, slots);
    for (size_t k = 0; k < n; k++)
        if (slots[k]->spec && slots[k]->is_started &&
            (slots[k]->instance.pid > 0 || *slots[k]->instance.container))
            known[count++] = slots[k]->instance;
    {
        SK_LOCK(&a->lock);
        if (!sk_agent_find(a, name) && add_module(a, name, NULL, &err) < 0)
            sk_log(SK_ERROR, "module_failed", "module=%s error=\"%s\"", name, err.text);
        struct sk_agent_module *m = sk_agent_find(a, name);
        if (m) {
            m->uid_index = r.uid_index;
            m->has_uid = true;
            sk_agent_module_tell_locked(m, &r);
        }
    }
    sk_agent_record_clear(&r);
    return count;
}

int sk_agent_load_modules(struct sk_agent *a, struct sk_err *err)
{
    SK_OWN(free) char *path = sk_agent_path(a->dir, "state", "modules");
    SK_AUTO(sk_dir_done) struct sk_dir dir = { .count = 0 };
    struct sk_instance *known = calloc(SK_AGENT_TOLD_MAX * SK_AGENT_MODULES_MAX, sizeof *known);
    struct sk_err swept = SK_ERR_INIT;
    size_t count = 0, names = 0;
    bool is_sure = true;
    if (!path || !known || sk_dir_read(path, &dir, err) < 0) {
        free(known);
        return path && known ? -1 : sk_nomem(err);
    }
    for (size_t i = 0; i < dir.count && names < SK_AGENT_MODULES_MAX; i++) {
        char name[SK_AGENT_NAME];
        if (!sk_agent_record_name(dir.names[i], name, sizeof name))
            continue;
        {
            SK_LOCK(&a->lock);
            if (sk_agent_find(a, name))
                continue; /* its ".bak" */
        }
        count += load_module(a, name, known + count, &is_sure);
        names++;
    }
    if (is_sure && sk_runtime_sweep(&a->host, known, count, &swept) < 0)
        sk_log(SK_WARN, "sweep_failed", "error=\"%s\"", swept.text);
    free(known);
    SK_LOCK(&a->lock);
    a->is_loaded = true;
    return 0;
}
