/*
 * store.c - the folder: making it, opening it.
 *
 * The database appears under its name in one step, so a folder is a hub's once registry.db is
 * there; what a kill leaves before that is used by the next attempt.
 */
#include "store/store_priv.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>

int sk_store_open_db_file(const char *path, bool create, struct sk_db **out, struct sk_err *err)
{
    const struct sk_db_options opts = {
        .path = path,
        .application_id = SK_STORE_APP,
        .what = "hub data",
        .migrations = sk_store_migrations,
        .create = create,
    };

    return sk_db_open(&opts, out, err);
}

int sk_store_open_db(const char *dir, bool create, struct sk_db **out, struct sk_err *err)
{
    SK_OWN(free)
    char *path = sk_path_join(dir, create ? SK_STORE_DATABASE ".new" : SK_STORE_DATABASE);

    return path ? sk_store_open_db_file(path, create, out, err) : sk_nomem(err);
}

static int make_db(int dir_fd, const char *dir, struct sk_err *err)
{
    static const char *const left[] = {
        SK_STORE_DATABASE ".new",
        SK_STORE_DATABASE ".new-wal",
        SK_STORE_DATABASE ".new-shm",
        SK_STORE_DATABASE ".new-journal",
    };

    struct sk_db *db = NULL;

    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++)
        if (unlinkat(dir_fd, left[i], 0) < 0 && errno != ENOENT)
            return sk_store_fail(err, "'%s/%s'", dir, left[i]);
    if (sk_store_open_db(dir, true, &db, err) < 0)
        return -1;
    sk_db_close(db); /* the last connection: everything is in the one file now */
    if (faccessat(dir_fd, SK_STORE_DATABASE ".new-wal", F_OK, 0) == 0)
        return sk_fail(err, SK_IO, "'%s/%s.new': its log could not be emptied", dir,
                       SK_STORE_DATABASE);
    if (renameat(dir_fd, SK_STORE_DATABASE ".new", dir_fd, SK_STORE_DATABASE) < 0)
        return sk_store_fail(err, "'%s/%s'", dir, SK_STORE_DATABASE);
    return 0;
}

int sk_store_create(const char *dir, struct sk_err *err)
{
    SK_AUTO(sk_close) int dir_fd = -1;

    if (sk_mkdirs(dir, 0700, err) < 0)
        return -1;
    dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return sk_store_fail(err, "folder '%s'", dir);
    if (faccessat(dir_fd, SK_STORE_DATABASE, F_OK, 0) == 0)
        return sk_fail(err, SK_EXISTS, "'%s' holds a hub's data already", dir);
    if (sk_blob_make_folders(dir_fd, err) < 0 || make_db(dir_fd, dir, err) < 0 ||
        sk_store_sync_dir(dir_fd, ".", err) < 0)
        return sk_wrap(err, "'%s'", dir);
    return sk_store_sync_dir(dir_fd, "..", err);
}

static int open_parts(struct sk_store *s, struct sk_err *err)
{
    s->dir_fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dir_fd < 0 && errno != ENOENT && errno != ENOTDIR)
        return sk_store_fail(err, "folder '%s'", s->dir);
    if (s->dir_fd < 0 || (faccessat(s->dir_fd, SK_STORE_DATABASE, F_OK, 0) < 0 && errno == ENOENT))
        return sk_fail(err, SK_NOT_FOUND,
                       "'%s' is not a hub's folder: `skerry hub init --data-dir DIR` makes one",
                       s->dir);
    if (sk_store_open_db(s->dir, false, &s->db, err) < 0)
        return -1;
    if (sk_store_open_dir(s->dir_fd, "blobs", false, &s->blobs_fd, err) < 0 ||
        sk_store_open_dir(s->dir_fd, "uploads", true, &s->uploads_fd, err) < 0 ||
        sk_store_open_dir(s->dir_fd, "trash", true, &s->trash_fd, err) < 0)
        return sk_wrap(err, "'%s'", s->dir);
    if (sk_reserve_open(s, err) < 0)
        return -1;
    sk_db_ask_room(s->db, sk_reserve_room, s);
    return 0;
}

int sk_store_open(const char *dir, struct sk_store **out, struct sk_err *err)
{
    SK_OWN(sk_store_close) struct sk_store *s = calloc(1, sizeof *s);

    if (!s)
        return sk_nomem(err);
    s->dir_fd = s->blobs_fd = s->uploads_fd = s->trash_fd = s->reserve_fd = -1;
    s->dir = strdup(dir);
    s->has_mutex = pthread_mutex_init(&s->mutex, NULL) == 0;
    if (!s->dir || !s->has_mutex)
        return sk_nomem(err);
    if (open_parts(s, err) < 0)
        return -1;
    *out = SK_TAKE(s);
    return 0;
}

void sk_store_close(struct sk_store *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < SK_STORE_HASHES; i++)
        sk_hash_free(s->hashes[i].sha);
    sk_db_close(s->db);
    sk_close(&s->reserve_fd);
    sk_close(&s->trash_fd);
    sk_close(&s->uploads_fd);
    sk_close(&s->blobs_fd);
    sk_close(&s->dir_fd);
    if (s->has_mutex)
        (void)pthread_mutex_destroy(&s->mutex);
    free(s->dir);
    free(s);
}

struct sk_db *sk_store_db(struct sk_store *s)
{
    return s->db;
}

const char *sk_store_dir(const struct sk_store *s)
{
    return s->dir;
}
