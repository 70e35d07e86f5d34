/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The certificate, asked for by the host; see evidence.h. */
#include <stdlib.h>

#include "guest-agent/evidence/certificate.h"
#include "guest-agent/evidence_private.h"
#include "proto/base/cleanup.h"

struct certificate_job {
    struct evidence_job base; /* first */
    char *binlog_file;        /* NULL: not told */
    Cbsnap__Certificate *certificate;
};

static void certificate_run(struct worker_job *job)
{
    struct certificate_job *j = (struct certificate_job *)job;
    struct evidence *ev = j->base.ev;
    struct mysql_login login = evidence_login(ev);
    const struct certificate_query q = {.verifying = *ev->verifying ? ev->verifying : NULL,
                                        .binlog_file = j->binlog_file,
                                        .mark_table = ev->daemon->options.mark_table,
                                        .manifest_dir = ev->daemon->options.manifest_dir,
                                        .stop = evidence_must_stop,
                                        .arg = ev,
                                        .watch = ev->watch};

    if (evidence_check_quiet(&j->base) < 0)
        return;
    j->certificate = certificate_make(&login, &q);
    (void)evidence_check_quiet(&j->base); /* begun meanwhile: not all of it was asked for */
}

static void certificate_answer(struct evidence_job *base)
{
    struct certificate_job *j = (struct certificate_job *)base;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    MSG_BODY(&m, certificate, CERTIFICATE, j->certificate);
    call_send(base->call, &m);
}

static void certificate_release(struct evidence_job *base)
{
    struct certificate_job *j = (struct certificate_job *)base;

    if (j->certificate)
        cbsnap__certificate__free_unpacked(j->certificate, NULL);
    free(j->binlog_file);
    free(j);
}

void evidence_certificate(struct evidence *ev, struct call *call, const Cbsnap__CertificateQuery *m)
{
    struct certificate_job *j = xcalloc(1, sizeof(*j));

    j->base = (struct evidence_job){.ev = ev,
                                    .call = call,
                                    .job.run = certificate_run,
                                    .answer = certificate_answer,
                                    .release = certificate_release};
    j->binlog_file = m->binlog_file && *m->binlog_file ? xstrdup(m->binlog_file) : NULL;
    evidence_submit(&j->base);
}
