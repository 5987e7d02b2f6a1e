/* The registry of prototypes. The last reference takes a prototype out. */
#include "upstream/prototype.h"

#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "base/table.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct table registry;

struct prototype *prototype_get(struct slice types, uint64_t columns)
{
    size_t len = sizeof(columns) + types.len;
    struct prototype *made = mem_zero(1, sizeof(*made) + len);
    uint8_t *key = (uint8_t *)(made + 1);
    memcpy(key, &columns, sizeof(columns));
    if (types.len)
        memcpy(key + sizeof(columns), types.data, types.len);
    made->columns = columns;
    made->types = slice_of(key + sizeof(columns), types.len);
    made->key = slice_of(key, len);
    pthread_mutex_lock(&mutex);
    struct prototype *found = table_get(&registry, made->key);
    if (!found)
        table_put(&registry, made->key, made);
    struct prototype *prototype = found ? found : made;
    atomic_fetch_add(&prototype->refs, 1);
    pthread_mutex_unlock(&mutex);
    if (found)
        mem_free(made);
    return prototype;
}

struct prototype *prototype_ref(struct prototype *prototype)
{
    if (prototype)
        atomic_fetch_add_explicit(&prototype->refs, 1, memory_order_relaxed);
    return prototype;
}

/* The last reference goes under the mutex, where prototype_get could find it. */
void prototype_unref(struct prototype *prototype)
{
    if (!prototype)
        return;
    pthread_mutex_lock(&mutex);
    bool last = atomic_fetch_sub(&prototype->refs, 1) == 1;
    if (last) {
        ASSERT(table_remove(&registry, prototype->key) == prototype);
        if (registry.count == 0)
            table_fini(&registry);
    }
    pthread_mutex_unlock(&mutex);
    if (last)
        mem_free(prototype);
}

unsigned prototype_registry_count(void)
{
    pthread_mutex_lock(&mutex);
    unsigned count = (unsigned)registry.count;
    pthread_mutex_unlock(&mutex);
    return count;
}
