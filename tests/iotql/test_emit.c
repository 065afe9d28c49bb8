/* test_emit.c - what each expression is true of. */
#include "iotql_util.h"

static const struct {
    const char *where, *rows;
} wheres[] = {
    { "true", "1 2 3 7" },
    { "false", "" },
    { "null", "" },
    { "undefined", "" },
    { "1", "" },
    { "'x'", "" },
    /* fields */
    { "deviceId = 'd1'", "1" },
    { "deviceId = \"d1\"", "1" },
    { "deviceId='D1'", "" },
    { "'d1' = deviceId", "1" },
    { "deviceId != 'd1'", "2 3 7" },
    { "deviceId <> 'd1'", "2 3 7" },
    { "deviceId > 'd1' AND deviceId <= 'd3'", "2 3" },
    { "deviceId = '\xc3\xa4-7'", "7" },
    { "deviceId IN ['d1', 'd3', 5]", "1 3" },
    { "deviceId NIN ['d1', 'd3', 5]", "2 7" },
    { "deviceId IN [5]", "" },
    { "deviceId NIN [5]", "" },
    { "moduleId = ''", "" },
    { "moduleId != 'x'", "" },
    { "status = 'disabled'", "3" },
    { "status = 'enabled'", "1 2 7" },
    { "statusReason = 'broken'", "3" },
    { "statusReason != 'x'", "3" }, /* without one it is undefined */
    { "connectionState = 'Connected'", "1" },
    { "authenticationType = 'selfSigned'", "2" },
    { "x509Thumbprint.primaryThumbprint = 'AB'", "2" },
    { "capabilities.iotEdge = true", "1" },
    { "capabilities.iotEdge", "1" },
    { "NOT capabilities.iotEdge", "2 3 7" },
    { "NOT capabilities.iotEdge = true", "2 3 7" },
    { "capabilities.iotEdge != TRUE", "2 3 7" },
    { "capabilities.iotEdge = 1", "" },
    { "capabilities.iotEdge IN [true]", "1" },
    { "deviceScope = 'scope1'", "1 2" },
    { "version = 5", "1" },
    { "version >= 5.5", "2" },
    { "version = 5.0", "1" },
    { "version = '5'", "" },
    { "NOT version = '5'", "" },
    { "etag = 'AAAAAAAAAAE='", "1 3 7" },
    { "etag = 'AAAAAAAAAP8='", "2" },
    { "deviceEtag = '//////////4='", "7" },
    { "deviceId.x = 'd1'", "" },
    { "generationId = 'g2'", "2" },
    /* times */
    { "lastActivityTime = '2026-11-29T05:00:00Z'", "1" },
    { "lastActivityTime = '2026-11-29T06:00:00.000+01:00'", "1" },
    { "lastActivityTime > '2026-11-29T05:00:00Z'", "2" },
    { "lastActivityTime >= '2026-11-29T05:00:00.0000000Z'", "1 2" },
    { "'2026-11-29' < lastActivityTime", "1 2" },
    { "lastActivityTime < '1970-01-01'", "3 7" },
    { "lastActivityTime = '0001-01-01T00:00:00Z'", "3 7" },
    { "lastActivityTime IN ['2026-11-29T05:00:00Z', 'x', 3]", "1" },
    { "lastActivityTime NIN ['2026-11-29T05:00:00Z']", "2 3 7" },
    { "lastActivityTime IN ['x']", "" },
    { "lastActivityTime = 'x'", "" },
    { "lastActivityTime != 'x'", "1 2 3 7" },
    { "lastActivityTime = 5", "" },
    { "lastActivityTime = statusUpdateTime", "7" },
    { "statusUpdateTime = '1970-01-01T23:59:59.999Z'", "3" },
    { "lastActivityTime = properties.desired.$metadata.$lastUpdated", "1" },
    { "properties.desired.$metadata.$lastUpdated = '2026-11-29T05:00:00.000Z'", "1" },
    { "properties.desired.$metadata.a.$lastUpdatedVersion = 9", "1" },
    { "STARTSWITH(lastActivityTime, '2026-11-29T05:00:00.5')", "2" },
    /* documents: one type only */
    { "tags.site = 'A'", "1" },
    { "tags.site != 'A'", "2" },
    { "NOT tags.site = 'A'", "2" },
    { "tags.site = 3", "3" },
    { "tags.site != 3", "" },
    { "tags.site = '3'", "" },
    { "tags.site = true", "" },
    { "tags.SITE = 'A'", "" },
    { "tags.n = 1", "1 7" },
    { "tags.n = 1.0", "1 7" },
    { "tags.n = 1e0", "1 7" },
    { "tags.n > 1", "2" },
    { "tags.n < 'a'", "3" },
    { "tags.big = 9007199254740993", "7" },
    { "tags.big = 9007199254740992", "" },
    { "tags.flag = true", "1" },
    { "tags.flag = false", "2" },
    { "tags.flag", "1" },
    { "NOT tags.flag", "2" },
    { "tags.flag = 1", "" },
    { "tags.n = true", "" },
    { "tags.flag < true", "2" },
    { "tags.nothing = null", "3" },
    { "tags.nothing != null", "" },
    { "tags.site = null", "" },
    { "tags.site = undefined", "" },
    { "tags.location = 'x'", "" },
    { "tags.location = tags.location", "" },
    { "tags.location.building IN ['43', '44'] AND NOT capabilities.iotEdge = true", "2" },
    { "tags.site IN ['A', 3]", "1 3" },
    { "tags.site NIN ['A', 3]", "2" },
    { "tags.site IN [true, null, 'B', -3, 3.0]", "2 3" },
    { "tags.nothing IN [null]", "3" },
    { "tags.n IN [-1, 2.5]", "2" },
    { "tags.site = tags.site2", "2" },
    { "tags.site = tags.site", "1 2 3" },
    { "tags.site = tags.n", "" },
    { "tags.n = tags.m", "2" },
    { "tags.n != tags.big", "7" },
    { "tags.none = tags.none", "" },
    { "tags.site = deviceId", "" },
    { "properties.desired.a.b = 1", "1" },
    { "properties.desired.$version = 9", "1" },
    { "properties.desired.$version = properties.reported.$version", "2 3 7" },
    /* logic of three values */
    { "tags.none = 1 OR deviceId = 'd1'", "1" },
    { "NOT (tags.none = 1 AND deviceId = 'd1')", "2 3 7" },
    { "NOT (tags.none = 1 OR deviceId = 'd1')", "" },
    { "deviceId = 'd1' OR deviceId = 'd2' AND status = 'disabled'", "1" },
    { "(deviceId = 'd1' OR deviceId = 'd3') AND status = 'disabled'", "3" },
    { "NOT NOT deviceId = 'd1'", "1" },
    { "not deviceId = 'd1' and status = 'enabled'", "2 7" },
    { "(deviceId = 'd1') = (status = 'enabled')", "1 3" },
    { "(tags.n IN [1]) IN [false]", "2" },
    { "1 AND deviceId = 'd1'", "" },
    { "'x' OR deviceId = 'd1'", "1" },
    /* numbers */
    { "tags.n + 1 = 2", "1 7" },
    { "1 + 2 * 3 = 7", "1 2 3 7" },
    { "(1 + 2) * 3 = 9", "1 2 3 7" },
    { "10 - 4 - 3 = 3", "1 2 3 7" },
    { "10 - (4 - 3) = 9", "1 2 3 7" },
    { "7 / 2 = 3.5", "1 2 3 7" },
    { "12 / 2 / 3 = 2", "1 2 3 7" },
    { "12 / (2 * 3) = 2", "1 2 3 7" },
    { "2 * 7 / 4 = 3.5", "1 2 3 7" },
    { "2 * (7 / 4) = 3.5", "1 2 3 7" },
    { "8 % 3 = 2", "1 2 3 7" },
    { "1 / 0 = 1 OR 1 % 0 = 1 OR NOT 1 / 0 = 1", "" },
    { "-1 < 0 AND - -1 = 1 AND --1 = 1 AND 1 - -1 = 2", "1 2 3 7" },
    { "-(1 + 2) = -3", "1 2 3 7" },
    { "tags.site + 1 = 4", "3" },
    { "deviceId + 1 = 1", "" },
    { "9223372036854775807 + 1 > 0", "1 2 3 7" },
    { "(1 = 1) + 1 = 2", "" },
    /* functions */
    { "IS_DEFINED(tags.site)", "1 2 3" },
    { "is_defined(tags.nothing)", "3" },
    { "NOT IS_DEFINED(tags.site)", "7" },
    { "IS_DEFINED(statusReason)", "3" },
    { "IS_DEFINED(moduleId)", "" },
    { "IS_DEFINED(capabilities)", "1 2 3 7" },
    { "IS_DEFINED(lastActivityTime)", "1 2 3 7" },
    { "IS_DEFINED(deviceId.x)", "" },
    { "IS_DEFINED(1 / 0)", "" },
    { "IS_NULL(tags.nothing)", "3" },
    { "NOT IS_NULL(tags.nothing)", "1 2 7" },
    { "IS_NULL(null)", "1 2 3 7" },
    { "IS_BOOL(tags.flag)", "1 2" },
    { "IS_BOOL(deviceId = 'x')", "1 2 3 7" },
    { "IS_BOOL(tags.none = 'x')", "" },
    { "IS_NUMBER(tags.n)", "1 2 7" },
    { "IS_NUMBER(tags.n + 1)", "1 2 7" },
    { "IS_STRING(tags.n)", "3" },
    { "IS_STRING(deviceId)", "1 2 3 7" },
    { "IS_NUMBER(deviceId)", "" },
    { "IS_OBJECT(tags)", "1 2 3 7" },
    { "IS_OBJECT(tags.location)", "1 2" },
    { "IS_OBJECT(properties.desired)", "1 2 3 7" },
    { "IS_ARRAY(tags.list)", "1 3" },
    { "IS_PRIMITIVE(tags.nothing)", "3" },
    { "IS_PRIMITIVE(tags.location)", "" },
    { "STARTSWITH(deviceId, 'd')", "1 2 3" },
    { "STARTS_WITH(tags.location.building, '4')", "1 2" },
    { "NOT STARTSWITH(tags.location.building, '43')", "2" },
    { "STARTSWITH(deviceId, '')", "1 2 3 7" },
    { "STARTSWITH(tags.n, '1')", "3" },
    { "STARTSWITH(deviceId, 1)", "" },
    { "ENDSWITH(deviceId, '7')", "7" },
    { "ENDS_WITH(deviceId, '\xc3\xa4-7')", "7" },
    { "ENDSWITH(deviceId, 'xd1')", "" },
    { "ENDSWITH(deviceId, '')", "1 2 3 7" },
    { "ENDSWITH(tags.location.building, '')", "1 2" },
    { "CONTAINS(deviceId, '-')", "7" },
    { "CONTAINS(tags.site, '')", "1 2" },
    { "CONTAINS('xd1x', deviceId)", "1" },
    { "LENGTH(deviceId) = 3", "7" },
    { "LENGTH(tags.site) = 1", "1 2" },
    { "LENGTH(tags.list) = 3", "" },
};

static void test_wheres(void **state)
{
    for (size_t i = 0; i < COUNT(wheres); i++)
        check_where(*state, wheres[i].where, wheres[i].rows);
}

/* At the limit of depth, in the shapes that need most of SQLite's parser. */
static void test_deep(void **state)
{
    /* each: depth of one opening; own: of what stands around. */
    static const struct {
        const char *before, *open, *middle, *close, *after, *rows;
        unsigned each, own;
    } rows[] = {
        { "", "(", "deviceId = 'd1'", ")", "", "1", 1, 1 },
        { "", "NOT ", "capabilities.iotEdge", "", "", "1", 1, 0 },
        { "", "NOT (", "capabilities.iotEdge", ")", "", "1", 2, 0 },
        { "", "IS_BOOL(", "deviceId = 'd1'", ")", "", "1 2 3 7", 1, 1 },
        { "", "IS_BOOL((", "deviceId = 'd1'", "))", "", "1 2 3 7", 2, 1 },
        { "", "capabilities.iotEdge AND (", "true", ")", "", "1", 2, 0 },
        { "", "deviceId = 'd1' AND NOT (", "false", ")", "", "", 3, 0 },
        { "", "tags.none = 1 OR true AND true = (", "true", ")", "", "1 2 3 7", 4, 0 },
        { "", "tags.none = 1 OR true AND IS_NULL(tags.a) != (", "true", ")", "", "1 2 3 7", 4, 0 },
        { "", "1 + (", "tags.n", ")", " = 17", "1 7", 2, 0 },
        { "", "-", "tags.n", "", " = 1", "1 7", 1, 0 },
        { "", "-(", "tags.n", ")", " = 1", "1 7", 2, 0 },
        { "", "2 / (", "tags.n", ")", " = 1", "1 7", 2, 0 },
        { "", "1 + 2 * (", "tags.n", ")", " > 0", "1 2 7", 3, 0 },
        /* what is long at the innermost place */
        { "", "tags.none = 1 OR true AND true = (", "tags.[[\"]].a[0] = tags.[[\"]].[[\"]].b", ")",
          "", "", 4, 1 },
        { "", "tags.none = 1 OR true AND true = (", "tags.[[\"]].a[0] IN [1, 'x', true]", ")", "",
          "", 4, 0 },
        { "", "tags.none = 1 OR true AND true = (", "ENDSWITH(tags.[[\"]].a[0], etag)", ")", "", "",
          4, 1 },
        { "", "tags.none = 1 OR true AND true = (", "1 > 1 + 2 * -tags.[[\"]].a", ")", "", "", 4,
          4 },
        { "true AND 1 = ", "-(", "tags.n", ")", "", "1 7", 2, 4 },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf where = SK_BUF_INIT(1 << 16);
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 16);
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);
        SK_OWN(sk_iotql_free) struct sk_iotql *q = NULL;
        struct sk_err err = SK_ERR_INIT;
        unsigned times = (SK_IOTQL_DEPTH_MAX - rows[i].own) / rows[i].each;

        sk_buf_str(&where, rows[i].before);
        for (unsigned n = 0; n < times; n++)
            sk_buf_str(&where, rows[i].open);
        sk_buf_str(&where, rows[i].middle);
        for (unsigned n = 0; n < times; n++)
            sk_buf_str(&where, rows[i].close);
        sk_buf_str(&where, rows[i].after);
        check_where(*state, where.data, rows[i].rows);
        sk_buf_fmt(&text, "SELECT TOP 9 deviceId, properties FROM devices WHERE %s", where.data);
        if (sk_iotql_parse(text.data, &q, &err) < 0 ||
            run_query(*state, q, 0, 9, 0, &out, &err) < 0)
            fail_msg("%s: %s", text.data, err.text);
    }
}

/* As many terms as may be, flat: in SQLite a tree that leans left. */
static void test_wide(void **state)
{
    static const struct {
        const char *first, *more;
        unsigned terms, each;
    } rows[] = {
        { "tags.[[a\"b]] = tags.[[c\"d]]", " OR tags.[[a\"b]] = tags.[[c\"d]]", 3, 4 },
        { "tags.site = 'x'", " OR tags.site = 'x'", 3, 4 },
        { "1 = 1 / 1", " / 1", 5, 2 },
        { "1 = 1 - 1", " - 1", 5, 2 },
        { "true", " AND true", 1, 2 },
        { "etag = 'x'", " OR lastActivityTime = 'x'", 3, 4 },
        { "tags.a IN ['x', 1, true, null]", " OR tags.a IN ['x', 1, true, null]", 2, 3 },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 16);
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);
        SK_OWN(sk_iotql_free) struct sk_iotql *q = NULL;
        struct sk_err err = SK_ERR_INIT;

        sk_buf_fmt(&text, "SELECT * FROM devices WHERE %s", rows[i].first);
        for (unsigned terms = rows[i].terms; terms + rows[i].each <= SK_IOTQL_TERMS_MAX &&
                                             text.len + strlen(rows[i].more) <= SK_IOTQL_TEXT_MAX;
             terms += rows[i].each)
            sk_buf_str(&text, rows[i].more);
        if (sk_iotql_parse(text.data, &q, &err) < 0 ||
            run_query(*state, q, 0, 9, 0, &out, &err) < 0)
            fail_msg("%s: %s", rows[i].more, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_wheres, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deep, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wide, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
