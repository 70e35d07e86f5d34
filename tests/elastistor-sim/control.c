/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Handlers of /sim/...; see control.h. */
#include "tests/elastistor-sim/control.h"
#include "tests/elastistor-sim/reqlog.h"
#include "proto/base/cleanup.h"

#include <stdlib.h>
#include <string.h>

static json_t *error_answer(const char *text)
{
    json_t *o = json_object();

    put_text(o, "error", "%s", text);
    return o;
}

static int run_latency(struct sim *s, const struct params *p, json_t **ret)
{
    struct err e = ERR_INIT;

    if (faults_set_latency(s->faults, p, &e) < 0) {
        *ret = error_answer(e.msg);
        return 400;
    }
    *ret = faults_show(s->faults);
    return 200;
}

static int run_fault(struct sim *s, const struct params *p, json_t **ret)
{
    struct err e = ERR_INIT;

    if (faults_add(s->faults, p, &e) < 0) {
        *ret = error_answer(e.msg);
        return 400;
    }
    *ret = faults_show(s->faults);
    return 200;
}

static int run_clear(struct sim *s, const struct params *p, json_t **ret)
{
    (void)p;
    faults_clear(s->faults);
    *ret = faults_show(s->faults);
    return 200;
}

static int run_state(struct sim *s, const struct params *p, json_t **ret)
{
    (void)p;
    *ret = faults_show(s->faults);
    json_object_set_new(*ret, "reflink", json_boolean(s->reflink));
    return 200;
}

static int run_log(struct sim *s, const struct params *p, json_t **ret)
{
    const char *since = params_get(p, "since");

    *ret = json_object();
    json_object_set_new(*ret, "requests",
                        reqlog_show(s->log, since ? strtoll(since, NULL, 10) : 0));
    return 200;
}

static int run_export(struct sim *s, const struct params *p, json_t **ret)
{
    struct err e = ERR_INIT;

    (void)p;
    AUTO_LOCK(held, &s->model.lock);
    if (sim_export_all(s, &e) < 0) {
        *ret = error_answer(e.msg);
        return 500;
    }
    *ret = json_object();
    put_int(*ret, "volumes", (int64_t)s->model.tables[KIND_VOLUME].n);
    return 200;
}

static int run_volume(struct sim *s, const struct params *p, json_t **ret)
{
    const char *name = params_get(p, "name");
    char path[512], serial[ID_SIZE];
    struct iscsi_volume iv;
    const struct volume *v;

    AUTO_LOCK(held, &s->model.lock);
    v = model_by_name(&s->model, KIND_VOLUME, name);
    if (!v) {
        *ret = error_answer("no volume of that name: give name=VOLUME");
        return 404;
    }
    sim_describe(s, v, &iv, path, serial);
    *ret = json_object();
    put_text(*ret, "id", "%s", v->row.id);
    put_text(*ret, "name", "%s", v->row.name);
    put_text(*ret, "path", "%s", path);
    put_text(*ret, "iqn", "%s", v->iqn);
    put_text(*ret, "serial", "%s", serial);
    put_text(*ret, "initiators", "%s", iv.initiators);
    put_int(*ret, "lun", ISCSI_LUN);
    put_text(*ret, "portal", "%s:%d", s->opt.portal_address, (int)s->opt.portal_port);
    return 200;
}

/* -1 when it is not given; -2 when it is no number. */
static int64_t reading(const struct params *p, const char *name)
{
    const char *text = params_get(p, name);
    char *end;
    long long n;

    if (!text)
        return -1;
    n = strtoll(text, &end, 10);
    return end == text || *end || n < 0 ? -2 : n;
}

static int run_qos(struct sim *s, const struct params *p, json_t **ret)
{
    struct qos_set set = {.iops = reading(p, "iops"),
                          .throughput_kbs = reading(p, "throughput"),
                          .latency = reading(p, "latency"),
                          .throttle = reading(p, "throttle")};
    struct volume *v;

    AUTO_LOCK(held, &s->model.lock);
    v = model_by_name(&s->model, KIND_VOLUME, params_get(p, "name"));
    if (!v || set.iops == -2 || set.throughput_kbs == -2 || set.latency == -2 ||
        set.throttle == -2) {
        *ret = error_answer("give name=VOLUME and numbers for iops, throughput, latency, throttle");
        return v ? 400 : 404;
    }
    set.any = set.iops >= 0 || set.throughput_kbs >= 0 || set.latency >= 0 || set.throttle >= 0;
    v->qos.set = set;
    *ret = json_object();
    json_object_set_new(*ret, "set", json_boolean(set.any));
    return 200;
}

static const struct {
    const char *name;
    int (*run)(struct sim *s, const struct params *p, json_t **ret);
} handlers[] = {
    {"latency", run_latency}, {"fault", run_fault},   {"clear", run_clear},   {"state", run_state},
    {"log", run_log},         {"export", run_export}, {"volume", run_volume}, {"qos", run_qos},
};

int control_run(struct sim *s, const char *what, const struct params *p, json_t **ret_answer)
{
    for (size_t i = 0; i < ARRAY_SIZE(handlers); i++)
        if (strcmp(handlers[i].name, what) == 0)
            return handlers[i].run(s, p, ret_answer);
    *ret_answer = error_answer("the stand-in has /sim/latency, fault, clear, state, log, export, "
                               "volume and qos");
    return 404;
}
