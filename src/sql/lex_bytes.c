/* What each byte may be in a statement, and which bytes are characters. No state, any thread. */
#include "lex.h"

#define S LEX_CLASS_SPACE
#define N LEX_CLASS_SINGLE
#define O LEX_CLASS_OPERATOR
#define W LEX_CLASS_WORD
#define D (LEX_CLASS_WORD | LEX_CLASS_DIGIT)
#define L (LEX_CLASS_WORD | LEX_CLASS_LETTER)
#define T (LEX_CLASS_WORD | LEX_CLASS_LETTER | LEX_CLASS_DATE)
#define H (LEX_CLASS_WORD | LEX_CLASS_LETTER | LEX_CLASS_HIGH)

/* clang-format off */
const uint8_t lex_class[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, S, S, 0, S, S, 0, 0, /* 00 */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* 10 */
    S, O, 0, O, W, O, O, 0, N, N, O, O, N, O, 0, O, /* 20 */
    D, D, D, D, D, D, D, D, D, D, 0, 0, O, O, O, O, /* 30 */
    O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, /* 40 */
    L, L, L, L, L, L, L, T, L, T, L, N, 0, N, O, L, /* 50 */
    O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, /* 60 */
    L, L, L, L, L, L, L, T, L, T, L, 0, O, 0, O, 0, /* 70 */
    H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, /* 80 */
    H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, /* 90 */
    H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, /* A0 */
    H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, /* B0 */
    H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, /* C0 */
    H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, /* D0 */
    H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, /* E0 */
    H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, /* F0 */
};
/* clang-format on */

/* How many bytes the UTF-8 character at `at` has; 0 if it is none. Manual of Unicode, table 3-7. */
static unsigned utf8_len(const uint8_t *at)
{
    uint8_t lead = at[0];
    uint8_t second_min = 0x80;
    uint8_t second_max = 0xBF;
    unsigned len;

    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead <= 0xDF) {
        len = 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        len = 3;
        if (lead == 0xE0)
            second_min = 0xA0;
        if (lead == 0xED)
            second_max = 0x9F;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        len = 4;
        if (lead == 0xF0)
            second_min = 0x90;
        if (lead == 0xF4)
            second_max = 0x8F;
    } else {
        return 0;
    }
    if (at[1] < second_min || at[1] > second_max)
        return 0;
    for (unsigned i = 2; i < len; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    }
    return len;
}

bool lex_check_utf8(const uint8_t *at, const uint8_t *end)
{
    while (at < end) {
        unsigned len = utf8_len(at);
        if (len == 0)
            return false;
        at += len;
    }
    return at == end;
}
