# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
#
# A throw-away certificate authority and one server certificate for localhost.

ensure_tls() {
    local fresh=$services/tls.new
    [[ ! -e $services/tls/server.crt ]] || return 0
    command -v openssl >/dev/null || fail "openssl is missing: run scripts/bootstrap"
    rm -rf "$fresh"
    mkdir -p "$fresh"
    (
        cd "$fresh"
        umask 077
        printf '%s\n' 'basicConstraints=CA:FALSE' 'extendedKeyUsage=serverAuth' \
            'subjectAltName=DNS:localhost,IP:127.0.0.1' >server.ext
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj '/CN=resilience test authority' \
            -addext keyUsage=critical,keyCertSign,cRLSign -keyout ca.key -out ca.crt
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=localhost' -keyout server.key -out server.csr
        openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -extfile server.ext -out server.crt
        rm -f ca.key server.csr server.ext
        chmod 644 ca.crt server.crt
    ) >"$services/log/tls.log" 2>&1 9>&- || fail "openssl failed: $(tail -n 3 "$services/log/tls.log")"
    chmod 755 "$fresh"
    rm -rf "$services/tls"
    mv -T "$fresh" "$services/tls"
}
