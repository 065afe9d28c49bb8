/* test_pickle.c - every opcode, and what hostile pickles get. */
#include "pickles.h"

static void values(void **state)
{
    static const struct pickle_row rows[] = {
        { "none", B("N."), SK_OK, "None" },
        { "true", B("\x88."), SK_OK, "True" },
        { "false", B("\x89."), SK_OK, "False" },
        { "one byte", B("K\xff."), SK_OK, "255" },
        { "two bytes", B("M\xe9\x03."), SK_OK, "1001" },
        { "four bytes", B("J\xff\xff\xff\xff."), SK_OK, "-1" },
        { "long of no bytes", B("\x8a\0."), SK_OK, "0" },
        { "long", B("\x8a\x05\0\0\0\0\1."), SK_OK, "4294967296" },
        { "negative long", B("\x8a\1\xfb."), SK_OK, "-5" },
        { "largest long", B("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f."), SK_OK,
          "9223372036854775807" },
        { "long of 9 bytes", B("\x8a\x09\0\0\0\0\0\0\0\0\1."), SK_OK, "big(9)" },
        { "long with a long length", B("\x8b\2\0\0\0\1\1."), SK_OK, "257" },
        { "float", B("G\x3f\xf8\0\0\0\0\0\0."), SK_OK, "1.5" },
        { "text", B("X\2\0\0\0hi."), SK_OK, "'hi'" },
        { "short text", B("\x8c\2hi."), SK_OK, "'hi'" },
        { "text of 8 bytes' length", B("\x8d\2\0\0\0\0\0\0\0hi."), SK_OK, "'hi'" },
        { "text of Python 2", B("U\2hi."), SK_OK, "'hi'" },
        { "long text of Python 2", B("T\2\0\0\0hi."), SK_OK, "'hi'" },
        { "bytes", B("C\2hi."), SK_OK, "b'hi'" },
        { "more bytes", B("B\2\0\0\0hi."), SK_OK, "b'hi'" },
        { "many bytes", B("\x8e\2\0\0\0\0\0\0\0hi."), SK_OK, "b'hi'" },
        { "byte array", B("\x96\2\0\0\0\0\0\0\0hi."), SK_OK, "b'hi'" },
        { "frame", B("\x95\2\0\0\0\0\0\0\0N."), SK_OK, "None" },
    };

    (void)state;
    check_pickles(rows, COUNT(rows));
}

static void containers(void **state)
{
    static const struct pickle_row rows[] = {
        { "empty", B(")]}\x87."), SK_OK, "((), [], {})" },
        { "tuples", B("K\1\x85K\2K\3\x86\x86."), SK_OK, "((1), (2, 3))" },
        { "marked tuple", B("((K\1K\2tK\3t."), SK_OK, "((1, 2), 3)" },
        { "append", B("]K\1aNa."), SK_OK, "[1, None]" },
        { "appends", B("](K\1K\2ee.") /* the second has no mark */, SK_CORRUPT,
          "pickle: no mark on the stack" },
        { "appends twice", B("](K\1K\2e(K\3e(e."), SK_OK, "[1, 2, 3]" },
        { "set item", B("}K\1K\2s."), SK_OK, "{1: 2}" },
        { "set items", B("}(K\1K\2K\3Nu(u."), SK_OK, "{1: 2, 3: None}" },
        { "memo", B("]q\0K\1ah\0h\0\x86\x86."), SK_OK, "([1], ([1], [1]))" },
        { "long memo", B("Nr\5\0\0\0j\5\0\0\0\x86."), SK_OK, "(None, None)" },
        { "memoize", B("K\1\x94K\2\x94h\0h\1\x87\x85."), SK_CORRUPT,
          "pickle: an end with other than one value on the stack" },
        { "memoize and get", B("K\1\x94K\2\x94h\0\x87."), SK_OK, "(1, 2, 1)" },
        { "pop",
          B("K\1K\2"
            "0."),
          SK_OK, "1" },
        { "pop to the mark",
          B("K\1(K\2K\3"
            "1."),
          SK_OK, "1" },
        { "contains itself", B("]q\0h\0a."), SK_OK, "[[[[[...]]]]]" },
        { "attributes", B(ORDERED ")R}K\1K\2sb."), SK_OK, "{}" },
    };

    (void)state;
    check_pickles(rows, COUNT(rows));
}

static void damaged(void **state)
{
    static const struct pickle_row rows[] = {
        { "nothing", B(""), SK_CORRUPT, "pickle: cut off at byte 2" },
        { "no end", B("N"), SK_CORRUPT, "pickle: cut off at byte 3" },
        { "end of nothing", B("."), SK_CORRUPT, "pickle: an end with other than one value" },
        { "end with a mark", B("N(."), SK_CORRUPT, "pickle: an end with other than one value" },
        { "unknown opcode", B("\xff."), SK_CORRUPT, "pickle: no opcode 0xff, at byte 2" },
        { "protocol 1", B("\x80\1N."), SK_UNSUPPORTED, "pickle: protocol 1; 2 to 5 are read" },
        { "protocol 6", B("\x80\6N."), SK_UNSUPPORTED, "pickle: protocol 6" },
        { "huge long", B("\x8b\xff\xff\xff\x7f\1."), SK_CORRUPT, "pickle: cut off" },
        { "huge text", B("\x8d\xff\xff\xff\xff\xff\xff\xff\xffhi."), SK_CORRUPT,
          "pickle: cut off" },
        { "huge frame", B("\x95\3\0\0\0\0\0\0\0N."), SK_CORRUPT, "pickle: a frame" },
        { "pop of nothing", B("0."), SK_CORRUPT, "pickle: too few values" },
        { "pop through a mark", B("N(0."), SK_CORRUPT, "pickle: too few values" },
        { "tuple through a mark", B("N(N\x86."), SK_CORRUPT, "pickle: too few values" },
        { "item through a mark", B("}N(Ns."), SK_CORRUPT, "pickle: too few values" },
        { "no mark", B("t."), SK_CORRUPT, "pickle: no mark on the stack" },
        { "append to a number", B("K\1K\2a."), SK_CORRUPT, "pickle: expected a list" },
        { "append to a dict", B("}K\2a."), SK_CORRUPT, "pickle: expected a list" },
        { "append to a tuple", B(")(K\2e."), SK_CORRUPT, "pickle: expected a list" },
        { "append to nothing", B("(K\2e."), SK_CORRUPT, "pickle: too few values" },
        { "item of a list", B("]K\1K\2s."), SK_CORRUPT, "pickle: expected a dict" },
        { "key without a value", B("}(K\1u."), SK_CORRUPT, "pickle: a key without a value" },
        { "memo of nothing", B("q\0."), SK_CORRUPT, "pickle: too few values" },
        { "not in the memo", B("Nq\2h\1."), SK_CORRUPT, "pickle: the memo has no such value" },
        { "beyond the memo", B("j\xff\xff\xff\xff."), SK_CORRUPT, "pickle: the memo has no" },
        { "huge memo", B("Nr\xff\xff\xff\xff."), SK_LIMIT, "pickle: more than 4194304 values" },
        { "attributes of a list", B("]Nb."), SK_CORRUPT, "pickle: attributes of a value" },
        { "attributes of nothing", B("Nb."), SK_CORRUPT, "pickle: too few values" },
        { "name cut off", B("ctorch\nFloat"), SK_CORRUPT, "pickle: cut off" },
        { "name that is no text", B("K\1K\2\x93."), SK_CORRUPT, "pickle: a name that is not" },
    };

    (void)state;
    check_pickles(rows, COUNT(rows));
}

/* Each of these does something when Python loads it. */
static void hostile(void **state)
{
    static const struct pickle_row rows[] = {
        { "os.system", B("cos\nsystem\nX\4\0\0\0exit\x85R."), SK_UNSUPPORTED,
          "the pickle asks for os.system, which is neither known nor run here" },
        { "posix.system by stack", B("\x8c\5posix\x8c\6system\x93\x8c\4exit\x85R."), SK_UNSUPPORTED,
          "the pickle asks for posix.system," },
        { "eval", B("cbuiltins\neval\n\x8c\0011\x85R."), SK_UNSUPPORTED,
          "the pickle asks for builtins.eval," },
        { "eval of Python 2", B("c__builtin__\neval\n."), SK_UNSUPPORTED,
          "the pickle asks for __builtin__.eval," },
        { "instance", B("(X\4\0\0\0exitios\nsystem\n."), SK_UNSUPPORTED,
          "the pickle asks for os.system," },
        { "instance of what is known", B("(icollections\nOrderedDict\n."), SK_UNSUPPORTED,
          "pickle: opcode INST" },
        { "object",
          B("(N"
            "o."),
          SK_UNSUPPORTED, "pickle: opcode OBJ" },
        { "new object", B(ORDERED ")\x81."), SK_UNSUPPORTED, "pickle: opcode NEWOBJ" },
        { "new object by keywords", B(ORDERED ")}\x92."), SK_UNSUPPORTED,
          "pickle: opcode NEWOBJ_EX" },
        { "attributes of a class", B(ORDERED "}b."), SK_CORRUPT, "pickle: attributes of" },
        { "call of a text", B("X\4\0\0\0exit)R."), SK_CORRUPT, "pickle: a call of something" },
        { "call with a list", B(ORDERED "]R."), SK_CORRUPT, "pickle: a call of something" },
        { "registered code", B("\x82\1."), SK_UNSUPPORTED, "pickle: opcode EXT1" },
        { "doubling", B("]2a."), SK_UNSUPPORTED, "pickle: opcode DUP" },
        { "number as text", B("I1\n."), SK_UNSUPPORTED, "pickle: opcode INT" },
        { "buffer from outside", B("\x97."), SK_UNSUPPORTED, "pickle: opcode NEXT_BUFFER" },
        { "dots in a name",
          B("\x8c\x0b"
            "collections\x8c\x10OrderedDict.fget\x93."),
          SK_UNSUPPORTED, "the pickle asks for collections.OrderedDict.fget," },
        { "control characters", B("co\x1bs\nsys\xfftem\n."), SK_UNSUPPORTED,
          "the pickle asks for o?s.sys?tem," },
    };

    (void)state;
    check_pickles(rows, COUNT(rows));
}

/* Runs count times the bytes, between a protocol and a tail. */
static enum sk_code run_many(struct sk_view bytes, size_t count, struct sk_view tail)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(64 << 20);
    SK_AUTO(sk_pickle_done) struct sk_pickle p = { 0 };
    struct sk_err err = SK_ERR_INIT;
    uint32_t value = 0;

    sk_buf_add(&b, PROTO, 2);
    for (size_t i = 0; i < count; i++)
        sk_buf_add(&b, bytes.ptr, bytes.len);
    sk_buf_add(&b, tail.ptr, tail.len);
    assert_true(sk_buf_ok(&b));
    struct sk_view rest = { b.data, b.len };
    return sk_pickle_load(&p, &rest, &value, &err) < 0 ? err.code : SK_OK;
}

static void limits(void **state)
{
    static const struct {
        const char *name;
        struct sk_view bytes;
        size_t most;
        struct sk_view tail; /* that ends a pickle of most of them */
    } rows[] = {
        { "marks", B("("), SK_PICKLE_MAX_MARKS - 1, B("(N.") },
        { "stack", B("N"), SK_PICKLE_MAX_STACK, B(".") },
        { "values", B("N0"), SK_PICKLE_MAX_VALUES - 1, B("N.") },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        enum sk_code at = run_many(rows[i].bytes, rows[i].most, rows[i].tail);
        enum sk_code beyond = run_many(rows[i].bytes, rows[i].most + 2, rows[i].tail);
        /* A pile of values or marks is no pickle in the end, but it is not the limit that says so.
         */
        if (at == SK_LIMIT || beyond != SK_LIMIT)
            fail_msg("row '%s': %s, %s", rows[i].name, sk_code_name(at), sk_code_name(beyond));
    }
}

/* Several pickles in one: the values stay, stack and memo do not. */
static void several(void **state)
{
    SK_AUTO(sk_pickle_done) struct sk_pickle p = { 0 };
    struct sk_view rest = B("\x80\2\x8c\1aq\0.\x80\2K\7.\x80\2h\0.");
    struct sk_err err = SK_ERR_INIT;
    uint32_t first = 0, second = 0, third = 0;

    (void)state;
    assert_int_equal(sk_pickle_load(&p, &rest, &first, &err), 0);
    assert_int_equal(sk_pickle_load(&p, &rest, &second, &err), 0);
    assert_int_equal(sk_pickle_at(&p, second)->integer, 7);
    assert_true(sk_view_eq(sk_pickle_text(sk_pickle_at(&p, first)), "a"));
    assert_int_equal(rest.len, 5);
    assert_int_equal(sk_pickle_load(&p, &rest, &third, &err), -1);
    assert_int_equal(err.code, SK_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),  cmocka_unit_test(containers), cmocka_unit_test(damaged),
        cmocka_unit_test(hostile), cmocka_unit_test(limits),     cmocka_unit_test(several),
    };

    return cmocka_run_group_tests_name("pickle", tests, NULL, NULL);
}
