/* Any bytes as the text of a node tree. */
#include <stdint.h>

#include "node_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void on_dependency(void *context, enum node_dependency kind, uint32_t oid)
{
    (void)kind;
    *(uint32_t *)context ^= oid;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint32_t sum = 0;

    (void)node_tree_read(slice_of(data, len), on_dependency, &sum);
    return 0;
}
