/* test_document.c - paths in documents, with names that would break SQL or SQLite's paths. */
#include "iotql_util.h"

static const struct {
    const char *where, *rows;
} wheres[] = {
    { "tags.list[0] = 'x'", "1" },
    { "tags.list[1] = 2", "1" },
    { "tags.list[2].k = 1", "1" },
    { "tags.list[3] = 2", "" },
    { "tags.site[0] = 'A'", "" },
    { "tags.[[site]] = 'A'", "1" },
    { "tags[[site]] = 'A'", "1" },
    { "tags.[[a\"b]] = 'q1'", "1" },
    { "tags.[[a\\b]] = 'q2'", "1" },
    { "tags.[[a.b]] = 'q3'", "1" },
    { "tags.a.b = 'q3'", "" },
    { "tags.[[a\nb]] = 'q4'", "1" },
    { "tags.\xc3\xa4 = 'q5'", "1" },
    { "tags.deep.[[x\"y]].z = 5", "1" },
    { "tags.deep.[[x\"y]].[[\\]][0] = 7", "1" },
    { "tags.deep.[[x\"y]].[[\\]] = 7", "" },
    { "IS_DEFINED(tags.deep.[[x\"y]].[[\\]])", "1" },
    { "IS_OBJECT(tags.deep.[[x\"y]])", "1" },
    { "tags.list.[[\"]] = 1", "" },
    { "tags.site.[[\"]].x = 1", "" },
    { "IS_DEFINED(tags.[[x') OR 1=1 --]])", "" },
    { "tags.site = ''' OR 1=1 --'", "" },
    { "IS_DEFINED(tags.[[a]b]])", "" },
};

static void test_wheres(void **state)
{
    for (size_t i = 0; i < COUNT(wheres); i++)
        check_where(*state, wheres[i].where, wheres[i].rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_wheres, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
