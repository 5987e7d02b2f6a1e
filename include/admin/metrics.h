/* The numbers we show to Prometheus, from the one list in admin/metrics.def.
 *
 * Whoever knows numbers adds them, in any order and with any labels; the text groups them by metric,
 * in the order of the list, with HELP and TYPE once. A metric to which nothing was added is left out.
 *
 * Ownership  The struct belongs to the caller, between metrics_init and metrics_fini.
 * Threads    None.
 * Source     Prometheus, "Exposition formats", text format 0.0.4.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"

enum metric {
#define METRIC(id, ...) METRIC_##id,
#include "admin/metrics.def"
#undef METRIC
    METRIC_COUNT
};

struct metrics {
    struct buf samples[METRIC_COUNT];
};

void metrics_init(struct metrics *metrics);
void metrics_fini(struct metrics *metrics);

/* Adds one sample. Then pairs of label name and value, and NULL:
 *
 *     metrics_add(out, METRIC_HITS, hits, "tier", "memory", NULL);
 *
 * Values of labels may be any text; bytes that are not UTF-8 become '?'. A value of NULL is "". */
void metrics_add(struct metrics *metrics, enum metric metric, uint64_t value, ...)
    __attribute__((sentinel));
/* The same for what is no whole number, e.g. seconds. */
void metrics_add_real(struct metrics *metrics, enum metric metric, double value, ...)
    __attribute__((sentinel));

/* What the kernel knows of this process: memory, CPU, files, start. */
void metrics_add_process(struct metrics *metrics);

/* Appends the whole text. */
void metrics_write(const struct metrics *metrics, struct buf *out);

/* Writes docs/metrics.md: a table of all metrics. */
void metrics_write_manual(FILE *out);
