/* The ring behind owed.h. It grows by doubling up to OWED_MAX and is given back when empty. */
#include "session/owed.h"

#include "session/lent.h"

#include "base/mem.h"
#include "session/prepared.h"
#include "sql/setting.h"
#include "upstream/prototype.h"
#include "upstream/statements.h"

static void entry_fini(struct owed_entry *entry)
{
    mem_free(entry->name);
    mem_free(entry->text);
    statement_unref(entry->statement);
    prototype_unref(entry->prototype);
    setting_changes_destroy(entry->changes);
    statements_destroy(entry->forgotten);
    restore_destroy(entry->restore);
}

void owed_fini(struct owed *owed)
{
    while (owed->count)
        owed_pop(owed);
    mem_free(owed->entries);
    *owed = (struct owed){0};
}

static void grow(struct owed *owed)
{
    uint32_t cap = owed->cap ? owed->cap * 2 : OWED_CAP_FIRST;
    struct owed_entry *entries = mem_zero(cap, sizeof(*entries));
    for (uint32_t i = 0; i < owed->count; i++)
        entries[i] = *owed_at(owed, i);
    mem_free(owed->entries);
    owed->entries = entries;
    owed->cap = cap;
    owed->first = 0;
}

struct owed_entry *owed_push(struct owed *owed, uint8_t request, enum owed_source source)
{
    if (owed->count == OWED_MAX)
        return NULL;
    if (owed->count == owed->cap)
        grow(owed);
    struct owed_entry *entry = owed_at(owed, owed->count++);
    *entry = (struct owed_entry){.request = request, .source = (uint8_t)source};
    return entry;
}

void owed_pop(struct owed *owed)
{
    ASSERT(owed->count > 0);
    entry_fini(owed_head(owed));
    owed->first++;
    owed->count--;
}

void owed_drop_syncs(struct owed *owed)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < owed->count; i++) {
        struct owed_entry *entry = owed_at(owed, i);
        if (entry->request == 'S')
            entry_fini(entry);
        else
            *owed_at(owed, kept++) = *entry;
    }
    owed->count = kept;
}

void owed_shrink(struct owed *owed)
{
    if (owed->count == 0)
        owed_fini(owed);
}
