#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Tests scripts/services in copies of scripts/ under a temporary folder whose name holds a space.
#
#   scripts/tests/services_test.sh [junit.xml]
set -euo pipefail

scripts=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
junit=${1-}
[[ -z $junit || $junit == /* ]] || junit=$PWD/$junit
work=$(mktemp -d "${TMPDIR:-/tmp}/services test.XXXXXX")
chmod 700 "$work" # so that, as root, PostgreSQL's user cannot reach the checkout
kills=${KILLS:-8}
checkouts=()

checkout() {
    mkdir -p "$work/$1"
    cp -r "$scripts" "$work/$1/"
    checkouts+=("$work/$1")
}
services() {
    local name=$1
    shift
    "$work/$name/scripts/services" "$@"
}
processes_in() { find /proc/[0-9]*/cwd -maxdepth 0 \( -lname "$1/*" -o -lname "$1" \) -printf '%h %l\n' 2>/dev/null || true; }
run_directory() { sed -n 's/^run_directory=//p' "$work/$1/.services/state"; }
pid_of() { services "$1" status "$2" | sed -n 's/.*(pid \([0-9]*\)).*/\1/p'; }

cleanup() {
    local folder
    for folder in "${checkouts[@]}"; do "$folder/scripts/services" stop --purge >/dev/null 2>&1 || true; done
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

passed=0
failed=0
cases=
# it <sentence> <function>
it() {
    local began=$SECONDS output status
    # In a condition, bash would ignore `set -e` in everything that is called.
    set +e
    output=$(
        set -e
        "$2" 2>&1
    )
    status=$?
    set -e
    if ((status == 0)); then
        passed=$((passed + 1))
        printf 'ok    %s (%d s)\n' "$1" $((SECONDS - began))
        cases+="<testcase classname=\"scripts\" name=\"$1\" time=\"$((SECONDS - began))\" status=\"run\"/>"
    else
        failed=$((failed + 1))
        printf 'FAIL  %s\n%s\n' "$1" "$output"
        cases+="<testcase classname=\"scripts\" name=\"$1\" status=\"fail\"><failure message=\"see the log\"/></testcase>"
    fi
}

starts_and_answers() {
    services one start
    services one status
    local lines
    lines=$(services one env)
    eval "$lines"
    [[ $DB_USER == postgres && $DB_PASSWORD == postgres && $DB_NAME == outbox_db ]]
    [[ $(PGPASSWORD=$DB_PASSWORD PGSSLMODE=verify-full PGSSLROOTCERT=$RESILIENCE_TEST_TLS_CA \
        psql -XqAt -h localhost -p "$DB_PORT" -U "$DB_USER" -d "$DB_NAME" -c 'SELECT 1') == 1 ]]
    if PGPASSWORD=wrong psql -XqAt -h "$DB_HOST" -p "$DB_PORT" -U postgres -d outbox_db -c 'SELECT 1' 2>/dev/null; then return 1; fi
    [[ $(redis-cli -h localhost -p "${RESILIENCE_TEST_REDIS_TLS_ADDR#*:}" --tls --cacert "$RESILIENCE_TEST_TLS_CA" ping) == PONG ]]
    [[ $(redis-cli -s "$RESILIENCE_TEST_REDIS_SOCKET" ping) == PONG ]]
    [[ ${#RESILIENCE_TEST_REDIS_SOCKET} -lt 100 ]]
    echo hello | kcat -P -b "$KAFKA_BROKERS" -t greetings
    [[ $(kcat -C -e -q -b "$KAFKA_BROKERS" -t greetings) == hello ]]
}

logs_are_shown() {
    local server
    for server in postgres redis kafka; do
        [[ $(services one logs "$server") == *[[:alnum:]]* ]]
    done
    [[ $(services one logs postgres) == *'ready to accept connections'* ]]
    [[ $(services one logs redis) == *'Ready to accept connections'* ]]
    # -f goes on until it is stopped.
    local status=0
    timeout 1 "$work/one/scripts/services" logs -f kafka >/dev/null || status=$?
    ((status == 124))
    if services one logs mysql; then return 1; fi
}

start_twice_changes_nothing() {
    local before
    before=$(services one status)
    services one start
    [[ $(services one status) == "$before" ]]
}

two_checkouts_live_together() {
    local before
    before=$(services one status)
    services two start
    services two stop
    [[ $(services one status) == "$before" ]]
    [[ -z $(processes_in "$work/two/.services") ]]
}

a_copied_state_starts_afresh() {
    local before
    before=$(services one status)
    rm -rf "$work/copy"
    cp -a "$work/one" "$work/copy"
    services copy stop --purge
    [[ -d $(run_directory one) ]]
    [[ $(services one status) == "$before" ]]
}

a_pipe_is_not_held_open() {
    services one stop redis
    # shellcheck disable=SC2016
    timeout 30 bash -c '"$1" start redis | cat >/dev/null' - "$work/one/scripts/services"
    services one status redis
}

data_survives_a_restart_and_a_kill() {
    local lines
    lines=$(services one env)
    eval "$lines"
    redis-cli -h 127.0.0.1 -p "${REDIS_ADDR#*:}" set kept yes
    PGPASSWORD=postgres psql -Xq -h "$DB_HOST" -p "$DB_PORT" -U postgres -d outbox_db -c 'CREATE TABLE kept()'
    services one restart redis
    services one kill postgres kafka
    if services one status postgres; then return 1; fi
    services one start
    [[ $(redis-cli -h 127.0.0.1 -p "${REDIS_ADDR#*:}" get kept) == yes ]]
    PGPASSWORD=postgres psql -Xq -h "$DB_HOST" -p "$DB_PORT" -U postgres -d outbox_db -c 'SELECT FROM kept'
    [[ $(kcat -C -e -q -b "$KAFKA_BROKERS" -t greetings) == hello ]]
}

a_paused_server_resumes_or_stops() {
    services one pause redis
    [[ $(services one status redis) == *paused* ]]
    services one resume redis
    services one status redis
    services one pause postgres
    timeout 60 "$work/one/scripts/services" stop postgres
    services one start postgres
}

a_stranger_is_not_touched() {
    (cd "$work/one/.services/redis" && exec sleep 60) &
    local stranger=$!
    services one restart redis
    kill -0 "$stranger"
    kill "$stranger"
}

a_taken_port_is_replaced() {
    local port holder
    services one stop redis
    port=$(sed -n 's/^redis_port=//p' "$work/one/.services/state")
    python3 -c 'import socket, sys, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen(); time.sleep(60)' "$port" &
    holder=$!
    while ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.05; done
    services one start redis
    [[ $(sed -n 's/^redis_port=//p' "$work/one/.services/state") != "$port" ]]
    kill "$holder"
}

nothing_outlives_a_killed_start() {
    local i starter
    for ((i = 0; i < kills; ++i)); do
        setsid "$work/two/scripts/services" start >/dev/null 2>&1 &
        starter=$!
        sleep "$((RANDOM % 4)).$((RANDOM % 10))"
        kill -9 "$starter" 2>/dev/null || true
        wait "$starter" 2>/dev/null || true
        timeout 60 "$work/two/scripts/services" stop
        [[ -z $(processes_in "$work/two/.services") ]]
        [[ -z $(processes_in "$(run_directory two)") ]]
    done
    services two start
    services two status
    services two stop
}

stop_leaves_nothing() {
    local directory
    directory=$(run_directory one)
    services one stop --purge
    [[ -z $(processes_in "$work/one/.services") && -z $(processes_in "$directory") && ! -e $directory ]]
    if services one env | grep -E 'DB_|REDIS|KAFKA'; then return 1; fi
    if services one env postgres; then return 1; fi
}

checkout one
checkout two
it 'the servers start, and env names addresses that answer' starts_and_answers
it 'M18: logs shows the log of each server' logs_are_shown
it 'a second start changes nothing' start_twice_changes_nothing
it 'two checkouts do not disturb each other' two_checkouts_live_together
it 'a copied checkout does not touch the servers of the original' a_copied_state_starts_afresh
it 'the servers do not hold the pipe of the caller open' a_pipe_is_not_held_open
it 'data survives a restart and a kill' data_survives_a_restart_and_a_kill
it 'a paused server resumes, and can be stopped' a_paused_server_resumes_or_stops
it 'a process of somebody else in the folder is not touched' a_stranger_is_not_touched
it 'a port that somebody took meanwhile is replaced' a_taken_port_is_replaced
it 'after a start that was killed, stop leaves nothing' nothing_outlives_a_killed_start
it 'stop --purge leaves nothing' stop_leaves_nothing

if [[ $junit ]]; then
    printf '<?xml version="1.0"?><testsuite name="scripts" tests="%d" failures="%d">%s</testsuite>\n' \
        $((passed + failed)) "$failed" "$cases" >"$junit"
fi
printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
