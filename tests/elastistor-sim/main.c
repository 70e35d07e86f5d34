/* SPDX-License-Identifier: GPL-2.0-or-later */
/* elastistor-sim: a stand-in for a CloudByte ElastiStor appliance, for tests only. Command line,
 * start, signals, end. */
#include "tests/elastistor-sim/http.h"
#include "tests/elastistor-sim/jobs.h"
#include "tests/elastistor-sim/pause.h"
#include "tests/elastistor-sim/qos.h"
#include "tests/elastistor-sim/reqlog.h"
#include "proto/base/cleanup.h"
#include "proto/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#ifndef CBSNAP_VERSION
#define CBSNAP_VERSION "unknown"
#endif

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_CONFIG = 2 };

struct server {
    struct sim sim;
    struct http *http;
    pthread_t sampler;
    bool sampling;
    FILE *log_file;
};

static const char usage[] =
    "usage: elastistor-sim --config FILE [--foreground]\n"
    "A stand-in for a CloudByte ElastiStor appliance, for tests: never for data you need.\n"
    "Without --foreground it goes to the background once it listens.\n"
    "Other options: --verbose, --help, --version\n";

static void log_to_file(void *arg, enum log_level level, const char *line)
{
    struct timespec ts;
    char text[32];
    struct tm tm;

    clock_gettime(CLOCK_REALTIME, &ts);
    localtime_r(&ts.tv_sec, &tm);
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
    fprintf(arg, "%s.%03ld %s: %s\n", text, ts.tv_nsec / 1000000, log_level_name(level), line);
    fflush(arg);
}

static int write_number(const char *path, long number, struct err *e)
{
    AUTO_FREE char *tmp = xasprintf("%s.new", path);
    FILE *f;

    if (!*path)
        return 0;
    f = fopen(tmp, "we");
    if (!f || fprintf(f, "%ld\n", number) < 0 || fclose(f) != 0 || rename(tmp, path) < 0)
        return err_set_sys(e, ERR_CONFIG, errno, "cannot write '%s'", path);
    return 0;
}

/* Ours only: a successor may have started while we were ending. */
static void remove_pid_file(const char *path)
{
    AUTO_FCLOSE FILE *f = *path ? fopen(path, "re") : NULL;
    long pid;

    if (f && fscanf(f, "%ld", &pid) == 1 && pid == getpid())
        unlink(path);
}

static int open_log(struct server *sv, struct err *e)
{
    const char *path = sv->sim.opt.log_file;

    if (!*path)
        return 0;
    sv->log_file = fopen(path, "ae");
    if (!sv->log_file)
        return err_set_sys(e, ERR_CONFIG, errno, "cannot write log file '%s'", path);
    log_set_sink(log_to_file, sv->log_file);
    return 0;
}

static void tell_start(struct sim *s, int port)
{
    AUTO_LOCK(held, &s->model.lock);
    log_info("stand-in for tests listens on %s port %d, %zu volumes, snapshots by %s, iscsi %s",
             s->opt.listen, port, s->model.tables[KIND_VOLUME].n,
             s->reflink ? "reflink" : "sparse copy", s->opt.tgt ? "through tgtd" : "off");
}

static int server_start(struct server *sv, struct err *e)
{
    struct sim *s = &sv->sim;
    int port;

    s->faults = faults_new(&s->opt, e);
    if (!s->faults || open_log(sv, e) < 0 || sim_open(s, e) < 0 || jobs_start(s, e) < 0 ||
        qos_start(s, &sv->sampler, e) < 0)
        return -1;
    sv->sampling = true;
    s->log = reqlog_new();
    if (http_start(s, &sv->http, &port, e) < 0)
        return -1;
    tell_start(s, port);
    if (write_number(s->opt.pid_file, getpid(), e) < 0)
        return -1;
    return write_number(s->opt.port_file, port, e);
}

static void server_stop(struct server *sv)
{
    pause_stop();
    http_stop(sv->http);
    jobs_stop(&sv->sim);
    if (sv->sampling)
        qos_stop(sv->sampler);
    remove_pid_file(sv->sim.opt.pid_file);
    reqlog_free(sv->sim.log);
    faults_free(sv->sim.faults);
    model_release(&sv->sim.model);
    log_set_sink(NULL, NULL);
    if (sv->log_file)
        fclose(sv->log_file);
}

/* Signals are blocked in all threads and taken here. */
static int wait_for_end(void)
{
    sigset_t set;
    int sig;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigwait(&set, &sig);
    log_info("signal %d: ending", sig);
    return EXIT_DONE;
}

static void block_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* The parent waits until the child serves or has said why not, so that a script which starts the
 * stand-in can use it at once. Returns in the child; *ret_ready is -1 in the foreground. */
static void go_to_background(int *ret_ready)
{
    int fds[2], status;
    pid_t pid;
    char byte;

    if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
        fprintf(stderr, "elastistor-sim: cannot go to the background: %s\n", strerror(errno));
        exit(EXIT_FAILED);
    }
    if (pid == 0) {
        close(fds[0]);
        setsid();
        *ret_ready = fds[1];
        return;
    }
    close(fds[1]);
    if (read(fds[0], &byte, 1) == 1)
        _exit(EXIT_DONE);
    waitpid(pid, &status, 0);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILED);
}

static void detach(int ready)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    for (int fd = 0; null >= 0 && fd < 3; fd++)
        dup2(null, fd);
    if (write(ready, "1", 1) != 1)
        log_warn("the process that started us is gone");
    close(ready);
}

static int serve(struct server *sv, int ready)
{
    struct err e = ERR_INIT;
    int rc;

    block_signals();
    model_init(&sv->sim.model);
    if (server_start(sv, &e) < 0) {
        fprintf(stderr, "elastistor-sim: %s\n", e.msg);
        server_stop(sv);
        return e.code == ERR_CONFIG ? EXIT_CONFIG : EXIT_FAILED;
    }
    if (ready >= 0)
        detach(ready);
    rc = wait_for_end();
    server_stop(sv);
    return rc;
}

struct arguments {
    const char *config;
    bool foreground;
};

/* Returns -1 to go on, else the exit code. */
static int parse_arguments(int argc, char **argv, struct arguments *a)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'}, {"foreground", no_argument, NULL, 'f'},
        {"verbose", no_argument, NULL, 'v'},      {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},      {NULL, 0, NULL, 0},
    };
    int opt;

    while ((opt = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (opt == 'c')
            a->config = optarg;
        else if (opt == 'f')
            a->foreground = true;
        else if (opt == 'v')
            log_set_level(LOG_LEVEL_DEBUG);
        else if (opt == 'h')
            return fputs(usage, stdout) < 0 ? EXIT_FAILED : EXIT_DONE;
        else if (opt == 'V')
            return puts("elastistor-sim " CBSNAP_VERSION) < 0 ? EXIT_FAILED : EXIT_DONE;
        else
            return EXIT_CONFIG;
    }
    if (a->config && optind == argc)
        return -1;
    fputs(usage, stderr);
    return EXIT_CONFIG;
}

int main(int argc, char **argv)
{
    static struct server sv;
    struct arguments a = {.config = NULL};
    struct err e = ERR_INIT;
    int rc = parse_arguments(argc, argv, &a), ready = -1;

    if (rc >= 0)
        return rc;
    if (options_read(&sv.sim.opt, a.config, &e) < 0) {
        fprintf(stderr, "elastistor-sim: %s\n", e.msg);
        return EXIT_CONFIG;
    }
    if (!a.foreground)
        go_to_background(&ready);
    return serve(&sv, ready);
}
