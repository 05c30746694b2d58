#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Checks a bucket, empties it fast, and expects a refusal that says when to come back. A server with the
# default BUCKET_CAPACITY=10 and BUCKET_REFILL_RATE=1 admits ten or eleven of the requests.
set -euo pipefail
# shellcheck source=SCRIPTDIR/http.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/http.sh"

key=scenario-$(date +%s%N)
attempts=$((${BUCKET_CAPACITY:-10} + 5))

request GET "/api/bucket/check?key=$key"
expect 200
admitted=0
refused=0
for ((i = 0; i < attempts; ++i)); do
    request POST "/api/bucket/consume?key=$key&tokens=1"
    expect 200 429
    if [[ $status == 200 ]]; then
        admitted=$((admitted + 1))
    else
        refused=$((refused + 1))
        [[ $(header Retry-After) =~ ^[1-9][0-9]*$ ]] || refuse 'the refusal has no Retry-After'
    fi
done
((admitted >= ${BUCKET_CAPACITY:-10})) || refuse "only $admitted requests were admitted"
((refused > 0)) || refuse 'nothing was refused'

request POST "/api/bucket/reset?key=$key"
expect 200 204
request POST "/api/bucket/bulk-consume" "{\"requests\":[{\"key\":\"$key\",\"tokens\":2},{\"key\":\"$key-b\",\"tokens\":1}],\"atomic\":false}"
expect 200
echo "PASSED: $admitted admitted, $refused refused"
