/* fuzz_elf.c - ELF files: what is refused has a reason; what is read lies within the file, and
 * reads the same when its sections are gone. */
#include "pack/pack_priv.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_true)
{
    if (!is_true)
        abort();
}

static void trim(const uint8_t *data, size_t size, const struct sk_elf *e)
{
    const struct sk_map map = { data, size };
    SK_AUTO(sk_elf_done) struct sk_elf again = { 0 };
    unsigned char header[SK_ELF_HEADER];
    struct sk_err err = SK_ERR_INIT;
    uint64_t kept = 0;

    if (size < SK_ELF_HEADER)
        return;
    require(sk_elf_trim(&map, header, &kept, &err) == 0 && kept <= size);
    SK_OWN(free) unsigned char *copy = malloc(kept);
    require(copy != NULL);
    memcpy(copy, data, kept);
    memcpy(copy, header, sizeof header);
    /* A program may have its own header behind what it loads; then it is read differently. */
    if (sk_elf_parse(copy, kept, &again, &err) == 0)
        require(again.machine == e->machine && again.is_64 == e->is_64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SK_AUTO(sk_elf_done) struct sk_elf e = { 0 };
    struct sk_err err = SK_ERR_INIT;

    if (sk_elf_parse(data, size, &e, &err) < 0) {
        require(err.code != SK_OK && err.code != SK_BUG && err.text[0] != '\0');
        return 0;
    }
    require(e.loaded_bytes <= size && e.needed_count <= SK_ELF_NEEDED);
    for (size_t i = 0; i < e.needed_count; i++)
        require(strlen(e.needed[i]) < 4096);
    trim(data, size, &e);
    return 0;
}
