# What the scripts share: messages, free ports, scratch servers that are stopped by their own pid.
# Sourced by bash scripts; sets `root` and changes into it.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

say() {
    printf '%s\n' "$*" >&2
}

die() {
    say "$(basename "$0"): $*"
    exit 1
}

# Postgres refuses to run as root, so as root its programs run as the user that Debian made for it.
as_postgres() {
    if [ "$(id -u)" = 0 ]; then
        runuser -u postgres -- "$@"
    else
        "$@"
    fi
}

# The newest installed version's directory of programs.
postgres_bin() {
    local bin
    bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
    [ -x "$bin/initdb" ] || die "no Postgres under /usr/lib/postgresql; run scripts/setup"
    printf '%s\n' "$bin"
}

port_is_free() {
    ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# A port of 127.0.0.1 on which nobody listens, below the range from which the kernel takes the
# ports of outgoing connections.
free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        if port_is_free "$port"; then
            printf '%s\n' "$port"
            return
        fi
    done
}

# Waits for up to $2 tenths of a second until something listens on port $1.
wait_for_port() {
    local i
    for ((i = 0; i < $2; i++)); do
        port_is_free "$1" || return 0
        sleep 0.1
    done
    return 1
}

# Makes and starts a scratch server: postgres_start DIRECTORY PORT. DIRECTORY must exist; further
# arguments are lines for postgresql.conf. Superuser postgres, trust, on 127.0.0.1 only. The locale
# is C.UTF-8 unless $postgres_locale names another.
postgres_start() {
    local dir=$1 port=$2 bin
    shift 2
    bin=$(postgres_bin)
    [ "$(id -u)" != 0 ] || chown postgres "$dir"
    as_postgres "$bin/initdb" -D "$dir/data" -U postgres -A trust --no-sync -E UTF8 \
        --locale="${postgres_locale:-C.UTF-8}" >"$dir/initdb.log" 2>&1 || die "initdb failed: $(cat "$dir/initdb.log")"
    {
        printf '%s\n' "listen_addresses = '127.0.0.1'" "port = $port" \
            "unix_socket_directories = '$dir'" "max_connections = 200" "fsync = off" \
            "shared_buffers = 256MB" "logging_collector = off" "$@"
    } | as_postgres tee -a "$dir/data/postgresql.conf" >/dev/null
    as_postgres "$bin/pg_ctl" -D "$dir/data" -l "$dir/postgres.log" -w -t 60 start >/dev/null ||
        die "the scratch Postgres did not start: $(tail -n 20 "$dir/postgres.log")"
}

postgres_pid() {
    head -n 1 "$1/data/postmaster.pid" 2>/dev/null
}

# redis_start DIRECTORY PORT: keeps nothing on disk.
redis_start() {
    redis-server --bind 127.0.0.1 --port "$2" --save '' --appendonly no --daemonize yes \
        --dir "$1" --pidfile "$1/redis.pid" --logfile "$1/redis.log" >/dev/null
    wait_for_port "$2" 50 || die "the scratch Redis did not start: $(tail -n 5 "$1/redis.log")"
}

# Stops process $2 with signal $1 and waits for up to ten seconds until it is gone, then kills it.
stop_pid() {
    local i
    [ -n "${2:-}" ] && kill "-$1" "$2" 2>/dev/null || return 0
    for ((i = 0; i < 100; i++)); do
        # A child of ours that nobody has waited for yet counts as gone.
        [ -r "/proc/$2/stat" ] || return 0
        case $(sed 's/.*) //' "/proc/$2/stat" 2>/dev/null) in Z*) return 0 ;; esac
        sleep 0.1
    done
    kill -KILL "$2" 2>/dev/null || true
}
