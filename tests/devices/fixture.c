/* fixture.c - see fixture.h. */
#include "fixture.h"

static void note(void *ctx, const struct sk_device_event *e)
{
    static const char *const names[] = {
        [SK_EVENT_CREATED] = "created",   [SK_EVENT_DELETED] = "deleted",
        [SK_EVENT_CHANGED] = "changed",   [SK_EVENT_DESIRED] = "desired",
        [SK_EVENT_REPORTED] = "reported", [SK_EVENT_TAGS] = "tags",
        [SK_EVENT_DOWN] = "down",
    };
    struct fixture *f = ctx;
    SK_LOCK(&f->mutex);
    sk_buf_fmt(&f->events, "%s %s%s%s", names[e->kind], e->device, e->module[0] ? "/" : "",
               e->module);
    if (e->version)
        sk_buf_fmt(&f->events, " %lld", (long long)e->version);
    if (e->body.len > 0)
        sk_buf_fmt(&f->events, " %.*s", (int)e->body.len, e->body.ptr);
    sk_buf_chr(&f->events, '\n');
}

static void open_devices(struct fixture *f)
{
    struct sk_err err = SK_ERR_INIT;
    const struct sk_devices_options opts = {
        .store = f->store, .accounts = f->accounts, .event = note, .ctx = f
    };
    DONE(sk_devices_new(&opts, &f->d, &err));
}

static struct sk_who who_with(const char *name, unsigned rights)
{
    struct sk_who who = { .rights = rights, .is_policy = true };
    (void)snprintf(who.name, sizeof who.name, "%s", name);
    return who;
}

int fixture_make(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->top = sk_test_dir();
    (void)snprintf(f->dir, sizeof f->dir, "%s/hub", f->top);
    (void)pthread_mutex_init(&f->mutex, NULL);
    f->events.ceiling = 1 << 24;
    DONE(sk_store_create(f->dir, &err));
    DONE(sk_store_open(f->dir, &f->store, &err));
    DONE(sk_accounts_new(f->store, &f->accounts, &err));
    open_devices(f);
    f->service = who_with("iothubowner", SK_RIGHT_REGISTRY_READ | SK_RIGHT_REGISTRY_WRITE |
                                             SK_RIGHT_SERVICE | SK_RIGHT_TELEMETRY);
    f->registry = who_with("registryReadWrite", SK_RIGHT_REGISTRY_READ | SK_RIGHT_REGISTRY_WRITE);
    f->reader = who_with("registryRead", SK_RIGHT_REGISTRY_READ);
    *state = f;
    return 0;
}

int fixture_remove(void **state)
{
    struct fixture *f = *state;
    sk_devices_free(f->d);
    sk_accounts_free(f->accounts);
    sk_store_close(f->store);
    sk_test_dir_free(f->top);
    sk_buf_done(&f->events);
    (void)pthread_mutex_destroy(&f->mutex);
    free(f);
    return 0;
}

void fixture_reopen(struct fixture *f)
{
    sk_devices_free(f->d);
    f->d = NULL;
    open_devices(f);
}

static struct sk_identity make(struct fixture *f, const char *device, const char *module,
                               int is_edge)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_identity i;
    const struct sk_identity_spec spec = { .device = device, .module = module, .is_edge = is_edge };
    DONE(sk_identity_create(f->d, &f->registry, &spec, &i, &err));
    return i;
}

struct sk_identity make_device(struct fixture *f, const char *device)
{
    return make(f, device, NULL, -1);
}

struct sk_identity make_edge(struct fixture *f, const char *device)
{
    return make(f, device, NULL, 1);
}

struct sk_identity make_module(struct fixture *f, const char *device, const char *module)
{
    return make(f, device, module, -1);
}

struct sk_json *parse(const char *text)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_json *json = NULL;
    DONE(sk_json_parse(text, strlen(text), NULL, &json, &err));
    return json;
}

const char *told(struct fixture *f)
{
    static char text[1 << 16];
    settle(f);
    SK_LOCK(&f->mutex);
    (void)snprintf(text, sizeof text, "%s", f->events.data ? f->events.data : "");
    sk_buf_clear(&f->events);
    if (f->events.data)
        f->events.data[0] = '\0';
    return text;
}

static int do_nothing(struct sk_change *c, void *ctx, struct sk_err *err)
{
    (void)c;
    (void)ctx;
    (void)err;
    return 0;
}

/* Twice: what a first job's end has pushed is done as well. */
static bool is_seen_pushed(struct fixture *f)
{
    SK_LOCK(&f->d->mutex);
    return f->d->is_seen_pushed;
}

void settle(struct fixture *f)
{
    struct sk_err err = SK_ERR_INIT;
    do {
        DONE(sk_devices_shrink(f->d, do_nothing, NULL, &err));
        DONE(sk_devices_shrink(f->d, do_nothing, NULL, &err));
    } while (is_seen_pushed(f));
}

const char *text_of(struct fixture *f, const char *sql)
{
    static char text[8192];
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    DONE(sk_db_begin(sk_devices_db(f->d), SK_DB_READ, &tx, &err));
    DONE(sk_tx_query(tx, &s, &err, sql, ""));
    int found = sk_stmt_next(s, &err);
    DONE(found);
    (void)snprintf(text, sizeof text, "%s", found ? sk_stmt_text(s, 0) : "(none)");
    return text;
}

int64_t number(struct fixture *f, const char *sql)
{
    return strtoll(text_of(f, sql), NULL, 10);
}

static int run_text(struct sk_change *c, void *ctx, struct sk_err *err)
{
    const char *const *sql = ctx;
    return sk_tx_run(sk_change_tx(c), err, *sql, "");
}

void run_sql(struct fixture *f, const char *sql)
{
    struct sk_err err = SK_ERR_INIT;
    DONE(sk_devices_write(f->d, run_text, &sql, &err));
}

void change_twin(struct fixture *f, const char *device, const char *module, const char *json)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_json_free) struct sk_json *change = parse(json);
    DONE(sk_twin_change(f->d, &f->service, device, module, change, false, NULL, NULL, &err));
}
