/* A list of allocations: configurations are small and rare, so nothing cleverer is needed. */
#include "texts.h"

#include "base/mem.h"

enum { TEXTS_CAP_FIRST = 64 };

void texts_init(struct texts *texts)
{
    *texts = (struct texts){0};
}

void texts_fini(struct texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        mem_free(texts->items[i]);
    mem_free(texts->items);
    *texts = (struct texts){0};
}

const char *texts_keep(struct texts *texts, struct slice text)
{
    if (texts->count == texts->cap) {
        texts->cap = size_max(texts->cap * 2, TEXTS_CAP_FIRST);
        texts->items = mem_resize(texts->items, texts->cap * sizeof(*texts->items));
    }
    char *copy = mem_text_n(text.data, text.len);
    texts->items[texts->count++] = copy;
    return copy;
}

const char *texts_copy(struct texts *texts, const char *text)
{
    return text ? texts_keep(texts, slice_of_text(text)) : NULL;
}
