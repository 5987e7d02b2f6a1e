#include "session/transaction.h"

static void move(struct transaction *transaction, enum transaction_state next)
{
#define TRANSACTION_NEXT(name, allowed) [TRANSACTION_##name] = allowed,
    static const unsigned allowed_next[] = {TRANSACTION_STATES(TRANSACTION_NEXT)};
#undef TRANSACTION_NEXT
    ASSERT(allowed_next[transaction->state] & (1u << next));
    transaction->state = next;
}

static void clear(struct transaction *transaction)
{
    transaction->isolation = BLOCK_ISOLATION_DEFAULT;
    transaction->reads_only = transaction->hit = transaction->queried = false;
    transaction->asks = transaction->unbounded = transaction->owes_snapshot = false;
    buf_clear(&transaction->begin);
}

void transaction_fini(struct transaction *transaction)
{
    buf_fini(&transaction->begin);
}

void transaction_defer(struct transaction *transaction, struct slice text,
                       enum block_isolation isolation)
{
    ASSERT(text.len <= TRANSACTION_BEGIN_MAX);
    move(transaction, TRANSACTION_LAZY);
    clear(transaction);
    transaction->isolation = isolation;
    transaction->reads_only = true;
    buf_append(&transaction->begin, text.data, text.len);
}

void transaction_fail(struct transaction *transaction)
{
    if (transaction->state != TRANSACTION_FAILED)
        move(transaction, TRANSACTION_FAILED);
    transaction->reads_only = transaction->owes_snapshot = false;
}

void transaction_materialise(struct transaction *transaction)
{
    move(transaction, TRANSACTION_OPEN);
}

void transaction_forget(struct transaction *transaction)
{
    ASSERT(transaction_is_ours(transaction));
    move(transaction, TRANSACTION_NONE);
    clear(transaction);
}

void transaction_settle(struct transaction *transaction, uint8_t status)
{
    if (status == 'I') {
        if (transaction->state != TRANSACTION_NONE)
            move(transaction, TRANSACTION_NONE);
        clear(transaction);
        return;
    }
    if (transaction->state == TRANSACTION_NONE)
        move(transaction, TRANSACTION_OPEN); /* nobody knows what stood beside its BEGIN */
    if (status != 'T')
        transaction->reads_only = transaction->owes_snapshot = false;
}

bool transaction_may_hit(const struct transaction *transaction, bool default_read_committed)
{
    if (transaction->state == TRANSACTION_NONE || !transaction->reads_only ||
        (transaction->state == TRANSACTION_OPEN && !transaction->queried))
        return false;
    return transaction->isolation == BLOCK_ISOLATION_READ_COMMITTED ||
           (transaction->isolation == BLOCK_ISOLATION_DEFAULT && default_read_committed);
}

bool transaction_may_fill(const struct transaction *transaction)
{
    return transaction->state == TRANSACTION_LAZY ||
           transaction->isolation == BLOCK_ISOLATION_READ_COMMITTED;
}
