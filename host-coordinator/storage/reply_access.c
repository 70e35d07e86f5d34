/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading what the appliance tells of access over iSCSI, and of its jobs; see reply.h. */

#include <stdlib.h>
#include <string.h>

#include "host-coordinator/storage/reply_member.h"
#include "host-coordinator/storage/secret.h"
#include "proto/base/buf.h"

#define NOBODY "None"

/* ---- initiator groups --------------------------------------------------------------------- */

/* Its list of initiators decides: a group of another name and this list lets nobody in as well, and
 * one of this name with another list lets somebody in. */
static bool lets_nobody_in(json_t *group)
{
    const char *who = json_string_value(json_object_get(group, "initiatorgroup"));
    const char *name = json_string_value(json_object_get(group, "name"));

    if (who && *who)
        return strcmp(who, NOBODY) == 0;
    return name && strcmp(name, NOBODY) == 0;
}

int reply_groups(char **ret_nobody, bool *ret_listed, json_t *answer, const char *id,
                 const char *api_key, struct err *e)
{
    const char *nobody = NULL;
    bool listed = false;
    json_t *items, *item;
    size_t n;

    if (member_list(&items, answer, "initiator", e) < 0)
        return -1;
    json_array_foreach(items, n, item)
    {
        const char *got = member_id(item, "id", api_key, e);

        if (!got)
            return -1;
        listed = listed || (id && strcmp(got, id) == 0);
        if (!nobody && lets_nobody_in(item))
            nobody = got;
    }
    if (!nobody)
        return err_set(e, ERR_STORAGE, "listed no initiator group '" NOBODY "'");
    *ret_nobody = xstrdup(nobody);
    *ret_listed = listed;
    return 0;
}

/* ---- a volume's iSCSI service ------------------------------------------------------------- */

int reply_service(struct reply_service *ret, json_t *answer, const char *volume_id,
                  const char *api_key, struct err *e)
{
    json_t *items, *item, *found = NULL;
    const char *id, *group;
    size_t n;

    if (member_list(&items, answer, "iSCSIService", e) < 0)
        return -1;
    json_array_foreach(items, n, item)
    {
        const char *of = json_string_value(json_object_get(item, "volume_id"));

        if (!of || strcmp(of, volume_id) != 0)
            continue;
        if (found)
            return err_set(e, ERR_STORAGE, "listed two iSCSI services of one volume");
        found = item;
    }
    if (!found)
        return err_set(e, ERR_STORAGE, "listed no iSCSI service of the volume");
    if (!(id = member_id(found, "id", api_key, e)) ||
        !(group = member_id(found, "ig_id", api_key, e)))
        return -1;
    *ret = (struct reply_service){.id = xstrdup(id), .group = xstrdup(group)};
    return 0;
}

int reply_service_set(json_t *answer, struct err *e)
{
    if (!json_is_object(json_object_get(answer, "viscsioptions")))
        return err_set(e, ERR_STORAGE, "answered without the iSCSI service that was changed");
    return 0;
}

/* ---- jobs --------------------------------------------------------------------------------- */

int reply_job_begun(char **ret, json_t *answer, const char *api_key, struct err *e)
{
    const char *id = member_id(answer, "jobid", api_key, e);

    if (!id)
        return -1;
    *ret = xstrdup(id);
    return 0;
}

static int job_failed(json_t *result, const char *api_key, struct reply_job *ret, struct err *e)
{
    const char *text = json_string_value(json_object_get(result, "errortext"));
    char safe[SAFE_TEXT_MAX];
    double code = 0;

    (void)member_reading(result, "errorcode", &code);
    ret->state = REPLY_JOB_FAILED;
    ret->unsure = text && reply_tells_of_timeout(text);
    if (!text)
        return err_set(e, ERR_STORAGE, "the job failed with code %.0f and no reason", code);
    return err_set(e, ERR_STORAGE, "the job failed with code %.0f: %s", code,
                   safe_text(safe, text, api_key));
}

int reply_job(struct reply_job *ret, json_t *answer, const char *job, const char *api_key,
              struct err *e)
{
    json_t *result = json_object_get(answer, "jobresult");
    const char *told = member_text(answer, "jobid", api_key, e);
    double status;

    *ret = (struct reply_job){.state = REPLY_JOB_UNKNOWN, .unsure = true};
    if (!told)
        return -1;
    if (*told && strcmp(told, job) != 0)
        return err_set(e, ERR_STORAGE, "answered about job '%.64s'", told);
    if (!member_reading(answer, "jobstatus", &status) ||
        (status != 0 && status != 1 && status != 2))
        return err_set(e, ERR_STORAGE, "answered without a usable 'jobstatus'");
    if (status == 2 || (status == 1 && json_is_false(json_object_get(result, "success"))))
        return job_failed(result, api_key, ret, e);
    ret->state = status == 1 ? REPLY_JOB_DONE : REPLY_JOB_RUNNING;
    return 0;
}
