/* The text of Prometheus: each metric has its own buffer, so samples may come in any order. */
#include "admin/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { METRICS_PROC_LINE_MAX = 1024 };

static const struct {
    const char *name;
    const char *type;
    const char *labels;
    const char *help;
} rows[] = {
#define METRIC(id, name, type, labels, help) [METRIC_##id] = {name, #type, labels, help},
#include "admin/metrics.def"
#undef METRIC
};

void metrics_init(struct metrics *metrics)
{
    for (unsigned i = 0; i < METRIC_COUNT; i++)
        buf_init(&metrics->samples[i]);
}

void metrics_fini(struct metrics *metrics)
{
    for (unsigned i = 0; i < METRIC_COUNT; i++)
        buf_fini(&metrics->samples[i]);
}

/* How many bytes the UTF-8 character at `text` has; 0 if it is none. Overlong forms, surrogates and
 * values past the end are let through by no reader, so they are none here. */
static unsigned utf8_len(const unsigned char *text)
{
    unsigned char first = text[0];
    if (first < 0x80)
        return 1;
    unsigned len = first >= 0xc2 && first < 0xe0   ? 2
                   : (first & 0xf0) == 0xe0        ? 3
                   : first >= 0xf0 && first < 0xf5 ? 4
                                                   : 0;
    for (unsigned i = 1; i < len; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    if ((first == 0xe0 && text[1] < 0xa0) || (first == 0xed && text[1] > 0x9f) ||
        (first == 0xf0 && text[1] < 0x90) || (first == 0xf4 && text[1] > 0x8f))
        return 0;
    return len;
}

static void append_label_value(struct buf *out, const char *value)
{
    const unsigned char *at = (const unsigned char *)value;
    while (*at) {
        unsigned len = utf8_len(at);
        if (*at == '\\' || *at == '"')
            buf_append(out, "\\", 1);
        if (*at == '\n')
            buf_append(out, "\\n", 2);
        else if (len)
            buf_append(out, at, len);
        else
            buf_append(out, "?", 1);
        at += len ? len : 1;
    }
}

/* The name and the labels of a sample; its value is to follow. */
static struct buf *begin_sample(struct metrics *metrics, enum metric metric, va_list labels)
{
    ASSERT((unsigned)metric < METRIC_COUNT);
    struct buf *out = &metrics->samples[metric];
    buf_append_text(out, rows[metric].name);
    char separator = '{';
    for (const char *name = va_arg(labels, const char *); name;
         name = va_arg(labels, const char *)) {
        const char *value = va_arg(labels, const char *);
        buf_printf(out, "%c%s=\"", separator, name);
        append_label_value(out, value ? value : "");
        buf_append(out, "\"", 1);
        separator = ',';
    }
    buf_append_text(out, separator == ',' ? "} " : " ");
    return out;
}

void metrics_add(struct metrics *metrics, enum metric metric, uint64_t value, ...)
{
    va_list labels;
    va_start(labels, value);
    buf_printf(begin_sample(metrics, metric, labels), "%" PRIu64 "\n", value);
    va_end(labels);
}

void metrics_add_real(struct metrics *metrics, enum metric metric, double value, ...)
{
    va_list labels;
    va_start(labels, value);
    buf_printf(begin_sample(metrics, metric, labels), "%.6f\n", value);
    va_end(labels);
}

void metrics_write(const struct metrics *metrics, struct buf *out)
{
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        const struct buf *samples = &metrics->samples[i];
        if (!buf_len(samples))
            continue;
        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", rows[i].name, rows[i].help, rows[i].name,
                   rows[i].type);
        buf_append(out, buf_head(samples), buf_len(samples));
    }
}

void metrics_write_manual(FILE *out)
{
    fputs("# Metrics\n\n*Made by `pgrecall --manual metrics` from the program's own table.*\n\n"
          "`GET /metrics` on `http_port`, in Prometheus' text format. A metric of which there is "
          "nothing "
          "to say, those of Redis\nwithout Redis for one, is left out.\n\n"
          "| metric | type | labels | meaning |\n|---|---|---|---|\n",
          out);
    for (unsigned i = 0; i < METRIC_COUNT; i++)
        fprintf(out, "| `%s` | %s | %s | %s |\n", rows[i].name, rows[i].type, rows[i].labels,
                rows[i].help);
}

/* ---- the process ---- */

/* The fields of /proc/self/stat behind the command's name, which may hold anything. Field 3 of the
 * manual is fields[0]. False: there is no /proc. */
static bool read_stat(char line[METRICS_PROC_LINE_MAX], char **out_fields)
{
    FILE *file = fopen("/proc/self/stat", "r");
    if (!file)
        return false;
    size_t len = fread(line, 1, METRICS_PROC_LINE_MAX - 1, file);
    fclose(file);
    line[len] = 0;
    char *end = strrchr(line, ')');
    *out_fields = end && end[1] ? end + 2 : NULL;
    return *out_fields != NULL;
}

/* Field `number` of proc(5), 3 or more. */
static uint64_t stat_field(const char *fields, unsigned number)
{
    for (unsigned i = 3; i < number && fields; i++) {
        fields = strchr(fields, ' ');
        if (fields)
            fields++;
    }
    return fields ? strtoull(fields, NULL, 10) : 0;
}

/* Seconds since 1970 when the machine came up. */
static uint64_t boot_seconds(void)
{
    char line[METRICS_PROC_LINE_MAX];
    uint64_t seconds = 0;
    FILE *file = fopen("/proc/stat", "r");
    while (file && !seconds && fgets(line, sizeof(line), file))
        if (strncmp(line, "btime ", 6) == 0)
            seconds = strtoull(line + 6, NULL, 10);
    if (file)
        fclose(file);
    return seconds;
}

static unsigned count_open_fds(void)
{
    DIR *directory = opendir("/proc/self/fd");
    if (!directory)
        return 0;
    unsigned count = 0;
    while (readdir(directory))
        count++;
    closedir(directory);
    return count > 3 ? count - 3 : 0; /* not ".", "..", and the directory itself */
}

void metrics_add_process(struct metrics *metrics)
{
    enum { STAT_STARTTIME = 22, STAT_RSS = 24 };
    char line[METRICS_PROC_LINE_MAX];
    char *fields;
    if (read_stat(line, &fields)) {
        uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
        double ticks = (double)sysconf(_SC_CLK_TCK);
        metrics_add(metrics, METRIC_PROCESS_MEMORY, stat_field(fields, STAT_RSS) * page, NULL);
        metrics_add_real(
            metrics, METRIC_PROCESS_START,
            (double)boot_seconds() + (double)stat_field(fields, STAT_STARTTIME) / ticks, NULL);
        metrics_add(metrics, METRIC_PROCESS_OPEN_FDS, count_open_fds(), NULL);
    }
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        metrics_add_real(metrics, METRIC_PROCESS_CPU_SECONDS,
                         (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                             (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000000.0,
                         NULL);
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        metrics_add(metrics, METRIC_PROCESS_MAX_FDS, (uint64_t)limit.rlim_cur, NULL);
}
