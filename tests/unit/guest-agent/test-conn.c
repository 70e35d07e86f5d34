/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Logging in: whose socket it may be, and what a server that is none gets out of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "guest-agent/mysql/conn.h"
#include "guest-agent/mysql/socket.h"
#include "proto/base/err.h"
#include "tests/slow.h"
#include "tests/unit/guest-agent/tree.h"

#define SECRET "horse-battery"

/* ---- a server of somebody's ---- */

struct server {
    char *root, *path, *password_file, *file;
    int fd;
    pthread_t thread;
    /* what it answers, each with its header; a length of 0 ends the conversation */
    struct {
        unsigned char bytes[160];
        size_t len;
    } says[6];
    char heard[4096]; /* all that the client has said */
    size_t heard_len;
    size_t said;
};

static void add(struct server *s, unsigned char number, const void *body, size_t len)
{
    size_t n = 0;

    while (s->says[n].len)
        n++;
    assert_true(n < ARRAY_SIZE(s->says) && len + 4 <= sizeof(s->says[n].bytes));
    s->says[n].bytes[0] = (unsigned char)len;
    s->says[n].bytes[3] = number;
    memcpy(s->says[n].bytes + 4, body, len);
    s->says[n].len = len + 4;
}

/* Version 10 of the handshake: all that a client could want, and mysql_native_password. */
static void add_greeting(struct server *s)
{
    static const char body[] = "\x0a"
                               "8.0.30\0"
                               "\1\0\0\0"
                               "01234567\0"
                               "\x85\xa2\x21\2\0\x08\0\x15"
                               "\0\0\0\0\0\0\0\0\0\0"
                               "890123456789\0"
                               "mysql_native_password";

    add(s, 0, body, sizeof(body));
}

static void add_ok(struct server *s, unsigned char number)
{
    add(s, number, "\0\0\0\2\0\0", 7);
}

static bool hear(struct server *s, int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ssize_t got;

    if (poll(&p, 1, (int)(1000 * slowness())) <= 0)
        return false;
    got = read(fd, s->heard + s->heard_len, sizeof(s->heard) - s->heard_len);
    s->heard_len += got > 0 ? (size_t)got : 0;
    return got > 0;
}

static void *serve(void *arg)
{
    struct server *s = arg;
    AUTO_CLOSE int fd = accept(s->fd, NULL, NULL);

    for (size_t n = 0; fd >= 0 && n < ARRAY_SIZE(s->says) && s->says[n].len; n++) {
        if (write(fd, s->says[n].bytes, s->says[n].len) < 0 || !hear(s, fd))
            break;
        s->said++;
    }
    return NULL;
}

static bool was_told(const struct server *s, const char *text)
{
    return memmem(s->heard, s->heard_len, text, strlen(text)) != NULL;
}

static int listen_at(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 5) < 0)
        abort();
    return fd;
}

static int setup(void **state)
{
    struct server *s = xcalloc(1, sizeof(*s));

    s->root = tree_new();
    s->path = xasprintf("%s/public/s", s->root);
    s->password_file = xasprintf("%s/password", s->root);
    s->file = xasprintf("%s/file", s->root);
    tree_file(s->root, "password", SECRET "\n");
    tree_file(s->root, "file", SECRET " in a file\n");
    tree_dirs(s->root, "public", 1);
    if (chmod(s->password_file, 0600) < 0)
        return -1;
    s->fd = listen_at(s->path);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct server *s = *state;

    close(s->fd);
    tree_free(s->root);
    free(s->path);
    free(s->password_file);
    free(s->file);
    free(s);
    return 0;
}

static struct mysql_login login_of(const struct server *s)
{
    return (struct mysql_login){
        .socket = s->path, .password_file = s->password_file, .connect_timeout_ms = 2000};
}

static int log_in(struct server *s, struct err *e)
{
    struct mysql_login login = login_of(s);
    struct conn c;
    int rc;

    conn_init(&c, &login);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
    rc = conn_open(&c, e);
    conn_release(&c);
    assert_int_equal(pthread_join(s->thread, NULL), 0);
    return rc;
}

static void test_lets_in(void **state)
{
    struct server *s = *state;
    struct err e = ERR_INIT;

    add_greeting(s);
    add_ok(s, 2);
    add_ok(s, 1);
    assert_int_equal(log_in(s, &e), 0);
    assert_true(was_told(s, "root"));
    assert_true(was_told(s, "wait_timeout"));
    assert_false(was_told(s, SECRET));
}

/* The way of logging in is the server's to choose; these would be told the password as it is. */
static void ask_another_way(struct server *s, const char *plugin)
{
    AUTO_FREE char *body = xasprintf("\xfe%s", plugin);
    struct err e = ERR_INIT;

    add_greeting(s);
    add(s, 2, body, strlen(body) + 1);
    add_ok(s, 4);
    assert_int_equal(log_in(s, &e), -1);
    assert_true(s->said >= 1);
    assert_false(was_told(s, SECRET));
    assert_int_equal(e.code, ERR_AUTH);
}

static void test_tells_no_password_in_the_clear(void **state)
{
#if defined(LIBMARIADB) && MARIADB_PACKAGE_VERSION_ID < 30300
    skip();
#endif
    ask_another_way(*state, "mysql_clear_password");
}

static void test_answers_no_questions(void **state)
{
#if defined(LIBMARIADB) && MARIADB_PACKAGE_VERSION_ID < 30300
    skip();
#endif
    ask_another_way(*state, "dialog");
}

/* Not even for a statement that would have it so, which is what some libraries go by. */
static void test_hands_out_no_file(void **state)
{
    struct server *s = *state;
    struct mysql_login login = login_of(s);
    AUTO_FREE char *body = xasprintf("\xfb%s", s->file);
    struct conn c;

    add_greeting(s);
    add_ok(s, 2);
    add_ok(s, 1);
    add(s, 1, body, strlen(body));
    add_ok(s, 3);
    conn_init(&c, &login);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
    assert_int_equal(conn_open(&c, NULL), 0);
    (void)conn_query(&c, 1000, NULL, NULL, "LOAD DATA LOCAL INFILE '%s' INTO TABLE t", s->file);
    conn_release(&c);
    assert_int_equal(pthread_join(s->thread, NULL), 0);
    assert_true(was_told(s, "LOAD DATA"));
    assert_false(was_told(s, SECRET));
}

/* By its name, though it is reached otherwise. */
static void test_names_the_socket(void **state)
{
    struct server *s = *state;
    struct mysql_login login = login_of(s);
    struct err e = ERR_INIT;
    struct conn c;

    conn_init(&c, &login);
    close(s->fd);
    assert_int_equal(conn_open(&c, &e), -1);
    assert_int_equal(e.code, ERR_MYSQL);
    assert_non_null(strstr(e.msg, s->path));
    assert_null(strstr(e.msg, "/proc/self"));
    assert_int_equal(unlink(s->path), 0);
    e = ERR_INIT;
    assert_int_equal(conn_open(&c, &e), -1);
    assert_int_equal(e.code, ERR_MYSQL);
    assert_non_null(strstr(e.msg, "is the server running"));
    s->fd = listen_at(s->path);
    conn_release(&c);
}

/* ---- whose socket? ---- */

#define NOBODY 65534

/* Makes the socket one that neither root nor `self` has made; says whose it is. To be believed it
 * takes root, who is believed anyway. */
static uid_t of_another(const char *path, uid_t *ret_self)
{
    *ret_self = NOBODY - 1;
    if (geteuid() != 0)
        return geteuid();
    assert_int_equal(lchown(path, NOBODY, (gid_t)-1), 0);
    return NOBODY;
}

static int look(const char *path, uid_t self, const char *owner, struct err *e)
{
    AUTO_CLOSE int fd = open(path, O_PATH | O_CLOEXEC);

    assert_true(fd >= 0);
    *e = ERR_INIT;
    return socket_check(fd, path, self, owner, e);
}

static void test_anybodys_socket(void **state)
{
    struct server *s = *state;
    struct err e;
    uid_t self, other = of_another(s->path, &self);
    AUTO_FREE char *number = xasprintf("%u", (unsigned)other);
    AUTO_FREE char *link = xasprintf("%s/link", s->root);

    /* all of it lies below /tmp */
    assert_int_equal(look(s->path, self, "mysql", &e), -1);
    assert_int_equal(e.code, ERR_CONFIG);
    assert_non_null(strstr(e.msg, s->path));
    assert_int_equal(look(s->path, self, "no-such-account", &e), -1);
    assert_int_equal(look(s->path, self, "root", &e), -1);
    assert_int_equal(look(s->path, self, "", &e), -1);
    assert_int_equal(look(s->path, self, number, &e), 0);
    if (getpwuid(other))
        assert_int_equal(look(s->path, self, getpwuid(other)->pw_name, &e), 0);
    assert_int_equal(look(s->path, other, "mysql", &e), 0);
    assert_int_equal(symlink(s->path, link), 0);
    assert_int_equal(look(link, self, "mysql", &e), -1);
    /* root's is nobody else's to make: any that there is */
    assert_int_equal(look("/", self, "mysql", &e), 0);
}

static bool is_public(const char *path)
{
    AUTO_FREE char *folder = xstrdup(path);
    struct stat st;

    for (char *slash = strrchr(folder, '/'); slash; slash = strrchr(folder, '/')) {
        *slash = '\0';
        if (stat(*folder ? folder : "/", &st) == 0 && st.st_mode & S_IWOTH)
            return true;
    }
    return false;
}

/* Where only its owner can make one it is the owner's choice, and that of who named it. */
static void test_a_folder_of_its_own(void **state)
{
    struct server *s = *state;
    char root[] = "cbsnap-conn.XXXXXX"; /* here, for /tmp is public */
    AUTO_FREE char *here = NULL, *path = NULL, *link = NULL;
    struct err e;
    uid_t self;
    int fd;

    if (!mkdtemp(root))
        skip();
    here = realpath(root, NULL);
    if (is_public(here)) { /* the tree itself lies in a public folder */
        assert_int_equal(rmdir(here), 0);
        skip();
    }
    path = xasprintf("%s/s", here);
    link = xasprintf("%s/public/link", s->root);
    fd = listen_at(path);
    (void)of_another(path, &self);
    assert_int_equal(symlink(path, link), 0);
    assert_int_equal(look(path, self, "mysql", &e), 0);
    assert_int_equal(look(link, self, "mysql", &e), -1); /* by a link that anybody could make */
    assert_int_equal(chmod(here, 01777), 0);
    assert_int_equal(look(path, self, "mysql", &e), -1);
    close(fd);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(here), 0);
}

/* Whoever made it learns nothing at all. */
static void test_does_not_connect_to_anybodys(void **state)
{
    struct server *s = *state;
    struct mysql_login login = login_of(s);
    struct pollfd p = {.fd = s->fd, .events = POLLIN};
    struct err e = ERR_INIT;
    struct conn c;
    uid_t self;

    if (geteuid() != 0)
        skip(); /* its own are believed */
    (void)of_another(s->path, &self);
    conn_init(&c, &login);
    assert_int_equal(conn_open(&c, &e), -1);
    assert_int_equal(e.code, ERR_CONFIG);
    assert_int_equal(poll(&p, 1, 0), 0);
    conn_release(&c);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_lets_in),
        T(test_tells_no_password_in_the_clear),
        T(test_answers_no_questions),
        T(test_hands_out_no_file),
        T(test_names_the_socket),
        T(test_anybodys_socket),
        T(test_a_folder_of_its_own),
        T(test_does_not_connect_to_anybodys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
