/* test_identity_change.c - creating, updating, deleting: what follows, what is told, who may. */
#include "fixture.h"

static struct sk_identity_spec spec_of(const char *device, const char *module)
{
    return (struct sk_identity_spec){ .device = device, .module = module, .is_edge = -1 };
}

static void a_device(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_identity i = make_device(f, "d"), again;
    assert_int_equal(i.etag, 1);
    assert_true(i.is_enabled);
    assert_int_equal(strlen(i.generation), 18);
    assert_int_equal(strspn(i.generation, "0123456789"), 18);
    assert_int_equal(strlen(i.primary_key), 44);
    assert_string_not_equal(i.primary_key, i.secondary_key);
    assert_string_equal(told(f), "created d\n");
    struct sk_identity_spec spec = spec_of("d", NULL);
    FAILS(sk_identity_create(f->d, &f->registry, &spec, NULL, &err), SK_EXISTS,
          "DeviceAlreadyExists: ");
    DONE(sk_identity_get(f->d, "d", NULL, &again, &err));
    assert_memory_equal(&i, &again, sizeof i);

    spec.status = "disabled";
    spec.status_reason = "stolen";
    DONE(sk_identity_update(f->d, &f->registry, &spec, "\"AAAAAAAAAAE=\"", &again, &err));
    assert_int_equal(again.etag, 2);
    assert_false(again.is_enabled);
    assert_true(again.status_ms > 0);
    assert_string_equal(again.primary_key, i.primary_key);
    assert_string_equal(told(f), "changed d\n");
    FAILS(sk_identity_update(f->d, &f->registry, &spec, "\"AAAAAAAAAAE=\"", NULL, &err),
          SK_MISMATCH, "PreconditionFailed: ");
    FAILS(sk_identity_delete(f->d, &f->registry, "d", NULL, "AAAAAAAAAAE=", &err), SK_MISMATCH,
          "PreconditionFailed: ");
    spec.status_reason = "gone";
    DONE(sk_identity_update(f->d, &f->registry, &spec, "*", NULL, &err));
    assert_string_equal(told(f), ""); /* nobody has to prove anything anew */

    DONE(sk_identity_delete(f->d, &f->registry, "d", NULL, "*", &err));
    assert_string_equal(told(f), "deleted d\n");
    assert_int_equal(number(f, "SELECT (SELECT count(*) FROM identity) + "
                               "(SELECT count(*) FROM twin)"),
                     0);
    FAILS(sk_identity_delete(f->d, &f->registry, "d", NULL, "*", &err), SK_NOT_FOUND,
          "DeviceNotFound: ");
    FAILS(sk_identity_update(f->d, &f->registry, &spec, "*", NULL, &err), SK_NOT_FOUND,
          "DeviceNotFound: ");
    struct sk_identity second = make_device(f, "d");
    assert_string_not_equal(second.generation, i.generation);
    assert_true(second.id > i.id);
}

static void an_edge_device(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_identity i = make_edge(f, "e"), m;
    char scope[200];
    (void)snprintf(scope, sizeof scope, "ms-azure-iot-edge://e-%s", i.generation);
    assert_string_equal(i.scope, scope);
    assert_string_equal(told(f), "created e\ncreated e/$edgeAgent\ncreated e/$edgeHub\n");
    DONE(sk_identity_get(f->d, "e", "$edgeAgent", &m, &err));
    assert_int_equal(m.auth, SK_IDENTITY_NONE);
    assert_string_equal(m.managed_by, "iotEdge");
    assert_string_equal(m.primary_key, "");
    FAILS(sk_identity_delete(f->d, &f->registry, "e", "$edgeHub", "*", &err), SK_DENIED,
          "SystemModuleModifyUnauthorizedAccess: ");
    make_module(f, "e", "m");
    (void)told(f);
    const struct sk_identity_spec off = { .device = "e", .status = "disabled", .is_edge = -1 };
    DONE(sk_identity_update(f->d, &f->registry, &off, NULL, NULL, &err));
    assert_string_equal(told(f), "changed e\nchanged e/$edgeAgent\nchanged e/$edgeHub\n"
                                 "changed e/m\n");
    run_sql(f, "INSERT INTO pull VALUES('e', 'r')");
    DONE(sk_identity_delete(f->d, &f->registry, "e", NULL, NULL, &err));
    assert_string_equal(told(f), "deleted e/$edgeAgent\ndeleted e/$edgeHub\ndeleted e/m\n"
                                 "deleted e\n");
    assert_int_equal(number(f, "SELECT count(*) FROM identity"), 0);
    assert_int_equal(number(f, "SELECT count(*) FROM pull"), 0);

    make_device(f, "late");
    (void)told(f);
    const struct sk_identity_spec on = { .device = "late", .is_edge = 1 };
    DONE(sk_identity_update(f->d, &f->registry, &on, NULL, &i, &err));
    assert_true(i.is_edge);
    assert_true(i.scope[0] != '\0');
    assert_string_equal(told(f), "created late/$edgeAgent\ncreated late/$edgeHub\n");
}

static void modules(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    make_edge(f, "e");
    struct sk_identity_spec spec = spec_of("none", "m");
    FAILS(sk_identity_create(f->d, &f->registry, &spec, NULL, &err), SK_NOT_FOUND,
          "DeviceNotFound: ");
    spec = spec_of("e", "$edgeHub");
    FAILS(sk_identity_create(f->d, &f->registry, &spec, NULL, &err), SK_EXISTS,
          "ModuleAlreadyExistsOnDevice: ");
    make_device(f, "leaf");
    spec = spec_of("leaf", "$edgeHub");
    FAILS(sk_identity_create(f->d, &f->registry, &spec, NULL, &err), SK_INVALID,
          "ArgumentInvalid: ");
    for (unsigned n = 0; n < SK_DEVICES_MODULES_MAX; n++) {
        char name[16];
        (void)snprintf(name, sizeof name, "m%u", n);
        make_module(f, "e", name);
    }
    spec = spec_of("e", "one-more");
    FAILS(sk_identity_create(f->d, &f->registry, &spec, NULL, &err), SK_LIMIT,
          "TooManyModulesOnDevice: ");
    DONE(sk_identity_delete(f->d, &f->registry, "e", "m0", NULL, &err));
    DONE(sk_identity_create(f->d, &f->registry, &spec, NULL, &err));
}

static void names(void **state)
{
    static char longest[SK_IOT_ID_MAX + 1], longer[SK_IOT_ID_MAX + 2];

    static const struct {
        const char *device, *module;
        bool is_good;
    } rows[] = {
        { "a-.+%_#*?!(),:=@$'9Z", NULL, true },
        { longest, NULL, true },
        { longest, longest, true },
        { longer, NULL, false },
        { "", NULL, false },
        { "a b", NULL, false },
        { "a/b", NULL, false },
        { "\xc3\xa4", NULL, false },
        { longest, longer, false },
        { longest, "a b", false },
    };
    struct fixture *f = *state;
    memset(longest, 'x', sizeof longest - 1);
    memset(longer, 'y', sizeof longer - 1);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_identity_spec spec = spec_of(rows[i].device, rows[i].module);
        int rc = sk_identity_create(f->d, &f->registry, &spec, NULL, &err);
        if ((rc == 0) != rows[i].is_good)
            fail_msg("%s/%s: %s", rows[i].device, rows[i].module, err.text);
        if (rc < 0)
            assert_int_equal(err.code, SK_INVALID);
    }
}

/* Who may what: c create, u update, d delete. */
static void rights(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_who self = { .name = "e", .is_device = true };
    struct sk_who agent = { .name = "e", .module = "$edgeAgent", .is_device = true };
    struct sk_who other = { .name = "x", .is_device = true };
    make_edge(f, "e");
    make_device(f, "x");

    const struct {
        const char *name;
        const struct sk_who *who;
        const char *device, *module;
        bool may;
    } rows[] = {
        { "registry, device", &f->registry, "new", NULL, true },
        { "registry, module", &f->registry, "e", "a", true },
        { "reader, device", &f->reader, "new2", NULL, false },
        { "reader, module", &f->reader, "e", "b", false },
        { "the device, its module", &self, "e", "c", true },
        { "the device, a device", &self, "new3", NULL, false },
        { "the device, another's module", &self, "x", "d", false },
        { "its module", &agent, "e", "f", false },
        { "another device", &other, "e", "g", false },
        { "the hub itself", NULL, "new4", NULL, true },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_identity_spec spec = spec_of(rows[i].device, rows[i].module);
        int created = sk_identity_create(f->d, rows[i].who, &spec, NULL, &err);
        if (created < 0) /* then by one who may */
            DONE(sk_identity_create(f->d, &f->registry, &spec, NULL, &err));
        int updated = sk_identity_update(f->d, rows[i].who, &spec, NULL, NULL, &err);
        int deleted = sk_identity_delete(f->d, rows[i].who, rows[i].device, rows[i].module, NULL,
                                         &err);
        if ((created == 0) != rows[i].may || (updated == 0) != rows[i].may ||
            (deleted == 0) != rows[i].may)
            fail_msg("%s: %d %d %d", rows[i].name, created, updated, deleted);
        if (!rows[i].may)
            assert_int_equal(err.code, SK_DENIED);
    }
    struct sk_identity_spec whole = spec_of("e", NULL);
    FAILS(sk_identity_update(f->d, &self, &whole, NULL, NULL, &err), SK_DENIED,
          "modules of its own only");
    FAILS(sk_identity_delete(f->d, &self, "e", NULL, NULL, &err), SK_DENIED,
          "IotHubUnauthorizedAccess: ");
}

static void audit(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_identity_spec spec = spec_of("d", NULL);
    make_device(f, "d");
    make_module(f, "d", "m");
    DONE(sk_identity_update(f->d, &f->service, &spec, NULL, NULL, &err));
    FAILS(sk_identity_update(f->d, &f->service, &spec, "no", NULL, &err), SK_MISMATCH, "etag");
    DONE(sk_identity_delete(f->d, &f->service, "d", "m", NULL, &err));
    DONE(sk_identity_delete(f->d, NULL, "d", NULL, NULL, &err));
    assert_string_equal(
        text_of(f, "SELECT group_concat(action || ' ' || object || ' ' || who, ', ') FROM "
                   "(SELECT * FROM audit ORDER BY id)"),
        "device.create d policy registryReadWrite, module.create d/m policy registryReadWrite, "
        "device.update d policy iothubowner, module.delete d/m policy iothubowner, device.delete d "
        "hub");
}

static int ensure(struct sk_change *c, void *ctx, struct sk_err *err)
{
    int *made = ctx;
    made[0] = sk_identity_ensure_module(c, "e", "m", err);
    made[1] = made[0] < 0 ? -1 : sk_identity_ensure_module(c, "e", "m", err);
    return made[1] < 0 ? -1 : sk_identity_ensure_module(c, "none", "m", err);
}

static int ensure_one(struct sk_change *c, void *ctx, struct sk_err *err)
{
    return sk_identity_ensure_module(c, "e", ctx, err) < 0 ? -1 : 0;
}

/* Made once; and a change that fails afterwards takes it back with its event. */
static void ensured_modules(void **state)
{
    static char module[] = "m";
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_identity i;
    int made[2];
    make_edge(f, "e");
    (void)told(f);
    FAILS(sk_devices_write(f->d, ensure, made, &err), SK_NOT_FOUND, "DeviceNotFound: ");
    assert_int_equal(made[0], 1);
    assert_int_equal(made[1], 0);
    assert_string_equal(told(f), "");
    FAILS(sk_identity_get(f->d, "e", "m", &i, &err), SK_NOT_FOUND, "ModuleNotFound: ");
    DONE(sk_devices_write(f->d, ensure_one, module, &err));
    assert_string_equal(told(f), "created e/m\n");
    DONE(sk_identity_get(f->d, "e", "m", &i, &err));
    assert_int_equal(i.auth, SK_IDENTITY_NONE);
    assert_string_equal(i.managed_by, "iotEdge");
}

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(a_device),       ROW(an_edge_device), ROW(modules),
                                        ROW(names),          ROW(rights),         ROW(audit),
                                        ROW(ensured_modules) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
