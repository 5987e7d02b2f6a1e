/* The configuration in force, and those that were so before and are not forgotten yet. Readers load one
 * pointer. */
#include <pthread.h>
#include <stdatomic.h>

#include "base/log.h"
#include "option_table.h"
#include "store.h"

static _Atomic(struct store *) current;

static struct {
    pthread_mutex_t mutex;
    struct store *list; /* the youngest first */
    unsigned lookers;   /* threads between conf_enter and conf_leave */
    uint64_t forgotten; /* those with lower numbers go when there is no such thread */
} old = {.mutex = PTHREAD_MUTEX_INITIALIZER};

const struct conf *conf_current(void)
{
    struct store *store = atomic_load_explicit(&current, memory_order_acquire);
    return store ? &store->conf : NULL;
}

/* What cannot change while we run keeps its value. */
static void keep_fixed(struct store *store, const struct options *older)
{
    for (unsigned i = 0; i < option_row_count; i++) {
        const struct option *option = &option_rows[i];
        if (option->type == OPTION_GROUP || option->reloadable)
            continue;
        if (option_is_same(&store->conf.options, older, option))
            continue;
        log_warn("option changes at the next start only", "option", option->name, NULL);
        option_copy(&store->conf.options, older, option, &store->texts);
    }
}

void conf_swap(struct conf *conf)
{
    struct store *store = CONTAINER_OF(conf, struct store, conf);
    pthread_mutex_lock(&old.mutex);
    struct store *before = atomic_load_explicit(&current, memory_order_relaxed);
    ASSERT(before != store);
    if (before) {
        keep_fixed(store, &before->conf.options);
        before->older = old.list;
        old.list = before;
    }
    atomic_store_explicit(&current, store, memory_order_release);
    pthread_mutex_unlock(&old.mutex);
}

/* Takes those that may go off the list. Locked. */
static struct store *take_forgotten(void)
{
    struct store *taken = NULL;
    struct store **at = &old.list;
    while (!old.lookers && *at) {
        struct store *store = *at;
        if (store->conf.number >= old.forgotten) {
            at = &store->older;
            continue;
        }
        *at = store->older;
        store->older = taken;
        taken = store;
    }
    return taken;
}

static void unref_all(struct store *list)
{
    struct store *older;
    for (; list; list = older) {
        older = list->older;
        conf_unref(&list->conf);
    }
}

void conf_enter(void)
{
    pthread_mutex_lock(&old.mutex);
    old.lookers++;
    pthread_mutex_unlock(&old.mutex);
}

void conf_leave(void)
{
    pthread_mutex_lock(&old.mutex);
    ASSERT(old.lookers > 0);
    old.lookers--;
    struct store *taken = take_forgotten();
    pthread_mutex_unlock(&old.mutex);
    unref_all(taken);
}

void conf_forget_before(uint64_t number)
{
    pthread_mutex_lock(&old.mutex);
    if (number > old.forgotten)
        old.forgotten = number;
    struct store *taken = take_forgotten();
    pthread_mutex_unlock(&old.mutex);
    unref_all(taken);
}

void conf_forget_all(void)
{
    struct store *last = atomic_exchange(&current, NULL);
    pthread_mutex_lock(&old.mutex);
    ASSERT(!old.lookers);
    struct store *list = old.list;
    old.list = NULL;
    pthread_mutex_unlock(&old.mutex);
    unref_all(list);
    if (last)
        conf_unref(&last->conf);
}
