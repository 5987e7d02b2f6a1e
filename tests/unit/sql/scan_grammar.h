/* The lexical rules of Postgres as pieces of text: every form of constant, name, number, operator,
 * comment and white space, what is refused included. For tests that put them side by side. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "scan_oracle.h"

struct scan_piece {
    const char *text;
    enum scan_oracle_result expect; /* of the text alone */
};

struct scan_pieces {
    const char *name;
    const struct scan_piece *list;
    size_t count;
};

/* Families of pieces; the first SCAN_CONSTANT_FAMILIES are constants in quotes. */
enum { SCAN_FAMILIES = 10, SCAN_CONSTANT_FAMILIES = 4 };
extern const struct scan_pieces scan_families[SCAN_FAMILIES];

/* What may stand between two tokens: white space and comments, and what is nearly one. */
extern const char *const scan_joints[];
extern const size_t scan_joint_count;

/* A number for each `at`, always the same: for choices that are spread evenly. */
uint64_t scan_spread(uint64_t at);
