/* Any bytes: our scanner keeps its promises and agrees with pg_query_scan (see scan_oracle.h). */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "scan_oracle.h"

enum { INPUT_MAX = 4096 }; /* longer ones find nothing that these do not, and cost time */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char message[SCAN_ORACLE_MESSAGE_MAX];

    if (len > INPUT_MAX)
        return -1;
    if (scan_oracle_compare((const char *)data, len, message) == SCAN_ORACLE_WRONG) {
        fprintf(stderr, "%s in <%.*s>\n", message, (int)len, (const char *)data);
        abort();
    }
    return 0;
}
