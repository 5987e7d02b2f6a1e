/* Rules as texts, and their counts. */
#include "conf/rules.h"

#include <ctype.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/table.h"
#include "pairs.h"
#include "rule_line.h"
#include "value.h"

static const char *const action_texts[RULE_ACTION_COUNT] = {
#define RULE_ACTION_TEXT(name, text, prose) [RULE_##name] = (text),
    RULE_ACTIONS(RULE_ACTION_TEXT)
#undef RULE_ACTION_TEXT
};

const char *rule_action_text(enum rule_action action)
{
    ASSERT((unsigned)action < RULE_ACTION_COUNT);
    return action_texts[action];
}

/* ---- counts ---- */

static pthread_mutex_t counts_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct table counts_by_name;
static struct rule_counts counts_shared; /* of names beyond RULE_COUNTS_MAX */

static struct rule_counts *counts_of(const char *name)
{
    pthread_mutex_lock(&counts_mutex);
    struct rule_counts *counts = table_get(&counts_by_name, slice_of_text(name));
    if (!counts && counts_by_name.count >= RULE_COUNTS_MAX)
        counts = &counts_shared;
    if (!counts) {
        counts = mem_zero(1, sizeof(*counts));
        table_put(&counts_by_name, slice_of_text(name), counts);
    }
    pthread_mutex_unlock(&counts_mutex);
    return counts;
}

uint64_t rule_counts_applied(const struct rule_counts *counts)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < RULE_STRIPES; i++)
        sum += atomic_load_explicit(&counts->stripes[i].applied, memory_order_relaxed);
    return sum;
}

uint64_t rule_counts_hits(const struct rule_counts *counts)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < RULE_STRIPES; i++)
        sum += atomic_load_explicit(&counts->stripes[i].hits, memory_order_relaxed);
    return sum;
}

/* ---- from text ---- */

bool rule_namespace_is_valid(struct slice name)
{
    if (!name.len || name.len > RULE_NAMESPACE_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];
        if (!isalnum(c) && c != '_' && c != '.' && c != '-')
            return false;
    }
    return true;
}

static bool read_hex(const char *digits, uint64_t *out)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < RULE_SHAPE_DIGITS / 2; i++) {
        char c = (char)tolower((unsigned char)digits[i]);
        if (!isxdigit((unsigned char)c))
            return false;
        number = number << 4 | (uint64_t)(c >= 'a' ? c - 'a' + 10 : c - '0');
    }
    *out = number;
    return true;
}

static bool read_shape(const char *value, struct hash128 *out)
{
    return strlen(value) == RULE_SHAPE_DIGITS && read_hex(value, &out->high) &&
           read_hex(value + RULE_SHAPE_DIGITS / 2, &out->low);
}

void rule_shape_text(struct hash128 shape, char out[RULE_SHAPE_DIGITS + 1])
{
    snprintf(out, RULE_SHAPE_DIGITS + 1, "%016" PRIx64 "%016" PRIx64, shape.high, shape.low);
}

bool rule_window_read(struct slice text, uint32_t *out_ms)
{
    char copy[VALUE_TEXT_MAX];
    uint64_t ms;
    if (text.len + 3 > sizeof(copy) || memchr(text.data, 0, text.len))
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = 0;
    bool minutes = text.len > 1 && (copy[text.len - 1] | 0x20) == 'm';
    memcpy(copy + text.len, minutes ? "in" : "", minutes ? 3 : 1);
    if (value_read_duration(copy, &ms) || ms < RULE_WINDOW_LEAST_MS || ms > RULE_WINDOW_GREATEST_MS)
        return false;
    *out_ms = (uint32_t)ms;
    return true;
}

static bool read_action(const char *value, enum rule_action *out)
{
    for (unsigned i = 0; i < RULE_ACTION_COUNT; i++) {
        if (strcmp(value, action_texts[i]) == 0) {
            *out = (enum rule_action)i;
            return true;
        }
    }
    return false;
}

/* What is expected instead of `value`; NULL: it was set; "": no such key. */
static const char *set_key(struct rule *rule, struct slice key, const char *value,
                           struct texts *texts)
{
    const struct {
        const char *name;
        const char **field;
    } named[] = {{"database", &rule->database}, {"role", &rule->role}, {"table", &rule->table}};
    for (unsigned i = 0; i < ARRAY_COUNT(named); i++) {
        if (!slice_is(key, named[i].name))
            continue;
        *named[i].field = texts_copy(texts, value);
        return *value ? NULL : "a name";
    }
    if (slice_is(key, "shape")) {
        rule->has_shape = true;
        return read_shape(value, &rule->shape) ? NULL : "32 hex digits";
    }
    if (slice_is(key, "action"))
        return read_action(value, &rule->action) ? NULL : "cache, never, observe or force";
    if (slice_is(key, "window"))
        return rule_window_read(slice_of_text(value), &rule->window_ms) ? NULL : "100ms to 1d";
    if (slice_is(key, "namespace")) {
        rule->name_space = texts_copy(texts, value);
        return rule_namespace_is_valid(slice_of_text(value)) ? NULL
                                                             : "letters, digits and _.-, up to 63";
    }
    return "";
}

bool rule_read(const char *name, const char *text, struct texts *texts, struct place place,
               struct conf_mistakes *mistakes, struct rule *out)
{
    unsigned before = mistakes->count;
    struct slice rest = slice_of_text(text), key;
    struct buf value;
    bool says_action = false;
    buf_init(&value);
    *out = (struct rule){.name = texts_copy(texts, name)};
    enum err err;
    while ((err = pairs_next(&rest, &key, &value)) == ERR_OK) {
        const char *given = (const char *)buf_head(&value);
        const char *expected = set_key(out, key, given, texts);
        says_action = says_action || slice_is(key, "action");
        if (expected && !*expected)
            mistakes_add(mistakes, place, "%s: unknown key %.*s", name, (int)key.len, key.data);
        else if (expected)
            mistakes_add(mistakes, place, "%s: %.*s: \"%s\": expected %s", name, (int)key.len,
                         key.data, given, expected);
    }
    buf_fini(&value);
    if (err == ERR_MALFORMED)
        mistakes_add(mistakes, place, "%s: expected key=value or key='value' pairs", name);
    else if (!says_action && !out->window_ms && !out->name_space && mistakes->count == before)
        mistakes_add(mistakes, place, "%s: says nothing: give action, window or namespace", name);
    else if (out->action == RULE_NEVER && (out->window_ms || out->name_space))
        mistakes_add(mistakes, place, "%s: never takes no window and no namespace", name);
    if (mistakes->count != before)
        return false;
    out->counts = counts_of(name);
    return true;
}

void rule_copy_texts(struct rule *rule, struct texts *texts)
{
    rule->name = texts_copy(texts, rule->name);
    rule->database = texts_copy(texts, rule->database);
    rule->role = texts_copy(texts, rule->role);
    rule->table = texts_copy(texts, rule->table);
    rule->name_space = texts_copy(texts, rule->name_space);
}

/* ---- to text ---- */

/* Appends " key=value", the value in quotes where it needs them. */
static void put_pair(struct buf *out, const char *key, const char *value)
{
    if (!value)
        return;
    bool plain = *value && !strpbrk(value, " \t\n\r'");
    buf_printf(out, "%s%s=%s", buf_len(out) ? " " : "", key, plain ? value : "'");
    if (plain)
        return;
    for (; *value; value++)
        buf_append(out, *value == '\'' ? "''" : value, *value == '\'' ? 2 : 1);
    buf_append_text(out, "'");
}

void rule_text(const struct rule *rule, char *out, size_t out_len)
{
    struct buf text;
    buf_init(&text);
    put_pair(&text, "database", rule->database);
    put_pair(&text, "role", rule->role);
    put_pair(&text, "table", rule->table);
    if (rule->has_shape) {
        char shape[RULE_SHAPE_DIGITS + 1];
        rule_shape_text(rule->shape, shape);
        put_pair(&text, "shape", shape);
    }
    put_pair(&text, "action", action_texts[rule->action]);
    if (rule->window_ms) {
        char window[VALUE_TEXT_MAX];
        value_write_duration(window, rule->window_ms);
        put_pair(&text, "window", window);
    }
    put_pair(&text, "namespace", rule->name_space);
    snprintf(out, out_len, "%.*s", (int)buf_len(&text), (const char *)buf_head(&text));
    buf_fini(&text);
}
