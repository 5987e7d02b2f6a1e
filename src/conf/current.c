/* The configuration in force. Readers load one pointer; nothing they can still see is ever freed
 * before conf_forget_all. */
#include <pthread.h>
#include <stdatomic.h>

#include "base/log.h"
#include "option_table.h"
#include "store.h"

static _Atomic(struct store *) current;
static pthread_mutex_t swap_lock = PTHREAD_MUTEX_INITIALIZER;

const struct conf *conf_current(void)
{
    struct store *store = atomic_load_explicit(&current, memory_order_acquire);
    return store ? &store->conf : NULL;
}

/* What cannot change while we run keeps its value. Texts may be shared with the older store: it
 * lives at least as long. */
static void keep_fixed(struct options *options, const struct options *older)
{
    for (unsigned i = 0; i < option_row_count; i++) {
        const struct option *option = &option_rows[i];
        if (option->type == OPTION_GROUP || option->reloadable)
            continue;
        if (option_is_same(options, older, option))
            continue;
        log_warn("option changes at the next start only", "option", option->name, NULL);
        option_copy(options, older, option);
    }
}

void conf_swap(struct conf *conf)
{
    struct store *store = CONTAINER_OF(conf, struct store, conf);
    pthread_mutex_lock(&swap_lock);
    store->older = atomic_load_explicit(&current, memory_order_relaxed);
    ASSERT(store->older != store);
    if (store->older)
        keep_fixed(&store->conf.options, &store->older->conf.options);
    atomic_store_explicit(&current, store, memory_order_release);
    pthread_mutex_unlock(&swap_lock);
}

void conf_forget_all(void)
{
    struct store *store = atomic_exchange(&current, NULL);
    while (store) {
        struct store *older = store->older;
        store_destroy(store);
        store = older;
    }
}
