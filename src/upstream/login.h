/* One login under way; private to login*.c. */
#pragma once

#include <uv.h>

#include "address.h"
#include "base/buf.h"
#include "conf/conf.h"
#include "hosts.h"
#include "inside.h"
#include "pgwire/encode.h"
#include "pgwire/frame.h"
#include "pgwire/scram.h"
#include "probe.h"

/*   RESOLVING ─► CONNECTING ─► AUTHENTICATING ─► STARTING ─► [CONNECT_QUERY] ─► PROBING ─► done
 *                    ▲  └─ refused: the next address           any ─► the next host, or failed
 *                    └──┘ */
enum login_phase {
    LOGIN_RESOLVING,
    LOGIN_CONNECTING,
    LOGIN_AUTHENTICATING,
    LOGIN_STARTING,
    LOGIN_CONNECT_QUERY,
    LOGIN_PROBING,
};

#define CONNECTION_FAILURE "08006"

enum { LOGIN_MESSAGE_MAX = 1 << 20, LOGIN_WELCOME_MAX = 65536 };

struct login {
    struct server *server;            /* NULL: given up while the resolver was at work */
    const struct conf_database *line; /* of a configuration to which we have a reference */
    struct host_walk walk;
    char host[CONF_HOST_LEN_MAX]; /* where the walk stands */
    int port;
    enum login_phase phase;
    uv_getaddrinfo_t resolve;
    bool named; /* the host is a name that is looked up */
    bool resolving;
    struct addresses addresses;
    unsigned next_address;
    int last_errno;

    /* Who we are. */
    const char *user;
    const char *secret; /* plain, md5 or SCRAM; NULL: none. The configuration's */
    bool may_pass_through;
    struct pgwire_scram_client scram;
    struct pgwire_scram_secret scram_secret;
    uint8_t scram_key[PGWIRE_SCRAM_KEY_LEN];
    bool scram_begun, scram_proven;

    /* What we learn. */
    struct buf welcome;
    uint32_t pid;
    uint8_t key[SERVER_KEY_MAX];
    unsigned key_len;
    struct probe probe;
};

/* Ends the login: tells the pool, closes the server; login is gone after it. */
void login_fail(struct server *server, const char *sqlstate, const char *message);

void login_free(struct login *login);

/* --- login_connect.c --- */
/* No host is left to try. */
void login_fail_to_connect(struct server *server, const char *why);
/* True if there is another host to try. */
bool login_has_more_hosts(const struct login *login);
/* This host will not do: on to the next one, or the end. */
void login_leave_host(struct server *server, const char *why);
/* The socket is connected: from where, for the console. */
void login_note_local(struct server *server);

/* --- login_auth.c --- */
void login_choose_secret(struct login *login);
/* Answers one Authentication message, or fails the login (then server->login is NULL). */
void login_authenticate(struct login *login, const struct pgwire_frame *frame);
/* Sends what a writer has made. */
void login_send(struct login *login, const struct pgwire_writer *writer);
