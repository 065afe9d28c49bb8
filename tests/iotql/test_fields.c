/* test_fields.c - which field a path begins with. */
#include "iotql/iotql_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *path;
    const char *name; /* NULL: none */
    enum class class;
    size_t used;
} rows[] = {
    { "deviceId", "deviceId", C_TEXT, 1 },
    { "deviceId.x", "deviceId", C_TEXT, 1 },
    { "deviceid", NULL, C_ANY, 0 },
    { "device", NULL, C_ANY, 0 },
    { "deviceIds", NULL, C_ANY, 0 },
    { "tags", "tags", C_ANY, 1 },
    { "tags.a.b", "tags", C_ANY, 1 },
    { "tags[0]", "tags", C_ANY, 1 },
    { "capabilities", "capabilities", C_OBJECT, 1 },
    { "capabilities.iotEdge", "capabilities.iotEdge", C_BOOL, 2 },
    { "capabilities.[[iotEdge]]", "capabilities.iotEdge", C_BOOL, 2 },
    { "capabilities.x", NULL, C_ANY, 0 },
    { "capabilities[0]", NULL, C_ANY, 0 },
    { "properties", "properties", C_OBJECT, 1 },
    { "properties.desired", "properties.desired", C_OBJECT, 2 },
    { "properties.desired.a", "properties.desired", C_ANY, 2 },
    { "properties.desired.$version", "properties.desired.$version", C_NUMBER, 3 },
    { "properties.desired.$versions", "properties.desired", C_ANY, 2 },
    { "properties.desired.$metadata", "properties.desired.$metadata", C_ANY, 3 },
    { "properties.reported.a.$version", "properties.reported", C_ANY, 2 },
    { "properties.reported.$version", "properties.reported.$version", C_NUMBER, 3 },
    { "properties.other", NULL, C_ANY, 0 },
    { "properties.[[desired.$version]]", NULL, C_ANY, 0 },
    { "configurations.[[a]].status", "configurations", C_ANY, 1 },
    { "etag", "etag", C_TEXT, 1 },
    { "deviceEtag", "deviceEtag", C_TEXT, 1 },
    { "lastActivityTime", "lastActivityTime", C_TIME, 1 },
};

static void test_find(void **state)
{
    struct sk_arena arena = SK_ARENA_INIT(1 << 20);

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sk_err err = SK_ERR_INIT;
        const struct field *f;
        struct sk_scan s;
        struct path p;
        size_t used = 0;

        assert_int_equal(sk_iotql_scan_begin(&s, "path", rows[i].path, &arena, &err), 0);
        assert_int_equal(sk_iotql_scan_path(&s, &p, &err), 0);
        f = sk_iotql_field_find(&p, &used);
        if (!f != !rows[i].name || (f && (strcmp(f->name, rows[i].name) != 0 ||
                                          used != rows[i].used || f->class != rows[i].class)))
            fail_msg("%s: %s, %zu", rows[i].path, f ? f->name : "none", used);
    }
    sk_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
