/*
 * monitor_read.c - messages of a hub as they are kept, as they come, and as a consumer group.
 *
 *     page      the last ones, or those since a time, page by page
 *     stream    server-sent events behind the newest message, or since a time; after a break it
 *               goes on behind the last event that was told (Last-Event-ID), so none is missed
 *     group     the hub remembers how far the group is: what was told is committed, then the next
 *               ones are asked for
 */
#include "cli/monitor_priv.h"

#include "base/clock.h"
#include "base/str.h"
#include "cli/remote_priv.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    PAGE = 500,
    PATH_BYTES = 64 << 10,
    GROUP_WAIT_S = 20, /* the hub holds the question for so long */
    PAUSE_MS = 1000,   /* after a break, then twice as long each time */
    PAUSE_MAX_MS = 15000,
    NAP_MS = 100
};

static atomic_bool is_stopped;

static void on_signal(int number)
{
    (void)number;
    atomic_store_explicit(&is_stopped, true, memory_order_relaxed);
}

/* The second Ctrl-C ends at once. */
static void catch_signals(void)
{
    static const int signals[] = { SIGINT, SIGTERM };
    const struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };
    struct sigaction before = { 0 };

    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            (void)sigaction(signals[i], &action, NULL);
}

struct reading {
    const struct sk_monitor_source *s;
    struct sk_remote *remote;
    char last_id[64];
    bool has_failed; /* it was us: the hub is not asked again */
    bool was_told;   /* something came since the last break */
};

static void reading_done(struct reading *r)
{
    sk_remote_free(r->remote);
}

static bool is_ended(void)
{
    return atomic_load_explicit(&is_stopped, memory_order_relaxed);
}

static bool go_on(void *ctx, uint64_t done, uint64_t total)
{
    const struct reading *r = ctx;

    (void)done;
    (void)total;
    if (r->s->tick)
        r->s->tick(r->s->ctx);
    return !is_ended();
}

/* ---- paths ---- */

static const char *base_of(const struct sk_monitor_source *s)
{
    return s->is_events ? "/api/v1/events" : "/api/v1/telemetry";
}

static void add(struct sk_buf *path, const char *name, const char *value)
{
    if (!value)
        return;
    sk_buf_fmt(path, "&%s=", name);
    sk_url_escape(path, value);
}

static void add_filter(const struct sk_monitor_source *s, struct sk_buf *path)
{
    add(path, "device", s->device);
    add(path, "module", s->module);
    add(path, "output", s->output);
}

/* "10m" is so long ago; a time is itself. */
static int since_text(const char *since, char out[SK_TIME_TEXT], struct sk_err *err)
{
    int64_t ms = 0;
    uint64_t ago = 0;

    if (!sk_time_parse(sk_view_of(since), &ms)) {
        if (sk_parse_ms("--since", since, 0, INT64_MAX / 2, &ago, err) < 0)
            return sk_fail(err, SK_USAGE,
                           "--since: '%.40s' is neither a time such as 2026-11-29T05:00:00Z nor a "
                           "duration such as 10m",
                           since);
        ms = (int64_t)sk_wall_ms() - (int64_t)ago;
    }
    sk_time_text((uint64_t)(ms > 0 ? ms : 1), out);
    return 0;
}

/* ---- telling ---- */

static int tell(struct reading *r, const struct sk_json *message, const char *text,
                struct sk_err *err)
{
    int rc = r->s->each(r->s->ctx, message, text, err);

    r->has_failed = r->has_failed || rc < 0;
    r->was_told = true;
    return rc;
}

/* One of a page's array. */
static int tell_one(struct reading *r, const struct sk_json *message, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_CLI_MESSAGE_BYTES);

    sk_json_dump(message, &text);
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    return tell(r, message, text.data, err);
}

static int tell_event(void *ctx, const char *id, struct sk_view data, struct sk_err *err)
{
    struct reading *r = ctx;
    SK_OWN(sk_json_free) struct sk_json *message = NULL;
    SK_OWN(free) char *text = strndup(data.ptr, data.len);

    if (!text)
        return sk_nomem(err);
    if (sk_json_parse(data.ptr, data.len, NULL, &message, err) < 0)
        return sk_wrap(err, "an event of the hub");
    if (tell(r, message, text, err) < 0)
        return -1;
    (void)snprintf(r->last_id, sizeof r->last_id, "%s", id);
    if (r->s->tick)
        r->s->tick(r->s->ctx);
    return 0;
}

/* ---- pages ---- */

static uint64_t sequence_of(const struct sk_json *message)
{
    return (uint64_t)sk_json_int(sk_json_get(message, "sequence"), 0);
}

/* A page of what is kept; after 0: from the beginning, or backwards from the newest. */
static int ask(struct reading *r, const char *since, bool is_backwards, uint64_t after,
               uint64_t max, struct sk_json **out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(PATH_BYTES);

    sk_buf_fmt(&path, "%s?max=%llu", base_of(r->s), (unsigned long long)max);
    add(&path, "from", since);
    add(&path, "order", is_backwards ? "desc" : NULL);
    if (after > 0)
        sk_buf_fmt(&path, "&after=%llu", (unsigned long long)after);
    add_filter(r->s, &path);
    if (!sk_buf_ok(&path))
        return sk_buf_fail(&path, err);
    return sk_remote_call(r->remote, "GET", path.data, NULL, out, err);
}

/* All of a page's messages, in its order. */
static int tell_page(struct reading *r, const struct sk_json *page, struct sk_err *err)
{
    const struct sk_json *list = sk_json_get(page, "messages");

    for (size_t i = 0; i < sk_json_count(list); i++)
        if (tell_one(r, sk_json_at(list, i), err) < 0)
            return -1;
    return 0;
}

/* Where the next page begins; 0: this one was the last. A page without messages need not be: the
 * hub looks through so many that do not fit, and no more, in one answer. */
static uint64_t next_of(const struct sk_json *page)
{
    return (uint64_t)sk_json_int(sk_json_get(page, "next"), 0);
}

static int read_since(struct reading *r, const char *since, struct sk_err *err)
{
    uint64_t after = 0;

    while (!is_ended()) {
        SK_OWN(sk_json_free) struct sk_json *page = NULL;
        if (ask(r, since, false, after, PAGE, &page, err) < 0 || tell_page(r, page, err) < 0)
            return -1;
        after = next_of(page);
        if (after == 0)
            return 0;
    }
    return 0;
}

/* The pages of the last messages; those without any are not kept. */
struct pages {
    struct sk_json **list;
    size_t count;
};

static void pages_done(struct pages *p)
{
    for (size_t i = 0; i < p->count; i++)
        sk_json_free(p->list[i]);
    free(p->list);
}

static int keep_page(struct pages *p, struct sk_json **page, struct sk_err *err)
{
    struct sk_json **more = reallocarray(p->list, p->count + 1, sizeof *more);

    if (!more)
        return sk_nomem(err);
    p->list = more;
    p->list[p->count++] = SK_TAKE(*page);
    return 0;
}

static int collect_last(struct reading *r, struct pages *out, struct sk_err *err)
{
    uint64_t wanted = r->s->max, after = 0;

    do {
        SK_OWN(sk_json_free) struct sk_json *page = NULL;
        if (ask(r, NULL, true, after, wanted, &page, err) < 0)
            return -1;
        const size_t count = sk_json_count(sk_json_get(page, "messages"));
        after = next_of(page);
        wanted -= count < wanted ? count : wanted;
        if (count > 0 && keep_page(out, &page, err) < 0)
            return -1;
    } while (after > 0 && wanted > 0 && !is_ended());
    return 0;
}

/* The hub gives the newest first; they are told the other way round. */
static int read_last(struct reading *r, struct sk_err *err)
{
    SK_AUTO(pages_done) struct pages pages = { .count = 0 };

    if (collect_last(r, &pages, err) < 0)
        return -1;
    for (size_t k = pages.count; k > 0; k--) {
        const struct sk_json *list = sk_json_get(pages.list[k - 1], "messages");
        for (size_t i = sk_json_count(list); i > 0; i--)
            if (tell_one(r, sk_json_at(list, i - 1), err) < 0)
                return -1;
    }
    return 0;
}

/* ---- breaks ---- */

/* After a failure of the connection or the hub: says so, and waits. False: that does not help. */
static bool may_try_again(struct reading *r, unsigned tries, const struct sk_err *why)
{
    uint64_t pause_ms = (uint64_t)PAUSE_MS << (tries < 4 ? tries : 4);

    if (r->has_failed || (why->code != SK_OK && why->code != SK_IO && why->code != SK_TIMEOUT &&
                          why->code != SK_BUSY && why->code != SK_REMOTE))
        return false;
    pause_ms = pause_ms < PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS;
    (void)fprintf(stderr, "skerry: %s; trying again in %llu s\n",
                  why->code == SK_OK ? "the hub has ended the stream" : why->text,
                  (unsigned long long)pause_ms / 1000);
    for (uint64_t ms = 0; ms < pause_ms && go_on(r, 0, 0); ms += NAP_MS)
        (void)nanosleep(&(struct timespec){ .tv_nsec = NAP_MS * 1000000L }, NULL);
    return true;
}

/* ---- the stream ---- */

/* Number of the newest message of all, whatever the filter: the stream begins behind it, and still
 * does when the connection breaks before the first one has come. */
static int find_newest(struct reading *r, uint64_t *out, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(PATH_BYTES);

    sk_buf_fmt(&path, "%s?max=1&order=desc", base_of(r->s));
    if (!sk_buf_ok(&path))
        return sk_buf_fail(&path, err);
    if (sk_remote_call(r->remote, "GET", path.data, NULL, &doc, err) < 0)
        return -1;
    *out = sequence_of(sk_json_at(sk_json_get(doc, "messages"), 0));
    return 0;
}

static int follow(struct reading *r, const char *since, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(PATH_BYTES);
    uint64_t newest = 0;

    if (find_newest(r, &newest, err) < 0)
        return -1;
    if (since)
        sk_buf_fmt(&path, "%s/stream?from=%s", base_of(r->s), since);
    else
        sk_buf_fmt(&path, "%s/stream?after=%llu", base_of(r->s), (unsigned long long)newest);
    add_filter(r->s, &path);
    if (!sk_buf_ok(&path))
        return sk_buf_fail(&path, err);
    for (unsigned tries = 0; !is_ended(); tries++) {
        struct sk_err why = SK_ERR_INIT;
        r->was_told = false;
        int rc = sk_remote_stream(r->remote, path.data, r->last_id, tell_event, r, &why);
        tries = r->was_told ? 0 : tries;
        if (is_ended() && !r->has_failed)
            return 0;
        if (!may_try_again(r, tries, &why)) {
            *err = why;
            return rc;
        }
    }
    return 0;
}

/* ---- a consumer group ---- */

/* What was told is done with, also when Ctrl-C came meanwhile: it is not told twice for that. */
static int commit(struct reading *r, const char *path, uint64_t next, struct sk_err *err)
{
    char body[48];

    (void)snprintf(body, sizeof body, "{\"next\":%llu}", (unsigned long long)next);
    sk_remote_ask(r->remote, NULL, NULL);
    int rc = sk_remote_call(r->remote, "POST", path, body, NULL, err);
    sk_remote_ask(r->remote, go_on, r);
    return rc;
}

/* 1: messages were told, 0: there are none at present. */
static int take_some(struct reading *r, const char *path, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf question = SK_BUF_INIT(PATH_BYTES);

    sk_buf_fmt(&question, "%s?max=%d&wait=%d", path, PAGE, r->s->is_following ? GROUP_WAIT_S : 0);
    if (!sk_buf_ok(&question))
        return sk_buf_fail(&question, err);
    if (sk_remote_call(r->remote, "GET", question.data, NULL, &doc, err) < 0)
        return -1;
    if (tell_page(r, doc, err) < 0)
        return -1;
    const struct sk_json *list = sk_json_get(doc, "messages");
    const size_t count = sk_json_count(list);
    if (count == 0)
        return 0;
    return commit(r, path, sequence_of(sk_json_at(list, count - 1)) + 1, err) < 0 ? -1 : 1;
}

static int read_group(struct reading *r, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(PATH_BYTES);
    bool was_there = false;

    sk_buf_fmt(&path, "%s/groups/", base_of(r->s));
    sk_url_escape(&path, r->s->group);
    if (!sk_buf_ok(&path))
        return sk_buf_fail(&path, err);
    for (unsigned tries = 0; !is_ended();) {
        struct sk_err why = SK_ERR_INIT;
        int rc = take_some(r, path.data, &why);
        if (rc == 0 && !r->s->is_following)
            return 0;
        was_there = was_there || rc >= 0;
        tries = rc < 0 ? tries + 1 : 0;
        if (rc >= 0 || (is_ended() && !r->has_failed))
            continue;
        if (!was_there || !r->s->is_following || !may_try_again(r, tries - 1, &why)) {
            *err = why;
            return -1;
        }
    }
    return 0;
}

int sk_monitor_read(const struct sk_monitor_source *s, struct sk_err *err)
{
    SK_AUTO(reading_done) struct reading r = { .s = s };
    char since[SK_TIME_TEXT];

    if (s->since && since_text(s->since, since, err) < 0)
        return -1;
    if (sk_cli_remote(s->hub, &r.remote, err) < 0)
        return -1;
    atomic_store(&is_stopped, false);
    catch_signals();
    sk_remote_ask(r.remote, go_on, &r);
    if (s->is_following)
        sk_remote_tell(r.remote, NULL, NULL); /* silence is no sign of trouble here */
    int rc = s->group          ? read_group(&r, err)
             : s->is_following ? follow(&r, s->since ? since : NULL, err)
             : s->since        ? read_since(&r, since, err)
                               : read_last(&r, err);
    return rc < 0 && is_ended() && !r.has_failed ? 0 : rc;
}
