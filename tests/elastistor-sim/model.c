/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables of objects, their ids and names, and the sums over them; see model.h. */
#include "tests/elastistor-sim/model.h"
#include "proto/base/cleanup.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define SIZE_OF(t, m) sizeof(((struct t *)0)->m)
#define STR(t, m)                                                                                  \
    {                                                                                              \
#m, FIELD_STR, offsetof(struct t, m), SIZE_OF(t, m)                                        \
    }
#define INT(t, m)                                                                                  \
    {                                                                                              \
#m, FIELD_INT, offsetof(struct t, m), SIZE_OF(t, m)                                        \
    }
#define BOOL(t, m)                                                                                 \
    {                                                                                              \
#m, FIELD_BOOL, offsetof(struct t, m), SIZE_OF(t, m)                                       \
    }
#define TEXT(t, m)                                                                                 \
    {                                                                                              \
#m, FIELD_TEXT, offsetof(struct t, m), SIZE_OF(t, m)                                       \
    }
#define ROW(t) STR(t, row.id), STR(t, row.name), INT(t, row.simpleid)

static const struct field estate_fields[] = {
    ROW(estate),
    STR(estate, user_id),
    STR(estate, site_id),
    STR(estate, tsm),
    STR(estate, controller_id),
    STR(estate, tsm_id),
    STR(estate, pool_id),
    STR(estate, dataset_id),
    STR(estate, cluster_id),
    STR(estate, iqn_month),
    INT(estate, tsm_simpleid),
    INT(estate, next_simpleid),
};
static const struct field pool_fields[] = {ROW(pool), INT(pool, size_mib)};
static const struct field group_fields[] = {
    ROW(group),         INT(group, iops),          INT(group, latency_ms),  INT(group, throughput),
    BOOL(group, grace), BOOL(group, iops_control), BOOL(group, tp_control), STR(group, block_size),
};
static const struct field volume_fields[] = {
    ROW(volume),
    STR(volume, group_id),
    STR(volume, origin),
    STR(volume, mountpoint),
    STR(volume, quota),
    STR(volume, protocol),
    STR(volume, compression),
    STR(volume, deduplication),
    STR(volume, sync),
    STR(volume, recordsize),
    STR(volume, blocklength),
    STR(volume, accesstime),
    STR(volume, iqn),
    INT(volume, quota_bytes),
    INT(volume, copies),
    INT(volume, revision),
    INT(volume, created_s),
    BOOL(volume, readonly),
    STR(volume, service_id),
    STR(volume, igroup_id),
    STR(volume, agroup_id),
    STR(volume, authmethod),
    STR(volume, queuedepth),
    STR(volume, physrecordlength),
    STR(volume, initialdigest),
    INT(volume, workerthreads),
    BOOL(volume, unmap),
};
static const struct field snapshot_fields[] = {
    ROW(snapshot),
    STR(snapshot, owner),
    INT(snapshot, created_s),
    INT(snapshot, quota_bytes),
    STR(snapshot, quota),
};
static const struct field igroup_fields[] = {
    ROW(igroup),
    STR(igroup, initiators),
    STR(igroup, netmask),
};
static const struct field agroup_fields[] = {
    ROW(agroup),
    STR(agroup, comment),
    STR(agroup, user_id),
    STR(agroup, chapuser),
    STR(agroup, chappassword),
    STR(agroup, mutualuser),
    STR(agroup, mutualpassword),
};
static const struct field job_fields[] = {
    ROW(job),
    STR(job, command),
    INT(job, status),
    INT(job, created_s),
    INT(job, started_ms),
    INT(job, due_ms),
    STR(job, errortext),
    TEXT(job, args),
    TEXT(job, result),
};

#define KIND(t)                                                                                    \
    {                                                                                              \
#t, sizeof(struct t), t##_fields, ARRAY_SIZE(t##_fields)                                   \
    }

static const struct kind kinds[KIND_COUNT] = {
    [KIND_ESTATE] = KIND(estate), [KIND_POOL] = KIND(pool),         [KIND_GROUP] = KIND(group),
    [KIND_VOLUME] = KIND(volume), [KIND_SNAPSHOT] = KIND(snapshot), [KIND_IGROUP] = KIND(igroup),
    [KIND_AGROUP] = KIND(agroup), [KIND_JOB] = KIND(job),
};

void model_init(struct model *m)
{
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->idle, NULL);
    for (int k = 0; k < KIND_COUNT; k++)
        m->tables[k] = (struct table){.kind = &kinds[k]};
}

static void row_free(const struct kind *kind, void *row)
{
    for (size_t i = 0; i < kind->n_fields; i++)
        if (kind->fields[i].type == FIELD_TEXT)
            free(*(char **)((char *)row + kind->fields[i].offset));
    free(row);
}

void model_release(struct model *m)
{
    for (int k = 0; k < KIND_COUNT; k++) {
        for (size_t i = 0; i < m->tables[k].n; i++)
            row_free(m->tables[k].kind, m->tables[k].rows[i]);
        free(m->tables[k].rows);
    }
    pthread_cond_destroy(&m->idle);
    pthread_mutex_destroy(&m->lock);
}

void *model_add(struct model *m, enum kind_id kind)
{
    struct table *t = &m->tables[kind];
    void *row = xcalloc(1, t->kind->size);

    t->rows = xrealloc(t->rows, (t->n + 1) * sizeof(*t->rows));
    t->rows[t->n++] = row;
    return row;
}

void model_remove(struct model *m, enum kind_id kind, void *row)
{
    struct table *t = &m->tables[kind];

    for (size_t i = 0; i < t->n; i++) {
        if (t->rows[i] != row)
            continue;
        memmove(&t->rows[i], &t->rows[i + 1], (t->n - i - 1) * sizeof(*t->rows));
        t->n--;
        row_free(t->kind, row);
        return;
    }
}

void *model_by_id(const struct model *m, enum kind_id kind, const char *id)
{
    const struct table *t = &m->tables[kind];

    for (size_t i = 0; id && i < t->n; i++)
        if (strcmp(((struct row *)t->rows[i])->id, id) == 0)
            return t->rows[i];
    return NULL;
}

void *model_by_name(const struct model *m, enum kind_id kind, const char *name)
{
    const struct table *t = &m->tables[kind];

    for (size_t i = 0; name && i < t->n; i++)
        if (strcmp(((struct row *)t->rows[i])->name, name) == 0)
            return t->rows[i];
    return NULL;
}

static bool is_busy(const struct model *m, const char *id)
{
    const struct volume *v;
    size_t i;

    MODEL_EACH(m, KIND_VOLUME, i, v)
    if (v->busy && (!id || strcmp(v->row.id, id) == 0))
        return true;
    return false;
}

void model_wait_idle(struct model *m, const char *id)
{
    while (is_busy(m, id))
        pthread_cond_wait(&m->idle, &m->lock);
}

int64_t model_next_simpleid(struct model *m)
{
    return ++model_estate(m)->next_simpleid;
}

static void id_format(char ret_id[ID_SIZE], unsigned char b[16], int version)
{
    b[6] = (unsigned char)((b[6] & 0x0f) | version << 4);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(ret_id, ID_SIZE,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}

void id_v3(char ret_id[ID_SIZE], const char *fmt, ...)
{
    unsigned char digest[16];
    char name[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(name, sizeof(name), fmt, ap);
    va_end(ap);
    /* MD5 can only fail where policy forbids it; an id at random serves as well then */
    if (gnutls_hash_fast(GNUTLS_DIG_MD5, name, strlen(name), digest) < 0 &&
        getrandom(digest, sizeof(digest), 0) != sizeof(digest))
        abort();
    id_format(ret_id, digest, 3);
}

void id_v4(char ret_id[ID_SIZE])
{
    unsigned char b[16];

    if (getrandom(b, sizeof(b), 0) != sizeof(b))
        abort();
    id_format(ret_id, b, 4);
}

void id_bare(char ret_usn[ID_SIZE], const char *id)
{
    size_t n = 0;

    for (; *id && n < ID_SIZE - 1; id++)
        if (*id != '-')
            ret_usn[n++] = *id;
    ret_usn[n] = 0;
}

char *model_dataset_path(const struct model *m)
{
    const struct estate *es = model_estate(m);

    return xasprintf("%s/%s%s", model_tsm_pool(m)->row.name, es->row.name, es->tsm);
}

char *model_volume_path(const struct model *m, const struct volume *v)
{
    AUTO_FREE char *dataset = model_dataset_path(m);

    return xasprintf("%s/%s", dataset, v->row.name);
}

char *model_snapshot_path(const struct model *m, const struct snapshot *sn)
{
    const struct volume *v = model_by_id(m, KIND_VOLUME, sn->owner);
    AUTO_FREE char *of = v ? model_volume_path(m, v) : model_dataset_path(m);

    return xasprintf("%s@%s", of, sn->row.name);
}

void model_iqn_base(const struct model *m, char *ret, size_t size)
{
    const struct estate *es = model_estate(m);
    char account[NAME_SIZE];
    size_t n = 0;

    for (const char *p = es->row.name; *p; p++)
        if (*p != '_')
            account[n++] = *p;
    account[n] = 0;
    snprintf(ret, size, "iqn.%s.%s.%s", es->iqn_month, account, es->tsm);
}

int64_t model_used_iops(const struct model *m)
{
    const struct group *g;
    int64_t sum = 0;
    size_t i;

    MODEL_EACH(m, KIND_GROUP, i, g)
    sum += g->iops;
    return sum;
}

struct pool *model_tsm_pool(const struct model *m)
{
    return model_by_id(m, KIND_POOL, model_estate(m)->pool_id);
}

size_t model_count_clones(const struct model *m, const struct snapshot *sn)
{
    const struct volume *v;
    size_t n = 0, i;

    MODEL_EACH(m, KIND_VOLUME, i, v)
    n += strcmp(v->origin, sn->row.id) == 0;
    return n;
}

size_t model_count_in_group(const struct model *m, const char *group_id)
{
    const struct volume *v;
    size_t n = 0, i;

    MODEL_EACH(m, KIND_VOLUME, i, v)
    n += strcmp(v->group_id, group_id) == 0;
    return n;
}

struct snapshot *model_snapshot_of(const struct model *m, const char *owner, const char *name)
{
    struct snapshot *sn;
    size_t i;

    MODEL_EACH(m, KIND_SNAPSHOT, i, sn)
    if (strcmp(sn->owner, owner) == 0 && strcmp(sn->row.name, name) == 0)
        return sn;
    return NULL;
}

int64_t quota_parse(const char *text)
{
    char *end;
    long long n;

    errno = 0;
    n = strtoll(text, &end, 10);
    if (errno || end == text || n <= 0 || n > INT64_C(1) << 40)
        return -1;
    for (const char *unit = "KMGT"; *unit; unit++) {
        n = n > INT64_MAX / 1024 ? -1 : n * 1024;
        if (n < 0)
            return -1;
        /* only the spellings that clients were seen to send */
        if (*end == *unit && end[1] == 0)
            return n;
    }
    return -1;
}

int str_set(char *to, size_t size, const char *from)
{
    size_t n = strlen(from);

    if (n >= size)
        return -1;
    memmove(to, from, n + 1);
    return 0;
}
