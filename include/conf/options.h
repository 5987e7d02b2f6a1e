/* Every option of [pgrecall] with its value, made from conf/options.def.
 *
 * A row of the table is OPTION(name, TYPE, field, default, range, reload, prose). The types:
 *   BOOL      bool        1/0, on/off, true/false, yes/no
 *   INT       int64_t     field = name
 *   DURATION  uint64_t    field = name_ms; "30s", "50ms", "1h"; a bare number is seconds, as in
 *                         PgBouncer; stored in milliseconds
 *   SIZE      uint64_t    field = name_bytes; "256MB", "1kB"; a bare number is bytes
 *   TEXT      const char *  never NULL, "" when not given; owned by the struct conf around it
 *   ENUM      int         the index of the name in the row's NAMES
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define OPTION_FIELD_BOOL(field)     bool field;
#define OPTION_FIELD_INT(field)      int64_t field;
#define OPTION_FIELD_DURATION(field) uint64_t field;
#define OPTION_FIELD_SIZE(field)     uint64_t field;
#define OPTION_FIELD_TEXT(field)     const char *field;
#define OPTION_FIELD_ENUM(field)     int field;

/* Orders of the names in the rows of these options. */
enum auth_type { AUTH_TYPE_TRUST, AUTH_TYPE_PLAIN, AUTH_TYPE_MD5, AUTH_TYPE_SCRAM };
enum pool_mode { POOL_MODE_TRANSACTION, POOL_MODE_SESSION, POOL_MODE_STATEMENT };
enum client_hints { CLIENT_HINTS_OFF, CLIENT_HINTS_SAFE, CLIENT_HINTS_ALL };
enum sequence_mode { SEQUENCES_SHARED, SEQUENCES_PINNED };
enum coherence_mode { COHERENCE_FAST, COHERENCE_STRICT };

struct options {
#define OPTION(name, type, field, ...) OPTION_FIELD_##type(field)
#include "conf/options.def"
#undef OPTION
};
