/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the ElastiStor driver says about a request that failed; see words.h. */
#include "host-coordinator/storage/words.h"

#include "host-coordinator/storage/secret.h"

void words_place(const struct elastistor *a, const char *verb, const struct volume *v,
                 struct err *e)
{
    char safe[SAFE_TEXT_MAX];

    if (v->name)
        (void)err_prefix(e, "appliance '%s': %s of volume '%s'", a->name, verb,
                         safe_text(safe, v->name, a->api_key));
    else
        (void)err_prefix(e, "appliance '%s': %s", a->name, verb);
}

static int untrusted(const struct elastistor *a, enum http_outcome outcome, const char *words,
                     struct err *e)
{
    if (outcome == HTTP_WRONG_KEY)
        return err_set(e, ERR_CONFIG,
                       "'%s' shows another public key than the 'fingerprint' of [appliance %s]: "
                       "make sure that it is the right machine, then correct the fingerprint",
                       a->host, a->name);
    if (outcome == HTTP_BAD_CA)
        return err_set(e, ERR_CONFIG, "the 'ca' file of [appliance %s] holds no usable certificate",
                       a->name);
    return err_set(e, ERR_CONFIG,
                   "the certificate of '%s' is not trusted: %s: set 'ca' or 'fingerprint' in "
                   "[appliance %s]",
                   a->host, words, a->name);
}

int words_no_answer(const struct elastistor *a, const struct http_reply *reply, bool changes,
                    struct err *e)
{
    const char *unknown = reply->sent && changes ? "; whether it was done is unknown" : "";
    long ms = (long)((reply->ended_us - reply->started_us) / 1000);
    char words[SAFE_TEXT_MAX];

    (void)safe_text(words, reply->reason, a->api_key);
    switch (reply->outcome) {
    case HTTP_TIMED_OUT:
        if (!reply->sent)
            return err_set(e, ERR_TIMEOUT, "no connection to '%s' in %ld ms", a->host, ms);
        return err_set(e, ERR_TIMEOUT, "no answer in %ld ms%s", ms, unknown);
    case HTTP_NO_HOST:
        return err_set(e, ERR_STORAGE,
                       "host '%s' is not known: is its name server there? else correct 'url' in "
                       "[appliance %s]",
                       a->host, a->name);
    case HTTP_NO_CONNECTION:
        return err_set(e, ERR_STORAGE, "cannot connect to '%s': %s", a->host, words);
    case HTTP_UNTRUSTED:
    case HTTP_WRONG_KEY:
    case HTTP_BAD_CA:
        return untrusted(a, reply->outcome, words, e);
    case HTTP_TOO_LARGE:
        return err_set(e, ERR_STORAGE, "the answer is larger than %zu MiB%s", HTTP_BODY_MAX >> 20,
                       unknown);
    case HTTP_MALFORMED:
        return err_set(e, ERR_STORAGE, "the answer is damaged: %s%s", words, unknown);
    case HTTP_BROKEN:
        return err_set(e, ERR_STORAGE, "the connection broke before the answer was whole%s",
                       unknown);
    default:
        return err_set(e, ERR_STORAGE, "the request failed: %s%s", words, unknown);
    }
}
