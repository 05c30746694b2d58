#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Kills the server between its commit and its answer, and expects the relay to publish the event all the same.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=SCRIPTDIR/http.sh
source "$here/http.sh"

request GET /health
expect 200 503
email=$(fresh_email crash)
request POST /api/test/crash "{\"email\":\"$email\",\"name\":\"Crash Test\",\"crash_after_db\":true}"
[[ $status != 404 ]] || refuse 'the route is not there; start the server with ENABLE_TEST_ENDPOINTS=1'
[[ $status == 000 ]] || refuse "the server answered $status and lives"

deadline=$((SECONDS + ${WAIT_SECONDS:-45}))
event=
while ((SECONDS < deadline)); do
    event=$("$here/../check-outbox" --status "$email") || refuse 'the outbox of that server cannot be read from here'
    [[ $event != SENT ]] || break
    sleep 0.5
done
case $event in
    SENT) echo "PASSED: the server died, and the event of $email was published" ;;
    '') refuse 'the user was committed without an event, or not at all' ;;
    *) refuse "the event is still $event; does a relay run (make relay)?" ;;
esac
