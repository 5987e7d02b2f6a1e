/* What code that a statement calls may do, besides writing the tables that are known by name. */
#pragma once

enum reach {
    REACH_ALL = 1 << 0,       /* write any table */
    REACH_DDL = 1 << 1,       /* change the catalog */
    REACH_SESSION = 1 << 2,   /* change anything in the session */
    REACH_OUTSIDE = 1 << 3,   /* any of these by ways that its transaction does not show */
    REACH_COMMITS = 1 << 4,   /* end the transaction, if a procedure or DO runs it */
    REACH_LOCK = 1 << 5,      /* take an advisory lock of the session */
    REACH_SETTING = 1 << 6,   /* change a setting of the session, maybe a custom one */
    REACH_LOCAL = 1 << 7,     /* change settings up to the end of the transaction */
    REACH_TEMPORARY = 1 << 8, /* make a temporary relation */
    REACH_LISTEN = 1 << 9,
    REACH_EVENTS = 1 << 10,   /* fire event triggers, without being DDL */
    REACH_SEQUENCE = 1 << 11, /* nextval, setval: moves what currval and lastval say */
    REACH_LASTVAL = 1 << 12,  /* currval, lastval */

    REACH_DYNAMIC = REACH_ALL | REACH_DDL | REACH_SESSION, /* SQL that is made at run time */
    REACH_UNKNOWN = REACH_DYNAMIC | REACH_OUTSIDE,         /* code that is not read */
};
