/* The table of fetches under way: buckets of chains, the newest flight of a key first. */
#include "cache/inflight.h"

#include <pthread.h>

#include "base/macros.h"

enum { FLIGHT_BUCKETS = 4096 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct flight *buckets[FLIGHT_BUCKETS];

static struct flight **bucket_of(struct hash128 hash)
{
    return &buckets[hash.low % FLIGHT_BUCKETS];
}

static struct flight *find(const struct entry_key *key)
{
    struct flight *flight = *bucket_of(key->hash);

    while (flight && !(hash128_equal(flight->key.hash, key->hash) &&
                       slice_equal(flight->key.bytes, key->bytes)))
        flight = flight->next;
    return flight;
}

static bool same_stamps(const struct flight *flight, const struct stamp *stamps, unsigned count)
{
    if (flight->stamp_count != count)
        return false;
    for (unsigned i = 0; i < count; i++)
        if (flight->stamps[i].word != stamps[i].word || flight->stamps[i].value != stamps[i].value)
            return false;
    return true;
}

static enum flight_role join(const struct entry_key *key, const struct stamp *stamps,
                             unsigned stamp_count, struct flight *flight,
                             struct flight_waiter *waiter)
{
    struct flight *other = find(key);

    if (other && same_stamps(other, stamps, stamp_count)) {
        if (!waiter || other->waiter_count == FLIGHT_WAITERS_MAX)
            return FLIGHT_ALONE;
        waiter->flight = other;
        link_append(&other->waiters, &waiter->link);
        other->waiter_count++;
        return FLIGHT_WAITS;
    }
    struct flight **bucket = bucket_of(key->hash);
    *flight = (struct flight){
        .next = *bucket, .key = *key, .stamps = stamps, .stamp_count = stamp_count, .on = true};
    link_init(&flight->waiters);
    *bucket = flight;
    return FLIGHT_LEADS;
}

enum flight_role flight_join(const struct entry_key *key, const struct stamp *stamps,
                             unsigned stamp_count, struct flight *flight,
                             struct flight_waiter *waiter)
{
    ASSERT(!flight->on && (!waiter || !link_is_on(&waiter->link)));
    pthread_mutex_lock(&mutex);
    enum flight_role role = join(key, stamps, stamp_count, flight, waiter);
    pthread_mutex_unlock(&mutex);
    return role;
}

void flight_end(struct flight *flight, bool again)
{
    struct link *first;

    if (!flight->on)
        return;
    pthread_mutex_lock(&mutex);
    struct flight **at = bucket_of(flight->key.hash);
    while (*at != flight) {
        ASSERT(*at);
        at = &(*at)->next;
    }
    *at = flight->next;
    while ((first = link_first(&flight->waiters)) != NULL) {
        struct flight_waiter *waiter = CONTAINER_OF(first, struct flight_waiter, link);
        link_remove(first);
        waiter->flight = NULL;
        waiter->again = again;
        waiter->wake(waiter);
    }
    flight->on = false;
    pthread_mutex_unlock(&mutex);
}

void flight_leave(struct flight_waiter *waiter)
{
    pthread_mutex_lock(&mutex);
    if (waiter->flight) {
        link_remove(&waiter->link);
        waiter->flight->waiter_count--;
        waiter->flight = NULL;
    }
    pthread_mutex_unlock(&mutex);
}
