# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
#
# What scripts/services remembers of this checkout: ports and directories, one `key=value` per line.

state_get() {
    [[ -e $services/state ]] || return 0
    sed -n "s/^$1=//p" "$services/state" | tail -n 1
}

state_unset() {
    [[ -e $services/state ]] || return 0
    grep -v "^$1=" "$services/state" >"$services/state.new" || true
    mv -f "$services/state.new" "$services/state"
}

state_set() {
    {
        grep -v "^$1=" "$services/state" 2>/dev/null || true
        printf '%s=%s\n' "$1" "$2"
    } >"$services/state.new"
    mv -f "$services/state.new" "$services/state"
}

# Takes the lock of this checkout and drops a state that was copied from another one.
open_state() {
    local identity
    mkdir -p "$services"
    [[ -O $services ]] || fail "$services belongs to the user $(stat -c %U "$services"): run this as that user, or delete the folder"
    chmod 755 "$services"
    exec 9>"$services/lock"
    flock -w 600 9 || fail "another scripts/services works on this checkout since ten minutes"

    identity=$(stat -c %d:%i "$services")
    if [[ $(state_get identity) != "$identity" ]]; then
        if [[ -e $services/state ]]; then
            say "services: this .services/ was copied from another checkout; it starts afresh"
            for server in "${all_servers[@]}"; do
                state_unset "${server}_home"
                stop_server "$server"
            done
            find "$services" -mindepth 1 -maxdepth 1 ! -name lock -exec rm -rf {} +
        fi
        state_set identity "$identity"
    fi
}

# The directory of the sockets: short, because a socket's path holds 107 bytes, and reachable by every user.
# Its name is written down before it is made, so that a killed start leaves nothing unknown behind.
prepare_run_directory() {
    local directory base=${TMPDIR:-/tmp}
    directory=$(state_get run_directory)
    if [[ $directory && -d $directory && -O $directory ]]; then return; fi
    [[ ${#base} -le 60 && -d $base && -w $base ]] || base=/tmp
    while :; do
        directory=$(mktemp -u "${base%/}/resilience-XXXXXXXX")
        state_set run_directory "$directory"
        if mkdir -m 755 "$directory" 2>/dev/null; then break; fi
        [[ -w $base ]] || fail "cannot make a directory in $base"
    done
    chmod 755 "$directory"
}

purge() {
    local directory
    directory=$(state_get run_directory)
    if [[ $directory && $directory == */resilience-???????? && -O $directory ]]; then rm -rf "$directory"; fi
    # The lock stays: another run may already wait for it.
    find "$services" -mindepth 1 -maxdepth 1 ! -name lock -exec rm -rf {} +
    say "services: data deleted"
}
