/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Saves and loads the model by its tables of fields; see store.h. */
#include "tests/elastistor-sim/store.h"
#include "proto/base/cleanup.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

static void *at(void *row, const struct field *f)
{
    return (char *)row + f->offset;
}

static json_t *field_save(void *row, const struct field *f)
{
    const char *text;

    switch (f->type) {
    case FIELD_STR:
        return json_string(at(row, f));
    case FIELD_INT:
        return json_integer(*(int64_t *)at(row, f));
    case FIELD_BOOL:
        return json_boolean(*(bool *)at(row, f));
    case FIELD_TEXT:
        text = *(char **)at(row, f);
        return text ? json_string(text) : json_null();
    }
    return NULL;
}

static int field_load(void *row, const struct field *f, const json_t *value, struct err *e)
{
    /* a field that an older state file lacks keeps its zero */
    if (!value || json_is_null(value))
        return 0;
    switch (f->type) {
    case FIELD_STR:
        if (!json_is_string(value) || str_set(at(row, f), f->size, json_string_value(value)) < 0)
            return err_set(e, ERR_CONFIG, "field '%s' is no text of at most %zu bytes", f->name,
                           f->size - 1);
        return 0;
    case FIELD_INT:
        *(int64_t *)at(row, f) = json_integer_value(value);
        return 0;
    case FIELD_BOOL:
        *(bool *)at(row, f) = json_is_true(value);
        return 0;
    case FIELD_TEXT:
        *(char **)at(row, f) = xstrdup(json_string_value(value));
        return 0;
    }
    return 0;
}

static json_t *table_save(const struct table *t)
{
    json_t *rows = json_array();

    for (size_t r = 0; r < t->n; r++) {
        json_t *o = json_object();

        for (size_t i = 0; i < t->kind->n_fields; i++)
            json_object_set_new(o, t->kind->fields[i].name,
                                field_save(t->rows[r], &t->kind->fields[i]));
        json_array_append_new(rows, o);
    }
    return rows;
}

static int table_load(struct model *m, enum kind_id k, const json_t *rows, struct err *e)
{
    const struct kind *kind = m->tables[k].kind;
    const json_t *o;
    size_t r;

    json_array_foreach(rows, r, o)
    {
        void *row = model_add(m, k);

        for (size_t i = 0; i < kind->n_fields; i++)
            if (field_load(row, &kind->fields[i], json_object_get(o, kind->fields[i].name), e) < 0)
                return err_prefix(e, "%s %zu", kind->name, r);
    }
    return 0;
}

int store_load(struct model *m, const char *dir, bool *ret_found, struct err *e)
{
    AUTO_FREE char *path = xasprintf("%s/state.json", dir);
    AUTO_FCLOSE FILE *f = fopen(path, "re");
    json_error_t je;
    json_t *doc;
    int rc = 0;

    *ret_found = f != NULL;
    if (!f)
        return errno == ENOENT ? 0 : err_set_sys(e, ERR_CONFIG, errno, "cannot read '%s'", path);
    doc = json_loadf(f, 0, &je);
    if (!doc)
        return err_set(e, ERR_CONFIG, "state file '%s' is no JSON: line %d: %s", path, je.line,
                       je.text);
    for (int k = 0; k < KIND_COUNT && rc == 0; k++)
        rc = table_load(m, (enum kind_id)k, json_object_get(doc, m->tables[k].kind->name), e);
    json_decref(doc);
    if (rc == 0 && (m->tables[KIND_ESTATE].n != 1 || !model_tsm_pool(m)))
        rc = err_set(e, ERR_CONFIG, "it does not hold one account with a TSM on a pool");
    return rc < 0 ? err_prefix(e, "state file '%s'", path) : 0;
}

int store_save(const struct model *m, const char *dir, struct err *e)
{
    AUTO_FREE char *path = xasprintf("%s/state.json", dir);
    AUTO_FREE char *tmp = xasprintf("%s/state.json.new", dir);
    json_t *doc = json_object();
    int rc;

    for (int k = 0; k < KIND_COUNT; k++)
        json_object_set_new(doc, m->tables[k].kind->name, table_save(&m->tables[k]));
    rc = json_dump_file(doc, tmp, JSON_INDENT(1));
    json_decref(doc);
    if (rc < 0)
        return err_set(e, ERR_IO, "cannot write '%s'", tmp);
    if (rename(tmp, path) < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot replace '%s'", path);
    return 0;
}
