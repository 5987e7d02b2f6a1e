/* SET pgrecall.cache, .window and .namespace: settings of a session that Postgres never sees. */
#pragma once

#include "conf/rules.h"

enum local_cache { LOCAL_CACHE_ON, LOCAL_CACHE_OFF, LOCAL_CACHE_OBSERVE };

struct local_values {
    enum local_cache cache;
    uint32_t window_ms; /* 0: not set */
    char name_space[RULE_NAMESPACE_MAX + 1];
};

struct local_settings {
    bool plain; /* `now` says nothing */
    struct local_values now;
};
