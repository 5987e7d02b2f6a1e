/* What the tests of the Redis tier share: a loop that runs until something is so, look-ups that
 * count how often they were answered, and a real redis-server of their own. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>
#include <uv.h>

#include "base/buf.h"
#include "cache/redis.h"

enum {
    RIG_PATIENCE_MS = 20000, /* how long anything may take before a test fails: generous */
    RIG_WINDOW_MS = 30000,
    RIG_WORDS = 100,
    RIG_ENTRY_MAX = 1 << 20,
};

/* In the middle of the windows of all keys that rig_key makes, as good as always. */
#define RIG_NOW_MS UINT64_C(1700000000000)

struct rig {
    uv_loop_t loop;
    uv_timer_t tick; /* lets the loop turn while nothing happens */
    struct redis *redis;
};

struct ask {
    struct rig *rig;
    struct redis_lookup *lookup;
    unsigned answers;
    enum err err;
    struct buf answer;
    struct stamp stamps[ENTRY_STAMPS_MAX];
    unsigned stamp_count;
    uint64_t asked_ms, answered_ms;
    void (*then)(struct ask *ask);
};

/* Starts a loop and a tier; timeout_ms 0 means one that no test reaches. */
void rig_start(struct rig *rig, const char *url, uint64_t timeout_ms);
void rig_end(struct rig *rig); /* destroys the tier unless that is done, and runs the loop dry */

/* Turns the loop until `is_so`; fails the test after RIG_PATIENCE_MS. */
void rig_until(struct rig *rig, bool (*is_so)(struct rig *rig, void *arg), void *arg);
void rig_until_up(struct rig *rig);
void rig_turn_for(struct rig *rig, uint64_t ms);

struct redis_stats rig_stats(const struct rig *rig);

/* The key of a number; its bytes are good until the next call but three. */
struct entry_key rig_key(unsigned number);

/* Asks for a key; ERR_AGAIN is returned, and nothing is owed then. */
enum err ask_start(struct rig *rig, struct ask *ask, const struct entry_key *key);
void ask_wait(struct ask *ask);
enum err ask_now(struct rig *rig, struct ask *ask, const struct entry_key *key);
struct slice ask_answer(const struct ask *ask);
void ask_end(struct ask *ask);
void rig_put(struct rig *rig, const struct entry_key *key, struct slice answer);

/* A redis-server of our own. */
struct server {
    pid_t pid;
    int port;
    char folder[64];
    char url[128];
};

/* Skips the test when there is no redis-server. `args` are further arguments, or NULL. */
void server_start(struct server *server, const char *const *args);
void server_restart(struct server *server, const char *const *args); /* on the same port */
void server_kill(struct server *server, int signal);
void server_end(struct server *server); /* NULL or one never started is fine */

/* Sends one command by a connection of its own and returns the reply's text or number. */
long long server_say(struct server *server, const char *command, ...);
