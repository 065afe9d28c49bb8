/* test_result.c - projections and aggregates: names, types, values. */
#include "iotql_util.h"

static const struct {
    const char *text, *names, *rows;
} rows[] = {
    { "SELECT deviceId FROM devices", "deviceId",
      "1:text=d1 2:text=d2 3:text=d3 7:text=\xc3\xa4-7" },
    { "select top 2 deviceId, status AS s from devices", "deviceId s",
      "1:text=d1,text=enabled 2:text=d2,text=enabled" },
    { "SELECT tags.site, tags.n, tags.flag, tags.nothing, tags.list FROM devices",
      "site n flag nothing list",
      "1:text=A,integer=1,true=1,-,array=[\"x\",2,{\"k\":1}] 2:text=B,real=2.5,false=0,-,- "
      "3:integer=3,text=1,-,null=,array=[] 7:-,real=1.0,-,-,-" },
    { "SELECT tags.list[2].k, tags.list[0] AS first, tags.list[1] FROM devices WHERE deviceId='d1'",
      "k first list", "1:integer=1,text=x,integer=2" },
    { "SELECT tags.[[a\"b]], tags.deep.[[x\"y]] AS y, tags.deep.[[x\"y]].z FROM devices WHERE "
      "deviceId = 'd1'",
      "a\"b y z", "1:text=q1,object={\"z\":5,\"\\\\\":[7]},integer=5" },
    { "SELECT tags.location FROM devices WHERE deviceId = 'd1'", "location",
      "1:object={\"building\":\"43\"}" },
    { "SELECT moduleId FROM devices", "moduleId", "1:- 2:- 3:- 7:-" },
    { "SELECT moduleId FROM devices.modules", "moduleId",
      "4:text=$edgeAgent 5:text=$edgeHub 6:text=$edgeAgent" },
    { "SELECT deviceId.x FROM devices WHERE deviceId = 'd1'", "x", "1:-" },
    { "SELECT capabilities, capabilities.iotEdge, version, etag, deviceEtag, deviceScope FROM "
      "devices",
      "capabilities iotEdge version etag deviceEtag deviceScope",
      "1:object={\"iotEdge\":true},true=1,integer=5,text=AAAAAAAAAAE=,text=AAAAAAAAAAE=,"
      "text=scope1 2:object={\"iotEdge\":false},false=0,integer=6,text=AAAAAAAAAP8=,"
      "text=AAAAAAAAAAI=,text=scope1 3:object={\"iotEdge\":false},false=0,integer=2,"
      "text=AAAAAAAAAAE=,text=AAAAAAAAAAM=,- 7:object={\"iotEdge\":false},false=0,integer=2,"
      "text=AAAAAAAAAAE=,text=//////////4=,-" },
    { "SELECT lastActivityTime, statusUpdateTime, statusReason FROM devices",
      "lastActivityTime statusUpdateTime statusReason",
      "1:text=2026-11-29T05:00:00.000Z,text=0001-01-01T00:00:00Z,- "
      "2:text=2026-11-29T05:00:00.500Z,text=0001-01-01T00:00:00Z,- "
      "3:text=0001-01-01T00:00:00Z,text=1970-01-01T23:59:59.999Z,text=broken "
      "7:text=0001-01-01T00:00:00Z,text=0001-01-01T00:00:00Z,-" },
    { "SELECT properties.desired, properties.desired.a, properties.desired.$version, "
      "properties.desired.$metadata.a.$lastUpdatedVersion AS v FROM devices WHERE deviceId = 'd1'",
      "desired a $version v",
      "1:object={\"a\":{\"b\":1},\"$metadata\":{\"$lastUpdated\":\"2026-11-29T05:00:00.000Z\","
      "\"a\":{\"$lastUpdatedVersion\":9}},\"$version\":9},object={\"b\":1},integer=9,integer=9" },
    { "SELECT properties, x509Thumbprint FROM devices WHERE deviceId = 'd2'",
      "properties x509Thumbprint",
      "2:object={\"desired\":{\"$metadata\":{},\"$version\":1},\"reported\":{\"$metadata\":{},"
      "\"$version\":1}},object={\"primaryThumbprint\":\"AB\",\"secondaryThumbprint\":null}" },
    /* aggregates */
    { "SELECT COUNT() FROM devices", "$1", "0:integer=4" },
    { "SELECT COUNT(*) AS n FROM devices.modules", "n", "0:integer=3" },
    { "SELECT COUNT() AS n, SUM(tags.n), AVG(tags.n), MIN(tags.n), MAX(tags.n) AS most FROM "
      "devices",
      "n $1 $2 $3 most", "0:integer=4,real=4.5,real=1.5,integer=1,real=2.5" },
    { "SELECT COUNT() AS n, SUM(tags.n), AVG(tags.n), MIN(tags.n), MAX(tags.n) FROM devices WHERE "
      "deviceId = 'd3'",
      "n $1 $2 $3 $4", "0:integer=1,-,-,-,-" },
    { "SELECT MIN(deviceId), MAX(lastActivityTime), SUM(deviceId), MAX(capabilities.iotEdge), "
      "MAX(version) FROM devices",
      "$1 $2 $3 $4 $5", "0:text=d1,text=2026-11-29T05:00:00.500Z,-,-,integer=6" },
    { "SELECT COUNT() AS n, tags.site FROM devices GROUP BY tags.site", "n site",
      "0:integer=1,- 0:integer=1,integer=3 0:integer=1,text=A 0:integer=1,text=B" },
    { "SELECT COUNT() AS c FROM devices GROUP BY tags.n", "c",
      "0:integer=2 0:integer=1 0:integer=1" },
    { "SELECT status, tags.flag, COUNT() AS n FROM devices GROUP BY tags.flag, status",
      "status flag n",
      "0:text=disabled,-,integer=1 0:text=enabled,-,integer=1 0:text=enabled,false=0,integer=1 "
      "0:text=enabled,true=1,integer=1" },
    { "SELECT tags.location.building FROM devices GROUP BY tags.location.building", "building",
      "0:- 0:text=43 0:text=44" },
    { "SELECT TOP 2 tags.location.building FROM devices GROUP BY tags.location.building",
      "building", "0:- 0:text=43" },
    { "SELECT moduleId, COUNT() AS n FROM devices.modules GROUP BY moduleId", "moduleId n",
      "0:text=$edgeAgent,integer=2 0:text=$edgeHub,integer=1" },
    { "SELECT moduleId, COUNT() AS n FROM devices GROUP BY moduleId", "moduleId n",
      "0:-,integer=4" },
    { "SELECT lastActivityTime FROM devices GROUP BY lastActivityTime", "lastActivityTime",
      "0:text=0001-01-01T00:00:00Z 0:text=2026-11-29T05:00:00.000Z "
      "0:text=2026-11-29T05:00:00.500Z" },
    { "SELECT COUNT() AS n FROM devices WHERE false GROUP BY status", "n", "" },
    { "SELECT COUNT() AS n FROM devices WHERE false", "n", "0:integer=0" },
};

static void check_names(const char *text, const char *names)
{
    SK_OWN(sk_iotql_free) struct sk_iotql *q = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf all = SK_BUF_INIT(1 << 12);
    struct sk_err err = SK_ERR_INIT;

    if (sk_iotql_parse(text, &q, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    for (size_t i = 0; i < sk_iotql_columns(q); i++)
        sk_buf_fmt(&all, "%s%s", i ? " " : "", sk_iotql_column(q, i));
    assert_string_equal(all.data, names);
    assert_string_equal(sk_iotql_column(q, sk_iotql_columns(q)), "");
    assert_false(sk_iotql_is_star(q));
}

static void test_rows(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        check_names(rows[i].text, rows[i].names);
        check_query(*state, rows[i].text, rows[i].rows);
    }
}

/* The most columns, of the longest kinds. */
static void test_many(void **state)
{
    static const char *const of[] = { "tags.[[\"]].[[\"]].[[\"]].[[\"]]", "properties", "etag",
                                      "lastActivityTime" };

    for (size_t k = 0; k < COUNT(of); k++) {
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 16);
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);
        SK_OWN(sk_iotql_free) struct sk_iotql *q = NULL;
        struct sk_err err = SK_ERR_INIT;

        for (unsigned i = 0; i < SK_IOTQL_COLUMNS_MAX; i++)
            sk_buf_fmt(&text, "%s%s AS a%u", i ? ", " : "SELECT ", of[k], i);
        sk_buf_str(&text, " FROM devices");
        for (unsigned i = 0; i < SK_IOTQL_COLUMNS_MAX; i++)
            sk_buf_fmt(&text, "%s%s", i ? ", " : " GROUP BY ", of[k]);
        if (sk_iotql_parse(text.data, &q, &err) < 0 ||
            run_query(*state, q, 0, 100, 0, &out, &err) < 0)
            fail_msg("%s: %s", of[k], err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
