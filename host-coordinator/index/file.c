/* SPDX-License-Identifier: GPL-2.0-or-later */
/* STATE/index.db: a database in memory, on disk as one checked piece; see index.h. */
#include "host-coordinator/index/index_internal.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/replace.h"
#include "proto/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/* Raise it when a fact gets another meaning under the same name. */
#define INDEX_VERSION "1"
#define INDEX_MAX     (1024L * 1024 * 1024)

/* After the database: that nothing of it is missing or changed. SQLite reads as many pages as the
 * database's own header tells, so it never sees this. */
struct trailer {
    char magic[12];
    uint32_t crc;
};
static const char magic[12] = "cbsnapindex";

/* Columns before those of the facts. */
enum { COLUMN_NAME, COLUMN_MTIME, COLUMN_SIZE, COLUMN_INODE, COLUMN_PROBLEM, COLUMN_FACTS };

static char *create_statement(void)
{
    struct buf sql = BUF_INIT;

    buf_addf(&sql, "CREATE TABLE sets (name TEXT, mtime_ns INTEGER, size INTEGER, "
                   "inode INTEGER, problem TEXT");
    for (size_t n = 0; n < fact_row_count; n++)
        buf_addf(&sql, ", \"%s\" %s", fact_rows[n].name,
                 fact_rows[n].kind == FACT_TEXT ? "TEXT" : "REAL");
    buf_addf(&sql, ")");
    return buf_steal(&sql);
}

/* Another coordinator may find other facts in the same record: each trusts its own index only. */
static int version(void)
{
    AUTO_FREE char *create = create_statement();
    AUTO_FREE char *all = xasprintf("%s %s %s", INDEX_VERSION, CBSNAP_VERSION, create);

    return (int)(wire_crc32c(all, strlen(all)) & 0x7FFFFFFF);
}

static int sql_failed(sqlite3 *db, struct err *e)
{
    return err_set(e, ERR_IO, "the index of records: %s",
                   db ? sqlite3_errmsg(db) : "out of memory");
}

static int run_sql(sqlite3 *db, const char *sql, struct err *e)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : sql_failed(db, e);
}

/* ---- reading --------------------------------------------------------------------------------- */

static int read_file(struct buf *to, const char *path, struct err *e)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set_sys(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
                           "cannot read the index '%s'", path);
    if (!S_ISREG(st.st_mode) || st.st_size > INDEX_MAX)
        return err_set(e, ERR_IO, "'%s' is no index of records", path);
    (void)buf_reserve(to, (size_t)st.st_size);
    (void)buf_read(to, fd, INDEX_MAX); /* what is cut short, the checksum tells */
    return 0;
}

/* Takes the trailer off. */
static int check_trailer(struct buf *file, const char *path, struct err *e)
{
    struct trailer t;

    if (file->len > sizeof(t)) {
        file->len -= sizeof(t);
        memcpy(&t, file->data + file->len, sizeof(t));
        if (memcmp(t.magic, magic, sizeof(magic)) == 0 &&
            t.crc == wire_crc32c(file->data, file->len))
            return 0;
    }
    return err_set(e, ERR_IO, "the index '%s' is damaged", path);
}

static int check_version(sqlite3 *db, const char *path, struct err *e)
{
    sqlite3_stmt *q = NULL;
    int found = -1;

    if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &q, NULL) == SQLITE_OK &&
        sqlite3_step(q) == SQLITE_ROW)
        found = sqlite3_column_int(q, 0);
    sqlite3_finalize(q);
    return found == version() ? 0 : err_set(e, ERR_IO, "the index '%s' is another version's", path);
}

static char *column_text(sqlite3_stmt *q, int column)
{
    const char *text = (const char *)sqlite3_column_text(q, column);

    return text ? xstrdup(text) : NULL;
}

static void load_row(struct index_entry *entry, sqlite3_stmt *q)
{
    entry->name = column_text(q, COLUMN_NAME);
    entry->mtime_ns = sqlite3_column_int64(q, COLUMN_MTIME);
    entry->size = sqlite3_column_int64(q, COLUMN_SIZE);
    entry->inode = sqlite3_column_int64(q, COLUMN_INODE);
    entry->problem = column_text(q, COLUMN_PROBLEM);
    for (size_t n = 0; n < fact_row_count; n++) {
        const struct fact_row *row = &fact_rows[n];
        int column = COLUMN_FACTS + (int)n;

        if (row->kind == FACT_TEXT)
            *fact_text(&entry->facts, row) = column_text(q, column);
        else if (sqlite3_column_type(q, column) != SQLITE_NULL)
            *fact_number(&entry->facts, row) = sqlite3_column_double(q, column);
    }
}

static int load_rows(struct index_list *to, sqlite3 *db, struct err *e)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(db, "SELECT * FROM sets ORDER BY rowid", -1, &q, NULL);

    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(q);
        if (rc == SQLITE_ROW)
            load_row(index_add(to), q);
    }
    sqlite3_finalize(q);
    return rc == SQLITE_DONE ? 0 : sql_failed(db, e);
}

int index_load(struct index_list *ret, const char *state_dir, struct err *e)
{
    AUTO_FREE char *path = xasprintf("%s/index.db", state_dir);
    struct index_list l = {.count = 0};
    struct buf file = BUF_INIT;
    sqlite3 *db = NULL;
    int rc = -1;

    if (read_file(&file, path, e) == 0 && check_trailer(&file, path, e) == 0) {
        if (sqlite3_open(":memory:", &db) != SQLITE_OK ||
            sqlite3_deserialize(db, "main", file.data, (sqlite3_int64)file.len,
                                (sqlite3_int64)file.len, SQLITE_DESERIALIZE_READONLY) != SQLITE_OK)
            rc = sql_failed(db, e);
        else if (check_version(db, path, e) == 0)
            rc = load_rows(&l, db, e);
    }
    sqlite3_close(db);
    buf_release(&file);
    if (rc == 0)
        *ret = l;
    else
        index_release(&l);
    return rc;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void bind_text(sqlite3_stmt *q, int column, const char *text)
{
    sqlite3_bind_text(q, column + 1, text, -1, SQLITE_STATIC); /* NULL is NULL */
}

static int save_row(sqlite3_stmt *q, const struct index_entry *entry)
{
    struct set_facts facts = entry->facts;

    bind_text(q, COLUMN_NAME, entry->name);
    sqlite3_bind_int64(q, COLUMN_MTIME + 1, entry->mtime_ns);
    sqlite3_bind_int64(q, COLUMN_SIZE + 1, entry->size);
    sqlite3_bind_int64(q, COLUMN_INODE + 1, entry->inode);
    bind_text(q, COLUMN_PROBLEM, entry->problem);
    for (size_t n = 0; n < fact_row_count; n++) {
        const struct fact_row *row = &fact_rows[n];
        int column = COLUMN_FACTS + (int)n;

        if (row->kind == FACT_TEXT)
            bind_text(q, column, *fact_text(&facts, row));
        else
            sqlite3_bind_double(q, column + 1, *fact_number(&facts, row)); /* NAN is NULL */
    }
    if (sqlite3_step(q) != SQLITE_DONE)
        return -1;
    return sqlite3_reset(q) == SQLITE_OK ? 0 : -1;
}

static int save_rows(const struct index_list *l, sqlite3 *db, struct err *e)
{
    struct buf sql = BUF_INIT;
    sqlite3_stmt *q = NULL;
    bool good;

    buf_addf(&sql, "INSERT INTO sets VALUES (?");
    for (size_t n = 1; n < COLUMN_FACTS + fact_row_count; n++)
        buf_addf(&sql, ",?");
    buf_addf(&sql, ")");
    good = sqlite3_prepare_v2(db, buf_text(&sql), -1, &q, NULL) == SQLITE_OK;
    for (size_t n = 0; good && n < l->count; n++)
        good = save_row(q, &l->entries[n]) == 0;
    sqlite3_finalize(q);
    buf_release(&sql);
    return good ? 0 : sql_failed(db, e);
}

static int fill(sqlite3 *db, const struct index_list *l, struct err *e)
{
    AUTO_FREE char *create = create_statement();
    AUTO_FREE char *stamp = xasprintf("PRAGMA user_version = %d", version());

    if (run_sql(db, "BEGIN", e) < 0 || run_sql(db, stamp, e) < 0 || run_sql(db, create, e) < 0 ||
        save_rows(l, db, e) < 0)
        return -1;
    return run_sql(db, "COMMIT", e);
}

/* One writer at a time; the other need not wait, as this one's index is as good. */
static int write_file(const char *state_dir, const void *data, size_t len, struct err *e)
{
    AUTO_FREE char *path = xasprintf("%s/index.db", state_dir);
    AUTO_CLOSE int lock = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct trailer t = {.crc = wire_crc32c(data, len)};
    struct replace f;
    int rc;

    if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0)
        return err_set_sys(e, ERR_BUSY, errno, "the index '%s' is not written", path);
    memcpy(t.magic, magic, sizeof(magic));
    rc = replace_begin(&f, path, 0640, e);
    if (rc == 0)
        rc = replace_add(&f, data, len, e);
    if (rc == 0)
        rc = replace_add(&f, &t, sizeof(t), e);
    return replace_end(&f, rc == 0, e);
}

int index_save(const struct index_list *l, const char *state_dir, struct err *e)
{
    unsigned char *image = NULL;
    sqlite3_int64 len = 0;
    sqlite3 *db = NULL;
    int rc;

    if (sqlite3_open(":memory:", &db) != SQLITE_OK)
        rc = sql_failed(db, e);
    else
        rc = fill(db, l, e);
    if (rc == 0) {
        image = sqlite3_serialize(db, "main", &len, 0);
        rc = image ? write_file(state_dir, image, (size_t)len, e) : sql_failed(NULL, e);
    }
    sqlite3_free(image);
    sqlite3_close(db);
    return rc;
}
