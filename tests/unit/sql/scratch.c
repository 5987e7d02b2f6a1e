#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scratch.h"

#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "sql/catalog.h"

enum { START_TRIES = 100, START_WAIT_US = 100000 };

static const char *const program_directories[] = {
    "/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/17/bin",
    "/usr/lib/postgresql/14/bin", "/usr/local/pgsql/bin",       "/usr/bin",
};

/* Where initdb is, or NULL. */
static const char *programs_find(void)
{
    for (size_t i = 0; i < ARRAY_COUNT(program_directories); i++) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/initdb", program_directories[i]);
        if (access(path, X_OK) == 0)
            return program_directories[i];
    }
    return NULL;
}

/* Postgres refuses to run as root. */
static const struct passwd *server_user(void)
{
    return geteuid() == 0 ? getpwnam("postgres") : NULL;
}

static NORETURN void child_run(char *const *argv, const char *log)
{
    const struct passwd *user = server_user();

    if (user && (setgroups(0, NULL) != 0 || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0))
        _exit(126);
    (void)prctl(PR_SET_PDEATHSIG, SIGQUIT);
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (out >= 0) {
        (void)dup2(out, STDOUT_FILENO);
        (void)dup2(out, STDERR_FILENO);
    }
    (void)execv(argv[0], argv);
    _exit(127);
}

static pid_t child_start(char *const *argv, const char *log)
{
    pid_t pid = fork();

    if (pid == 0)
        child_run(argv, log);
    return pid;
}

static int directory_make(struct scratch *scratch)
{
    const struct passwd *user = server_user();

    (void)snprintf(scratch->directory, sizeof(scratch->directory), "/tmp/pgrecall-sql-XXXXXX");
    if (!mkdtemp(scratch->directory))
        return -1;
    if (user && chown(scratch->directory, user->pw_uid, user->pw_gid) != 0)
        return -1;
    return 0;
}

static int server_start(struct scratch *scratch, const char *programs)
{
    char initdb[128];
    char postgres[128];
    char data[96];
    char log[96];
    int status;

    (void)snprintf(initdb, sizeof(initdb), "%s/initdb", programs);
    (void)snprintf(postgres, sizeof(postgres), "%s/postgres", programs);
    (void)snprintf(data, sizeof(data), "%s/data", scratch->directory);
    (void)snprintf(log, sizeof(log), "%s/log", scratch->directory);
    char *initdb_argv[] = {initdb,
                           (char[]){"-D"},
                           data,
                           (char[]){"-A"},
                           (char[]){"trust"},
                           (char[]){"-U"},
                           (char[]){"postgres"},
                           (char[]){"-E"},
                           (char[]){"UTF8"},
                           (char[]){"--locale=C"},
                           (char[]){"--no-sync"},
                           NULL};
    pid_t pid = child_start(initdb_argv, log);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        return -1;
    char *argv[] = {postgres,
                    (char[]){"-D"},
                    data,
                    (char[]){"-k"},
                    scratch->directory,
                    (char[]){"-c"},
                    (char[]){"listen_addresses="},
                    (char[]){"-c"},
                    (char[]){"fsync=off"},
                    (char[]){"-c"},
                    (char[]){"max_prepared_transactions=4"},
                    NULL};
    scratch->pid = child_start(argv, log);
    return scratch->pid > 0 ? 0 : -1;
}

int scratch_start(struct scratch *scratch)
{
    const char *dsn = getenv("PGRECALL_TEST_DSN");

    *scratch = (struct scratch){0};
    if (dsn) {
        (void)snprintf(scratch->dsn, sizeof(scratch->dsn), "%s", dsn);
    } else {
        const char *programs = programs_find();

        if (!programs || directory_make(scratch) != 0 || server_start(scratch, programs) != 0) {
            scratch_stop(scratch);
            return -1;
        }
        (void)snprintf(
            scratch->dsn, sizeof(scratch->dsn),
            "host=%s user=postgres dbname=postgres options='-c client_min_messages=error'",
            scratch->directory);
    }
    for (unsigned i = 0; i < START_TRIES; i++) {
        scratch->connection = PQconnectdb(scratch->dsn);
        if (PQstatus(scratch->connection) == CONNECTION_OK)
            return 0;
        PQfinish(scratch->connection);
        scratch->connection = NULL;
        (void)usleep(START_WAIT_US);
    }
    scratch_stop(scratch);
    return -1;
}

static int entry_remove(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

void scratch_stop(struct scratch *scratch)
{
    PQfinish(scratch->connection);
    scratch->connection = NULL;
    if (scratch->pid > 0) {
        (void)kill(scratch->pid, SIGQUIT);
        (void)waitpid(scratch->pid, NULL, 0);
        scratch->pid = 0;
    }
    if (scratch->directory[0])
        (void)nftw(scratch->directory, entry_remove, 16, FTW_DEPTH | FTW_PHYS);
    scratch->directory[0] = '\0';
}

void scratch_run(struct scratch *scratch, const char *sql)
{
    PGresult *result = PQexec(scratch->connection, sql);
    ExecStatusType status = PQresultStatus(result);

    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(scratch->connection));
    PQclear(result);
}

char *scratch_value(struct scratch *scratch, const char *sql)
{
    PGresult *result = PQexec(scratch->connection, sql);

    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1)
        fail_msg("%s: %s", sql, PQerrorMessage(scratch->connection));
    char *value = mem_text(PQgetvalue(result, 0, 0));
    PQclear(result);
    return value;
}

uint32_t scratch_oid(struct scratch *scratch, const char *relation)
{
    char sql[160];

    (void)snprintf(sql, sizeof(sql), "SELECT '%s'::regclass::oid", relation);
    char *value = scratch_value(scratch, sql);
    uint32_t oid = (uint32_t)strtoul(value, NULL, 10);
    mem_free(value);
    return oid;
}

static void rows_add(struct scratch *scratch, struct catalog_builder *builder, unsigned query)
{
    PGresult *result = PQexec(scratch->connection, catalog_query(query));

    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", catalog_query(query), PQerrorMessage(scratch->connection));
    unsigned columns = (unsigned)PQnfields(result);
    for (int row = 0; row < PQntuples(result); row++) {
        struct slice values[16] = {{0}};

        assert_true(columns <= ARRAY_COUNT(values));
        for (unsigned i = 0; i < columns; i++) {
            if (!PQgetisnull(result, row, (int)i))
                values[i] = slice_of(PQgetvalue(result, row, (int)i),
                                     (size_t)PQgetlength(result, row, (int)i));
        }
        assert_int_equal(catalog_builder_add(builder, query, values, columns), ERR_OK);
    }
    PQclear(result);
}

struct catalog *scratch_catalog(struct scratch *scratch, uint64_t version)
{
    struct catalog_builder *builder = catalog_builder_create();
    struct catalog *catalog = NULL;

    scratch_run(scratch, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    scratch_run(scratch, "SET LOCAL search_path = pg_catalog");
    for (unsigned i = 0; i < catalog_query_count(); i++)
        rows_add(scratch, builder, i);
    scratch_run(scratch, "COMMIT");
    assert_int_equal(catalog_builder_finish(builder, version, &catalog), ERR_OK);
    return catalog;
}
