/* device_test.c - see device_test.h. */
#include "device_test.h"

#include "base/buf.h"
#include "base/clock.h"
#include "iot/iot.h"
#include "remote/remote.h"

#include <stdio.h>
#include <stdlib.h>

static struct sk_remote *open_hub(bool as_nobody)
{
    SK_AUTO(sk_context_done) struct sk_context c = { 0 };
    struct sk_err err = SK_ERR_INIT;
    struct sk_remote *r = NULL;
    if (sk_context_load(NULL, &c, &err) < 0)
        fail_msg("%s", err.text);
    if (as_nobody) {
        free(c.token);
        c.token = NULL;
    }
    if (sk_remote_new(&c, &r, &err) < 0)
        fail_msg("%s", err.text);
    return r;
}

void device_test_make(const char *id)
{
    SK_OWN(sk_remote_free) struct sk_remote *r = open_hub(false);
    struct sk_err err = SK_ERR_INIT;
    char path[256];
    const char body[] = "{\"authentication\":{\"type\":\"sas\",\"symmetricKey\":{\"primaryKey\":"
                        "\"" DEVICE_TEST_KEY "\",\"secondaryKey\":\"" DEVICE_TEST_KEY "\"}}}";
    (void)snprintf(path, sizeof path, "/devices/%s?api-version=2021-04-12", id);
    if (sk_remote_call(r, "PUT", path, body, NULL, &err) < 0)
        fail_msg("%s", err.text);
}

void device_test_send(const char *id, const char *body, const char *type)
{
    SK_OWN(sk_remote_free) struct sk_remote *r = open_hub(true);
    SK_AUTO(sk_buf_done) struct sk_buf header = SK_BUF_INIT(4096);
    struct sk_err err = SK_ERR_INIT;
    char path[256], resource[256];
    (void)snprintf(resource, sizeof resource, "127.0.0.1/devices/%s", id);
    (void)snprintf(path, sizeof path, "/devices/%s/messages/events?api-version=2021-04-12", id);
    sk_buf_str(&header, "Authorization: ");
    if (sk_iot_sas_make(resource, DEVICE_TEST_KEY, NULL, (int64_t)(sk_wall_ms() / 1000) + 600,
                        &header, &err) < 0)
        fail_msg("%s", err.text);
    const char *const headers[] = { header.data, NULL };
    const struct sk_remote_request q = { .method = "POST",
                                         .path = path,
                                         .headers = headers,
                                         .body = body,
                                         .body_len = strlen(body),
                                         .type = type ? type : "" };
    if (sk_remote_send(r, &q, NULL, &err) < 0)
        fail_msg("%s", err.text);
}

void device_test_manifest(const char *dir, const char *name, enum device_test_manifest kind)
{
    static const char layer[] =
        "{\"modulesContent\":{\"$edgeAgent\":{\"properties.desired.modules.more\":{\"version\":"
        "\"1\",\"type\":\"docker\",\"status\":\"running\",\"restartPolicy\":\"always\","
        "\"settings\":{\"image\":\"r/m:1\",\"createOptions\":\"{}\"}}},\"$edgeHub\":{"
        "\"properties.desired.routes.x\":\"FROM /messages/* INTO $upstream\"}}}";
    char text[4096];
    (void)snprintf(
        text, sizeof text,
        "{\"modulesContent\":{\"$edgeAgent\":{\"properties.desired\":{\"schemaVersion\":\"1.1\","
        "\"runtime\":{\"type\":\"docker\",\"settings\":{\"minDockerVersion\":\"v1.25\"}},"
        "\"systemModules\":{\"edgeAgent\":{\"type\":\"docker\",\"settings\":{\"image\":\"r/a:1\","
        "\"createOptions\":\"{}\"}},\"edgeHub\":{\"type\":\"docker\",\"status\":\"running\","
        "\"restartPolicy\":\"always\",\"settings\":{\"image\":\"r/"
        "h:1\",\"createOptions\":\"{}\"}}},"
        "\"modules\":{\"filter\":{\"version\":\"1.0\",\"type\":\"docker\",\"status\":\"running\","
        "\"%s\":\"always\",\"settings\":{%s\"createOptions\":\"{}\"}}}}},"
        "\"$edgeHub\":{\"properties.desired\":{\"schemaVersion\":\"1.1\",\"routes\":{\"up\":\"%s "
        "/messages/* INTO $upstream\"},\"storeAndForwardConfiguration\":{\"timeToLiveSecs\":7200}"
        "}}}}",
        kind == MANIFEST_WARNING ? "restartPolcy" : "restartPolicy",
        kind == MANIFEST_BAD ? "" : "\"image\":\"r/f:1\",", kind == MANIFEST_BAD ? "FRM" : "FROM");
    write_text(dir, name, kind == MANIFEST_LAYER ? layer : text);
}
