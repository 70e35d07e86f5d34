/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See server_facts.h. */
#include "guest-agent/sample/server_facts.h"

#include <pthread.h>
#include <stdlib.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

struct server_facts {
    pthread_mutex_t lock;
    pid_t pid;
    char *error_log, *datadir, *tmpdir;
};

struct server_facts *server_facts_new(void)
{
    struct server_facts *f = xcalloc(1, sizeof(*f));

    pthread_mutex_init(&f->lock, NULL);
    return f;
}

void server_facts_free(struct server_facts *f)
{
    if (!f)
        return;
    free(f->error_log);
    free(f->datadir);
    free(f->tmpdir);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

static void replace(char **slot, const char *text)
{
    free(*slot);
    *slot = text ? xstrdup(text) : NULL;
}

void server_facts_set(struct server_facts *f, pid_t pid, const char *error_log, const char *datadir,
                      const char *tmpdir)
{
    AUTO_LOCK(held, &f->lock);
    f->pid = pid;
    replace(&f->error_log, error_log);
    replace(&f->datadir, datadir);
    replace(&f->tmpdir, tmpdir);
}

static void give(char **ret, const char *text)
{
    if (ret)
        *ret = text ? xstrdup(text) : NULL;
}

pid_t server_facts_get(struct server_facts *f, char **ret_error_log, char **ret_datadir,
                       char **ret_tmpdir)
{
    AUTO_LOCK(held, &f->lock);
    give(ret_error_log, f->error_log);
    give(ret_datadir, f->datadir);
    give(ret_tmpdir, f->tmpdir);
    return f->pid;
}
