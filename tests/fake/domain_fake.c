/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The scripted domain; see domain_fake.h. */
#include "tests/fake/domain_fake_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

/* what the calls answer */
static struct {
    int open;
    unsigned round;
    const char *xml, *definition;
    const char *channel;
    bool here; /* for all that */
    const char *socket;
    const struct domain_fs *fs;
    size_t fs_count;
    enum agent_freeze status;
    unsigned frozen, thawed;
    const struct disk_writes *writes;
    size_t write_count;
} fake;

/* What has no answer that could be spoilt. */
static int nonsense(struct err *e)
{
    return fake_garbage() ? err_set(e, ERR_LIBVIRT, "libvirt does not understand the answer") : 0;
}

static int connect_to(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
        return -1;
    return STEAL_FD(fd);
}

/* ---- domain_ops ------------------------------------------------------------------------------ */

struct domain *fake_handle_locked(const char *name, struct fake_vm *vm)
{
    struct domain *d = xcalloc(1, sizeof(*d));

    (void)snprintf(d->name, sizeof(d->name), "%s", vm ? estate_name(vm) : name);
    (void)snprintf(d->uuid, sizeof(d->uuid), "%s", vm ? estate_uuid(vm) : FAKE_UUID);
    d->refs = 1;
    d->vm = vm;
    d->round = fake.round;
    fake.open++;
    return d;
}

struct fake_vm *fake_vm_locked(const struct domain *d)
{
    return d->round == fake.round ? d->vm : NULL;
}

static int fake_open(struct domain **ret, const char *uri, const char *name, struct err *e)
{
    CALL;
    struct fake_vm *vm;

    (void)uri;
    if (fake_begin(FAKE_OPEN, e) < 0 || nonsense(e) < 0)
        return -1;
    AUTO_LOCK(lock, fake_mutex());
    if (estate_find(name, &vm, e) < 0)
        return -1;
    *ret = fake_handle_locked(name, vm);
    return 0;
}

static void fake_close(struct domain *d)
{
    if (!d)
        return;
    AUTO_LOCK(lock, fake_mutex());
    if (--d->refs > 0)
        return;
    if (d->round == fake.round) {
        fake.open--;
        if (d->creator)
            estate_owner_gone(d->vm);
    }
    free(d);
}

static struct domain *fake_hold(struct domain *d)
{
    AUTO_LOCK(lock, fake_mutex());
    d->refs++;
    return d;
}

static const char *fake_name(const struct domain *d)
{
    return d->name;
}

static const char *fake_uuid(const struct domain *d)
{
    return d ? d->uuid : FAKE_UUID;
}

static int fake_running(struct domain *d, struct err *e)
{
    CALL;
    if (fake_begin(FAKE_RUNNING, e) < 0 || nonsense(e) < 0)
        return -1;
    AUTO_LOCK(lock, fake_mutex());
    return estate_running(fake_vm_locked(d), e);
}

/* libvirt makes a socket for each channel that is defined without one. */
static char *with_sockets(const char *xml)
{
    static const char begin[] = "<channel type=?unix?>";
    struct buf text = BUF_INIT;
    const char *at;

    while ((at = strstr(xml, "<channel type="))) {
        const char *source = strstr(at, "<source"), *end = strstr(at, "</channel>");
        size_t len = (size_t)(at - xml) + strlen(begin);

        buf_addf(&text, "%.*s", (int)len, xml);
        if (strncmp(at + 15, "unix", 4) == 0 && end && (!source || source > end))
            buf_addf(&text, "<source mode='bind' path='%s'/>", fake.socket);
        xml += len;
    }
    buf_addf(&text, "%s", xml);
    return buf_steal(&text);
}

char *fake_xml_locked(const struct domain *d)
{
    const struct fake_vm *vm = fake_vm_locked(d);
    const char *own = estate_xml(fake_vm_locked(d));

    if (own && vm->live && fake.socket)
        return with_sockets(own);
    if (own || fake.xml)
        return xstrdup(own ? own : fake.xml);
    return xasprintf("<domain><name>%s</name><uuid>%s</uuid></domain>", d->name, d->uuid);
}

char *fake_definition_locked(const struct domain *d)
{
    return fake.definition ? xstrdup(fake.definition) : fake_xml_locked(d);
}

static int fake_xml(struct domain *d, char **ret, struct err *e)
{
    CALL;
    if (fake_begin(FAKE_XML, e) < 0)
        return -1;
    AUTO_LOCK(lock, fake_mutex());
    *ret = fake_garbage() ? xstrdup("<domain><devices><disk") : fake_xml_locked(d);
    return 0;
}

static void copy_fs(struct domain_fs *to, const struct domain_fs *from)
{
    *to = (struct domain_fs){
        .mountpoint = xstrdup(from->mountpoint),
        .device = xstrdup(from->device),
        .fstype = xstrdup(from->fstype),
        .targets = xcalloc(from->target_count, sizeof(char *)),
        .target_count = from->target_count,
    };
    for (size_t n = 0; n < from->target_count; n++)
        to->targets[n] = xstrdup(from->targets[n]);
}

static int fake_filesystems(struct domain *d, struct domain_fs_list *ret, struct err *e)
{
    CALL;
    (void)d;
    if (fake_begin(FAKE_FILESYSTEMS, e) < 0)
        return -1;
    AUTO_LOCK(lock, fake_mutex());
    if (fake_garbage())
        return 0; /* of no filesystem at all */
    ret->count = fake.fs_count;
    ret->items = xcalloc(fake.fs_count, sizeof(*ret->items));
    for (size_t n = 0; n < fake.fs_count; n++)
        copy_fs(&ret->items[n], &fake.fs[n]);
    return 0;
}

static int fake_ping(struct domain *d, int timeout_s, struct err *e)
{
    CALL;
    (void)d;
    (void)timeout_s;
    return fake_begin(FAKE_PING, e) < 0 ? -1 : nonsense(e);
}

static int fake_status(struct domain *d, int timeout_s, enum agent_freeze *ret, struct err *e)
{
    CALL;
    (void)d;
    (void)timeout_s;
    if (fake_begin(FAKE_STATUS, e) < 0)
        return -1;
    AUTO_LOCK(lock, fake_mutex());
    *ret = fake_garbage() ? (enum agent_freeze)99 : fake.status;
    return 0;
}

static int fake_freeze(struct domain *d, unsigned *ret_count, struct err *e)
{
    CALL;
    (void)d;
    if (fake_begin(FAKE_FREEZE, e) < 0)
        return -1;
    AUTO_LOCK(lock, fake_mutex());
    *ret_count = fake_garbage() ? 0 : fake.frozen;
    return 0;
}

static int fake_thaw(struct domain *d, unsigned *ret_count, struct err *e)
{
    CALL;
    (void)d;
    if (fake_begin(FAKE_THAW, e) < 0 || nonsense(e) < 0)
        return -1;
    AUTO_LOCK(lock, fake_mutex());
    *ret_count = fake.thawed;
    return 0;
}

static int fake_writes(struct domain *d, struct disk_writes **ret, size_t *ret_count, struct err *e)
{
    CALL;
    (void)d;
    if (fake_begin(FAKE_WRITES, e) < 0)
        return -1;
    AUTO_LOCK(lock, fake_mutex());
    *ret = xcalloc(fake.write_count, sizeof(**ret));
    if (fake_garbage())
        return 0; /* of no disk at all */
    if (fake.write_count > 0)
        memcpy(*ret, fake.writes, fake.write_count * sizeof(**ret));
    *ret_count = fake.write_count;
    return 0;
}

static bool fake_local(struct domain *d)
{
    (void)d;
    AUTO_LOCK(lock, fake_mutex());
    return !fake.channel || fake.here;
}

static int fake_channel(struct domain *d, const char *name, int *ret_fd, struct err *e)
{
    CALL;
    const char *path;
    int fd;

    (void)d;
    (void)name;
    if (fake_begin(FAKE_CHANNEL, e) < 0)
        return -1;
    {
        AUTO_LOCK(lock, fake_mutex());
        path = fake.channel;
    }
    fd = connect_to(path);
    if (fd < 0)
        return err_set(e, ERR_LIBVIRT, "the fake's channel is not there");
    *ret_fd = fd;
    return 0;
}

const struct domain_ops domain_fake = {
    .open = fake_open,
    .close = fake_close,
    .hold = fake_hold,
    .name = fake_name,
    .uuid = fake_uuid,
    .running = fake_running,
    .xml = fake_xml,
    .filesystems = fake_filesystems,
    .agent_ping = fake_ping,
    .agent_status = fake_status,
    .freeze = fake_freeze,
    .thaw = fake_thaw,
    .writes = fake_writes,
    .local = fake_local,
    .channel = fake_channel,
    .state = fake_state,
    .definition = fake_definition,
    .secret_definition = fake_definition,
    .host = fake_host,
    .define = fake_define,
    .create = fake_create,
    .start = fake_start,
    .forget_saved = fake_forget_saved,
    .shutdown = fake_shutdown,
    .destroy = fake_destroy,
    .undefine = fake_undefine,
};

/* ---- the test's side ------------------------------------------------------------------------- */

void domain_fake_reset(void)
{
    AUTO_LOCK(lock, fake_mutex());
    fake_calls_reset_locked();
    estate_reset();
    fake.open = 0;
    fake.round++;
    fake.xml = fake.definition = NULL;
    fake.channel = NULL;
    fake.here = false;
    fake.socket = NULL;
    fake.fs = NULL;
    fake.fs_count = 0;
    fake.status = AGENT_THAWED;
    fake.frozen = fake.thawed = 3;
    fake.writes = NULL;
    fake.write_count = 0;
}

void domain_fake_set_xml(const char *xml)
{
    AUTO_LOCK(lock, fake_mutex());
    fake.xml = xml;
}

void domain_fake_set_definition(const char *xml)
{
    AUTO_LOCK(lock, fake_mutex());
    fake.definition = xml;
}

void domain_fake_set_channel(const char *path)
{
    AUTO_LOCK(lock, fake_mutex());
    fake.channel = path;
    fake.here = false;
}

void domain_fake_set_relay(const char *path)
{
    AUTO_LOCK(lock, fake_mutex());
    fake.channel = path;
    fake.here = true;
}

void domain_fake_set_socket(const char *path)
{
    AUTO_LOCK(lock, fake_mutex());
    fake.socket = path;
}

void domain_fake_set_filesystems(const struct domain_fs *items, size_t count)
{
    AUTO_LOCK(lock, fake_mutex());
    fake.fs = items;
    fake.fs_count = count;
}

void domain_fake_set_status(enum agent_freeze status)
{
    AUTO_LOCK(lock, fake_mutex());
    fake.status = status;
}

void domain_fake_set_counts(unsigned frozen, unsigned thawed)
{
    AUTO_LOCK(lock, fake_mutex());
    fake.frozen = frozen;
    fake.thawed = thawed;
}

void domain_fake_set_writes(const struct disk_writes *items, size_t count)
{
    AUTO_LOCK(lock, fake_mutex());
    fake.writes = items;
    fake.write_count = count;
}

int domain_fake_open_count(void)
{
    AUTO_LOCK(lock, fake_mutex());
    return fake.open;
}
