/* Reads the text of a pg_node_tree: what a stored rule, view, default, check, policy or index
 * expression depends on. pg_depend does not do: built-in functions have no rows there.
 *
 * The text is "{NODE :field value ... }", with a backslash before every byte of a string that would
 * confuse; a value may begin with ':' (an alias can), so every token that begins so is taken for a
 * field name: that finds too much at worst, never too little.
 *
 * Source  src/backend/nodes/outfuncs.c of PostgreSQL 15.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"

enum node_dependency {
    NODE_RELATION,
    NODE_FUNCTION,
    NODE_OPERATOR,
    NODE_TYPE,       /* of a value */
    NODE_TYPE_INPUT, /* made from a text at run time */
};

enum node_flag {
    NODE_NOT_CACHED =
        1 << 0, /* a node, a row lock or a system column that no cached view may have */
    NODE_UNREADABLE = 1 << 1, /* not all that it depends on could be read */
    NODE_DOMAIN = 1 << 2,     /* runs the checks of a domain */
    NODE_ROLE = 1 << 3,       /* asks for current_user or session_user */
    NODE_WRITES = 1 << 4,     /* a query that is no SELECT: its relations may be written */
};

typedef void (*on_node_dependency)(void *context, enum node_dependency kind, uint32_t oid);

/* Calls `on_dependency` for each OID in `text` and returns the flags (enum node_flag). */
unsigned node_tree_read(struct slice text, on_node_dependency on_dependency, void *context);
