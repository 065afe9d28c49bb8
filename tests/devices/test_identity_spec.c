/* test_identity_spec.c - what creates and updates say: the JSON, what is made, what is refused. */
#include "fixture.h"

#define KEY16 "MDEyMzQ1Njc4OWFiY2RlZg=="
#define KEY64                                                                                      \
    "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg=="
#define KEY65                                                                                      \
    "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZnguLi4="
#define SHA1_UPPER "00112233445566778899AABBCCDDEEFF00112233"
#define SHA1_LOWER "00112233445566778899aabbccddeeff00112233"

static void reads_json(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_identity_spec spec;
    SK_OWN(sk_json_free)
    struct sk_json *json = parse(
        "{\"deviceId\":\"d\",\"status\":\"disabled\",\"statusReason\":\"r\",\"etag\":\"x\","
        "\"authentication\":{\"type\":\"sas\",\"symmetricKey\":{\"primaryKey\":\"\","
        "\"secondaryKey\":null},\"x509Thumbprint\":{\"primaryThumbprint\":null}},"
        "\"capabilities\":{\"iotEdge\":true},\"deviceScope\":\"s\",\"parentScopes\":[\"p\"]}");
    (void)state;
    DONE(sk_identity_spec_read(json, &spec, &err));
    assert_string_equal(spec.device, "d");
    assert_null(spec.module);
    assert_string_equal(spec.status, "disabled");
    assert_string_equal(spec.auth, "sas");
    assert_string_equal(spec.primary_key, "");
    assert_null(spec.secondary_key);
    assert_int_equal(spec.is_edge, 1);
    assert_string_equal(spec.scope, "s");
    assert_string_equal(spec.parent_scope, "p");
    SK_OWN(sk_json_free)
    struct sk_json *bare = parse("{\"moduleId\":\"m\",\"managedBy\":\"x\",\"deviceId\":\"d\"}");
    DONE(sk_identity_spec_read(bare, &spec, &err));
    assert_string_equal(spec.module, "m");
    assert_string_equal(spec.managed_by, "x");
    assert_int_equal(spec.is_edge, -1);
    assert_null(spec.auth);
}

static void refuses_json(void **state)
{
    static const struct {
        const char *json, *says;
    } rows[] = {
        { "[]", "an identity is an object" },
        { "{\"deviceId\":1}", "'deviceId'" },
        { "{\"status\":true}", "'status'" },
        { "{\"authentication\":[]}", "'authentication'" },
        { "{\"authentication\":{\"type\":4}}", "authentication: 'type'" },
        { "{\"authentication\":{\"symmetricKey\":\"k\"}}", "authentication: 'symmetricKey'" },
        { "{\"authentication\":{\"symmetricKey\":{\"primaryKey\":1}}}", "'primaryKey'" },
        { "{\"authentication\":{\"x509Thumbprint\":{\"secondaryThumbprint\":1}}}",
          "'secondaryThumbprint'" },
        { "{\"capabilities\":1}", "'capabilities'" },
        { "{\"capabilities\":{\"iotEdge\":\"yes\"}}", "capabilities: 'iotEdge'" },
        { "{\"parentScopes\":\"p\"}", "'parentScopes'" },
        { "{\"parentScopes\":[1]}", "'parentScopes'" },
        { "{\"parentScopes\":[\"a\",\"b\"]}", "'parentScopes'" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_identity_spec spec;
        SK_OWN(sk_json_free) struct sk_json *json = parse(rows[i].json);
        FAILS(sk_identity_spec_read(json, &spec, &err), SK_INVALID, rows[i].says);
        assert_true(sk_starts_with(err.text, "ArgumentInvalid: "));
    }
}

/* Keys: "made" stands for one that was made. */
static void applies(void **state)
{
    static const struct {
        const char *name;
        struct sk_identity before;
        struct sk_identity_spec spec;
        enum sk_identity_auth auth;
        const char *primary, *secondary, *thumbprint;
    } rows[] = {
        { "nothing said", { .etag = 0 }, { .is_edge = -1 }, SK_IDENTITY_SAS, "made", "made", "" },
        { "empty keys",
          { .etag = 0 },
          { .is_edge = -1, .auth = "sas", .primary_key = "", .secondary_key = "" },
          SK_IDENTITY_SAS,
          "made",
          "made",
          "" },
        { "one key",
          { .etag = 0 },
          { .is_edge = -1, .primary_key = KEY16 },
          SK_IDENTITY_SAS,
          KEY16,
          "made",
          "" },
        { "the longest",
          { .etag = 0 },
          { .is_edge = -1, .primary_key = KEY64 },
          SK_IDENTITY_SAS,
          KEY64,
          "made",
          "" },
        { "kept",
          { .etag = 1, .primary_key = "a", .secondary_key = "b" },
          { .is_edge = -1, .primary_key = "" },
          SK_IDENTITY_SAS,
          "a",
          "b",
          "" },
        { "one of two",
          { .etag = 1, .primary_key = "a", .secondary_key = "b" },
          { .is_edge = -1, .secondary_key = KEY16 },
          SK_IDENTITY_SAS,
          "a",
          KEY16,
          "" },
        { "a module is claimed",
          { .etag = 1, .auth = SK_IDENTITY_NONE },
          { .is_edge = -1, .auth = "sas", .primary_key = KEY16, .secondary_key = KEY16 },
          SK_IDENTITY_SAS,
          KEY16,
          KEY16,
          "" },
        { "none stays none",
          { .etag = 1, .auth = SK_IDENTITY_NONE },
          { .is_edge = -1 },
          SK_IDENTITY_NONE,
          "",
          "",
          "" },
        { "self signed",
          { .etag = 0 },
          { .is_edge = -1, .auth = "selfSigned", .primary_thumbprint = SHA1_UPPER },
          SK_IDENTITY_SELF_SIGNED,
          "",
          "",
          SHA1_LOWER },
        { "without the type",
          { .etag = 0 },
          { .is_edge = -1, .primary_thumbprint = SHA1_UPPER },
          SK_IDENTITY_SELF_SIGNED,
          "",
          "",
          SHA1_LOWER },
        { "with colons",
          { .etag = 0 },
          { .is_edge = -1,
            .auth = "selfSigned",
            .primary_thumbprint = "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33" },
          SK_IDENTITY_SELF_SIGNED,
          "",
          "",
          SHA1_LOWER },
        { "keys go",
          { .etag = 1, .primary_key = "a", .secondary_key = "b" },
          { .is_edge = -1, .auth = "certificateAuthority" },
          SK_IDENTITY_CA,
          "",
          "",
          "" },
        { "prints go",
          { .etag = 1, .auth = SK_IDENTITY_SELF_SIGNED, .primary_thumbprint = SHA1_LOWER },
          { .is_edge = -1, .auth = "sas" },
          SK_IDENTITY_SAS,
          "made",
          "made",
          "" },
        { "prints stay",
          { .etag = 1, .auth = SK_IDENTITY_SELF_SIGNED, .primary_thumbprint = SHA1_LOWER },
          { .is_edge = -1 },
          SK_IDENTITY_SELF_SIGNED,
          "",
          "",
          SHA1_LOWER },
    };

    (void)state;
    for (size_t n = 0; n < COUNT(rows); n++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_identity i = rows[n].before;
        const char *keys[] = { i.primary_key, i.secondary_key };
        const char *expected[] = { rows[n].primary, rows[n].secondary };
        if (sk_identity_apply(&rows[n].spec, &i, &err) < 0)
            fail_msg("%s: %s", rows[n].name, err.text);
        for (size_t k = 0; k < 2; k++)
            if (strcmp(expected[k], "made") == 0 ? strlen(keys[k]) != 44
                                                 : strcmp(keys[k], expected[k]) != 0)
                fail_msg("%s: key %zu is '%s'", rows[n].name, k, keys[k]);
        if (i.auth != rows[n].auth || strcmp(i.primary_thumbprint, rows[n].thumbprint) != 0)
            fail_msg("%s: %d '%s'", rows[n].name, (int)i.auth, i.primary_thumbprint);
    }
}

static void refuses(void **state)
{
    static char long_text[200];

    static const struct {
        const char *name;
        struct sk_identity before;
        struct sk_identity_spec spec;
        const char *says;
    } rows[] = {
        { "short key",
          { .etag = 0 },
          { .is_edge = -1, .primary_key = "MDEyMzQ1Njc4OWFiY2Rl" },
          "primaryKey" },
        { "long key", { .etag = 0 }, { .is_edge = -1, .secondary_key = KEY65 }, "secondaryKey" },
        { "no base64",
          { .etag = 0 },
          { .is_edge = -1, .primary_key = "not base64 at all..=" },
          "primaryKey" },
        { "auth", { .etag = 0 }, { .is_edge = -1, .auth = "SAS" }, "authentication.type 'SAS'" },
        { "no print", { .etag = 0 }, { .is_edge = -1, .auth = "selfSigned" }, "selfSigned needs" },
        { "short print",
          { .etag = 0 },
          { .is_edge = -1, .auth = "selfSigned", .primary_thumbprint = "0011" },
          "primaryThumbprint" },
        { "no hex",
          { .etag = 0 },
          { .is_edge = -1,
            .auth = "selfSigned",
            .primary_thumbprint = SHA1_LOWER,
            .secondary_thumbprint = "zz" },
          "secondaryThumbprint" },
        { "status", { .etag = 0 }, { .is_edge = -1, .status = "on" }, "status 'on'" },
        { "reason", { .etag = 0 }, { .is_edge = -1, .status_reason = long_text }, "statusReason" },
        { "scope", { .etag = 0 }, { .is_edge = -1, .scope = "http://x" }, "parentScopes" },
        { "edge module", { .module = "m" }, { .is_edge = 1 }, "a module is no edge device" },
        { "edge no more", { .is_edge = true }, { .is_edge = 0 }, "cannot stop" },
        { "managed by",
          { .module = "m" },
          { .is_edge = -1, .managed_by = long_text },
          "managedBy" },
    };

    (void)state;
    memset(long_text, 'x', sizeof long_text - 1);
    for (size_t n = 0; n < COUNT(rows); n++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_identity i = rows[n].before;
        if (sk_identity_apply(&rows[n].spec, &i, &err) == 0)
            fail_msg("%s was taken", rows[n].name);
        FAILS(-1, SK_INVALID, rows[n].says);
        assert_true(sk_starts_with(err.text, "ArgumentInvalid: "));
    }
}

static void scopes(void **state)
{
    static const char parent[] = "ms-azure-iot-edge://p-1";

    static const struct {
        const char *name;
        bool is_edge;
        const char *scope_given, *parent_given;
        const char *scope, *parent;
    } rows[] = {
        { "a leaf alone", false, NULL, NULL, "", "" },
        { "a leaf by its scope", false, parent, NULL, parent, parent },
        { "a leaf by its parent", false, NULL, parent, parent, parent },
        { "an edge", true, NULL, NULL, "ms-azure-iot-edge://d-7", "" },
        { "an edge below another", true, NULL, parent, "ms-azure-iot-edge://d-7", parent },
        { "an edge keeps its scope", true, parent, NULL, "ms-azure-iot-edge://d-7", "" },
    };

    (void)state;
    for (size_t n = 0; n < COUNT(rows); n++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_identity i = { .device = "d", .generation = "7" };
        const struct sk_identity_spec spec = { .is_edge = rows[n].is_edge,
                                               .scope = rows[n].scope_given,
                                               .parent_scope = rows[n].parent_given };
        DONE(sk_identity_apply(&spec, &i, &err));
        if (strcmp(i.scope, rows[n].scope) != 0 || strcmp(i.parent_scope, rows[n].parent) != 0)
            fail_msg("%s: '%s' '%s'", rows[n].name, i.scope, i.parent_scope);
    }
    struct sk_err err = SK_ERR_INIT;
    struct sk_identity leaf = { .device = "d" };
    const struct sk_identity_spec into = { .is_edge = -1, .scope = parent };
    const struct sk_identity_spec out = { .is_edge = -1, .scope = "" };
    DONE(sk_identity_apply(&into, &leaf, &err));
    DONE(sk_identity_apply(&out, &leaf, &err));
    assert_string_equal(leaf.scope, "");
    assert_string_equal(leaf.parent_scope, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(reads_json),
                                        cmocka_unit_test(refuses_json), cmocka_unit_test(applies),
                                        cmocka_unit_test(refuses), cmocka_unit_test(scopes) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
