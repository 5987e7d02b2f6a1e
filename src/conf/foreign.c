/* The list of PgBouncer's own names, and what becomes of them. */
#include "foreign.h"

#include "value.h"

struct foreign {
    enum foreign_scope scope;
    const char *name;
    const char *harmless;
    const char *meaning;
};

#define FOREIGN(scope_, name_, harmless_, meaning_)                                                \
    {FOREIGN_##scope_, #name_, (harmless_), (meaning_)},
static const struct foreign rows[] = {
#include "foreign.def"
};
#undef FOREIGN

static bool is_harmless(const struct foreign *row, const char *value)
{
    int ignored = 0;
    if (!row->harmless)
        return true;
    return !*row->harmless ? !*value : !value_read_name(value, row->harmless, &ignored);
}

bool foreign_take(enum foreign_scope scope, const char *name, const char *value, struct place place,
                  struct conf_mistakes *mistakes)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (rows[i].scope != scope || strcmp(rows[i].name, name) != 0)
            continue;
        if (is_harmless(&rows[i], value))
            mistakes_note(place, "%s: a parameter of PgBouncer without meaning here", name);
        else
            mistakes_add(mistakes, place,
                         "%s: asks for %s, which is not supported yet: take the line out to do "
                         "without",
                         name, rows[i].meaning);
        return true;
    }
    return false;
}
