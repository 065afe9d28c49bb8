/* test_globals.c - the known names: what calling them gives, and tensors against their storages. */
#include "pickles.h"

#define V1(storage, offset, shape, strides)                                                        \
    "ctorch._utils\n_rebuild_tensor\n(" storage "K" offset shape strides "tR"
#define V2(storage, rest) "ctorch._utils\n_rebuild_tensor_v2\n(" storage rest "tR"
#define V3(type, count, dtype, rest)                                                               \
    "ctorch._utils\n_rebuild_tensor_v3\n(" STORAGE_OF(type, "0", count) "K\1K\2\x85K\1\x85\x89"    \
                                                                        "N" dtype rest "tR"
#define UNTYPED "ctorch.storage\nUntypedStorage\n"
#define BYTE8   "\x8a\x08"
#define SMALL   TENSOR(STORAGE("k", "\006"), "\1", "K\2\x85", "K\1\x85")

static void tensors(void **state)
{
    static const struct pickle_row rows[] = {
        { "whole storage", B(TENSOR(STORAGE("k", "\006"), "\0", "K\2K\3\x86", "K\3K\1\x86") "."),
          SK_OK, "tensor(FP32 at 0, [2, 3], [3, 1])" },
        { "scalar", B(TENSOR(STORAGE("k", "\006"), "\5", ")", ")") "."), SK_OK,
          "tensor(FP32 at 5, [], [])" },
        { "scalar behind the end", B(TENSOR(STORAGE("k", "\006"), "\6", ")", ")") "."), SK_CORRUPT,
          "pickle: a tensor lies outside of its storage" },
        { "turned", B(TENSOR(STORAGE("k", "\006"), "\0", "K\3K\2\x86", "K\1K\3\x86") "."), SK_OK,
          "tensor(FP32 at 0, [3, 2], [1, 3])" },
        { "one row too many", B(TENSOR(STORAGE("k", "\006"), "\1", "K\2K\3\x86", "K\3K\1\x86") "."),
          SK_CORRUPT, "pickle: a tensor lies outside of its storage" },
        { "empty at the end", B(TENSOR(STORAGE("k", "\006"), "\6", "K\0\x85", "K\1\x85") "."),
          SK_OK, "tensor(FP32 at 6, [0], [1])" },
        { "empty behind the end", B(TENSOR(STORAGE("k", "\006"), "\7", "K\0\x85", "K\1\x85") "."),
          SK_CORRUPT, "pickle: a tensor lies outside of its storage" },
        { "repeated", B(TENSOR(STORAGE("k", "\001"), "\0", "K\xff\x85", "K\0\x85") "."), SK_OK,
          "tensor(FP32 at 0, [255], [0])" },
        { "product overflows",
          B(V2(STORAGE("k", "\006"),
               "K\0" BYTE8 "\0\0\0\0\0\0\0\x10\x85" BYTE8 "\0\0\0\0\0\0\0\x10\x85\x89N") "."),
          SK_CORRUPT, "pickle: a tensor lies outside of its storage" },
        { "sum overflows",
          B(V2(STORAGE("k", "\006"),
               "K\1K\3\x85" BYTE8 "\xff\xff\xff\xff\xff\xff\xff\x7f\x85\x89N") "."),
          SK_CORRUPT, "pickle: a tensor lies outside of its storage" },
        { "nine dimensions",
          B(TENSOR(STORAGE("k", "\006"), "\0", "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t",
                   "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t") "."),
          SK_LIMIT, "pickle: a tensor of 9 dimensions" },
        { "negative size", B(TENSOR(STORAGE("k", "\006"), "\0", "\x8a\1\xff\x85", "K\1\x85") "."),
          SK_CORRUPT, "pickle: the shape of a tensor" },
        { "negative stride", B(TENSOR(STORAGE("k", "\006"), "\5", "K\2\x85", "\x8a\1\xff\x85") "."),
          SK_CORRUPT, "pickle: the shape of a tensor" },
        { "negative offset", B(V2(STORAGE("k", "\006"), "\x8a\1\xffK\2\x85K\1\x85\x89N") "."),
          SK_CORRUPT, "pickle: a tensor without storage and offset" },
        { "size of more than 64 bits",
          B(TENSOR(STORAGE("k", "\006"), "\0", "\x8a\x09\0\0\0\0\0\0\0\0\1\x85", "K\1\x85") "."),
          SK_CORRUPT, "pickle: the shape of a tensor has an element that is not a size" },
        { "shape that is a list", B(TENSOR(STORAGE("k", "\006"), "\0", "]", ")") "."), SK_CORRUPT,
          "pickle: the shape of a tensor is not a tuple" },
        { "strides missing", B(TENSOR(STORAGE("k", "\006"), "\0", "K\2\x85", ")") "."), SK_CORRUPT,
          "pickle: a tensor whose shape and strides differ" },
        { "no storage", B(TENSOR("N", "\0", ")", ")") "."), SK_CORRUPT,
          "pickle: a tensor without storage" },
        { "too few arguments", B(V2(STORAGE("k", "\006"), "K\0") "."), SK_CORRUPT,
          "pickle: a tensor without storage" },
        { "too many arguments", B(V2(STORAGE("k", "\006"), "K\0))NNNNNN") "."), SK_CORRUPT,
          "pickle: a call of something" },
    };

    (void)state;
    check_pickles(rows, COUNT(rows));
}

static void versions(void **state)
{
    static const struct pickle_row rows[] = {
        { "the oldest", B(V1(STORAGE("k", "\006"), "\1", "K\2\x85", "K\1\x85") "."), SK_OK,
          "tensor(FP32 at 1, [2], [1])" },
        { "size as torch.Size",
          B(TENSOR(STORAGE("k", "\006"), "\1", "ctorch\nSize\nK\2\x85\x85R", "K\1\x85") "."), SK_OK,
          "tensor(FP32 at 1, [2], [1])" },
        { "metadata of nothing", B(V2(STORAGE("k", "\006"), "K\0))\x89NN") "."), SK_OK,
          "tensor(FP32 at 0, [], [])" },
        { "empty metadata", B(V2(STORAGE("k", "\006"), "K\0))\x89N}") "."), SK_OK,
          "tensor(FP32 at 0, [], [])" },
        { "negating view", B(V2(STORAGE("k", "\006"), "K\0))\x89N}K\1\x88s") "."), SK_UNSUPPORTED,
          "pickle: a tensor with metadata" },
        { "version 3", B(V3(UNTYPED, "\006", "ctorch\nuint16\n", "") "."), SK_OK,
          "tensor(UINT16 at 1, [2], [1])" },
        { "version 3 in too few bytes", B(V3(UNTYPED, "\005", "ctorch\nuint16\n", "") "."),
          SK_CORRUPT, "pickle: a tensor lies outside" },
        { "version 3 of a type that is none", B(V3(UNTYPED, "\006", "ctorch\nSize\n", "") "."),
          SK_CORRUPT, "pickle: a tensor without a type" },
        { "version 3 with metadata", B(V3(UNTYPED, "\006", "ctorch\nuint16\n", "}NNs") "."),
          SK_UNSUPPORTED, "pickle: a tensor with metadata" },
        { "parameter", B("ctorch._utils\n_rebuild_parameter\n" SMALL "\x88" ORDERED ")R\x87R."),
          SK_OK, "tensor(FP32 at 1, [2], [1])" },
        { "parameter with state",
          B("ctorch._utils\n_rebuild_parameter_with_state\n(" SMALL "\x88" ORDERED ")R}tR."), SK_OK,
          "tensor(FP32 at 1, [2], [1])" },
        { "parameter of old", B("ctorch.nn.parameter\nParameter\n" SMALL "\x85R(\x88\x89Ntb."),
          SK_OK, "tensor(FP32 at 1, [2], [1])" },
        { "parameter of a number", B("ctorch.nn.parameter\nParameter\nK\1\x85R."), SK_CORRUPT,
          "pickle: Parameter of something else" },
        { "size of a number", B("ctorch\nSize\nK\1\x85R."), SK_CORRUPT,
          "pickle: Size of something else" },
        { "size of nothing", B("ctorch\nSize\n)R."), SK_CORRUPT, "pickle: Size of something" },
        { "a storage called", B("ctorch\nFloatStorage\nK\1\x85R."), SK_UNSUPPORTED,
          "pickle: a call of torch.FloatStorage" },
        { "a type called", B("ctorch\nfloat32\nK\1\x85R."), SK_UNSUPPORTED,
          "pickle: a call of torch.float32" },
    };

    (void)state;
    check_pickles(rows, COUNT(rows));
}

static void dicts(void **state)
{
    static const struct pickle_row rows[] = {
        { "empty", B(ORDERED ")R."), SK_OK, "{}" },
        { "pairs",
          B(ORDERED "](](K\1K\2eK\3K\4\x86"
                    "e\x85R."),
          SK_OK, "{1: 2, 3: 4}" },
        { "no pairs", B(ORDERED "]\x85R."), SK_OK, "{}" },
        { "triple",
          B(ORDERED "]K\1K\2K\3\x87"
                    "a\x85R."),
          SK_CORRUPT, "pickle: an OrderedDict of something else" },
        { "numbers", B(ORDERED "]K\1a\x85R."), SK_CORRUPT, "pickle: an OrderedDict of something" },
        { "of a dict", B(ORDERED "}\x85R."), SK_CORRUPT, "pickle: an OrderedDict that is not" },
        { "of two", B(ORDERED "]]\x86R."), SK_CORRUPT, "pickle: an OrderedDict that is not" },
        { "fresh each time", B("](" ORDERED "q\0)RK\1K\2sh\0)Re."), SK_OK, "[{1: 2}, {}]" },
    };

    (void)state;
    check_pickles(rows, COUNT(rows));
}

#define ID(type, count, view)                                                                      \
    "(" TEXT("\007", "storage") type TEXT("\001", "k") TEXT("\003", "cpu") count view "tQ."
#define DOUBLES "ctorch\nDoubleStorage\n"

static void storages(void **state)
{
    static const struct pickle_row rows[] = {
        { "typed", B(ID(DOUBLES, "K\6", "")), SK_OK, "storage(k, FP64, 0..6)" },
        { "untyped", B(ID(UNTYPED, "K\6", "")), SK_OK, "storage(k, UINT8, 0..6)" },
        { "not a view", B(ID(DOUBLES, "K\6", "N")), SK_OK, "storage(k, FP64, 0..6)" },
        { "view", B(ID(DOUBLES, "K\6", TEXT("\001", "v") "K\2K\3\x87")), SK_OK,
          "storage(k, FP64, 2..5)" },
        { "view behind the end", B(ID(DOUBLES, "K\6", TEXT("\001", "v") "K\4K\3\x87")), SK_CORRUPT,
          "pickle: a view that lies outside" },
        { "view of nothing", B(ID(DOUBLES, "K\6", "K\2K\3\x86")), SK_CORRUPT,
          "pickle: a view of a storage that is not" },
        { "negative", B(ID(DOUBLES, "\x8a\1\xff", "")), SK_CORRUPT, "pickle: a persistent id" },
        { "overflows", B(ID(DOUBLES, BYTE8 "\0\0\0\0\0\0\0\x20", "")), SK_CORRUPT,
          "pickle: a storage of more bytes" },
        { "type that is none", B(ID("ctorch\nfloat32\n", "K\6", "")), SK_CORRUPT,
          "pickle: a persistent id" },
        { "unknown type", B(ID("ctorch\nQInt8Storage\n", "K\6", "")), SK_UNSUPPORTED,
          "the pickle asks for torch.QInt8Storage," },
        { "module", B("(" TEXT("\006", "module") "NNNNtQ."), SK_CORRUPT, "pickle: a persistent" },
        { "text", B(TEXT("\006", "module") "Q."), SK_CORRUPT, "pickle: a persistent id" },
        { "number", B("K\1Q."), SK_CORRUPT, "pickle: a persistent id" },
    };

    (void)state;
    check_pickles(rows, COUNT(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors),
        cmocka_unit_test(versions),
        cmocka_unit_test(dicts),
        cmocka_unit_test(storages),
    };

    return cmocka_run_group_tests_name("globals", tests, NULL, NULL);
}
