/* Compares our scanner with pg_query_scan, for the unit test and the fuzzer alike. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum scan_oracle_result {
    SCAN_ORACLE_SURE,    /* both cut it, and alike */
    SCAN_ORACLE_REFUSED, /* we doubt what their scanner refuses, or their grammar at one byte */
    SCAN_ORACLE_DOUBT,   /* only we doubt: allowed, and to be rare */
    SCAN_ORACLE_WRONG,   /* a broken promise */
};

enum { SCAN_ORACLE_MESSAGE_MAX = 512 };

/* Holds scan_text against pg_query_scan on one text: the same tokens in the text, the same again
 * in the canonical text, and the canonical text of that is itself.
 *
 * out_message  Why it is SCAN_ORACLE_WRONG; SCAN_ORACLE_MESSAGE_MAX bytes.
 */
enum scan_oracle_result scan_oracle_compare(const char *text, size_t len, char *out_message);
