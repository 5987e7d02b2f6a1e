/* A bounded memo of verdicts: sets of MEMO_WAYS slots, the least recently used slot of a set makes
 * room. All memory is taken at the start. */
#include "sql/verdict.h"

#include "base/macros.h"
#include "base/mem.h"

enum { MEMO_WAYS = 4, MEMO_SLOTS_MIN = 16, MEMO_SLOTS_MAX = 1 << 20 };

struct memo_slot {
    struct hash128 key;
    uint64_t used_at; /* tick of the last use; 0: free */
    struct verdict verdict;
};

struct verdict_memo {
    unsigned set_mask; /* number of sets - 1 */
    uint64_t tick;
    struct memo_slot *slots;
};

static struct memo_slot *memo_set(struct verdict_memo *memo, struct hash128 key)
{
    return memo->slots + (size_t)(key.low & memo->set_mask) * MEMO_WAYS;
}

struct verdict_memo *verdict_memo_create(unsigned slots)
{
    unsigned count = MEMO_SLOTS_MIN;

    while (count < slots && count < MEMO_SLOTS_MAX)
        count *= 2;
    struct verdict_memo *memo = mem_zero(1, sizeof(*memo));
    memo->set_mask = count / MEMO_WAYS - 1;
    memo->slots = mem_zero(count, sizeof(*memo->slots));
    return memo;
}

void verdict_memo_destroy(struct verdict_memo *memo)
{
    if (!memo)
        return;
    mem_free(memo->slots);
    mem_free(memo);
}

const struct verdict *verdict_memo_get(struct verdict_memo *memo, struct hash128 key,
                                       uint64_t catalog_version)
{
    struct memo_slot *set = memo_set(memo, key);

    for (unsigned i = 0; i < MEMO_WAYS; i++) {
        struct memo_slot *slot = &set[i];

        if (slot->used_at == 0 || !hash128_equal(slot->key, key))
            continue;
        if (slot->verdict.catalog_version != catalog_version)
            return NULL;
        slot->used_at = ++memo->tick;
        return &slot->verdict;
    }
    return NULL;
}

const struct verdict *verdict_memo_put(struct verdict_memo *memo, struct hash128 key,
                                       const struct verdict *verdict)
{
    struct memo_slot *set = memo_set(memo, key);
    struct memo_slot *victim = &set[0];

    for (unsigned i = 0; i < MEMO_WAYS; i++) {
        if (set[i].used_at > 0 && hash128_equal(set[i].key, key)) {
            victim = &set[i];
            break;
        }
        if (set[i].used_at < victim->used_at)
            victim = &set[i];
    }
    victim->key = key;
    victim->used_at = ++memo->tick;
    victim->verdict = *verdict;
    return &victim->verdict;
}
