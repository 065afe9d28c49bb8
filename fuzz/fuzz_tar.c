/*
 * fuzz_tar.c - tar archives, plain and packed: what is refused has a reason; the names of what is
 * accepted stay in their folder, and no more bytes come out than the limits allow. Now and then the
 * archive is unpacked, and nothing may appear beside the folder.
 */
#include "archive/archive.h"
#include "base/file.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    ENTRIES = 500,
    BYTES = 8 << 20
};

static const struct sk_tar_limits limits = { .max_entries = ENTRIES, .max_bytes = BYTES };

static void require(bool is_true)
{
    if (!is_true)
        abort();
}

static void check_name(const struct sk_tar_entry *e)
{
    const char *name = e->name;

    require(strlen(name) <= SK_TAR_NAME_BYTES && sk_utf8_valid(name, strlen(name)));
    require(name[0] != '/' && strcmp(name, "..") != 0 && !sk_starts_with(name, "../"));
    require(!strstr(name, "/../") && !strstr(name, "//") && !sk_ends_with(name, "/.."));
    for (const char *p = name; *p; p++)
        require((unsigned char)*p >= ' ');
    require((e->kind == SK_TAR_SYMLINK || e->kind == SK_TAR_HARDLINK) == (e->target != NULL));
}

static int read_all(int fd, struct sk_err *err)
{
    SK_OWN(sk_tar_reader_free) struct sk_tar_reader *r = NULL;
    struct sk_tar_entry e;
    uint64_t entries = 0, bytes = 0;
    int rc;

    if (sk_tar_reader_new(fd, &limits, &r, err) < 0)
        return -1;
    while ((rc = sk_tar_next(r, &e, err)) > 0) {
        char piece[4096];
        uint64_t got = 0;
        int64_t n = 0;
        check_name(&e);
        require(++entries <= ENTRIES);
        while (e.kind == SK_TAR_FILE && (n = sk_tar_read(r, piece, sizeof piece, err)) > 0)
            got += (uint64_t)n;
        if (n < 0)
            return -1;
        require(got <= e.size && (bytes += got) <= BYTES);
    }
    return rc;
}

static void unpack(int fd)
{
    char outer[] = "/tmp/skerry-fuzz-XXXXXX";
    SK_AUTO(sk_dir_done) struct sk_dir seen = { 0 };
    struct sk_err err = SK_ERR_INIT;

    require(mkdtemp(outer) != NULL && lseek(fd, 0, SEEK_SET) == 0);
    SK_OWN(free) char *inner = sk_path_join(outer, "in");
    require(inner && sk_mkdirs(inner, 0700, &err) == 0);
    (void)!sk_tar_unpack(fd, &limits, "", inner, false, &err);
    require(sk_dir_read(outer, &seen, &err) == 0 && seen.count == 1);
    require(sk_remove_tree(outer, &err) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SK_AUTO(sk_close) int fd = memfd_create("fuzz", MFD_CLOEXEC);
    struct sk_err err = SK_ERR_INIT;

    require(fd >= 0 && sk_write_all(fd, data, size) == 0 && lseek(fd, 0, SEEK_SET) == 0);
    if (read_all(fd, &err) < 0)
        require(err.code != SK_OK && err.code != SK_BUG && err.text[0] != '\0');
    if (size > 0 && data[size - 1] % 16 == 0)
        unpack(fd);
    return 0;
}
