# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the scenarios share: one request, and a comparison that ends the scenario.

base_url=${BASE_URL:-http://localhost:8080}
answer_file=$(mktemp)
headers_file=$(mktemp)
trap 'rm -f "$answer_file" "$headers_file"' EXIT

# request <method> <path> [json]: sets `status`; the body is in $answer_file, the headers in $headers_file.
request() {
    local -a body=()
    if [[ $# -gt 2 ]]; then body=(-H 'Content-Type: application/json' -d "$3"); fi
    : >"$answer_file"
    status=$(curl -s -o "$answer_file" -D "$headers_file" -w '%{http_code}' --max-time 10 -X "$1" "${body[@]}" "$base_url$2") || true
    printf '%-4s %s -> %s %s\n' "$1" "$2" "$status" "$(head -c 300 "$answer_file" | tr '\n' ' ')"
}

# expect <status...>
expect() {
    local wanted
    for wanted in "$@"; do
        [[ $status != "$wanted" ]] || return 0
    done
    if [[ $status == 000 ]]; then
        printf 'FAILED: no answer from %s; start it with make run, or make unified-server\n' "$base_url" >&2
    else
        printf 'FAILED: expected %s, got %s\n' "$*" "$status" >&2
    fi
    exit 1
}

refuse() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

header() { sed -n "s/^$1:[[:space:]]*//Ip" "$headers_file" | tr -d '\r' | head -n 1; }

fresh_email() { printf '%s-%s@example.com\n' "$1" "$(date +%s%N)"; }
