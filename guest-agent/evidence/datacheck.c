/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The course of a data check; see datacheck.h. */
#include "guest-agent/evidence/datacheck.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest-agent/evidence/datacheck_private.h"
#include "guest-agent/sample/procfile.h"
#include "guest-agent/sample/procinfo.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#define TEXT_MAX 500

/* ---- results and progress ---- */

void run_problem(struct run *r, const char *object, const char *text)
{
    Cbsnap__DataChecked *to = r->result;
    Cbsnap__DataProblem *p;
    char plain[TEXT_MAX];

    to->problems++;
    if (to->n_problem >= DATACHECK_PROBLEMS_MAX)
        return;
    p = xcalloc(1, sizeof(*p));
    cbsnap__data_problem__init(p);
    /* names of tables and files may be any bytes, a message only UTF-8 */
    text_clean(plain, sizeof(plain), object, strlen(object));
    p->object = xstrdup(plain);
    text_clean(plain, sizeof(plain), text, strlen(text));
    p->text = xstrdup(plain);
    to->problem = xrealloc(to->problem, (to->n_problem + 1) * sizeof(Cbsnap__DataProblem *));
    to->problem[to->n_problem++] = p;
}

bool run_stops(const struct run *r)
{
    return r->config->stop(r->config->arg);
}

static void expect(const struct run *r, size_t more)
{
    AUTO_LOCK(held, &r->config->progress->lock);
    r->config->progress->total += (uint32_t)more;
}

static void begin(const struct run *r, const char *what)
{
    struct datacheck_progress *p = r->config->progress;

    AUTO_LOCK(held, &p->lock);
    text_clean(p->what, sizeof(p->what), what, strlen(what));
}

static void done(const struct run *r)
{
    AUTO_LOCK(held, &r->config->progress->lock);
    r->config->progress->done++;
}

/* ---- tables ---- */

struct table_run {
    struct run *run;
    const char *name;
};

static void on_problem(void *arg, const char *text)
{
    struct table_run *t = arg;

    run_problem(t->run, t->name, text);
}

static bool on_stop(void *arg)
{
    return run_stops(((struct table_run *)arg)->run);
}

/* A lost connection: it says something about the table only if the server is gone with it. */
static int after_loss(struct run *r, const char *name, const struct err *why, struct err *e)
{
    if (service_died(r)) {
        AUTO_FREE char *words = service_last_words(r);
        AUTO_FREE char *text = xasprintf("the server died while checking it: %s", words);

        run_problem(r, name, text);
        return service_revive(r, e);
    }
    if (run_stops(r))
        return err_set(e, ERR_CANCELLED, "the data check was stopped: nobody waits for it");
    run_problem(r, name, why->msg);
    return table_checker_open(r->checker, e);
}

/* -1: there is no way on. */
static int check_table(struct run *r, const struct table_name *table, struct err *e)
{
    AUTO_FREE char *name = xasprintf("%s.%s", table->schema, table->table);
    struct table_run t = {.run = r, .name = name};
    struct table_check check = {.stop = on_stop, .problem = on_problem, .arg = &t};
    struct err why = ERR_INIT;
    int rc = 0;

    begin(r, name);
    if (table_checker_check(r->checker, table, &check, &why) == 0)
        r->result->tables += !check.unsupported;
    else if (why.code == ERR_CANCELLED)
        rc = err_set(e, why.code, "%s", why.msg);
    else
        rc = after_loss(r, name, &why, e);
    done(r);
    return rc;
}

/* "schema.table", as the host says it; the first dot parts them. */
static int given_tables(const struct datacheck *c, struct table_name **ret, size_t *ret_count,
                        struct err *e)
{
    struct table_name *names = xcalloc(c->table_count + 1, sizeof(*names));

    for (size_t n = 0; n < c->table_count; n++) {
        const char *dot = strchr(c->tables[n], '.');

        if (!dot) {
            table_names_free(names, n);
            return err_set(e, ERR_PROTOCOL, "'%.100s' is no schema.table", c->tables[n]);
        }
        names[n].schema = xasprintf("%.*s", (int)(dot - c->tables[n]), c->tables[n]);
        names[n].table = xstrdup(dot + 1);
    }
    *ret = names;
    *ret_count = c->table_count;
    return 0;
}

static int list_tables(struct run *r, struct table_name **ret, size_t *ret_count, struct err *e)
{
    if (r->config->table_count)
        return given_tables(r->config, ret, ret_count, e);
    return table_checker_list(r->checker, ret, ret_count, e);
}

static void absent(struct run *r, const struct table_name *table)
{
    AUTO_FREE char *name = xasprintf("%s.%s", table->schema, table->table);
    Cbsnap__DataChecked *to = r->result;
    char plain[TEXT_MAX];

    if (to->n_absent_table >= DATACHECK_PROBLEMS_MAX)
        return;
    text_clean(plain, sizeof(plain), name, strlen(name));
    to->absent_table = xrealloc(to->absent_table, (to->n_absent_table + 1) * sizeof(char *));
    to->absent_table[to->n_absent_table++] = xstrdup(plain);
}

/* A name that is wrong says nothing about the data: the host is told before all is read for it. */
static bool all_there(struct run *r, const struct table_name *names, size_t count)
{
    for (size_t n = 0; n < count && r->config->table_count; n++) {
        if (table_checker_lacks(r->checker, &names[n]))
            absent(r, &names[n]);
    }
    return r->result->n_absent_table == 0;
}

static int check_tables(struct run *r, struct err *e)
{
    struct table_name *names;
    size_t count = 0, n;
    int rc;

    if (list_tables(r, &names, &count, e) < 0)
        return -1;
    expect(r, count);
    /* in words too, for a host that does not know absent_table */
    rc = all_there(r, names, count)
             ? 0
             : err_set(e, ERR_NOT_FOUND, "there is no table '%s'", r->result->absent_table[0]);
    for (n = 0; rc == 0 && n < count; n++)
        rc = check_table(r, &names[n], e);
    if (rc < 0)
        err_prefix(e, "%zu of %zu tables were checked", n, count);
    table_names_free(names, count);
    return rc;
}

/* ---- files ---- */

/* What is left out is said once; the others are checked all the same. */
static void leave_out(struct run *r, const char *path)
{
    if (!r->result->files_problem)
        r->result->files_problem =
            xasprintf("'%s' was not checked: innochecksum can read only the first file of a "
                      "tablespace",
                      path);
    done(r);
}

static int check_file(struct run *r, size_t n, struct err *e)
{
    const char *path = r->files.paths[n];
    AUTO_FREE char *words = NULL;
    struct data_file_pages pages = {.page_size = r->page_size};
    int rc;

    if (r->files.kinds[n] == DATA_FILE_SYSTEM_MORE) {
        leave_out(r, path);
        return 0;
    }
    if (r->files.kinds[n] == DATA_FILE_SYSTEM)
        pages.doublewrite = data_files_doublewrite(r->server.version, r->page_size);
    begin(r, path);
    rc = data_files_check(path, &pages, r->config->stop, r->config->arg, &words, e);
    if (rc < 0)
        return -1;
    if (rc > 0)
        run_problem(r, path, words);
    r->result->files++;
    done(r);
    return 0;
}

static int check_files(struct run *r, struct err *e)
{
    if (procinfo_lives("", r->pid) && service_stop(r, e) < 0)
        return -1;
    for (size_t n = 0; n < r->files.count; n++) {
        if (check_file(r, n, e) < 0)
            return -1;
    }
    return 0;
}

/* ---- all of it ---- */

/* While the server still answers: which files there are. */
static int find_files(struct run *r, struct err *e)
{
    r->has_server = server_info_read(r->config->login, &r->server, e) == 0;
    if (!r->has_server ||
        data_files_find(&r->server, table_checker_data_files(r->checker), &r->files, e) < 0)
        return -1;
    r->page_size = table_checker_page_size(r->checker);
    expect(r, r->files.count);
    return 0;
}

static void check_all(struct run *r)
{
    bool checksums = !r->config->skip_checksums;
    struct err e = ERR_INIT, files = ERR_INIT;

    begin(r, "log in");
    if (table_checker_open(r->checker, &e) < 0) {
        r->result->tables_problem = xstrdup(e.msg);
        if (checksums)
            r->result->files_problem = xstrdup(e.msg);
        return;
    }
    service_learn(r);
    if (checksums && find_files(r, &files) < 0)
        r->result->files_problem = xstrdup(files.msg);
    if (check_tables(r, &e) < 0)
        r->result->tables_problem = xstrdup(e.msg);
    if (checksums && r->result->n_absent_table == 0 && !err_is_set(&files) && !run_stops(r) &&
        check_files(r, &files) < 0) {
        free(r->result->files_problem);
        r->result->files_problem = xstrdup(files.msg);
    }
}

static void run_release(struct run *r)
{
    table_checker_free(r->checker);
    if (r->has_server)
        server_info_release(&r->server);
    data_files_release(&r->files);
    free(r->unit);
    free(r->log);
}

Cbsnap__DataChecked *datacheck_run(const struct datacheck *config, struct err *e)
{
    struct run r = {.config = config, .result = xcalloc(1, sizeof(*r.result))};
    int64_t began = mono_ms();

    cbsnap__data_checked__init(r.result);
    r.checker = table_checker_new(config->login);
    check_all(&r);
    r.result->has_tables = r.result->has_files = r.result->has_problems = 1;
    MSG_SET(r.result, ms, (uint32_t)(mono_ms() - began));
    run_release(&r);
    if (!config->stop(config->arg))
        return r.result;
    cbsnap__data_checked__free_unpacked(r.result, NULL);
    err_set(e, ERR_CANCELLED, "the data check was stopped: nobody waits for it");
    return NULL;
}
