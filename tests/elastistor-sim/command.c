/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of commands and the reading of parameters; see command.h. */
#include "tests/elastistor-sim/command.h"
#include "proto/base/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

static const struct command commands[] = {
    {"listAccount", "listAccountResponse", run_list_account, NULL},
    {"listTsm", "listTsmResponse", run_list_tsm, NULL},
    {"listHAPool", "listHAPoolResponse", run_list_pool, NULL},
    {"listCapabilities", "listcapabilitiesresponse", run_list_capabilities, NULL},
    {"queryAsyncJobResult", "queryasyncjobresultresponse", run_query_job, NULL},
    {"addQosGroup", "addqosgroupresponse", run_add_group, NULL},
    {"updateQosGroup", "updateqosresponse", run_update_group, NULL},
    {"listQosGroup", "listQosgroupResponse", run_list_group, NULL},
    {"deleteQosGroup", "deleteQosgroupResponse", run_delete_group, NULL},
    {"createVolume", "createvolumeresponse", run_create_volume, NULL},
    {"deleteFileSystem", "deleteFileSystemResponse", run_delete_volume, NULL},
    {"listFileSystem", "listFilesystemResponse", run_list_volume, NULL},
    {"updateFileSystem", "updatefilesystemresponse", run_update_volume, NULL},
    {"monitorFileSystemQoS", "monitorFileSystemResponse", run_monitor_volume, NULL},
    {"listVolumeiSCSIService", "listVolumeiSCSIServiceResponse", run_list_service, NULL},
    {"updateVolumeiSCSIService", "updatingvolumeiscsidetails", run_update_service, NULL},
    {"listiSCSIInitiator", "listInitiatorsResponse", run_list_igroup, NULL},
    {"addiSCSIInitiator", "tsmiSCSIInitiatorResponse", run_add_igroup, NULL},
    {"deleteiSCSIInitiator", "deleteiscsiinitiatorResponse", run_delete_igroup, NULL},
    {"listiSCSIAuthGroup", "listiSCSIAuthGroupResponse", run_list_agroup, NULL},
    {"listiSCSIAuthUser", "listiSCSIAuthUsersResponse", run_list_auser, NULL},
    {"addiSCSIAuthGroup", "tsmiSCSIAuthGroupResponse", run_add_agroup, NULL},
    {"createStorageSnapshot", "createStorageSnapshotResponse", run_create_snapshot,
     prepare_snapshot},
    {"listStorageSnapshots", "listDatasetSnapshotsResponse", run_list_snapshot, NULL},
    {"deleteSnapshot", "deleteSnapshotResponse", run_delete_snapshot, NULL},
    {"rollbackToSnapshot", "rollbacktoshotresponse", run_rollback, NULL},
    {"cloneDatasetSnapshot", "cloneDatasetSnapshot", run_clone, NULL},
};

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (strcasecmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

const char *need(struct call *c, const char *command, const char *param)
{
    const char *value = params_get(c->params, param);
    char lower[64];
    size_t n = 0;

    if (value && *value)
        return value;
    for (; n < sizeof(lower) - 1 && command[n]; n++)
        lower[n] = (char)tolower((unsigned char)command[n]);
    lower[n] = 0;
    reply_fail(&c->reply, 431, "Unable to execute API command %s due to missing parameter %s",
               lower, param);
    return NULL;
}

const char *want(const struct call *c, const char *param, const char *otherwise)
{
    const char *value = params_get(c->params, param);

    return value && *value ? value : otherwise;
}

int want_number(struct call *c, const char *param, int64_t *ret)
{
    const char *value = want(c, param, NULL);
    char *end;
    long long n;

    if (!value)
        return 0;
    errno = 0;
    n = strtoll(value, &end, 10);
    if (errno || *end || n < 0) {
        reply_fail(&c->reply, 431, "Unable to decode API parameter %s: '%s' is no number", param,
                   value);
        return -1;
    }
    *ret = n;
    return 0;
}

int want_field(struct call *c, const char *param, char *field, size_t size)
{
    const char *value = want(c, param, NULL);

    if (!value || str_set(field, size, value) == 0)
        return 0;
    reply_fail(&c->reply, 431, "API parameter %s is longer than %zu characters", param, size - 1);
    return -1;
}

struct volume *need_volume(struct call *c, const char *command, const char *param)
{
    const char *id = need(c, command, param);
    struct volume *v = model_by_id(&c->sim->model, KIND_VOLUME, id);

    if (id && !v)
        reply_fail(&c->reply, 431, "Unable to find a volume with id %s", id);
    return v;
}

int check_name(struct call *c, const char *what, const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:");

    /* room for ACCOUNT before it in the mount point */
    if (name[n] == 0 && name[0] != '.' && n > 0 && n < NAME_SIZE - 64)
        return 0;
    reply_fail(&c->reply, 431, "Invalid %s name '%s'", what, name);
    return -1;
}

int check_mountpoint(struct call *c, const char *mountpoint)
{
    const struct volume *v;
    size_t i;

    if (check_name(c, "mountpoint", mountpoint) < 0)
        return -1;
    MODEL_EACH(&c->sim->model, KIND_VOLUME, i, v)
    if (strcmp(v->mountpoint, mountpoint) == 0) {
        reply_fail(&c->reply, 530, "mountpoint %s is that of volume %s", mountpoint, v->row.name);
        return -1;
    }
    return 0;
}
