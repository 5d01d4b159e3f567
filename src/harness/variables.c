/*
 * variables.c - system variables of plugins.
 *
 * A plugin declares its variables; the host gives them their start values (the default, then
 * the command line) and changes them on SET GLOBAL.  As in MySQL a number outside its range is moved
 * into it with a warning, and text that is no value of the type is an error.  The host owns the
 * memory of string values.
 */
#include "host.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A value of any type the host knows; its address is the `save` of check and update. */
typedef union datum {
    char boolean;
    int integer;
    unsigned int natural;
    char *string;
} datum;

typedef struct range {
    long long def, min, max, block;
} range;

static int kind_of(const variable *v) { return v->declared->flags & DM_VAR_TYPEMASK; }
static bool is_unsigned(const variable *v) { return (v->declared->flags & DM_VAR_UNSIGNED) != 0; }

static range range_of(const variable *v) {
    if (is_unsigned(v)) {
        const dm_sys_var_uint *u = (const dm_sys_var_uint *)v->declared;
        return (range){u->def_val, u->min_val, u->max_val, u->blk_sz};
    }
    const dm_sys_var_int *i = (const dm_sys_var_int *)v->declared;
    return (range){i->def_val, i->min_val, i->max_val, i->blk_sz};
}

/* Where the plugin keeps the value. */
static void *target_of(const variable *v) {
    switch (kind_of(v)) {
    case DM_VAR_BOOL: return ((dm_sys_var_bool *)v->declared)->value;
    case DM_VAR_STR: return ((dm_sys_var_str *)v->declared)->value;
    default: /* signed and unsigned differ only in the pointed-to type */
        return ((dm_sys_var_int *)v->declared)->value;
    }
}

void variable_text(const variable *v, char *text, size_t size) {
    const void *target = target_of(v);
    switch (kind_of(v)) {
    case DM_VAR_BOOL: snprintf(text, size, "%s", *(const char *)target ? "ON" : "OFF"); break;
    case DM_VAR_STR: {
        const char *string = *(char *const *)target;
        snprintf(text, size, "%s", string ? string : "");
        break;
    }
    default:
        if (is_unsigned(v))
            snprintf(text, size, "%u", *(const unsigned int *)target);
        else
            snprintf(text, size, "%d", *(const int *)target);
    }
}

static bool parse_bool(const char *text, char *out) {
    static const char *const words[][2] = {{"ON", "OFF"}, {"TRUE", "FALSE"}, {"1", "0"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        for (int off = 0; off < 2; off++) {
            if (strcasecmp(text, words[i][off]) == 0) {
                *out = !off;
                return true;
            }
        }
    }
    return false;
}

/* A decimal number, on the command line with K, M or G behind it; too great ones saturate. */
static bool parse_number(const char *text, bool suffixes, long long *out) {
    char *end;
    while (isspace((unsigned char)*text)) text++;
    if (!*text) return false;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (end == text) return false;
    if (suffixes && *end) {
        const char *suffix = strchr("kmg", tolower((unsigned char)*end));
        int shift = !suffix ? 0 : *suffix == 'k' ? 10 : *suffix == 'm' ? 20 : 30;
        if (shift) {
            end++;
            if (__builtin_mul_overflow(number, 1LL << shift, &number)) number = number < 0 ? LLONG_MIN : LLONG_MAX;
        }
    }
    while (isspace((unsigned char)*end)) end++;
    *out = number;
    return !*end;
}

/* Stores a number in the type of the variable, moved into its range. */
static void fit_number(const variable *v, long long wanted, datum *out) {
    range r = range_of(v);
    long long number = wanted < r.min ? r.min : wanted > r.max ? r.max : wanted;
    if (r.block > 1) number -= number % r.block;
    if (number < r.min) number = r.min;
    if (number != wanted)
        log_line(LOG_WARNING, "DM3012: option '%s': value %lld adjusted to %lld", v->name, wanted, number);
    if (is_unsigned(v))
        out->natural = (unsigned int)number;
    else
        out->integer = (int)number;
}

/* The default as a datum; a string is borrowed from the plugin. */
static datum default_of(const variable *v) {
    datum d = {0};
    switch (kind_of(v)) {
    case DM_VAR_BOOL: d.boolean = ((dm_sys_var_bool *)v->declared)->def_val; break;
    case DM_VAR_STR: d.string = (char *)((dm_sys_var_str *)v->declared)->def_val; break;
    default:
        if (is_unsigned(v))
            d.natural = (unsigned int)range_of(v).def;
        else
            d.integer = (int)range_of(v).def;
    }
    return d;
}

/* Stores `d` as MySQL's standard update does; strings are copied. */
static void store(variable *v, const datum *d) {
    void *target = target_of(v);
    switch (kind_of(v)) {
    case DM_VAR_BOOL: *(char *)target = d->boolean; break;
    case DM_VAR_STR: {
        char *copy = d->string ? must_copy(d->string) : NULL;
        *(char **)target = copy;
        free(v->owned);
        v->owned = copy;
        break;
    }
    default:
        if (is_unsigned(v))
            *(unsigned int *)target = d->natural;
        else
            *(int *)target = d->integer;
    }
}

/* ---- at INSTALL ---- */

static bool known_layout(const dm_sys_var *declared) {
    switch (declared->flags & DM_VAR_TYPEMASK) {
    case DM_VAR_BOOL: return ((const dm_sys_var_bool *)declared)->value != NULL;
    case DM_VAR_INT: return ((const dm_sys_var_int *)declared)->value != NULL;
    case DM_VAR_STR: return ((const dm_sys_var_str *)declared)->value != NULL;
    default: return false;
    }
}

/* The default, then what the command line says; its errors have number 0. */
static bool start_value(variable *v, const option_value *given, host_error *err) {
    datum d = default_of(v);
    if (given) {
        const char *text = given->value;
        long long number;
        switch (kind_of(v)) {
        case DM_VAR_BOOL:
            if (!text)
                d.boolean = 1;
            else if (!parse_bool(text, &d.boolean))
                return fail(err, 0, "HY000", "option '--%s' takes ON or OFF, not '%s'", v->name, text);
            break;
        case DM_VAR_STR:
            if (!text) return fail(err, 0, "HY000", "option '--%s' needs a value", v->name);
            d.string = (char *)text;
            break;
        default:
            if (!text || !parse_number(text, true, &number))
                return fail(err, 0, "HY000", "option '--%s' takes a number, not '%s'", v->name, text ? text : "");
            fit_number(v, number, &d);
        }
    }
    store(v, &d);
    return true;
}

static variable *find(plugin *p, const char *name) {
    for (size_t i = 0; i < p->n_variables; i++)
        if (strcasecmp(p->variables[i].name, name) == 0) return &p->variables[i];
    return NULL;
}

static char *full_name(const plugin *p, const dm_sys_var *declared) {
    char *name = must_format("%s_%s", p->declared->name, declared->name);
    for (char *c = name; *c; c++) *c = *c == '-' ? '_' : (char)tolower((unsigned char)*c);
    return name;
}

bool variables_register(plugin *p, const host_options *options, host_error *err) {
    dm_sys_var **declared = p->declared->system_vars;
    size_t n = 0;
    while (declared && declared[n]) n++;
    p->variables = must_alloc(n * sizeof *p->variables);
    for (size_t i = 0; i < n; i++) {
        if (!known_layout(declared[i])) {
            fail(err, 1123, "HY000", "Can't initialize function '%s'; variable '%s' has a type this host does not know",
                 p->declared->name, declared[i]->name);
            goto failed;
        }
        variable *v = &p->variables[p->n_variables++];
        *v = (variable){.name = full_name(p, declared[i]), .declared = declared[i]};
        const option_value *given = options->plugin_vars;
        while (given && strcmp(given->name, v->name) != 0) given = given->next;
        if (!start_value(v, given, err)) goto failed;
    }
    char *prefix = must_format("%s_", p->declared->name);
    for (const option_value *o = options->plugin_vars; o; o = o->next) {
        if (!o->is_default && strncasecmp(o->name, prefix, strlen(prefix)) == 0 && !find(p, o->name)) {
            free(prefix);
            fail(err, 0, "HY000", "unknown option '--%s': plugin '%s' has no such variable", o->name, p->declared->name);
            goto failed;
        }
    }
    free(prefix);
    return true;
failed:
    variables_free(p);
    return false;
}

void variables_free(plugin *p) {
    for (size_t i = 0; i < p->n_variables; i++) {
        variable *v = &p->variables[i];
        if (v->owned) {
            /* The library stays mapped: leave no dangling pointer in it. */
            if (*(char **)target_of(v) == v->owned) *(char **)target_of(v) = NULL;
            free(v->owned);
        }
        free(v->name);
    }
    free(p->variables);
    p->variables = NULL;
    p->n_variables = 0;
}

/* ---- SET GLOBAL ---- */

/* What a plugin's own check function reads. */
typedef struct mysql_value {
    dm_value value;
    const char *text;
} mysql_value;

static const char *text_of(const dm_value *value) { return ((const mysql_value *)value)->text; }

static int value_type(dm_value *value) {
    long long ignored;
    return parse_number(text_of(value), false, &ignored) ? 2 : 0;
}

/* `*length` is the size of `room` and becomes the length; text that does not fit is returned in place. */
static const char *value_str(dm_value *value, char *room, int *length) {
    const char *text = text_of(value);
    size_t size = strlen(text);
    bool fits = room && *length > 0 && size < (size_t)*length;
    *length = (int)size;
    return fits ? memcpy(room, text, size + 1) : text;
}

static int value_real(dm_value *value, double *out) {
    *out = strtod(text_of(value), NULL);
    return 0;
}

static int value_int(dm_value *value, long long *out) {
    if (!parse_number(text_of(value), false, out)) *out = 0;
    return 0;
}

static int value_is_unsigned(dm_value *value) { return text_of(value)[0] != '-'; }

static bool wrong_value(const variable *v, const char *value, host_error *err) {
    return fail(err, 1231, "42000", "Variable '%s' can't be set to the value of '%s'", v->name, value);
}

/* The plugin's check function fills *d; it may leave a message for the client. */
static bool check_by_plugin(host *h, const variable *v, const char *value, datum *d, host_error *err) {
    mysql_value wrapped = {{value_type, value_str, value_real, value_int, value_is_unsigned}, value};
    char message[PLUGIN_MESSAGE_SIZE];
    plugins_take_message(h, message);
    if (v->declared->check(NULL, v->declared, d, &wrapped) == 0) return true;
    plugins_take_message(h, message);
    return *message ? fail(err, 3130, "HY000", "%s: %s", DM_PLUGIN_NAME, message) : wrong_value(v, value, err);
}

/* Fills *d by the plugin's check function or by the standard one. */
static bool check(host *h, const variable *v, const char *value, datum *d, host_error *err) {
    if (v->declared->check) return check_by_plugin(h, v, value, d, err);
    long long number;
    switch (kind_of(v)) {
    case DM_VAR_BOOL: return parse_bool(value, &d->boolean) || wrong_value(v, value, err);
    case DM_VAR_STR: d->string = (char *)value; return true;
    default:
        if (!parse_number(value, false, &number))
            return fail(err, 1232, "42000", "Incorrect argument type to variable '%s'", v->name);
        fit_number(v, number, d);
        return true;
    }
}

/* Hands the plugin's update function a string of ours; it may keep the pointer or copy the text. */
static void update_string(variable *v, datum *d) {
    char *copy = d->string ? must_copy(d->string) : NULL;
    datum ours = {.string = copy};
    v->declared->update(NULL, v->declared, target_of(v), &ours);
    if (*(char **)target_of(v) == copy) {
        free(v->owned);
        v->owned = copy;
    } else {
        free(copy);
    }
}

bool variable_set(host *h, variable *v, const char *value, host_error *err) {
    if (v->declared->flags & DM_VAR_READONLY)
        return fail(err, 1238, "HY000", "Variable '%s' is a read only variable", v->name);
    datum d = default_of(v);
    if (value && !check(h, v, value, &d, err)) return false;
    pthread_mutex_lock(&h->registry);
    if (!v->declared->update)
        store(v, &d);
    else if (kind_of(v) == DM_VAR_STR)
        update_string(v, &d);
    else
        v->declared->update(NULL, v->declared, target_of(v), &d);
    pthread_mutex_unlock(&h->registry);
    return true;
}
