#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Creates, reads and changes a user, and expects the user's event in the outbox.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=SCRIPTDIR/http.sh
source "$here/http.sh"

email=$(fresh_email atomic)
request POST /api/users "{\"email\":\"$email\",\"name\":\"Atomic Test\"}"
expect 201
[[ $(header Location) ]] || refuse 'the answer has no Location'
id=$(sed -n 's/.*"id"[[:space:]]*:[[:space:]]*"\([0-9a-fA-F-]\{36\}\)".*/\1/p' "$answer_file")
[[ $id ]] || refuse 'the answer has no id'

request GET "/api/users/$id"
expect 200
grep -q "$email" "$answer_file" || refuse 'the user that was read is not the one that was made'

request PUT "/api/users/$id" "{\"email\":\"$email\",\"name\":\"Changed Name\"}"
expect 200
request GET "/api/users/$id"
expect 200
grep -q 'Changed Name' "$answer_file" || refuse 'the change is not there'

request POST /api/users "{\"email\":\"$email\",\"name\":\"Atomic Test\"}"
expect 409
request GET /api/users/00000000-0000-4000-8000-000000000000
expect 404
request POST /api/users '{"email":"nobody","name":"x"}'
expect 400

event=$("$here/../check-outbox" --status "$email") || refuse 'the outbox of that server cannot be read from here'
[[ $event ]] || refuse 'the user has no event in the outbox'
echo "the newest event of $email is $event"
echo 'PASSED'
