/*
 * consumer.c - consumer groups: where each reader has got to, by name, in the database.
 *
 * A group's number is what it reads next. It is kept when the messages it names are gone: reading
 * then goes on with the oldest there is.
 */
#include "telemetry/telemetry_priv.h"

#include "base/clock.h"

#include <string.h>

/* Letters, digits and - . _ ~ $ : names that need no escape in a path. */
static int check_name(const char *group, struct sk_err *err)
{
    static const char
        allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~$";
    size_t len = strlen(group);
    if (len == 0 || len > SK_CONSUMER_NAME_MAX || strspn(group, allowed) != len)
        return sk_fail(err, SK_INVALID,
                       "a consumer group's name has 1 to %d letters, digits and -._~$",
                       SK_CONSUMER_NAME_MAX);
    return 0;
}

/* 1: found. */
static int find(struct sk_tx *tx, const struct sk_telemetry *t, const char *group, uint64_t *next,
                struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_tx_query(tx, &s, err, "SELECT next FROM consumer_group WHERE journal = ?1 AND name = ?2",
                    "ss", t->name, group) < 0)
        return -1;
    int found = sk_stmt_next(s, err);
    if (found == 1)
        *next = (uint64_t)sk_stmt_int(s, 0);
    return found;
}

static int count_groups(struct sk_tx *tx, const struct sk_telemetry *t, int64_t *out,
                        struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_tx_query(tx, &s, err, "SELECT count(*) FROM consumer_group WHERE journal = ?1", "s",
                    t->name) < 0 ||
        sk_stmt_next(s, err) < 0)
        return -1;
    *out = sk_stmt_int(s, 0);
    return 0;
}

/* *next: of a group that is new, or of any; what holds then. */
static int put(struct sk_telemetry *t, const char *group, bool is_new, uint64_t *next,
               struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    uint64_t old = 0;
    int64_t count = 0;
    if (sk_db_begin(t->db, SK_DB_WRITE, &tx, err) < 0)
        return -1;
    int found = find(tx, t, group, &old, err);
    if (found < 0 || (found == 0 && count_groups(tx, t, &count, err) < 0))
        return -1;
    if (found && is_new) { /* another was first, and may have committed */
        *next = old;
        return 0;
    }
    if (found == 0 && count >= SK_CONSUMERS_MAX)
        return sk_fail(err, SK_LIMIT, "there are %d consumer groups already: delete one",
                       SK_CONSUMERS_MAX);
    if (sk_tx_run(tx, err,
                  "INSERT INTO consumer_group VALUES(?1, ?2, ?3, ?4) ON CONFLICT(journal, name) "
                  "DO UPDATE SET next = excluded.next, updated_ms = excluded.updated_ms",
                  "ssii", t->name, group, (int64_t)*next, (int64_t)sk_wall_ms()) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

int sk_consumer_next(struct sk_telemetry *t, const char *group, bool from_start, uint64_t *next,
                     struct sk_err *err)
{
    struct sk_journal_state state;
    if (check_name(group, err) < 0)
        return -1;
    {
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        if (sk_db_begin(t->db, SK_DB_READ, &tx, err) < 0)
            return -1;
        int found = find(tx, t, group, next, err);
        sk_journal_state(t->journal, &state);
        if (found == 1 && *next > state.next)
            *next = state.first; /* the journal is another: its folder was removed */
        if (found != 0)
            return found < 0 ? -1 : 0;
    }
    *next = from_start ? state.first : state.next;
    return put(t, group, true, next, err);
}

int sk_consumer_commit(struct sk_telemetry *t, const char *group, uint64_t next, struct sk_err *err)
{
    struct sk_journal_state state;
    if (check_name(group, err) < 0)
        return -1;
    sk_journal_state(t->journal, &state);
    if (next == 0 || next > state.next)
        return sk_fail(err, SK_INVALID, "next must be 1 to %llu: there are no messages beyond",
                       (unsigned long long)state.next);
    return put(t, group, false, &next, err);
}

int sk_consumer_delete(struct sk_telemetry *t, const char *group, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    if (check_name(group, err) < 0 || sk_db_begin(t->db, SK_DB_SHRINK, &tx, err) < 0 ||
        sk_tx_run(tx, err, "DELETE FROM consumer_group WHERE journal = ?1 AND name = ?2", "ss",
                  t->name, group) < 0)
        return -1;
    if (sk_tx_changes(tx) == 0)
        return sk_fail(err, SK_NOT_FOUND, "there is no consumer group '%s'", group);
    return sk_tx_commit(&tx, err);
}

int sk_consumer_list(struct sk_telemetry *t, struct sk_buf *json, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    struct sk_journal_state state;
    int got = 0;
    sk_journal_state(t->journal, &state);
    if (sk_db_begin(t->db, SK_DB_READ, &tx, err) < 0 ||
        sk_tx_query(tx, &s, err,
                    "SELECT name, next, updated_ms FROM consumer_group WHERE journal = ?1 "
                    "ORDER BY name",
                    "s", t->name) < 0)
        return -1;
    sk_buf_str(json, "{\"groups\":[");
    for (bool is_first = true; (got = sk_stmt_next(s, err)) == 1; is_first = false) {
        char time[SK_TIME_TEXT];
        uint64_t next = (uint64_t)sk_stmt_int(s, 1);
        uint64_t from = next < state.first ? state.first : next;
        sk_time_text((uint64_t)sk_stmt_int(s, 2), time);
        sk_buf_str(json, is_first ? "{\"name\":" : ",{\"name\":");
        sk_buf_json_str(json, sk_stmt_text(s, 0));
        sk_buf_fmt(json, ",\"next\":%llu,\"lag\":%llu,\"updated\":\"%s\"}",
                   (unsigned long long)next,
                   (unsigned long long)(state.next > from ? state.next - from : 0), time);
    }
    sk_buf_str(json, "]}");
    return got < 0 ? -1 : 0;
}
