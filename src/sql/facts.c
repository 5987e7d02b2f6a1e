#include "facts.h"

#include <stdio.h>

#include "base/mem.h"

enum { FACTS_LOOK_BACK = 64 };

struct fact_text {
    struct fact_text *next;
    char text[];
};

void facts_init(struct facts *facts)
{
    *facts = (struct facts){.reason = REASON_NONE, .pin = PIN_NONE};
}

void facts_fini(struct facts *facts)
{
    mem_free(facts->list);
    mem_free(facts->pins.list);
    while (facts->texts) {
        struct fact_text *next = facts->texts->next;

        mem_free(facts->texts);
        facts->texts = next;
    }
    if (facts->tree)
        facts->tree_free(facts->tree);
    facts_init(facts);
}

static bool text_equal(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* The rows of a long INSERT say the same again and again. */
static bool is_repeated(const struct facts *facts, const struct fact *fact)
{
    unsigned first = facts->count > FACTS_LOOK_BACK ? facts->count - FACTS_LOOK_BACK : 0;

    for (unsigned i = first; i < facts->count; i++) {
        const struct fact *old = &facts->list[i];

        if (old->kind == fact->kind && old->flags == fact->flags && old->scalars == fact->scalars &&
            text_equal(old->name, fact->name) && text_equal(old->schema, fact->schema) &&
            text_equal(old->columns[0], fact->columns[0]) &&
            text_equal(old->columns[1], fact->columns[1]))
            return true;
    }
    return false;
}

void facts_add(struct facts *facts, enum fact_kind kind, const char *schema, const char *name,
               unsigned flags)
{
    const struct fact fact = {.kind = kind, .flags = flags, .schema = schema, .name = name};

    facts_add_fact(facts, &fact);
}

void facts_add_fact(struct facts *facts, const struct fact *fact)
{
    if (is_repeated(facts, fact))
        return;
    if (facts->count == facts->cap) {
        if (facts->cap == FACTS_MAX) {
            facts_unknown(facts, REASON_TOO_LONG);
            return;
        }
        facts->cap = facts->cap ? facts->cap * 2 : 32;
        facts->list = mem_resize(facts->list, facts->cap * sizeof(*facts->list));
    }
    facts->list[facts->count++] = *fact;
}

static const char *text_copy(struct facts *facts, const char *text)
{
    if (!text)
        return NULL;
    size_t size = strlen(text) + 1;
    struct fact_text *copy = mem_alloc(sizeof(*copy) + size);
    memcpy(copy->text, text, size);
    copy->next = facts->texts;
    facts->texts = copy;
    return copy->text;
}

void facts_add_copy(struct facts *facts, enum fact_kind kind, const char *schema, const char *name,
                    unsigned flags)
{
    const struct fact fact = {.kind = kind, .flags = flags, .schema = schema, .name = name};

    if (!is_repeated(facts, &fact))
        facts_add(facts, kind, text_copy(facts, schema), text_copy(facts, name), flags);
}

void facts_deny(struct facts *facts, enum reason reason, const char *object)
{
    facts->unforceable |= !reason_is_forceable(reason);
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
