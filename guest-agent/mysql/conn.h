/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One connection to the server on which nothing waits longer than it said: a query is sent, its
 * socket polled, and the answer read once it is there. Private to this folder.
 *
 * A connection whose answer did not come in time is closed at once: the next answer on it would be
 * the previous question's. So after any failure ask conn_is_open() before going on.
 *
 * Threads: one per connection, but for conn_sever().
 * Errors: ERR_AUTH (not let in, or a right is missing), ERR_TIMEOUT, ERR_MYSQL. `server_errno`
 * keeps the number of the server's or the library's last error. Source: C API mysql_send_query(),
 * mysql_read_query_result(); both libmysqlclient and MariaDB's connector have them.
 */
#ifndef CBSNAP_MYSQL_CONN_H
#define CBSNAP_MYSQL_CONN_H

#include <mysql.h>

#include "guest-agent/mysql/lock.h"

struct conn {
    MYSQL *my; /* NULL: closed */
    const struct mysql_login *login;
    unsigned long id; /* the server's number for us, as KILL takes it */
    bool mariadb;
    unsigned version; /* 80402 is 8.4.2 */
    unsigned server_errno;
    int64_t deadline_us; /* monotonic: no query waits longer than until then; 0: none */
    /* The number of a session that was left in mid-statement, and may hold things for as long as
     * that takes; conn_open() ends it, and leaves it here if it cannot. 0: none. */
    unsigned long left;
    /*
     * A second descriptor of the socket whose *number* belongs to this object for its whole life
     * (while closed it is an unconnected socket), so that conn_sever() of another thread can never
     * hit a descriptor that was closed and reused meanwhile. -1 when not asked for.
     */
    int sever_fd;
};

void conn_init(struct conn *c, const struct mysql_login *login);
/* Makes conn_sever() possible. Out of descriptors is the only failure. */
int conn_make_severable(struct conn *c, struct err *e);
void conn_release(struct conn *c);

/* Logs in, closing an older connection first, and ends the session that was left. */
int conn_open(struct conn *c, struct err *e);
/* Shuts the socket down first, so that no library call can wait on it. Accepts a closed one. */
void conn_close(struct conn *c);
/* The same for a connection that waits for nothing: the server is told, and so does not warn of a
 * client that went without a word. */
void conn_end(struct conn *c);
bool conn_is_open(const struct conn *c);
/* Open, and nothing unexpected (an end of file, an error packet) waits to be read. */
bool conn_is_quiet(const struct conn *c);
int conn_fd(const struct conn *c); /* -1 when closed */
/* The statement that lists what this server replicates from, by the name it has for it. */
const char *conn_replicas_sql(const struct conn *c);
/* Any thread; does not block. */
void conn_sever(const struct conn *c);

/* Sends; the answer is then read by conn_result(). Closes the connection on failure. */
int conn_send(struct conn *c, const char *sql, struct err *e);
/* Reads the answer to conn_send(); call it once conn_fd() is readable. `ret` may be NULL for
 * statements without rows; otherwise *ret is the caller's, NULL if there were none. */
int conn_result(struct conn *c, MYSQL_RES **ret, struct err *e);
/* Both, waiting at most timeout_ms in between. */
int conn_query(struct conn *c, int timeout_ms, MYSQL_RES **ret, struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* Turns the library's last error into ours, and closes the connection if it is gone. */
int conn_fail(struct conn *c, struct err *e);

static inline void conn_free_result(MYSQL_RES **res)
{
    if (*res)
        mysql_free_result(*res);
}
#define AUTO_RESULT __attribute__((cleanup(conn_free_result)))

/* Polls one descriptor for reading. True when there is anything, an error included. */
bool conn_poll(int fd, int64_t until_us);

#endif
