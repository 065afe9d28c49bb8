/*
 * reporter.c - the life of a reporter, and the one function that inference calls.
 *
 * sk_reporter_result does a bounded amount of work under a mutex that nobody holds for long: it
 * copies into the ring, or counts. The sender is woken only when the ring was empty.
 */
#include "reporter/reporter_priv.h"

#include "base/clock.h"
#include "crypto/crypto.h"

void sk_rep_post(struct sk_reporter *r, char *payload, size_t len)
{
    if (payload)
        r->dropped += sk_rep_outbox_add(&r->outbox, payload, len);
    else
        r->dropped++;
}

void sk_rep_sum_up(struct sk_reporter *r)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_REP_MESSAGE_BYTES);
    const int64_t now_ms = (int64_t)sk_wall_ms();
    sk_rep_summary_write(&r->summary, &r->model, r->settings.interval_s, now_ms, &b);
    const size_t len = b.len;
    sk_rep_post(r, sk_buf_take(&b), len);
    sk_rep_summary_clear(&r->summary, now_ms);
    r->summary_end_ms = sk_now_ms() + (uint64_t)r->settings.interval_s * 1000;
    (void)pthread_cond_signal(&r->wake);
}

/* With the lock held. */
static void push(struct sk_reporter *r, const struct sk_reporter_result *result)
{
    if (r->ring_count == SK_REP_RING) {
        r->ring_first = (r->ring_first + 1) % SK_REP_RING;
        r->ring_count--;
        r->dropped++;
    }
    sk_rep_result_set(&r->ring[(r->ring_first + r->ring_count) % SK_REP_RING], result);
    if (r->ring_count++ == 0)
        (void)pthread_cond_signal(&r->wake);
}

void sk_reporter_result(struct sk_reporter *r, const struct sk_reporter_result *result)
{
    SK_LOCK(&r->lock);
    r->results++;
    if (r->stops || r->settings.mode == SK_REPORT_OFF)
        return;
    if (r->settings.mode == SK_REPORT_SUMMARY)
        sk_rep_summary_add(&r->summary, result);
    else if (result->label &&
             (r->settings.mode == SK_REPORT_EACH || r->sample++ % r->settings.every == 0))
        push(r, result);
}

void sk_reporter_counts(const struct sk_reporter *r, struct sk_reporter_counts *out)
{
    struct sk_reporter *own = (struct sk_reporter *)(uintptr_t)r; /* for its mutex */
    SK_LOCK(&own->lock);
    *out = (struct sk_reporter_counts){
        .results = r->results, .sent = r->sent, .dropped = r->dropped, .is_connected = r->is_up
    };
}

/* ---- life ---- */

static int set_options(struct sk_reporter *r, const struct sk_reporter_options *opts,
                       struct sk_err *err)
{
    const char *version = opts->version ? opts->version : getenv("SKERRY_MODEL_VERSION");
    uint64_t random = 0;
    r->output = strdup(opts->output ? opts->output : "metrics");
    r->version = strdup(version ? version : "");
    r->digest = strdup(opts->digest ? opts->digest : "");
    if (!r->output || !r->version || !r->digest)
        return sk_nomem(err);
    r->model = (struct sk_rep_model){ r->version, r->digest, r->env.device };
    r->base = (struct sk_rep_settings){ opts->mode, opts->every ? opts->every : SK_REP_EVERY,
                                        opts->interval_s ? opts->interval_s : SK_REP_INTERVAL_S };
    if (r->base.every > SK_REP_EVERY_MAX || r->base.interval_s > SK_REP_INTERVAL_MAX_S)
        return sk_fail(err, SK_INVALID, "telemetry: one of at most %d, or each %d s, is reported",
                       SK_REP_EVERY_MAX, SK_REP_INTERVAL_MAX_S);
    r->settings = r->base;
    if (sk_random(&random, sizeof random, err) < 0)
        return -1;
    (void)snprintf(r->id_prefix, sizeof r->id_prefix, "%016llx", (unsigned long long)random);
    sk_rep_summary_clear(&r->summary, (int64_t)sk_wall_ms());
    r->summary_end_ms = sk_now_ms() + (uint64_t)r->settings.interval_s * 1000;
    return 0;
}

int sk_rep_new(struct sk_rep_env *env, const struct sk_reporter_options *opts,
               struct sk_reporter **out, struct sk_err *err)
{
    SK_OWN(free) struct sk_reporter *r = calloc(1, sizeof *r);
    if (!r)
        return sk_nomem(err);
    if (sk_cond_init(&r->wake, err) < 0)
        return -1;
    (void)pthread_mutex_init(&r->lock, NULL);
    r->env = *env;
    *env = (struct sk_rep_env){ .port = 0 };
    r->ca_fd = -1;
    SK_OWN(sk_reporter_free) struct sk_reporter *whole = SK_TAKE(r);
    if (set_options(whole, opts, err) < 0 ||
        sk_thread_start(&whole->thread, "reporter", sk_rep_sender, whole, err) < 0)
        return -1;
    whole->has_thread = true;
    *out = SK_TAKE(whole);
    return 0;
}

int sk_reporter_new(const struct sk_reporter_options *opts, struct sk_reporter **out,
                    struct sk_err *err)
{
    struct sk_rep_env env;
    int result = sk_rep_env_read(&env, err);
    if (result == 0)
        result = sk_rep_new(&env, opts, out, err);
    sk_rep_env_done(&env);
    return result < 0 ? sk_wrap(err, "reporting as a module") : 0;
}

void sk_reporter_stop(struct sk_reporter *r, unsigned wait_ms)
{
    if (!r->has_thread)
        return;
    {
        SK_LOCK(&r->lock);
        if (r->settings.mode == SK_REPORT_SUMMARY && r->summary.count + r->summary.errors > 0)
            sk_rep_sum_up(r);
        r->stops = true;
        r->stop_ms = sk_now_ms() + wait_ms;
        (void)pthread_cond_signal(&r->wake);
    }
    (void)pthread_join(r->thread, NULL);
    r->has_thread = false;
    SK_LOCK(&r->lock);
    r->dropped += r->ring_count;
    r->ring_count = 0;
    for (; !sk_rep_outbox_is_empty(&r->outbox); r->outbox.first++) {
        struct sk_rep_mail *m = &r->outbox.mails[r->outbox.first % SK_REP_OUTBOX];
        r->dropped += m->state != SK_REP_DONE;
        free(m->payload);
        m->payload = NULL;
    }
}

void sk_reporter_free(struct sk_reporter *r)
{
    if (!r)
        return;
    sk_reporter_stop(r, 0);
    sk_rep_outbox_done(&r->outbox);
    sk_rep_env_done(&r->env);
    sk_close(&r->ca_fd);
    (void)pthread_cond_destroy(&r->wake);
    (void)pthread_mutex_destroy(&r->lock);
    free(r->output);
    free(r->version);
    free(r->digest);
    free(r);
}
