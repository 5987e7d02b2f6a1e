/* Roles: who has whose privileges, and whom row security concerns.
 *
 * Whatever is asked here is asked on behalf of caching: a role that the snapshot does not know, or whose
 * memberships are too many to follow, is one that every policy applies to.
 *
 * Source  PostgreSQL 15: has_privs_of_role and roles_is_member_of (acl.c), check_enable_rls (rls.c),
 *         check_role_for_policy (rowsecurity.c).
 */
#include <stdlib.h>

#include "base/mem.h"
#include "catalog_build.h"

enum {
    ROLES_WALK_MAX = 256,         /* roles that one is a member of, followed at most */
    OID_PG_DATABASE_OWNER = 6171, /* its member is the owner of the database: nobody grants that */
    POLICY_ROLE_EVERYBODY = 0,
};

static int oid_compare(uint32_t left, uint32_t right)
{
    return left < right ? -1 : left > right;
}

static int role_order(const void *a, const void *b)
{
    return oid_compare(((const struct catalog_role *)a)->oid,
                       ((const struct catalog_role *)b)->oid);
}

static int member_order(const void *a, const void *b)
{
    return oid_compare(((const struct raw_pair *)a)->from, ((const struct raw_pair *)b)->from);
}

static struct catalog_role *role_of(const struct catalog *catalog, uint32_t oid)
{
    const struct catalog_role key = {.oid = oid};

    if (catalog->role_count == 0)
        return NULL;
    return bsearch(&key, catalog->roles, catalog->role_count, sizeof(key), role_order);
}

void catalog_derive_roles(struct catalog_builder *builder)
{
    struct catalog *catalog = builder->catalog;

    catalog->roles = builder->roles;
    catalog->role_count = builder->roles_count;
    builder->roles = NULL;
    catalog->settings = builder->settings;
    catalog->setting_count = builder->settings_count;
    builder->settings = NULL;
    if (catalog->role_count > 1)
        qsort(catalog->roles, catalog->role_count, sizeof(*catalog->roles), role_order);
    if (builder->members_count > 1)
        qsort(builder->members, builder->members_count, sizeof(*builder->members), member_order);
    catalog->grants = mem_alloc((builder->members_count + 1) * sizeof(uint32_t));
    catalog->grant_count = builder->members_count;
    for (uint32_t i = 0; i < builder->members_count; i++) {
        struct catalog_role *role = role_of(catalog, builder->members[i].from);

        catalog->grants[i] = builder->members[i].to;
        if (role && role->grant_count++ == 0)
            role->first_grant = i;
    }
    catalog->bytes += catalog->role_count * sizeof(*catalog->roles) +
                      catalog->setting_count * sizeof(*catalog->settings) +
                      catalog->grant_count * sizeof(uint32_t);
}

const struct catalog_role *catalog_find_role(const struct catalog *catalog, const char *name)
{
    for (size_t i = 0; i < catalog->role_count; i++) { /* on first sight of a shape only */
        if (strcmp(catalog->roles[i].name, name) == 0)
            return &catalog->roles[i];
    }
    return NULL;
}

enum membership { MEMBER_NOT, MEMBER_OF, MEMBER_UNKNOWN };

static enum membership membership_find(const struct catalog *catalog,
                                       const struct catalog_role *role, uint32_t of)
{
    const struct catalog_role *seen[ROLES_WALK_MAX];
    unsigned count = 0;

    if (role->superuser || role->oid == of)
        return MEMBER_OF;
    if (of == OID_PG_DATABASE_OWNER)
        return MEMBER_UNKNOWN;
    seen[count++] = role;
    for (unsigned at = 0; at < count; at++) {
        for (uint32_t i = 0; i < seen[at]->grant_count; i++) {
            const struct catalog_role *next =
                role_of(catalog, catalog->grants[seen[at]->first_grant + i]);
            bool known = false;

            if (!next)
                return MEMBER_UNKNOWN;
            if (next->oid == of)
                return MEMBER_OF;
            for (unsigned j = 0; j < count && !known; j++)
                known = seen[j] == next;
            if (known)
                continue;
            if (count == ROLES_WALK_MAX)
                return MEMBER_UNKNOWN;
            seen[count++] = next;
        }
    }
    return MEMBER_NOT;
}

bool catalog_role_has(const struct catalog *catalog, const struct catalog_role *role, uint32_t of)
{
    return membership_find(catalog, role, of) == MEMBER_OF;
}

bool catalog_role_is_exempt(const struct catalog *catalog, const struct catalog_role *role,
                            const struct catalog_relation *relation)
{
    if (role->superuser || role->bypasses)
        return true;
    return !relation->forced_security && catalog_role_has(catalog, role, relation->owner);
}

bool catalog_policy_applies(const struct catalog *catalog, const struct catalog_policy *policy,
                            const struct catalog_role *role)
{
    if (policy->role_count == 0)
        return true;
    for (uint32_t i = 0; i < policy->role_count; i++) {
        uint32_t of = catalog->policy_roles[policy->first_role + i];

        if (of == POLICY_ROLE_EVERYBODY || membership_find(catalog, role, of) != MEMBER_NOT)
            return true;
    }
    return false;
}

/* ---- for people ---- */

struct catalog_role_facts catalog_role_facts(const struct catalog *catalog, const char *name)
{
    const struct catalog_role *role = catalog_find_role(catalog, name);

    if (!role)
        return (struct catalog_role_facts){0};
    return (struct catalog_role_facts){.found = true,
                                       .login = role->login,
                                       .superuser = role->superuser,
                                       .bypasses = role->bypasses};
}

/* Higher prevails: of the role in this database, of the role, of the database, of all; 0: not of these. */
static unsigned setting_rank(const struct catalog_setting *setting, uint32_t role)
{
    if (setting->role != 0 && setting->role != role)
        return 0;
    return 1u + (setting->of_database ? 1u : 0u) + (setting->role != 0 ? 2u : 0u);
}

void catalog_each_role_setting(const struct catalog *catalog, const char *name,
                               catalog_on_setting *on_setting, void *context)
{
    const struct catalog_role *role = catalog_find_role(catalog, name);

    for (size_t i = 0; role && i < catalog->setting_count; i++) {
        const struct catalog_setting *setting = &catalog->settings[i];
        unsigned rank = setting_rank(setting, role->oid);
        bool prevails = rank > 0;

        for (size_t j = 0; j < catalog->setting_count && prevails; j++)
            prevails = strcmp(catalog->settings[j].name, setting->name) != 0 ||
                       setting_rank(&catalog->settings[j], role->oid) <= rank;
        if (prevails)
            on_setting(context, setting->name, setting->value);
    }
}
