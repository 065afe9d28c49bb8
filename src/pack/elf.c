/*
 * elf.c - ELF files (System V ABI, chapters 4 and 5): what the loader reads of them.
 *
 *     header -> program headers -> PT_INTERP    path of the loader
 *                                  PT_DYNAMIC   DT_NEEDED, DT_RUNPATH, ... as offsets into
 *                                               DT_STRTAB, an address that PT_LOAD maps to the file
 *
 * Both sizes, one byte order: this machine's. Every offset is checked against the file before it is
 * followed, since a library may come from anywhere.
 */
#include "pack/pack_priv.h"

#include <elf.h>
#include <stddef.h>
#include <string.h>

struct image {
    const unsigned char *bytes;
    size_t len;
    bool is_64;
};

/* A program header, of either size. */
struct segment {
    uint32_t type;
    uint64_t offset, address, size;
};

struct dynamic {
    uint64_t strings, strings_size, runpath, rpath;
    bool has_runpath, has_rpath;
};

static int broken(struct sk_err *err, const char *what)
{
    return sk_fail(err, SK_CORRUPT, "not a whole ELF file: %s", what);
}

static bool fits(const struct image *m, uint64_t offset, uint64_t size)
{
    return offset <= m->len && size <= m->len - offset;
}

static uint64_t segment_count(const struct image *m)
{
    Elf64_Ehdr h64;
    Elf32_Ehdr h32;

    if (m->is_64) {
        memcpy(&h64, m->bytes, sizeof h64);
        return h64.e_phnum;
    }
    memcpy(&h32, m->bytes, sizeof h32);
    return h32.e_phnum;
}

static int segment_at(const struct image *m, uint64_t index, struct segment *out,
                      struct sk_err *err)
{
    Elf64_Ehdr h64;
    Elf32_Ehdr h32;
    Elf64_Phdr p64;
    Elf32_Phdr p32;

    if (m->is_64) {
        memcpy(&h64, m->bytes, sizeof h64);
        if (h64.e_phentsize != sizeof p64 || !fits(m, h64.e_phoff, (index + 1) * sizeof p64))
            return broken(err, "program headers");
        memcpy(&p64, m->bytes + h64.e_phoff + index * sizeof p64, sizeof p64);
        *out = (struct segment){ p64.p_type, p64.p_offset, p64.p_vaddr, p64.p_filesz };
    } else {
        memcpy(&h32, m->bytes, sizeof h32);
        if (h32.e_phentsize != sizeof p32 || !fits(m, h32.e_phoff, (index + 1) * sizeof p32))
            return broken(err, "program headers");
        memcpy(&p32, m->bytes + h32.e_phoff + index * sizeof p32, sizeof p32);
        *out = (struct segment){ p32.p_type, p32.p_offset, p32.p_vaddr, p32.p_filesz };
    }
    if (!fits(m, out->offset, out->size))
        return broken(err, "a segment");
    return 0;
}

/* ---- the dynamic section ---- */

/* Entry `index`: 1, or 0 behind the last. */
static int dynamic_at(const struct image *m, const struct segment *s, uint64_t index, int64_t *tag,
                      uint64_t *value)
{
    Elf64_Dyn d64;
    Elf32_Dyn d32;
    size_t each = m->is_64 ? sizeof d64 : sizeof d32;

    if (index >= s->size / each)
        return 0;
    const unsigned char *at = m->bytes + s->offset + index * each;
    if (m->is_64) {
        memcpy(&d64, at, sizeof d64);
        *tag = d64.d_tag;
        *value = d64.d_un.d_val;
    } else {
        memcpy(&d32, at, sizeof d32);
        *tag = d32.d_tag;
        *value = d32.d_un.d_val;
    }
    return *tag != DT_NULL;
}

static struct dynamic read_dynamic(const struct image *m, const struct segment *s)
{
    struct dynamic d = { 0 };
    uint64_t value = 0;
    int64_t tag = 0;

    for (uint64_t i = 0; dynamic_at(m, s, i, &tag, &value); i++) {
        if (tag == DT_STRTAB)
            d.strings = value;
        if (tag == DT_STRSZ)
            d.strings_size = value;
        if (tag == DT_RUNPATH) {
            d.runpath = value;
            d.has_runpath = true;
        }
        if (tag == DT_RPATH) {
            d.rpath = value;
            d.has_rpath = true;
        }
    }
    return d;
}

/* The file's offset of an address. */
static int offset_of(const struct image *m, uint64_t address, uint64_t size, uint64_t *out,
                     struct sk_err *err)
{
    for (uint64_t i = 0; i < segment_count(m); i++) {
        struct segment s;
        if (segment_at(m, i, &s, err) < 0)
            return -1;
        if (s.type == PT_LOAD && address >= s.address && address - s.address <= s.size &&
            size <= s.size - (address - s.address)) {
            *out = s.offset + (address - s.address);
            return 0;
        }
    }
    return broken(err, "an address of the dynamic section lies in no segment");
}

/* malloc'd; NULL: err. */
static char *text_at(const struct image *m, uint64_t table, uint64_t table_size, uint64_t offset,
                     struct sk_err *err)
{
    if (offset >= table_size || !fits(m, table, table_size)) {
        (void)broken(err, "a name");
        return NULL;
    }
    const char *text = (const char *)m->bytes + table + offset;
    size_t n = strnlen(text, table_size - offset);
    if (n == table_size - offset || n >= 4096) {
        (void)broken(err, "a name without end");
        return NULL;
    }
    char *copy = strdup(text);
    if (!copy)
        (void)sk_nomem(err);
    return copy;
}

static int add_needed(struct sk_elf *e, char *name, struct sk_err *err)
{
    if (!name)
        return -1;
    if (e->needed_count == SK_ELF_NEEDED) {
        free(name);
        return sk_fail(err, SK_LIMIT, "more than %d libraries are needed", SK_ELF_NEEDED);
    }
    e->needed[e->needed_count++] = name;
    return 0;
}

static int take_dynamic(const struct image *m, const struct segment *s, struct sk_elf *e,
                        struct sk_err *err)
{
    struct dynamic d = read_dynamic(m, s);
    uint64_t table = 0, value = 0;
    int64_t tag = 0;

    if (e->needed)
        return broken(err, "two dynamic sections");
    e->needed = calloc(SK_ELF_NEEDED, sizeof *e->needed);
    if (!e->needed)
        return sk_nomem(err);
    if (d.strings_size == 0)
        return 0;
    if (offset_of(m, d.strings, d.strings_size, &table, err) < 0)
        return -1;
    for (uint64_t i = 0; dynamic_at(m, s, i, &tag, &value); i++)
        if (tag == DT_NEEDED &&
            add_needed(e, text_at(m, table, d.strings_size, value, err), err) < 0)
            return -1;
    if (d.has_runpath || d.has_rpath) {
        e->is_runpath = d.has_runpath;
        e->rpath = text_at(m, table, d.strings_size, d.has_runpath ? d.runpath : d.rpath, err);
        if (!e->rpath)
            return -1;
    }
    return 0;
}

/* ---- the whole ---- */

static int take_header(const void *bytes, size_t len, struct image *m, struct sk_elf *e,
                       struct sk_err *err)
{
    const unsigned char *ident = bytes;
    const unsigned char own_order = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB
                                                                              : ELFDATA2MSB;

    if (len < SELFMAG || memcmp(bytes, ELFMAG, SELFMAG) != 0)
        return sk_fail(err, SK_INVALID, "not an ELF file");
    if (len < sizeof(Elf32_Ehdr) || (ident[EI_CLASS] == ELFCLASS64 && len < sizeof(Elf64_Ehdr)))
        return broken(err, "its header");
    if ((ident[EI_CLASS] != ELFCLASS64 && ident[EI_CLASS] != ELFCLASS32) ||
        ident[EI_DATA] != own_order)
        return sk_fail(err, SK_INVALID, "an ELF file for another kind of machine");
    *m = (struct image){ bytes, len, ident[EI_CLASS] == ELFCLASS64 };
    e->is_64 = m->is_64;
    /* the same place in both */
    memcpy(&e->machine, ident + offsetof(Elf64_Ehdr, e_machine), sizeof e->machine);
    e->loaded_bytes = m->is_64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
    return 0;
}

static int take_segment(const struct image *m, const struct segment *s, struct sk_elf *e,
                        struct sk_err *err)
{
    if (s->offset + s->size > e->loaded_bytes)
        e->loaded_bytes = s->offset + s->size;
    if (s->type == PT_DYNAMIC)
        return take_dynamic(m, s, e, err);
    if (s->type != PT_INTERP)
        return 0;
    free(SK_TAKE(e->interp));
    e->interp = text_at(m, s->offset, s->size, 0, err);
    return e->interp ? 0 : -1;
}

int sk_elf_parse(const void *bytes, size_t len, struct sk_elf *out, struct sk_err *err)
{
    SK_AUTO(sk_elf_done) struct sk_elf e = { 0 };
    struct image m;

    if (take_header(bytes, len, &m, &e, err) < 0)
        return -1;
    for (uint64_t i = 0; i < segment_count(&m); i++) {
        struct segment s;
        if (segment_at(&m, i, &s, err) < 0 || take_segment(&m, &s, &e, err) < 0)
            return -1;
    }
    *out = e;
    e = (struct sk_elf){ 0 };
    return 0;
}

int sk_elf_read(const char *path, struct sk_elf *out, struct sk_err *err)
{
    SK_AUTO(sk_map_close) struct sk_map map = { 0 };

    if (sk_map_open(path, &map, err) < 0)
        return -1;
    if (sk_elf_parse(map.ptr ? map.ptr : "", map.len, out, err) < 0)
        return sk_wrap(err, "'%s'", path);
    return 0;
}

void sk_elf_done(struct sk_elf *e)
{
    if (!e)
        return;
    free(e->interp);
    free(e->rpath);
    for (size_t i = 0; i < e->needed_count; i++)
        free(e->needed[i]);
    free(e->needed);
    *e = (struct sk_elf){ 0 };
}

const char *sk_elf_architecture(const struct sk_elf *e)
{
    static const struct {
        uint16_t machine;
        bool is_64;
        const char *name;
    } rows[] = {
        { EM_X86_64, true, "amd64" },  { EM_AARCH64, true, "arm64" },
        { EM_ARM, false, "arm" },      { EM_386, false, "386" },
        { EM_RISCV, true, "riscv64" }, { EM_PPC64, true, "ppc64le" },
        { EM_S390, true, "s390x" },    { EM_LOONGARCH, true, "loong64" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].machine == e->machine && rows[i].is_64 == e->is_64)
            return rows[i].name;
    return "";
}

int sk_elf_trim(const struct sk_map *map, unsigned char header[SK_ELF_HEADER], uint64_t *size,
                struct sk_err *err)
{
    SK_AUTO(sk_elf_done) struct sk_elf e = { 0 };
    Elf64_Ehdr h64;
    Elf32_Ehdr h32;

    _Static_assert(sizeof h64 == SK_ELF_HEADER && sizeof h32 < SK_ELF_HEADER, "room for a header");
    if (sk_elf_parse(map->ptr ? map->ptr : "", map->len, &e, err) < 0)
        return -1;
    if (map->len < SK_ELF_HEADER)
        return broken(err, "its header");
    memcpy(header, map->ptr, SK_ELF_HEADER);
    if (e.is_64) {
        memcpy(&h64, header, sizeof h64);
        h64.e_shoff = 0;
        h64.e_shnum = h64.e_shstrndx = 0;
        memcpy(header, &h64, sizeof h64);
    } else {
        memcpy(&h32, header, sizeof h32);
        h32.e_shoff = 0;
        h32.e_shnum = h32.e_shstrndx = 0;
        memcpy(header, &h32, sizeof h32);
    }
    *size = e.loaded_bytes < SK_ELF_HEADER ? SK_ELF_HEADER : e.loaded_bytes;
    return 0;
}
