/* The verdict on a text as a session asks for it: the scanner has seen it first. */
#pragma once

#include "base/mem.h"
#include "sql/scan.h"
#include "sql/verdict.h"

static inline void prove_text(const char *sql, const struct catalog *with,
                              const struct proof_scope *by, struct verdict *out)
{
    struct slice text = slice_of_text(sql);
    uint8_t *space = mem_alloc(text.len + SCAN_SLACK);
    struct scan scan = {.flags = SCAN_DOUBT};

    if (scan_text(text, space, &scan) != ERR_OK)
        scan.flags = SCAN_DOUBT;
    verdict_prove(text, scan.flags, with, by, out);
    mem_free(space);
}
