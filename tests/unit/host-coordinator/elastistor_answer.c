/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/host-coordinator/elastistor_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

json_t *answer_open(long status, const char *body, const char *key, struct err *e)
{
    const struct reply_source from = {status, body, strlen(body), "text/javascript", KEY};
    json_t *answer = NULL;
    enum reply_refusal refusal;

    *e = ERR_INIT;
    if (reply_open(&answer, &from, key, &refusal, e) < 0)
        assert_null(answer);
    return answer;
}

json_t *answer_of(const char *key, const char *inner)
{
    AUTO_FREE char *body = xasprintf("{ \"%s\" : {%s} }", key, inner);
    struct err e;
    json_t *answer = answer_open(200, body, key, &e);

    if (!answer)
        fail_msg("%s: %s", body, e.msg);
    return answer;
}

void answer_refused(int rc, const struct err *e, enum err_code code, const char *answer,
                    const char *words)
{
    if (rc == 0 || e->code != code || !strstr(e->msg, words))
        fail_msg("'%s' gave %d, code %d and \"%s\"", answer, rc, e->code, e->msg);
    assert_null(strstr(e->msg, KEY));
}
