# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154
#
# Redis on a plain port, a TLS port and a Unix socket.

redis_home() { echo "$services/redis"; }
redis_ports() { printf '%s\n' redis_port redis_tls_port; }
redis_address() { echo "127.0.0.1:$(state_get redis_port)"; }

redis_prepare() {
    command -v redis-server >/dev/null || fail "redis-server is missing: run scripts/bootstrap"
    mkdir -p "$services/redis"
    # Paths are relative to the server's own directory: the checkout's path may hold any character.
    cat >"$services/redis/redis.conf" <<CONF
bind 127.0.0.1
port $(state_get redis_port)
tls-port $(state_get redis_tls_port)
tls-cert-file ../tls/server.crt
tls-key-file ../tls/server.key
tls-ca-cert-file ../tls/ca.crt
tls-auth-clients no
unixsocket "$(state_get run_directory)/redis.sock"
unixsocketperm 700
daemonize no
dir .
save ""
appendonly yes
enable-debug-command local
CONF
}

redis_command() { command=(redis-server redis.conf); }

redis_ready() { [[ $(timeout 5 redis-cli -h 127.0.0.1 -p "$(state_get redis_port)" ping 2>/dev/null) == PONG ]]; }

redis_env() {
    export_line REDIS_ADDR "127.0.0.1:$(state_get redis_port)"
    export_line RESILIENCE_TEST_REDIS_TLS_ADDR "localhost:$(state_get redis_tls_port)"
    export_line RESILIENCE_TEST_REDIS_SOCKET "$(state_get run_directory)/redis.sock"
    export_line RESILIENCE_TEST_TLS_CA "$services/tls/ca.crt"
}
