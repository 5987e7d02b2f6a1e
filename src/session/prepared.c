/* The registry of shared prepared statements. The last reference takes a statement out. */
#include "session/prepared.h"

#include <pthread.h>
#include <strings.h>

#include "base/mem.h"
#include "base/table.h"
#include "session/host.h"
#include "session/local_settings.h"
#include "sql/scan.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct table registry;
static _Atomic(uint64_t) last_id;

uint64_t statement_next_id(void)
{
    return atomic_fetch_add(&last_id, 1) + 1;
}

struct key_head {
    uint64_t version;
    uint64_t constants;
    uint64_t types_len;
};

/* Types before the text, with their length, so that no text can imitate them. */
static struct slice make_key(struct slice query, struct slice types, uint64_t version,
                             uint64_t constants)
{
    struct key_head head = {.version = version, .constants = constants, .types_len = types.len};
    size_t len = sizeof(head) + types.len + query.len;
    uint8_t *key = mem_alloc(len);
    memcpy(key, &head, sizeof(head));
    if (types.len)
        memcpy(key + sizeof(head), types.data, types.len);
    if (query.len)
        memcpy(key + sizeof(head) + types.len, query.data, query.len);
    return slice_of(key, len);
}

/* Constants in quotes of any kind: '01/02/2003' means what DateStyle says at the Parse. */
static bool has_quotes(struct slice query)
{
    for (size_t i = 0; i < query.len; i++) {
        uint8_t next = i + 1 < query.len ? query.data[i + 1] : 0;
        if (query.data[i] == '\'' || (query.data[i] == '$' && !(next >= '0' && next <= '9')))
            return true;
    }
    return false;
}

static struct statement *make(struct slice key, struct slice types, struct slice query,
                              uint8_t *scratch)
{
    struct statement *statement = mem_zero(1, sizeof(*statement));
    statement->id = statement_next_id();
    statement->registry_key = key;
    statement->folds = has_quotes(query);
    statement->types = slice_of(key.data + sizeof(struct key_head), types.len);
    statement->query = slice_of(key.data + sizeof(struct key_head) + types.len, query.len);
    struct scan scan;
    if (scan_text(query, scratch, &scan) == ERR_OK) {
        statement->scanned = true;
        statement->scan_flags = scan.flags;
        statement->hint = slice_of(statement->query.data + scan.hint_at, scan.hint_len);
        struct local_command command; /* the backends never get those */
        bool several = (scan.flags & SCAN_SEVERAL) != 0;
        if (local_command_read(slice_of(scan.canonical, scan.canonical_len), several, &command))
            statement->folds = false;
        statement->canonical =
            slice_of(mem_copy(scan.canonical, scan.canonical_len), scan.canonical_len);
        statement->shape =
            scan_shape(slice_of(scan.canonical, scan.canonical_len)); /* in place: see scan.h */
    }
    return statement;
}

struct statement *statement_get(struct slice query, struct slice types, uint64_t version,
                                uint64_t constants, uint8_t *scratch)
{
    struct slice key = make_key(query, types, version, constants);
    pthread_mutex_lock(&mutex);
    struct statement *statement = table_get(&registry, key);
    if (statement) {
        mem_free((void *)(uintptr_t)key.data);
    } else {
        statement = make(key, types, query, scratch);
        statement->shared = true;
        table_put(&registry, key, statement);
    }
    atomic_fetch_add(&statement->refs, 1);
    pthread_mutex_unlock(&mutex);
    return statement;
}

struct statement *statement_private(struct slice query, struct slice types, uint64_t version,
                                    uint8_t *scratch)
{
    struct statement *statement = make(make_key(query, types, version, 0), types, query, scratch);
    atomic_store(&statement->refs, 1);
    return statement;
}

struct statement *statement_ref(struct statement *statement)
{
    atomic_fetch_add(&statement->refs, 1);
    return statement;
}

void statement_unref(struct statement *statement)
{
    if (!statement)
        return;
    pthread_mutex_lock(&mutex);
    bool last = atomic_fetch_sub(&statement->refs, 1) == 1;
    if (last && statement->shared) {
        table_remove(&registry, statement->registry_key);
        if (registry.count == 0)
            table_fini(&registry);
    }
    pthread_mutex_unlock(&mutex);
    if (!last)
        return;
    mem_free((void *)(uintptr_t)statement->registry_key.data);
    mem_free((void *)(uintptr_t)statement->canonical.data);
    mem_free(statement);
}

unsigned statement_registry_count(void)
{
    pthread_mutex_lock(&mutex);
    unsigned count = (unsigned)registry.count;
    pthread_mutex_unlock(&mutex);
    return count;
}

struct slice statement_deallocated(struct slice canonical)
{
    struct slice text = canonical;
    static const char *const words[] = {"deallocate ", "prepare "};
    for (unsigned i = 0; i < ARRAY_COUNT(words); i++) {
        size_t len = strlen(words[i]);
        if (text.len > len && strncasecmp((const char *)text.data, words[i], len) == 0)
            text = slice_of(text.data + len, text.len - len);
        else if (i == 0)
            return slice_of(NULL, 0);
    }
    if (text.len >= 2 && text.data[0] == '"' && text.data[text.len - 1] == '"') {
        text = slice_of(text.data + 1, text.len - 2);
        return memchr(text.data, '"', text.len) ? slice_of(NULL, 0) : text;
    }
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_')
            return slice_of(NULL, 0);
    }
    return text.len == 3 && memcmp(text.data, "all", 3) == 0 ? slice_of(NULL, 0) : text;
}
