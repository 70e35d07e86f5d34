/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Deleted files that are still open: in this very process, as the kernel tells it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest-agent/sample/deleted.h"
#include "tests/in_range.h"
#include "tests/unit/guest-agent/reading.h"

struct world {
    char *root;
    struct source_config config;
    void *self;
};

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    names = names_new();
    w->root = tree_new();
    w->config.root = "";
    w->config.server = server_facts_new();
    server_facts_set(w->config.server, getpid(), NULL, NULL, NULL);
    w->self = deleted_source.open(&w->config);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    deleted_source.close(w->self);
    server_facts_free(w->config.server);
    tree_free(w->root);
    free(w);
    names_free(names);
    return 0;
}

/* A file of that size, open; deleted unless `keep`. */
static int open_file(const struct world *w, const char *name, size_t size, bool keep)
{
    AUTO_FREE char *path = xasprintf("%s/%s", w->root, name), *data = xcalloc(1, size + 1);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    memset(data, 'x', size);
    assert_int_equal(write(fd, data, size), (ssize_t)size);
    fsync(fd); /* some filesystems give blocks only then */
    if (!keep)
        assert_int_equal(unlink(path), 0);
    return fd;
}

static uint64_t space(int fd)
{
    struct stat st;

    assert_int_equal(fstat(fd, &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

static void its_own_are_known_by_name(void **state)
{
    static const char *const own[] = {"/tmp/ibA1b2C3",
                                      "/tmp/MLDOy0eD",
                                      "/var/tmp/MYfd12ab",
                                      "/tmp/ST0aB9zZ",
                                      "/tmp/#131077",
                                      "/memfd:jit",
                                      "/[aio]",
                                      "/SYSV00000000",
                                      "/dev/zero",
                                      "/x/mysql_temptable.a1B2c3"};
    static const char *const others[] = {"/var/lib/mysql/ibdata1",
                                         "/var/lib/mysql/t/ib1.ibd",
                                         "/var/log/mysql/slow.log",
                                         "/var/lib/mysql/MYtable.MYD",
                                         "/var/lib/mysql/binlog.000007",
                                         "/var/lib/mysql/t/#sql-1a2b_3.ibd",
                                         "/tmp/#",
                                         "/tmp/ibA1b2C34",
                                         "/tmp/ib_1b2C"};

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(own); n++) {
        if (!deleted_is_temporary(own[n]))
            fail_msg("'%s' is its own", own[n]);
    }
    for (size_t n = 0; n < ARRAY_SIZE(others); n++) {
        if (deleted_is_temporary(others[n]))
            fail_msg("'%s' is not", others[n]);
    }
}

static void what_others_deleted_is_told(void **state)
{
    struct world *w = *state;
    int small = open_file(w, "slow.log", 5000, false);
    int big = open_file(w, "bin\xfflog", 300000, false);
    int kept = open_file(w, "there.ibd", 9000, true);
    int named = open_file(w, "looks (deleted)", 9000, true);
    int own = open_file(w, "ibA1b2C3", 9000, false);
    int memory = memfd_create("x", MFD_CLOEXEC);
    struct sample *s = read_at(&deleted_source, w->self, 1000000);
    AUTO_FREE char *first = xasprintf("%s/bin?log", w->root);
    AUTO_FREE char *second = xasprintf("%s/slow.log", w->root);

    check_value(s, "mysql.deleted_open.files", 2);
    check_value(s, "mysql.deleted_open.bytes", (double)(space(small) + space(big)));
    assert_int_equal(s->file_count, 2);
    assert_string_equal(s->files[0].path, first);
    assert_int_equal(s->files[0].bytes, space(big));
    assert_string_equal(s->files[1].path, second);
    sample_free(s);
    close(big);
    s = read_at(&deleted_source, w->self, 2000000);
    check_value(s, "mysql.deleted_open.files", 1);
    sample_free(s);
    close(small), close(kept), close(named), close(own), close(memory);
    s = read_at(&deleted_source, w->self, 3000000);
    check_value(s, "mysql.deleted_open.files", 0);
    check_value(s, "mysql.deleted_open.bytes", 0);
    sample_free(s);
}

static void the_largest_are_listed(void **state)
{
    struct world *w = *state;
    int fds[15];
    struct sample *s;
    char name[16];

    for (int n = 0; n < 15; n++) {
        (void)snprintf(name, sizeof(name), "f%d", n);
        fds[n] = open_file(w, name, (size_t)((n * 7) % 15 + 1) * 8192, false);
    }
    s = read_at(&deleted_source, w->self, 1000000);
    check_value(s, "mysql.deleted_open.files", 15);
    assert_int_equal(s->file_count, SAMPLE_FILES_MAX);
    for (size_t n = 1; n < s->file_count; n++)
        assert_true(s->files[n - 1].bytes > s->files[n].bytes);
    sample_free(s);
    for (int n = 0; n < 15; n++)
        close(fds[n]);
}

/* More descriptors than one turn looks at: nothing is told before all were seen, then all of it. */
static void many_descriptors_take_turns(void **state)
{
    struct rlimit was, many = {.rlim_cur = 16000, .rlim_max = 16000};
    struct world *w = *state;
    int gone = open_file(w, "slow.log", 5000, false), last, turns = 0;
    const double *files = NULL;

    getrlimit(RLIMIT_NOFILE, &was);
    if (was.rlim_max > many.rlim_max)
        many.rlim_max = was.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &many), 0);
    for (int n = 0; n < 12000; n++)
        last = dup(0);
    while (!files && turns++ < 100) {
        struct sample *s = read_at(&deleted_source, w->self, 1000000);

        files = sample_get(s, "mysql.deleted_open.files");
        if (files)
            assert_true(*files == 1);
        else
            assert_int_equal(s->count + s->file_count, 0);
        sample_free(s);
    }
    assert_int_in_range(turns, 2, 50);
    for (int fd = gone; fd <= last; fd++)
        close(fd);
    many.rlim_cur = was.rlim_cur;
    (void)setrlimit(RLIMIT_NOFILE, &many);
}

static void another_process_starts_anew(void **state)
{
    struct world *w = *state;
    struct sample *s;

    server_facts_set(w->config.server, 0, NULL, NULL, NULL);
    s = read_at(&deleted_source, w->self, 1000000);
    assert_int_equal(s->count, 0);
    sample_free(s);
    server_facts_set(w->config.server, getpid(), NULL, NULL, NULL);
    s = read_at(&deleted_source, w->self, 2000000);
    check_value(s, "mysql.deleted_open.files", 0);
    sample_free(s);
}

/* A server that was killed and not yet reaped has a folder of descriptors, and nothing in it. */
static void a_dead_process_is_absent(void **state)
{
    struct world *w = *state;
    pid_t child = fork();
    siginfo_t info;
    struct sample *s;

    if (child == 0)
        _exit(0);
    assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    server_facts_set(w->config.server, child, NULL, NULL, NULL);
    s = read_at(&deleted_source, w->self, 1000000);
    assert_int_equal(s->count, 0);
    sample_free(s);
    (void)waitpid(child, NULL, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_own_are_known_by_name),
        T(what_others_deleted_is_told),
        T(the_largest_are_listed),
        T(many_descriptors_take_turns),
        T(another_process_starts_anew),
        T(a_dead_process_is_absent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
