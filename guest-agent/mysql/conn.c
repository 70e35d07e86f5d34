/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections to the server and bounded queries on them; see conn.h. */
#include "guest-agent/mysql/conn.h"

#include <errmsg.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "guest-agent/mysql/socket.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/compat.h"

/* Reads happen only once data is there, so this bounds an answer that stops in its middle. */
#define READ_TIMEOUT_S 2

/* Server error numbers; the headers of old and new servers do not all name them. */
enum {
    SERVER_DB_ACCESS_DENIED = 1044,
    SERVER_ACCESS_DENIED = 1045,
    SERVER_TABLE_ACCESS_DENIED = 1142,
    SERVER_RIGHT_MISSING = 1227,
    SERVER_ACCESS_DENIED_NO_PASSWORD = 1698,
    SERVER_ACCOUNT_LOCKED = 3118,
    SERVER_PLUGIN_MISSING = 1524,
    SERVER_NO_SUCH_THREAD = 1094,
    PLUGIN_NOT_ALLOWED = 5010, /* MariaDB's library, of a way to log in that it must not go */
};

static void library_start(void)
{
    /* Closing a connection that the server has left writes to it: without this the writer dies. */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)mysql_library_init(0, NULL, NULL);
}

void conn_init(struct conn *c, const struct mysql_login *login)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, library_start);
    *c = (struct conn){.login = login, .sever_fd = -1};
}

int conn_make_severable(struct conn *c, struct err *e)
{
    c->sever_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->sever_fd < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot make a socket");
    return 0;
}

void conn_release(struct conn *c)
{
    conn_close(c);
    if (c->sever_fd >= 0)
        close(c->sever_fd);
    c->sever_fd = -1;
}

bool conn_is_open(const struct conn *c)
{
    return c->my;
}

const char *conn_replicas_sql(const struct conn *c)
{
    if (c->mariadb && c->version >= 100000)
        return "SHOW ALL SLAVES STATUS";
    return !c->mariadb && c->version >= 80022 ? "SHOW REPLICA STATUS" : "SHOW SLAVE STATUS";
}

int conn_fd(const struct conn *c)
{
    if (!c->my)
        return -1;
#ifdef LIBMARIADB
    return mysql_get_socket(c->my);
#else
    return (int)c->my->net.fd;
#endif
}

bool conn_poll(int fd, int64_t until_us)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    for (;;) {
        int64_t left_ms = (until_us - mono_us() + 999) / 1000;
        int n = poll(&p, 1, left_ms > 0 ? (int)left_ms : 0);

        if (n > 0)
            return true;
        if (n == 0 || errno != EINTR)
            return false;
    }
}

bool conn_is_quiet(const struct conn *c)
{
    return c->my && !conn_poll(conn_fd(c), 0);
}

void conn_sever(const struct conn *c)
{
    if (c->sever_fd >= 0)
        (void)shutdown(c->sever_fd, SHUT_RDWR);
}

void conn_close(struct conn *c)
{
    int saved = errno;

    if (!c->my)
        return;
    (void)shutdown(conn_fd(c), SHUT_RDWR);
    if (c->sever_fd >= 0) {
        AUTO_CLOSE int idle = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        /* without a spare descriptor the old, dead socket stays there: as harmless */
        if (idle >= 0)
            (void)dup3(idle, c->sever_fd, O_CLOEXEC);
    }
    mysql_close(c->my);
    c->my = NULL;
    c->id = 0;
    errno = saved;
}

/* The farewell is some bytes to a socket of this machine: they fit into its buffer. */
void conn_end(struct conn *c)
{
    if (conn_is_quiet(c) && c->sever_fd < 0) {
        mysql_close(c->my);
        c->my = NULL;
        c->id = 0;
    }
    conn_close(c);
}

static int read_password(const char *path, char **ret, struct err *e)
{
    AUTO_FCLOSE FILE *f = NULL;
    AUTO_FREE char *line = NULL;
    size_t cap = 0;
    struct stat st;

    f = fopen(path, "re");
    if (!f || fstat(fileno(f), &st) < 0)
        return err_set_sys(e, ERR_CONFIG, errno, "cannot read the password file '%s'", path);
    if (st.st_mode & 077)
        return err_set(e, ERR_CONFIG, "others can read the password file '%s'; run: chmod 600 '%s'",
                       path, path);
    if (getline(&line, &cap, f) < 0)
        return err_set(e, ERR_CONFIG, "the password file '%s' is empty", path);
    line[strcspn(line, "\r\n")] = '\0';
    *ret = STEAL_PTR(line);
    return 0;
}

static const char *account(const struct mysql_login *login)
{
    return login->user && *login->user ? login->user : "root";
}

static bool is_auth_error(unsigned no)
{
    return no == SERVER_DB_ACCESS_DENIED || no == SERVER_ACCESS_DENIED ||
           no == SERVER_ACCESS_DENIED_NO_PASSWORD || no == SERVER_ACCOUNT_LOCKED ||
           no == SERVER_PLUGIN_MISSING || no == SERVER_TABLE_ACCESS_DENIED ||
           no == SERVER_RIGHT_MISSING || no == CR_AUTH_PLUGIN_CANNOT_LOAD ||
           no == PLUGIN_NOT_ALLOWED;
}

static int not_there(const struct mysql_login *login, const char *why, struct err *e)
{
    return err_set(e, ERR_MYSQL,
                   "cannot log in as '%s' on socket '%s': %s (is the server running, and is that "
                   "its socket?)",
                   account(login), login->socket, why);
}

/* The library knows the socket as `opened`, which says nothing to anybody. */
static int login_failed(MYSQL *my, const struct mysql_login *login, const char *opened,
                        struct err *e)
{
    const char *text = mysql_error(my), *at = strstr(text, opened);
    AUTO_FREE char *why = NULL;

    if (at)
        why = xasprintf("%.*s%s%s", (int)(at - text), text, login->socket, at + strlen(opened));
    else
        why = xstrdup(text);
    if (!is_auth_error(mysql_errno(my)))
        return not_there(login, why, e);
    return err_set(e, ERR_AUTH,
                   "account '%s' is not let in on socket '%s': %s (correct user and password "
                   "file, or the account's authentication plugin)",
                   account(login), login->socket, why);
}

/* "5.5.5-10.11.6-MariaDB-log" is MariaDB 10.11.6: the prefix is there for old replicas. */
static void note_version(struct conn *c)
{
    const char *text = mysql_get_server_info(c->my);
    unsigned a = 0, b = 0, d = 0;

    c->mariadb = strstr(text, "MariaDB") != NULL;
    if (c->mariadb && strncmp(text, "5.5.5-", 6) == 0)
        text += 6;
    (void)sscanf(text, "%u.%u.%u", &a, &b, &d);
    c->version = a * 10000 + b * 100 + d;
}

/* What a server may ask of a client besides: a file of this machine, and the password as it is.
 * (Some ways of logging in send it so over any UNIX socket; who listens was looked at.) */
static void set_limits(MYSQL *my)
{
    const unsigned off = 0;

    (void)mysql_options(my, MYSQL_OPT_LOCAL_INFILE, &off);
#ifndef LIBMARIADB
    (void)mysql_options(my, MYSQL_ENABLE_CLEARTEXT_PLUGIN, &off);
#elif MARIADB_PACKAGE_VERSION_ID >= 30300
    /* there it is on, and so is `dialog`, which asks for whatever it likes */
    (void)mysql_options(my, MARIADB_OPT_RESTRICTED_AUTH,
                        "mysql_native_password,caching_sha2_password,sha256_password,"
                        "client_ed25519,parsec");
#endif
}

static void set_times(MYSQL *my, const struct mysql_login *login)
{
    unsigned connect_s = (unsigned)(login->connect_timeout_ms + 999) / 1000;
    unsigned io_s = READ_TIMEOUT_S;

    (void)mysql_options(my, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
    (void)mysql_options(my, MYSQL_OPT_READ_TIMEOUT, &io_s);
    (void)mysql_options(my, MYSQL_OPT_WRITE_TIMEOUT, &io_s);
}

/* Looks at the socket without connecting; -1: not to be used. */
static int open_socket(const struct mysql_login *login, struct err *e)
{
    AUTO_CLOSE int fd = open(login->socket, O_PATH | O_CLOEXEC);
    const char *owner = login->socket_owner;

    if (fd < 0)
        return not_there(login, strerror(errno), e);
    if (socket_check(fd, login->socket, geteuid(), owner ? owner : SOCKET_OWNER_DEFAULT, e) < 0)
        return -1;
    return STEAL_FD(fd);
}

static MYSQL *log_in(const struct mysql_login *login, struct err *e)
{
    AUTO_FREE char *password = NULL, *opened = NULL;
    AUTO_CLOSE int fd = open_socket(login, e);
    unsigned protocol = MYSQL_PROTOCOL_SOCKET;
    MYSQL *my, *done;

    if (fd < 0)
        return NULL;
    /* that one, and none that has come in its place since */
    opened = xasprintf("/proc/self/fd/%d", fd);
    if (login->password_file && *login->password_file &&
        read_password(login->password_file, &password, e) < 0)
        return NULL;
    my = mysql_init(NULL);
    if (!my) {
        err_set(e, ERR_INTERNAL, "out of memory");
        return NULL;
    }
    (void)mysql_options(my, MYSQL_OPT_PROTOCOL, &protocol);
    set_times(my, login);
    set_limits(my);
    (void)mysql_options4(my, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "cbsnap-agent");
    done = mysql_real_connect(my, "localhost", account(login), password, NULL, 0, opened, 0);
    if (password)
        wipe(password, strlen(password));
    if (!done) {
        login_failed(my, login, opened, e);
        mysql_close(my);
    }
    return done;
}

/* One with a higher number than ours was another server's, before it was started anew. */
static int end_left(struct conn *c, struct err *e)
{
    unsigned long left = c->left < c->id ? c->left : 0;
    struct err why = ERR_INIT;

    c->left = 0;
    if (left == 0 || conn_query(c, READ_TIMEOUT_S * 1000, NULL, &why, "KILL %lu", left) == 0)
        return 0;
    if (!c->my || c->server_errno != SERVER_NO_SUCH_THREAD)
        c->left = left; /* rather than this session, which holds nothing */
    return c->my ? 0 : err_set(e, why.code, "%s", why.msg);
}

int conn_open(struct conn *c, struct err *e)
{
    conn_close(c);
    c->my = log_in(c->login, e);
    if (!c->my)
        return -1;
    c->id = mysql_thread_id(c->my);
    note_version(c);
    if (c->sever_fd >= 0 && dup3(conn_fd(c), c->sever_fd, O_CLOEXEC) < 0) {
        err_set_sys(e, ERR_IO, errno, "cannot duplicate the socket of the lock connection");
        conn_close(c);
        return -1;
    }
    if (end_left(c, e) < 0)
        return -1;
    /* An idle lock connection must not be closed by the server. A day is longer than any lease. */
    return conn_query(c, READ_TIMEOUT_S * 1000, NULL, e,
                      "SET SESSION wait_timeout = 86400, autocommit = 1");
}

int conn_fail(struct conn *c, struct err *e)
{
    unsigned no = mysql_errno(c->my);

    c->server_errno = no;
    if (is_auth_error(no))
        err_set(e, ERR_AUTH, "account '%s' lacks a right on socket '%s': %s", account(c->login),
                c->login->socket, mysql_error(c->my));
    else
        err_set(e, ERR_MYSQL, "the server on socket '%s' answered with error %u: %s",
                c->login->socket, no, mysql_error(c->my));
    /* 2000-2999 are the library's own: the line is broken, or no longer in step */
    if (no == 0 || (no >= CR_MIN_ERROR && no < CR_MIN_ERROR + 1000))
        conn_close(c);
    return -1;
}

int conn_send(struct conn *c, const char *sql, struct err *e)
{
    c->server_errno = 0;
    if (!c->my) {
        c->server_errno = CR_SERVER_LOST;
        return err_set(e, ERR_MYSQL, "not connected to the server on socket '%s'",
                       c->login->socket);
    }
    if (mysql_send_query(c->my, sql, strlen(sql)) != 0)
        return conn_fail(c, e);
    return 0;
}

int conn_result(struct conn *c, MYSQL_RES **ret, struct err *e)
{
    MYSQL_RES *res;

    if (mysql_read_query_result(c->my) != 0)
        return conn_fail(c, e);
    res = mysql_store_result(c->my);
    if (!res && mysql_field_count(c->my) > 0)
        return conn_fail(c, e);
    if (ret)
        *ret = res;
    else if (res)
        mysql_free_result(res);
    return 0;
}

int conn_query(struct conn *c, int timeout_ms, MYSQL_RES **ret, struct err *e, const char *fmt, ...)
{
    int64_t until = mono_us() + (int64_t)timeout_ms * 1000;
    AUTO_FREE char *sql = NULL;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&sql, fmt, ap) < 0)
        abort(); /* like the allocators of buf.h: there is no sane way on */
    va_end(ap);
    if (conn_send(c, sql, e) < 0)
        return -1;
    if (c->deadline_us && c->deadline_us < until)
        until = c->deadline_us;
    if (!conn_poll(conn_fd(c), until)) {
        c->server_errno = CR_SERVER_LOST;
        c->left = c->id;
        conn_close(c);
        return err_set(e, ERR_TIMEOUT, "the server on socket '%s' did not answer within %d ms",
                       c->login->socket, timeout_ms);
    }
    return conn_result(c, ret, e);
}
