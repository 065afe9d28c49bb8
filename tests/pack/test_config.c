/* test_config.c - config and manifest, byte for byte. */
#include "pack/pack_priv.h"

#include "json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct sk_pack_layer layers[] = {
    { SK_OCI_LAYER_GZIP, "sha256:b", "sha256:B", 10, 20 },
    { SK_OCI_LAYER, "sha256:m", "sha256:M", 30, 40 },
};

static void config(void **state)
{
    (void)state;
    SK_AUTO(sk_pack_labels_done) struct sk_pack_labels l = { 0 };
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_pack_labels_set(&l, "k", "v", &err), 0);
    const struct sk_pack_image image = { .architecture = "arm64",
                                         .created = "1970-01-01T00:00:00Z",
                                         .model_path = "/models/a\"b",
                                         .labels = &l,
                                         .layers = layers,
                                         .layer_count = 2,
                                         .port = 6000 };
    sk_pack_image_config(&image, &out);
    assert_string_equal(
        out.data,
        "{\"created\":\"1970-01-01T00:00:00Z\",\"architecture\":\"arm64\",\"os\":\"linux\","
        "\"config\":{"
        "\"User\":\"10001:10001\",\"ExposedPorts\":{\"6000/tcp\":{}},"
        "\"Env\":[\"PATH=/usr/bin\",\"SKERRY_HOST=0.0.0.0\",\"SKERRY_PORT=6000\","
        "\"SKERRY_CACHE_DIR=/tmp/skerry\"],\"Entrypoint\":[\"/usr/bin/skerry\",\"serve\"],"
        "\"Cmd\":[\"/models/a\\\"b\"],\"WorkingDir\":\"/\",\"StopSignal\":\"SIGTERM\","
        "\"Healthcheck\":{\"Test\":[\"CMD\",\"/usr/bin/"
        "skerry\",\"health\"],\"Interval\":10000000000,"
        "\"Timeout\":5000000000,\"StartPeriod\":60000000000,\"Retries\":3},\"Labels\":{\"k\":\"v\"}"
        "},"
        "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:B\",\"sha256:M\"]},\"history\":["
        "{\"created\":\"1970-01-01T00:00:00Z\",\"created_by\":\"skerry "
        "package\",\"comment\":\"base\"},"
        "{\"created\":\"1970-01-01T00:00:00Z\",\"created_by\":\"skerry "
        "package\",\"comment\":\"model\"}"
        "]}");
}

static void base_alone(void **state)
{
    (void)state;
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);
    const struct sk_pack_labels none = { 0 };
    struct sk_err err = SK_ERR_INIT;
    const struct sk_pack_image image = { .architecture = "amd64",
                                         .created = "x",
                                         .labels = &none,
                                         .layers = layers,
                                         .layer_count = 1,
                                         .port = 5001 };

    sk_pack_image_config(&image, &out);
    assert_int_equal(sk_json_parse(out.data, out.len, NULL, &doc, &err), 0);
    assert_null(sk_json_get(sk_json_get(doc, "config"), "Cmd"));
    assert_int_equal(sk_json_count(sk_json_get(doc, "history")), 1);
}

static void manifest(void **state)
{
    (void)state;
    SK_AUTO(sk_pack_labels_done) struct sk_pack_labels l = { 0 };
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_pack_labels_set(&l, "k", "v", &err), 0);
    const struct sk_pack_image image = { .labels = &l, .layers = layers, .layer_count = 2 };
    sk_pack_image_manifest(&image, "sha256:c", 99, &out);
    assert_string_equal(
        out.data,
        "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
        "\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\","
        "\"digest\":\"sha256:c\",\"size\":99},\"layers\":["
        "{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\","
        "\"digest\":\"sha256:b\",\"size\":10,\"annotations\":"
        "{\"skerry.layer\":\"base\",\"skerry.unpacked\":\"20\"}},"
        "{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\","
        "\"digest\":\"sha256:m\",\"size\":30,\"annotations\":"
        "{\"skerry.layer\":\"model\",\"skerry.unpacked\":\"40\"}}],"
        "\"annotations\":{\"k\":\"v\"}}");
}

static void times(void **state)
{
    (void)state;

    static const struct {
        const char *text;
        bool is_time;
    } rows[] = {
        { "2026-11-28T23:00:00Z", true },
        { "2026-11-28T23:00:00.123456789Z", true },
        { "2026-11-28T23:00:00+01:00", true },
        { "2026-11-28T23:00:00.5-11:30", true },
        { "", false },
        { "2026", false },
        { "2026-11-28 23:00:00Z", false },
        { "2026-11-28T23:00:00", false },
        { "2026-11-28T23:00:00.Z", false },
        { "2026-11-28T23:00:00.1234567891Z", false },
        { "2026-11-28T23:00:00Zx", false },
        { "2026-11-28T23:00:00+0100", false },
        { "2026-11-28T23:00:00+01:0x", false },
        { "x026-11-28T23:00:00Z", false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (sk_pack_is_rfc3339(rows[i].text) != rows[i].is_time)
            fail_msg("'%s'", rows[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config),
        cmocka_unit_test(base_alone),
        cmocka_unit_test(manifest),
        cmocka_unit_test(times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
