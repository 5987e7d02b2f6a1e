/* Any bytes as the value of a key column: as a token of a text, and as a parameter in both formats. The
 * first bytes say how it is to be read. What is understood says no more than there is room for, and
 * says the same when it is asked again.
 */
#include "base/macros.h"
#include "sql/key_value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { HEAD_LEN = 2 };

static void check(enum key_found found, const struct key_values *values,
                  const struct key_reading *reading)
{
    ASSERT(found == KEY_UNKNOWN || found == KEY_NULL || found == KEY_FOUND);
    if (found != KEY_FOUND)
        return;
    ASSERT(values->count <= KEY_VALUES_MAX && (reading->array || values->count == 1));
    ASSERT(reading->column != KEY_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const uint32_t types[] = {0,    16,   20,   21,   23,   25,   26,   705,  1043, 2950,
                                     1005, 1007, 1009, 1016, 1000, 1015, 1028, 2951, 701,  1700};
    static const char *const names[] = {"int4", "bigint", "text", "varchar", "uuid", "bool", "oid"};
    if (len < HEAD_LEN)
        return 0;
    const struct key_reading reading = {.column = data[0] % (KEY_VARCHAR + 1),
                                        .type_oid = types[data[1] % ARRAY_COUNT(types)],
                                        .array = data[0] >> 4 & 1,
                                        .binary = data[0] >> 5 & 1,
                                        .ascii = data[0] >> 6 & 1,
                                        .assigned = data[0] >> 7 & 1,
                                        .inferred_here = data[1] >> 7 & 1};
    struct slice value = slice_of(data + HEAD_LEN, len - HEAD_LEN);
    struct key_values token = {0}, bytes = {0}, again = {0};
    check(key_of_token(value, data[1] >> 6 & 1, &reading, &token), &token, &reading);
    enum key_found found = key_of_bytes(value, &reading, &bytes);
    check(found, &bytes, &reading);
    ASSERT(key_of_bytes(value, &reading, &again) == found);
    if (found == KEY_FOUND) {
        ASSERT(again.count == bytes.count);
        for (unsigned i = 0; i < bytes.count; i++)
            ASSERT(again.values[i] == bytes.values[i]);
    }
    ASSERT(key_of_bytes(slice_of(NULL, 0), &reading, &again) != KEY_FOUND);
    (void)key_cast_of(names[data[1] % ARRAY_COUNT(names)], reading.array, reading.column);
    return 0;
}
