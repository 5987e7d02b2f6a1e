/* An intrusive doubly linked list with a head: every object says by its link on which list it is.
 * A zeroed link is on no list. */
#pragma once

#include <stdbool.h>

#include "base/macros.h"

struct link {
    struct link *next;
    struct link *prev;
};

static inline void link_init(struct link *head)
{
    head->next = head;
    head->prev = head;
}

static inline bool link_is_on(const struct link *link)
{
    return link->next != NULL;
}

static inline bool link_is_empty(const struct link *head)
{
    return head->next == head;
}

static inline void link_insert_before(struct link *at, struct link *link)
{
    ASSERT(!link_is_on(link));
    link->prev = at->prev;
    link->next = at;
    at->prev->next = link;
    at->prev = link;
}

static inline void link_append(struct link *head, struct link *link)
{
    link_insert_before(head, link);
}

static inline void link_prepend(struct link *head, struct link *link)
{
    link_insert_before(head->next, link);
}

/* Takes `link` off its list; on none it stays so. */
static inline void link_remove(struct link *link)
{
    if (!link_is_on(link))
        return;
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->next = NULL;
    link->prev = NULL;
}

static inline struct link *link_first(const struct link *head)
{
    return head->next == head ? NULL : head->next;
}

#define LINK_EACH(head, at) for (struct link *at = (head)->next; at != (head); at = at->next)
#define LINK_EACH_SAFE(head, at)                                                                   \
    for (struct link *at = (head)->next, *at##_next = at->next; at != (head);                      \
         at = at##_next, at##_next = at->next)
