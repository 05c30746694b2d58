# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
#
# Finds, signals and stops the processes of a server.

# The names of programs that scripts/services runs in a server's directory.
program_names=' postgres initdb redis-server java mvn setsid setpriv openssl '

# Prints the ids of the processes whose working directory is $1 or below it, as far as the caller may look.
processes_below() {
    local entry pid directory name
    while IFS= read -r -d '' entry; do
        directory=${entry#*$'\t'}
        [[ $directory == "$1" || $directory == "$1"/* ]] || continue
        pid=${entry%%$'\t'*}
        pid=${pid#/proc/}
        name=$(cat "/proc/$pid/comm" 2>/dev/null) || continue
        if [[ $program_names == *" $name "* ]]; then printf '%s\n' "$pid"; fi
    done < <($2 find /proc/[0-9]*/cwd -maxdepth 0 -printf '%h\t%l\0' 2>/dev/null || true)
}

# Without the right to trace, root cannot look into another user's processes (so in containers); that user can.
processes_of() {
    local home
    home=$("${1}_home")
    [[ $home ]] || return 0
    {
        processes_below "$home" ''
        if [[ $1 == postgres && $EUID -eq 0 ]]; then processes_below "$home" "$(postgres_as_user)"; fi
    } | sort -un
}

running() { [[ $(processes_of "$1") ]]; }

parent_of() { sed -n 's/^PPid:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null || true; }

is_stopped() { grep -q '^State:[[:space:]]*T' "/proc/$1/status" 2>/dev/null; }

# The process of the server that no other process of it started.
main_process() {
    local pid pids
    pids=$(processes_of "$1")
    for pid in $pids; do
        if ! grep -qx "$(parent_of "$pid")" <<<"$pids"; then
            printf '%s\n' "$pid"
            return
        fi
    done
}

signal_server() {
    local pid
    for pid in $(processes_of "$2"); do kill -s "$1" "$pid" 2>/dev/null || true; done
}

await_gone() {
    local deadline=$((SECONDS + $2))
    while running "$1"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.05
    done
}

# Asks politely, then kills. To PostgreSQL, SIGTERM means to wait for the clients and SIGINT not to.
stop_server() {
    local pid signal=TERM
    running "$1" || return 0
    [[ $1 != postgres ]] || signal=INT
    signal_server CONT "$1"
    pid=$(main_process "$1")
    if [[ $pid ]]; then kill -s "$signal" "$pid" 2>/dev/null || true; fi
    if await_gone "$1" 20; then return; fi
    signal_server KILL "$1"
    await_gone "$1" 10 || fail "$1 survived SIGKILL"
}

listening_inodes() {
    local hex
    printf -v hex ':%04X' "$1"
    awk -v port="$hex" '$4 == "0A" && substr($2, length($2) - 4) == port { print $10 }' /proc/net/tcp /proc/net/tcp6 2>/dev/null || true
}

port_taken() { [[ $(listening_inodes "$1") ]]; }

# Succeeds when a process of the server $1, and no stranger, listens on port $2.
owns_port() {
    local inode pid look=''
    if [[ $1 == postgres && $EUID -eq 0 ]]; then look=$(postgres_as_user); fi
    for inode in $(listening_inodes "$2"); do
        for pid in $(processes_of "$1"); do
            if [[ $($look find "/proc/$pid/fd" -lname "socket:\[$inode\]" -print -quit 2>/dev/null) ]]; then return 0; fi
        done
    done
    return 1
}

# A port below the range from which the kernel takes the local ends of connections.
free_port() {
    local port
    while :; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 10000))
        if ! port_taken "$port" && ! grep -qs "_port=$port\$" "$services/state"; then
            printf '%s\n' "$port"
            return
        fi
    done
}
