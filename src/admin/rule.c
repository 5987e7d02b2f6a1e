/* SHOW RULES, RULE ADD, RULE DROP. */
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "console_inside.h"
#include "show.h"
#include "upstream/database.h"

SHAPE(show_rules, INT8("position"), TEXT("name"), TEXT("rule"), TEXT("source"), INT8("applied"),
      INT8("hits"));

enum { RULE_SHOWN_MAX = 4096 };

void run_show_rules(struct request *request)
{
    struct rows *rows = &request->rows;
    const struct conf *conf = conf_current();
    for (unsigned i = 0; i < conf->rule_count; i++) {
        const struct rule *rule = &conf->rules[i];
        char text[RULE_SHOWN_MAX];
        rule_text(rule, text, sizeof(text));
        rows_num(rows, i + 1);
        rows_text(rows, rule->name);
        rows_text(rows, text);
        rows_text(rows, rule->added ? "console" : "file");
        rows_num(rows, rule_counts_applied(rule->counts));
        rows_num(rows, rule_counts_hits(rule->counts));
    }
    request_done(request);
}

/* ---- changes: on the main loop, so that they do not cross a reload ---- */

struct change {
    char *name;
    char *pairs; /* NULL: the rule is dropped */
};

static void change_end(struct request *request)
{
    struct change *change = request->waits_for;
    mem_free(change->name);
    mem_free(change->pairs);
    mem_free(change);
    request->waits_for = NULL;
}

static void fail(struct request *request, enum err err, const struct change *change,
                 const struct conf_mistakes *mistakes)
{
    if (err == ERR_EXISTS)
        request_fail(request, "42710", "rule \"%.100s\" already exists", change->name);
    else if (err == ERR_NOT_FOUND)
        request_fail(request, "42704", "rule \"%.100s\" does not exist", change->name);
    else if (err == ERR_TOO_MANY)
        request_fail(request, "54000", "there are %d rules, which is as many as there can be",
                     RULES_MAX);
    else
        request_fail(request, "22023", "%.*s",
                     mistakes->text ? (int)strcspn(mistakes->text, "\n") : 0,
                     mistakes->text ? mistakes->text : "");
}

static void change_rules(struct request *request)
{
    struct change *change = request->waits_for;
    struct conf_mistakes mistakes = {0};
    struct conf *conf;
    enum err err =
        change->pairs ? conf_rule_add(conf_current(), change->name, change->pairs, &conf, &mistakes)
                      : conf_rule_drop(conf_current(), change->name, &conf);
    if (err == ERR_OK) {
        conf_swap(conf);
        databases_reload();
        log_info(change->pairs ? "rule added on the console" : "rule dropped on the console",
                 "rule", change->name, NULL);
    } else {
        fail(request, err, change, &mistakes);
    }
    conf_mistakes_fini(&mistakes);
    change_end(request);
}

static void begin(struct request *request, const char *pairs)
{
    struct change *change = mem_zero(1, sizeof(*change));
    change->name = mem_text(request->command->name);
    change->pairs = mem_text(pairs);
    request->waits_for = change;
    main_call(request, change_rules);
}

void run_rule_add(struct request *request)
{
    begin(request, request->command->value);
}

void run_rule_drop(struct request *request)
{
    begin(request, NULL);
}
