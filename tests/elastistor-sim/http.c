/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The HTTPS server and the way of a request through it; see http.h. */
#include "tests/elastistor-sim/http.h"
#include "tests/elastistor-sim/answer.h"
#include "tests/elastistor-sim/command.h"
#include "tests/elastistor-sim/control.h"
#include "tests/elastistor-sim/pause.h"
#include "tests/elastistor-sim/reqlog.h"
#include "tests/elastistor-sim/store.h"
#include "proto/base/cleanup.h"
#include "proto/base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#define KEEP_ALIVE_S 60

struct http {
    struct sim *sim;
    struct MHD_Daemon *daemon;
    char *cert, *key;
};

/* One request; lives from its first call to request_done(). */
struct request {
    struct MHD_Connection *connection;
    struct params params;
    const char *command;
    int64_t in_ms;
    struct fault fault;
    bool xml;
};

static enum MHD_Result collect_param(void *arg, enum MHD_ValueKind kind, const char *name,
                                     const char *value)
{
    (void)kind;
    params_add(arg, name, value ? value : "");
    return MHD_YES;
}

static bool offers_gzip(struct MHD_Connection *c)
{
    const char *accept = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Accept-Encoding");

    return accept && strcasestr(accept, "gzip");
}

/* A TCP reset instead of an answer: dissolving the association makes the kernel send one at
 * once, where closing would say good-bye in TLS first. */
static enum MHD_Result reset(struct http *h, struct request *rq)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(rq->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

    /* before the client knows, who may ask at once what was logged */
    reqlog_add(h->sim->log, rq->in_ms, epoch_ms(), rq->command, &rq->params, 0, "reset");
    if (info && connect(info->connect_fd, &nobody, sizeof(nobody)) < 0)
        log_warn("cannot reset a connection: %s", strerror(errno));
    return MHD_NO;
}

static enum MHD_Result send_body(struct request *rq, struct buf *body, int status, const char *type,
                                 const char *description)
{
    struct MHD_Response *r = answer_make(body, offers_gzip(rq->connection), rq->fault);
    enum MHD_Result rc;
    AUTO_FREE char *line = NULL;

    if (!r)
        return MHD_NO;
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    MHD_add_response_header(r, MHD_HTTP_HEADER_SERVER, "Apache-Coyote/1.1");
    if (description) {
        line = xstrdup(description);
        line[strcspn(line, "\r\n")] = 0; /* ZFS's messages end in a newline */
        MHD_add_response_header(r, "X-Description", line);
    }
    rc = MHD_queue_response(rq->connection, (unsigned int)status, r);
    MHD_destroy_response(r);
    return rc;
}

/* ---- the API -------------------------------------------------------------------------------- */

static bool key_is_right(const struct sim *s, const struct params *p)
{
    const char *key = params_get(p, "apikey");

    return key && strcmp(key, s->opt.api_key) == 0;
}

/* Latency first, without any lock, then the work under the lock. */
static void run_command(struct call *c, const struct command *cmd)
{
    struct sim *s = c->sim;
    struct err e = ERR_INIT;

    if (cmd->prepare)
        cmd->prepare(c);
    AUTO_LOCK(held, &s->model.lock);
    cmd->run(c);
    if (c->changed && store_save(&s->model, s->opt.state_dir, &e) < 0) {
        log_error("%s", e.msg);
        reply_fail(&c->reply, 530, "%s", e.msg);
    }
}

static void answer_call(struct call *c, struct request *rq, const struct command *cmd)
{
    int64_t ms = faults_latency_ms(c->sim->faults, cmd->name);

    rq->fault = c->fault = faults_take(c->sim->faults, cmd->name, c->params);
    if (c->fault.kind == FAULT_SLOW)
        ms += c->fault.value;
    if (!pause_ms(ms)) {
        reply_fail(&c->reply, 503, "the stand-in is ending");
        return;
    }
    if (c->fault.kind == FAULT_STATUS)
        reply_fail(&c->reply, (int)c->fault.value, "failure injected by the stand-in");
    else if (c->fault.kind != FAULT_RESET || c->fault.value != 0)
        run_command(c, cmd);
}

static enum MHD_Result serve_api(struct http *h, struct request *rq)
{
    const struct command *cmd = command_find(rq->command);
    const char *key = cmd ? cmd->key : "errorresponse";
    struct call c = {.sim = h->sim, .params = &rq->params};
    struct buf body = BUF_INIT;
    enum MHD_Result rc;

    if (!key_is_right(h->sim, &rq->params))
        reply_fail(&c.reply, 401, "unable to verify user credentials and/or request signature");
    else if (!cmd)
        reply_fail(&c.reply, 432, "The given command does not exist");
    else
        answer_call(&c, rq, cmd);
    if (rq->fault.kind == FAULT_RESET) {
        reply_release(&c.reply);
        return reset(h, rq);
    }
    if (rq->xml)
        reply_render_xml(&c.reply, key, &body);
    else
        reply_render_json(&c.reply, key, &body);
    reqlog_add(h->sim->log, rq->in_ms, epoch_ms(), cmd ? cmd->name : rq->command, &rq->params,
               c.reply.status, fault_kind_name(rq->fault.kind));
    rc = send_body(rq, &body, c.reply.status,
                   rq->xml ? "text/xml;charset=UTF-8" : "text/javascript;charset=UTF-8",
                   c.reply.status == 200 ? NULL : c.reply.error);
    reply_release(&c.reply);
    return rc;
}

static enum MHD_Result serve_control(struct http *h, struct request *rq, const char *what)
{
    struct buf body = BUF_INIT;
    json_t *answer = NULL;
    int status = 401;
    char *text;

    if (key_is_right(h->sim, &rq->params))
        status = control_run(h->sim, what, &rq->params, &answer);
    text = answer ? json_dumps(answer, JSON_INDENT(2)) : NULL;
    buf_addf(&body, "%s\n", text ? text : "{\"error\": \"wrong apiKey\"}");
    free(text);
    json_decref(answer);
    return send_body(rq, &body, status, "application/json", NULL);
}

static enum MHD_Result serve_error(struct request *rq, int status, const char *text)
{
    struct buf body = BUF_INIT;

    buf_addf(&body, "%s\n", text);
    return send_body(rq, &body, status, "text/plain", NULL);
}

static enum MHD_Result serve(struct http *h, struct request *rq, const char *url,
                             const char *method)
{
    const char *response;

    if (strcmp(method, "GET") != 0)
        return serve_error(rq, 405, "the API answers GET only");
    MHD_get_connection_values(rq->connection, MHD_GET_ARGUMENT_KIND, collect_param, &rq->params);
    if (strncmp(url, "/sim/", 5) == 0)
        return serve_control(h, rq, url + 5);
    if (strcmp(url, "/client/api") != 0)
        return serve_error(rq, 404, "the API is at /client/api");
    rq->command = params_get(&rq->params, "command");
    if (!rq->command)
        rq->command = "";
    response = params_get(&rq->params, "response");
    rq->xml = !response || strcasecmp(response, "json") != 0;
    return serve_api(h, rq);
}

/* ---- libmicrohttpd -------------------------------------------------------------------------- */

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state)
{
    struct request *rq = *state;

    (void)version;
    (void)upload;
    if (!rq) { /* the headers are there; the answer waits for the (empty) body */
        rq = xcalloc(1, sizeof(*rq));
        rq->connection = connection;
        rq->in_ms = epoch_ms();
        *state = rq;
        return MHD_YES;
    }
    if (*upload_size > 0) {
        *upload_size = 0;
        return MHD_YES;
    }
    return serve(arg, rq, url, method);
}

static void request_done(void *arg, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why)
{
    struct request *rq = *state;

    (void)arg;
    (void)connection;
    (void)why;
    if (!rq)
        return;
    params_release(&rq->params);
    free(rq);
    *state = NULL;
}

/* libmicrohttpd's own words, at debug: TLS handshakes that clients break off are no news here. */
static void on_mhd_log(void *arg, const char *fmt, va_list ap)
{
    char line[512];

    (void)arg;
    vsnprintf(line, sizeof(line), fmt, ap);
    line[strcspn(line, "\n")] = 0;
    log_debug("http: %s", line);
}

static char *read_file(const char *path, struct err *e)
{
    AUTO_FCLOSE FILE *f = fopen(path, "re");
    struct buf b = BUF_INIT;
    size_t n;

    if (!f) {
        err_set_sys(e, ERR_CONFIG, errno, "cannot read '%s'", path);
        return NULL;
    }
    while ((n = fread(buf_reserve(&b, 4096), 1, 4096, f)) > 0)
        b.len += n;
    buf_add(&b, "", 0);
    return buf_steal(&b);
}

static int parse_listen(const struct options *o, struct sockaddr_storage *ret, bool *ret_v6,
                        struct err *e)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

    memset(ret, 0, sizeof(*ret));
    *ret_v6 = strchr(o->listen, ':') != NULL;
    if (*ret_v6) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)o->port);
    } else {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)o->port);
    }
    if (inet_pton(ret->ss_family, o->listen,
                  *ret_v6 ? (void *)&v6->sin6_addr : (void *)&v4->sin_addr) != 1)
        return err_set(e, ERR_CONFIG, "'listen' must be an IP address, not '%s'", o->listen);
    return 0;
}

static int start_daemon(struct http *h, struct err *e)
{
    const struct options *o = &h->sim->opt;
    struct sockaddr_storage address;
    unsigned int flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
                         MHD_USE_TLS | MHD_USE_ERROR_LOG;
    bool v6;

    if (parse_listen(o, &address, &v6, e) < 0)
        return -1;
    errno = 0;
    h->daemon =
        MHD_start_daemon(flags | (v6 ? MHD_USE_IPv6 : 0), (uint16_t)o->port, NULL, NULL, on_request,
                         h, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log, NULL, MHD_OPTION_SOCK_ADDR,
                         &address, MHD_OPTION_HTTPS_MEM_KEY, h->key, MHD_OPTION_HTTPS_MEM_CERT,
                         h->cert, MHD_OPTION_NOTIFY_COMPLETED, request_done, NULL,
                         MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)KEEP_ALIVE_S, MHD_OPTION_END);
    if (!h->daemon && errno)
        return err_set_sys(e, ERR_CONFIG, errno, "cannot listen on %s port %d", o->listen,
                           (int)o->port);
    if (!h->daemon)
        return err_set(e, ERR_CONFIG,
                       "cannot serve HTTPS on %s port %d: check certificate '%s' and key '%s'",
                       o->listen, (int)o->port, o->cert, o->key);
    return 0;
}

int http_start(struct sim *s, struct http **ret, int *ret_port, struct err *e)
{
    struct http *h = xcalloc(1, sizeof(*h));
    const union MHD_DaemonInfo *info;

    h->sim = s;
    h->cert = read_file(s->opt.cert, e);
    h->key = h->cert ? read_file(s->opt.key, e) : NULL;
    if (!h->key || start_daemon(h, e) < 0) {
        http_stop(h);
        return -1;
    }
    info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_BIND_PORT);
    *ret_port = info ? info->port : (int)s->opt.port;
    *ret = h;
    return 0;
}

void http_stop(struct http *h)
{
    if (!h)
        return;
    if (h->daemon)
        MHD_stop_daemon(h->daemon);
    free(h->cert);
    if (h->key)
        explicit_bzero(h->key, strlen(h->key));
    free(h->key);
    free(h);
}
