#include "facts.h"

#include <stdio.h>

#include "base/mem.h"

void facts_init(struct facts *facts)
{
    *facts = (struct facts){.reason = REASON_NONE, .pin = PIN_NONE};
}

void facts_fini(struct facts *facts)
{
    mem_free(facts->list);
    if (facts->tree)
        facts->tree_free(facts->tree);
    facts_init(facts);
}

void facts_add(struct facts *facts, enum fact_kind kind, const char *schema, const char *name,
               unsigned flags)
{
    if (facts->count == facts->cap) {
        if (facts->cap == FACTS_MAX) {
            facts_unknown(facts, REASON_TOO_LONG);
            return;
        }
        facts->cap = facts->cap ? facts->cap * 2 : 32;
        facts->list = mem_resize(facts->list, facts->cap * sizeof(*facts->list));
    }
    facts->list[facts->count++] =
        (struct fact){.kind = kind, .flags = flags, .schema = schema, .name = name};
}

void facts_deny(struct facts *facts, enum reason reason, const char *object)
{
    if (facts->reason != REASON_NONE)
        return;
    facts->reason = reason;
    (void)snprintf(facts->object, sizeof(facts->object), "%s", object ? object : "");
}

void facts_pin(struct facts *facts, enum pin pin, unsigned dirty)
{
    facts->effects |= EFFECT_PIN | dirty;
    if (facts->pin == PIN_NONE)
        facts->pin = pin;
}

void facts_unknown(struct facts *facts, enum reason reason)
{
    facts->effects |= EFFECTS_UNKNOWN;
    facts_deny(facts, reason, NULL);
    facts_pin(facts, PIN_UNKNOWN, EFFECT_DIRTY);
}
