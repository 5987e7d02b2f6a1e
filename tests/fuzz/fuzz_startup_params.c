/* Any bytes as the pairs of a StartupMessage: what is taken out of them is bounded, what is left are pairs
 * of theirs, and taking them apart again takes nothing more out.
 */
#include "base/mem.h"
#include "startup_params.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct startup_params parts, again;
    startup_params_split(slice_of(data, len), &parts);
    ASSERT(buf_len(&parts.base) <= buf_len(&parts.plain) && buf_len(&parts.plain) <= len);
    ASSERT(!parts.sets || parts.sets->count <= STARTUP_SETS_MAX);
    ASSERT(!parts.name || parts.name->count == 1);
    startup_params_split(slice_of(buf_head(&parts.base), buf_len(&parts.base)), &again);
    ASSERT(!again.sets && !again.name && buf_len(&again.base) == buf_len(&parts.base));
    startup_params_fini(&again);
    startup_params_split(slice_of(buf_head(&parts.plain), buf_len(&parts.plain)), &again);
    ASSERT(!again.name && again.sets == parts.sets && buf_len(&again.base) == buf_len(&parts.base));
    startup_params_fini(&again);
    startup_params_fini(&parts);
    ASSERT(settings_registry_count() == 0);
    return 0;
}
