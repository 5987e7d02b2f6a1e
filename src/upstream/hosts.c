#include "hosts.h"

#include "base/clock.h"

static unsigned first_of(struct database *database, const struct conf_database *line,
                         unsigned count, bool balanced)
{
    unsigned number = 0;
    switch (balanced ? line->load_balance_hosts : LOAD_BALANCE_DISABLE) {
    case LOAD_BALANCE_ROUND_ROBIN:
        return atomic_fetch_add(&database->host_turn, 1) % count;
    case LOAD_BALANCE_RANDOM:
        clock_random(&number, sizeof(number));
        return number % count;
    default:
        return atomic_load(&database->host_kept) % count;
    }
}

void hosts_begin(struct host_walk *walk, struct database *database,
                 const struct conf_database *line, bool balanced)
{
    unsigned count = conf_host_count(line);
    unsigned first = count > 1 ? first_of(database, line, count, balanced) : 0;
    *walk = (struct host_walk){
        .count = count,
        .first = first,
        .rounds = line->target_session_attrs == TARGET_PREFER_STANDBY && count > 1 ? 2 : 1,
    };
}

bool hosts_next(struct host_walk *walk)
{
    if (walk->tried >= walk->count * walk->rounds)
        return false;
    walk->at = (walk->first + walk->tried++) % walk->count;
    return true;
}

bool hosts_fit(const struct host_walk *walk, const struct conf_database *line, bool standby,
               bool read_only)
{
    switch ((enum target_attrs)line->target_session_attrs) {
    case TARGET_ANY:
        return true;
    case TARGET_READ_WRITE:
        return !read_only;
    case TARGET_READ_ONLY:
        return read_only;
    case TARGET_PRIMARY:
        return !standby;
    case TARGET_STANDBY:
        return standby;
    case TARGET_PREFER_STANDBY:
        return standby || walk->count == 1 || walk->tried > walk->count;
    }
    return true;
}

const char *hosts_misfit_text(const struct conf_database *line)
{
    switch ((enum target_attrs)line->target_session_attrs) {
    case TARGET_READ_WRITE:
        return "the server is read-only";
    case TARGET_READ_ONLY:
        return "the server is not read-only";
    case TARGET_PRIMARY:
        return "the server is a standby";
    case TARGET_ANY:
    case TARGET_STANDBY:
    case TARGET_PREFER_STANDBY:
        break;
    }
    return "the server is not a standby";
}

void hosts_keep(const struct host_walk *walk, struct database *database)
{
    atomic_store(&database->host_kept, walk->at);
}
