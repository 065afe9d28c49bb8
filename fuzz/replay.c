/*
 * replay.c - runs a fuzzer over its stored corpus, as a test.
 *
 * Linked with one fuzz_<parser>.c in place of libFuzzer, so any compiler will do and the build's
 * own sanitizers judge. Called as `fuzz_x NAME FOLDER`: every regular file of the folder, in sorted
 * order, and the empty input are given to LLVMFuzzerTestOneInput(). Each input is copied to a block
 * of exactly its size, so that a read beyond it is seen. The answer is one TAP row; the name of the
 * file at hand is printed first, so a crash names it.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same name in all fuzzers, defined by those that prepare something once. */
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

enum {
    PATH_BYTES = 4096
};

static int fail(const char *what, const char *name)
{
    printf("Bail out! %s %s: %s\n", what, name, strerror(errno));
    return -1;
}

static int is_visible(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

/* Returns 1 when the file was fed, 0 when it is not a regular file. */
static int feed_file(const char *path)
{
    struct stat st;
    FILE *f = fopen(path, "rb");
    if (!f)
        return fail("cannot open", path);
    if (fstat(fileno(f), &st) < 0 || !S_ISREG(st.st_mode)) {
        (void)fclose(f);
        return 0;
    }
    size_t size = (size_t)st.st_size;
    uint8_t *bytes = malloc(size > 0 ? size : 1);
    size_t got = bytes ? fread(bytes, 1, size, f) : 0;
    (void)fclose(f);
    if (!bytes || got != size) {
        free(bytes);
        return fail("cannot read", path);
    }
    (void)LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
    return 1;
}

static int feed_folder(const char *folder)
{
    char path[PATH_BYTES];
    struct dirent **entries = NULL;
    int fed = 0;
    int count = scandir(folder, &entries, is_visible, alphasort);
    if (count < 0)
        return fail("cannot list", folder);
    for (int i = 0; i < count && fed >= 0; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        printf("# %s\n", entries[i]->d_name);
        int done = feed_file(path);
        fed = done < 0 ? -1 : fed + done;
    }
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    return fed;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        (void)fprintf(stderr, "usage: %s NAME CORPUS_FOLDER\n", argv[0]);
        return 2;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..1\n");
    if (LLVMFuzzerInitialize)
        (void)LLVMFuzzerInitialize(&argc, &argv);
    uint8_t nothing = 0;
    (void)LLVMFuzzerTestOneInput(&nothing, 0);
    int fed = feed_folder(argv[2]);
    if (fed == 0)
        printf("# the corpus is empty\n");
    printf("%sok 1 - corpus %s (%d inputs)\n", fed > 0 ? "" : "not ", argv[1], fed < 0 ? 0 : fed);
    return fed > 0 ? 0 : 1;
}
