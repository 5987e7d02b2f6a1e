/* A Postgres of a test's own. Its programs refuse to run as root, so root becomes "postgres". */
#include "scratch_postgres.h"

#include <arpa/inet.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { COMMAND_MAX = 1024 };

static char programs[256]; /* where initdb and pg_ctl are */

static bool find_programs(void)
{
    glob_t found;
    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) != 0)
        return false;
    snprintf(programs, sizeof(programs), "%s", found.gl_pathv[found.gl_pathc - 1]);
    *strrchr(programs, '/') = 0;
    globfree(&found);
    return true;
}

static bool run_program(const char *command)
{
    char line[COMMAND_MAX + 64];
    snprintf(line, sizeof(line), "%s%s >/dev/null 2>&1",
             geteuid() == 0 ? "cd / && runuser -u postgres -- " : "", command);
    return system(line) == 0;
}

static int free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void write_text(const struct scratch_postgres *scratch, const char *name, const char *mode,
                       const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/data/%s", scratch->dir, name);
    FILE *file = fopen(path, mode);
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void configure(const struct scratch_postgres *scratch)
{
    char text[512];
    snprintf(text, sizeof(text),
             "port = %d\nunix_socket_directories = '%s'\nlisten_addresses = '127.0.0.1'\n"
             "fsync = off\nmax_connections = 40\nshared_buffers = 16MB\nautovacuum = off\n"
             "restart_after_crash = on\npassword_encryption = 'scram-sha-256'\n",
             scratch->port, scratch->dir);
    write_text(scratch, "postgresql.conf", "a", text);
    write_text(scratch, "pg_hba.conf", "w",
               "host all secret 127.0.0.1/32 scram-sha-256\n"
               "host all all 127.0.0.1/32 trust\nlocal all all trust\n");
}

bool scratch_create(struct scratch_postgres *scratch)
{
    if (!find_programs())
        return false;
    snprintf(scratch->dir, sizeof(scratch->dir), "/tmp/pgrecall-test-XXXXXX");
    assert_non_null(mkdtemp(scratch->dir));
    char command[COMMAND_MAX];
    snprintf(command, sizeof(command), "chmod 777 %s", scratch->dir);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof(command), "%s/initdb -D %s/data -A trust -N -U postgres", programs,
             scratch->dir);
    if (!run_program(command))
        return false;
    scratch->port = free_port();
    configure(scratch);
    return scratch_start(scratch);
}

bool scratch_start(struct scratch_postgres *scratch)
{
    char command[COMMAND_MAX];
    snprintf(command, sizeof(command), "%s/pg_ctl -D %s/data -l %s/log -w start", programs,
             scratch->dir, scratch->dir);
    return run_program(command);
}

void scratch_stop(struct scratch_postgres *scratch, const char *mode)
{
    char command[COMMAND_MAX];
    snprintf(command, sizeof(command), "%s/pg_ctl -D %s/data -m %s -w stop", programs, scratch->dir,
             mode);
    run_program(command);
}

void scratch_destroy(struct scratch_postgres *scratch)
{
    char command[COMMAND_MAX];
    scratch_stop(scratch, "immediate");
    snprintf(command, sizeof(command), "rm -rf '%s'", scratch->dir);
    assert_int_equal(system(command), 0);
}

PGconn *scratch_connect(const struct scratch_postgres *scratch, const char *user)
{
    char parameters[256];
    snprintf(parameters, sizeof(parameters),
             "host=127.0.0.1 port=%d dbname=postgres user=%s application_name=test", scratch->port,
             user);
    PGconn *connection = PQconnectdb(parameters);
    if (PQstatus(connection) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(connection));
    return connection;
}

long long scratch_run_on(PGconn *connection, const char *sql)
{
    PGresult *result = PQexec(connection, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(connection));
    long long number = PQntuples(result) ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : 0;
    PQclear(result);
    return number;
}

long long scratch_run(const struct scratch_postgres *scratch, const char *sql)
{
    PGconn *connection = scratch_connect(scratch, "postgres");
    long long number = scratch_run_on(connection, sql);
    PQfinish(connection);
    return number;
}
