/* Following host names whose addresses change: what an answer of the resolver means for the connections
 * that are there. See dns.c. */
#pragma once

#include "address.h"
#include "upstream/server.h"

/* `host` of the database's line leads to these addresses now: closes server connections to others, those
 * in use when they are given back. Returns how many. Any thread. */
unsigned dns_follow(struct database *database, unsigned host, const struct addresses *addresses);

/* False: this numeric address is none of them. True also where nobody can say. */
bool dns_leads_to_text(const struct addresses *addresses, const char *text);

/* ---- unresolved.c ---- */

enum { UNRESOLVED_MAX = 64 }; /* names; of more than that the oldest is forgotten */

/* Why `name` could not be looked up less than dns_nxdomain_ttl ago (libuv's error); 0: not known. */
int unresolved_status(const char *name, uint64_t now_ms);
/* What came of a look-up; 0: it has addresses, nothing is remembered any more. */
void unresolved_note(const char *name, int status, uint64_t now_ms);
void unresolved_clear(void);
