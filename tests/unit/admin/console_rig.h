/* A console without sockets: sessions whose input is a buffer and whose output another, two workers
 * of which the second runs in a thread (and is the main loop as well), and the few functions of the
 * sessions that the console calls. One run a rig: a loop runs once. */
#pragma once

#include <pthread.h>

#include "admin/console.h"
#include "base/buf.h"

enum { RIG_HOSTS = 2, RIG_CLIENTS = 3, RIG_TAGS_MAX = 256, RIG_KILLABLE = 77 };

struct session {
    struct rig *rig;
    void *state;
    struct buf in, out;
    size_t pending; /* what session_pending says */
    bool admin, ended;
};

struct rig {
    struct loop loops[RIG_HOSTS];
    struct host hosts[RIG_HOSTS];
    pthread_t thread;
    bool thread_runs;
    struct session session; /* on the first host */
    unsigned ready_wanted;  /* after so many ReadyForQuery the first loop stops */
    bool reload_works;
    int shutdown_mode; /* -1: nobody asked */
};

void rig_init(struct rig *rig);
void rig_fini(struct rig *rig);

/* The second worker ends before anything is asked. */
void rig_end_other(struct rig *rig);

/* Adds to the input, and shows it to the console. */
void rig_feed(struct rig *rig, const void *data, size_t len);

/* Runs the first loop until the session was told so many times to go on, or was ended. */
void rig_run(struct rig *rig, unsigned ready_count);

/* The session's connection is gone. */
void rig_close(struct rig *rig);

/* Requests. */
void rig_query(struct buf *to, const char *text);
void rig_parse(struct buf *to, const char *name, const char *text);
void rig_bind(struct buf *to, const char *portal, const char *statement, int result_format);
void rig_target(struct buf *to, char type, char kind, const char *name);
void rig_execute(struct buf *to, const char *portal, uint32_t max);
void rig_sync(struct buf *to);

/* The types of all messages that were answered, in order. */
void rig_tags(const struct rig *rig, char out[RIG_TAGS_MAX]);
/* The SQLSTATE of the first error; "" if there was none. */
void rig_sqlstate(const struct rig *rig, char out[6]);
/* Does any DataRow have this value? */
bool rig_has_value(const struct rig *rig, const char *value);
