/* fixture.c - see fixture.h. */
#include "fixture.h"

#include "base/clock.h"

static void on_event(void *ctx, const struct sk_device_event *e)
{
    struct fixture *f = ctx;
    sk_deploy_event(f->d, e);
}

static void on_progress(void *ctx, const char *device, const char *json)
{
    struct fixture *f = ctx;
    SK_LOCK(&f->mutex);
    sk_buf_fmt(&f->told, "%s %s\n", device, json);
}

static int has_image(void *ctx, const char *repository, const char *reference)
{
    const struct fixture *f = ctx;
    (void)repository;
    (void)reference;
    return f->has_image;
}

void fixture_open(struct fixture *f)
{
    static const char *const names[] = { "hub.local", "::1", NULL };
    struct sk_err err = SK_ERR_INIT;
    const struct sk_devices_options devices = {
        .store = f->store, .accounts = f->accounts, .event = on_event, .ctx = f
    };
    DONE(sk_devices_new(&devices, &f->devices, &err));
    const struct sk_deploy_options deploy = { .devices = f->devices,
                                              .hub_names = names,
                                              .has_image = f->has_image < 0 ? NULL : has_image,
                                              .progress = on_progress,
                                              .ctx = f,
                                              .interval_ms = f->interval_ms };
    DONE(sk_deploy_new(&deploy, &f->d, &err));
}

void fixture_close(struct fixture *f)
{
    sk_deploy_stop(f->d);
    sk_devices_free(f->devices);
    sk_deploy_free(f->d);
    f->devices = NULL;
    f->d = NULL;
}

void fixture_reopen(struct fixture *f)
{
    fixture_close(f);
    fixture_open(f);
}

int fixture_make(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->top = sk_test_dir();
    f->has_image = 1;
    (void)snprintf(f->dir, sizeof f->dir, "%s/hub", f->top);
    (void)pthread_mutex_init(&f->mutex, NULL);
    f->told.ceiling = 1 << 26;
    DONE(sk_store_create(f->dir, &err));
    DONE(sk_store_open(f->dir, &f->store, &err));
    DONE(sk_accounts_new(f->store, &f->accounts, &err));
    f->service = (struct sk_who){ .name = "iothubowner",
                                  .rights = SK_RIGHT_REGISTRY_READ | SK_RIGHT_REGISTRY_WRITE |
                                            SK_RIGHT_SERVICE,
                                  .is_policy = true };
    f->reader = (struct sk_who){ .name = "registryRead",
                                 .rights = SK_RIGHT_REGISTRY_READ,
                                 .is_policy = true };
    fixture_open(f);
    *state = f;
    return 0;
}

int fixture_remove(void **state)
{
    struct fixture *f = *state;
    fixture_close(f);
    sk_accounts_free(f->accounts);
    sk_store_close(f->store);
    sk_test_dir_free(f->top);
    sk_buf_done(&f->told);
    (void)pthread_mutex_destroy(&f->mutex);
    free(f);
    return 0;
}

struct sk_json *parse(const char *text)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_json *json = NULL;
    DONE(sk_json_parse(text, strlen(text), NULL, &json, &err));
    return json;
}

static struct sk_identity make(struct fixture *f, const char *device, const char *module,
                               int is_edge)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_identity i;
    const struct sk_identity_spec spec = { .device = device, .module = module, .is_edge = is_edge };
    DONE(sk_identity_create(f->devices, &f->service, &spec, &i, &err));
    return i;
}

struct sk_identity make_edge(struct fixture *f, const char *device)
{
    return make(f, device, NULL, 1);
}

struct sk_identity make_device(struct fixture *f, const char *device)
{
    return make(f, device, NULL, -1);
}

struct sk_identity make_module(struct fixture *f, const char *device, const char *module)
{
    return make(f, device, module, -1);
}

static int run_text(struct sk_change *c, void *ctx, struct sk_err *err)
{
    const char *const *sql = ctx;
    return sk_tx_run(sk_change_tx(c), err, *sql, "");
}

void run_sql(struct fixture *f, const char *sql)
{
    struct sk_err err = SK_ERR_INIT;
    DONE(sk_devices_write(f->devices, run_text, &sql, &err));
}

void make_many(struct fixture *f, int64_t count)
{
    static const char *const modules[] = { "", "$edgeAgent", "$edgeHub" };
    char sql[512];
    for (size_t i = 0; i < COUNT(modules); i++) {
        (void)snprintf(sql, sizeof sql,
                       "WITH RECURSIVE n(v) AS (SELECT 0 UNION ALL SELECT v + 1 FROM n WHERE v + 1 "
                       "< %lld) INSERT INTO identity(device, module, generation, is_edge, "
                       "created_ms) SELECT printf('e%%06d', v), '%s', '1', %d, 1 FROM n",
                       (long long)count, modules[i], i == 0);
        run_sql(f, sql);
    }
    run_sql(f, "INSERT OR IGNORE INTO twin(identity) SELECT id FROM identity");
}

void set_tags(struct fixture *f, const char *device, const char *tags)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 16);
    sk_buf_fmt(&b, "{\"tags\":%s}", tags);
    SK_OWN(sk_json_free) struct sk_json *json = parse(b.data);
    DONE(sk_twin_change(f->devices, &f->service, device, NULL, json, false, NULL, NULL, &err));
}

void report(struct fixture *f, const char *device, const char *module, const char *patch)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_identity i;
    DONE(sk_identity_get(f->devices, device, module, &i, &err));
    DONE(sk_twin_report(f->devices, i.id, sk_view_of(patch), NULL, NULL, &err));
    run_sql(f, "SELECT 1 WHERE 0"); /* behind it */
}

static void write_body(struct sk_buf *b, int priority, const char *target, const char *content)
{
    sk_buf_fmt(b, "{\"priority\":%d,\"targetCondition\":", priority);
    sk_buf_json_str(b, target);
    if (content)
        sk_buf_fmt(b, ",\"content\":%s", content);
    sk_buf_chr(b, '}');
}

static void put_with(struct fixture *f, const char *id, int priority, const char *target,
                     const char *content, const char *if_match)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 22);
    write_body(&b, priority, target, content);
    SK_OWN(sk_json_free) struct sk_json *body = parse(b.data);
    DONE(sk_configuration_put(f->d, &f->service, id, body, if_match, &out, &err));
}

void put(struct fixture *f, const char *id, int priority, const char *target, const char *content)
{
    put_with(f, id, priority, target, content, NULL);
}

void change(struct fixture *f, const char *id, int priority, const char *target)
{
    put_with(f, id, priority, target, NULL, "*");
}

void drop(struct fixture *f, const char *id)
{
    struct sk_err err = SK_ERR_INIT;
    DONE(sk_configuration_delete(f->d, &f->service, id, NULL, &err));
}

void settle(struct fixture *f)
{
    struct sk_err err = SK_ERR_INIT;
    const uint64_t until = sk_now_ms() + PATIENCE_MS;
    for (;;) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(256);
        run_sql(f, "SELECT 1 WHERE 0");
        DONE(sk_deploy_pending(f->d, &b, &err));
        if (strncmp(b.data, "{\"pending\":0,", 13) == 0)
            return;
        if (sk_now_ms() > until)
            fail_msg("after two minutes: %s", b.data);
        (void)usleep(3000);
    }
}

const char *text_of(struct fixture *f, const char *sql)
{
    static char text[65536];
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    DONE(sk_db_begin(sk_devices_db(f->devices), SK_DB_READ, &tx, &err));
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

const char *twin_of(struct fixture *f, const char *device, const char *module, const char *column)
{
    char sql[512];
    (void)snprintf(sql, sizeof sql,
                   "SELECT t.%s FROM identity i JOIN twin t ON t.identity = i.id "
                   "WHERE i.device = '%s' AND i.module = '%s'",
                   column, device, module);
    return text_of(f, sql);
}

const char *told(struct fixture *f)
{
    static char text[1 << 16];
    settle(f);
    SK_LOCK(&f->mutex);
    (void)snprintf(text, sizeof text, "%s", f->told.data ? f->told.data : "");
    sk_buf_clear(&f->told);
    if (f->told.data)
        f->told.data[0] = '\0';
    return text;
}
