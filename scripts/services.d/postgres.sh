# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154
#
# PostgreSQL of any installed version. It refuses to run as root, so root hands it to an unprivileged user.

postgres_home() { state_get postgres_home; }
postgres_ports() { echo postgres_port; }
postgres_address() { echo "127.0.0.1:$(state_get postgres_port)"; }

# The words that put a command under PostgreSQL's user; none when the caller is not root.
postgres_as_user() {
    [[ $EUID -eq 0 ]] || return 0
    local user=postgres
    id "$user" >/dev/null 2>&1 || user=nobody
    echo "setpriv --reuid=$user --regid=$(id -g "$user") --init-groups --inh-caps=-all --"
}

# Prints the folder of the programs: of the data's own version when there is data, else of the newest.
postgres_programs() {
    local home version=''
    home=$(postgres_home)
    if [[ $home && -e $home/data/PG_VERSION ]]; then version=$(cat "$home/data/PG_VERSION"); fi
    {
        # shellcheck disable=SC2086  # an unknown version is a pattern
        printf '%s\n' /usr/lib/postgresql/${version:-*}/bin /usr/pgsql-${version:-*}/bin
        if [[ -z $version ]] && command -v postgres >/dev/null; then dirname "$(command -v postgres)"; fi
    } | sort -V | while IFS= read -r folder; do
        if [[ -x $folder/initdb && -x $folder/postgres ]]; then printf '%s\n' "$folder"; fi
    done | tail -n 1
}

postgres_prepare() {
    local home folder version
    local -a as_user=()
    read -r -a as_user < <(postgres_as_user) || true
    home=$(postgres_home)
    if [[ -z $home ]]; then
        home=$services/postgres
        # The data must be reachable by its user even when the checkout lies in a folder that only root may enter.
        if ! (cd / && "${as_user[@]}" test -x "$services"); then home=$(state_get run_directory)/postgres; fi
        state_set postgres_home "$home"
    fi
    mkdir -p "$home" "$(state_get run_directory)/postgresql"
    chmod 700 "$home"
    folder=$(postgres_programs)
    if [[ -z $folder ]]; then
        version=$(cat "$home/data/PG_VERSION" 2>/dev/null || true)
        [[ -z $version ]] || fail "the data is of PostgreSQL $version, which is not installed: scripts/services stop --purge"
        fail "PostgreSQL is missing: run scripts/bootstrap"
    fi
    cp "$services/tls/server.crt" "$services/tls/server.key" "$home/"
    chmod 600 "$home/server.key"
    if [[ $EUID -eq 0 ]]; then
        chown "${as_user[1]#--reuid=}" "$home" "$home/server.crt" "$home/server.key" "$(state_get run_directory)/postgresql"
    fi
    if [[ ! -e $home/data/PG_VERSION ]]; then
        rm -rf "$home/data" "$home/data.new"
        (
            cd "$home"
            printf 'postgres\n' >password
            if [[ $EUID -eq 0 ]]; then chown "${as_user[1]#--reuid=}" password; fi
            "${as_user[@]}" "$folder/initdb" -D data.new -U postgres -A scram-sha-256 --pwfile=password \
                -E UTF8 --locale=C.UTF-8 --no-sync
            rm -f password
            mv -T data.new data
        ) >"$services/log/initdb.log" 2>&1 </dev/null 9>&- || {
            tail -n 20 "$services/log/initdb.log" >&2
            fail "initdb failed"
        }
    fi
    # No process of this server is alive here; its lock files would only name a recycled process id.
    rm -f "$home/data/postmaster.pid" "$(state_get run_directory)/postgresql"/.s.PGSQL.*
}

postgres_command() {
    local -a as_user=()
    read -r -a as_user < <(postgres_as_user) || true
    command=(
        "${as_user[@]}" "$(postgres_programs)/postgres" -D "$(postgres_home)/data"
        -c "port=$(state_get postgres_port)" -c listen_addresses=127.0.0.1
        -c "unix_socket_directories=$(state_get run_directory)/postgresql"
        -c ssl=on -c ssl_cert_file=../server.crt -c ssl_key_file=../server.key
        -c max_connections=200 -c max_prepared_transactions=20 -c wal_level=logical -c log_line_prefix='%m [%p] %u@%d ' -c timezone=UTC
    )
}

postgres_query() {
    PGPASSWORD=postgres PGCONNECT_TIMEOUT=5 "$(postgres_programs)/psql" -X -q -A -t -h 127.0.0.1 \
        -p "$(state_get postgres_port)" -U postgres -v ON_ERROR_STOP=1 "$@"
}

# No password: whoever answers is up, and a stopped process is found by the deadline.
postgres_ready() {
    timeout 5 "$(postgres_programs)/pg_isready" -q -t 3 -h 127.0.0.1 -p "$(state_get postgres_port)" -d postgres
}

postgres_started() {
    if [[ -z $(postgres_query -d postgres -c "SELECT 1 FROM pg_database WHERE datname = 'outbox_db'") ]]; then
        postgres_query -d postgres -c 'CREATE DATABASE outbox_db'
    fi
}

postgres_env() {
    export_line DB_HOST 127.0.0.1
    export_line DB_PORT "$(state_get postgres_port)"
    export_line DB_USER postgres
    export_line DB_PASSWORD postgres
    export_line DB_NAME outbox_db
    export_line RESILIENCE_TEST_DB_SOCKET "$(state_get run_directory)/postgresql"
    export_line RESILIENCE_TEST_TLS_CA "$services/tls/ca.crt"
}
