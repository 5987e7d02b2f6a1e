#include "session/block_text.h"

#include <strings.h>

enum { WORDS_MAX = 16, WORD_MAX = 16 };

/* The words of a text, in lower case. */
struct words {
    unsigned count;
    unsigned at;
    char list[WORDS_MAX][WORD_MAX];
};

/* The canonical text has one space or line feed between two tokens, none before a comma or behind it
 * where the client wrote none. */
static bool split(struct slice text, struct words *out)
{
    *out = (struct words){0};
    size_t len = 0;
    for (size_t i = 0; i <= text.len; i++) {
        uint8_t byte = i < text.len ? text.data[i] : ' ';
        bool letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
        if (letter) {
            if (out->count == WORDS_MAX || len == WORD_MAX - 1)
                return false;
            out->list[out->count][len++] = (char)(byte | 0x20);
            continue;
        }
        if (len) {
            out->list[out->count++][len] = 0;
            len = 0;
        }
        if (byte == ',') {
            if (out->count == WORDS_MAX)
                return false;
            out->list[out->count++][0] = ',';
        } else if (byte != ' ' && byte != '\n') {
            return false;
        }
    }
    return true;
}

static bool take(struct words *words, const char *word)
{
    if (words->at == words->count || strcmp(words->list[words->at], word) != 0)
        return false;
    words->at++;
    return true;
}

static bool take_two(struct words *words, const char *first, const char *second)
{
    unsigned at = words->at;
    if (take(words, first) && take(words, second))
        return true;
    words->at = at;
    return false;
}

enum { MODE_ISOLATION = 1 << 0, MODE_ACCESS = 1 << 1, MODE_DEFERRABLE = 1 << 2 };

/* One mode of BEGIN; 0: none that is known. */
static unsigned take_mode(struct words *words, struct block_text *out)
{
    if (take_two(words, "read", "only"))
        return MODE_ACCESS;
    if (take_two(words, "read", "write")) {
        out->primary_only = true;
        return MODE_ACCESS;
    }
    if (take(words, "deferrable") || take_two(words, "not", "deferrable"))
        return MODE_DEFERRABLE;
    if (!take_two(words, "isolation", "level"))
        return 0;
    if (take_two(words, "read", "committed") || take_two(words, "read", "uncommitted")) {
        out->isolation = BLOCK_ISOLATION_READ_COMMITTED;
        return MODE_ISOLATION;
    }
    out->isolation = BLOCK_ISOLATION_SNAPSHOT;
    if (take_two(words, "repeatable", "read"))
        return MODE_ISOLATION;
    out->primary_only = true;
    return take(words, "serializable") ? MODE_ISOLATION : 0;
}

/* Modes, each at most once, with commas or without. */
static bool take_modes(struct words *words, struct block_text *out)
{
    unsigned seen = 0;
    while (words->at < words->count) {
        if (seen)
            (void)take(words, ",");
        unsigned mode = take_mode(words, out);
        if (!mode || (seen & mode))
            return false;
        seen |= mode;
    }
    return true;
}

static bool take_end(struct words *words)
{
    (void)(take(words, "work") || take(words, "transaction"));
    unsigned at = words->at;
    if (!(take(words, "and") && take_two(words, "no", "chain")))
        words->at = at;
    return words->at == words->count;
}

static bool read_words(struct words *words, struct block_text *out)
{
    if (take(words, "begin")) {
        *out = (struct block_text){.request = BLOCK_BEGIN, .tag = "BEGIN"};
        (void)(take(words, "work") || take(words, "transaction"));
        return take_modes(words, out);
    }
    if (take_two(words, "start", "transaction")) {
        *out = (struct block_text){.request = BLOCK_BEGIN, .tag = "START TRANSACTION"};
        return take_modes(words, out);
    }
    if (take(words, "commit") || take(words, "end")) {
        *out = (struct block_text){.request = BLOCK_COMMIT, .tag = "COMMIT"};
        return take_end(words);
    }
    if (take(words, "rollback") || take(words, "abort")) {
        *out = (struct block_text){.request = BLOCK_ROLLBACK, .tag = "ROLLBACK"};
        return take_end(words);
    }
    return false;
}

bool block_text_read(struct slice canonical, struct block_text *out)
{
    struct words words;
    if (block_text_may_be(canonical) && split(canonical, &words) && read_words(&words, out))
        return true;
    *out = (struct block_text){.request = BLOCK_OTHER};
    return false;
}
