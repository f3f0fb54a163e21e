#!/usr/bin/env bash
# One service calls another: a client gets a token in its own name, the other side asks whether it is good, and the client takes it back.
#
#   hallpass serve --dev              in one terminal, in this folder or any other
#   examples/s2s/run.sh               in another, in the same folder as `serve --dev`
#
# HALLPASS names the program and URL the service, if they are not `hallpass` and http://127.0.0.1:8080. Needs nothing but curl and sed.
set -euo pipefail

hallpass=${HALLPASS:-hallpass}
url=${URL:-http://127.0.0.1:8080}
export HALLPASS__DATABASE__URL=sqlite:hallpass-dev/hallpass.db

member() { # the text of a member of a flat JSON object
    sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/"
}

# Credentials go to curl by a file of its own, since arguments can be read by every process of the machine.
add_client() { # name, scope, file
    local made
    made=$("$hallpass" client add "$1" --scope "$2" --json 2>/dev/null)
    (umask 077 && printf 'user = "%s:%s"\n' "$(member client_id <<<"$made")" "$(member client_secret <<<"$made")" >"$3")
}

scratch=$(mktemp -d)
worker="s2s-worker-$$"
orders="s2s-orders-$$"
clean_up() {
    "$hallpass" client remove "$worker" >/dev/null 2>&1 || true
    "$hallpass" client remove "$orders" >/dev/null 2>&1 || true
    rm -rf "$scratch"
}
trap clean_up EXIT

echo "== an operator adds the calling service and the called one"
add_client "$worker" orders:read "$scratch/worker"
add_client "$orders" hallpass:introspect "$scratch/orders"

echo "== the caller finds the endpoints"
curl -sSf "$url/.well-known/oauth-authorization-server"
echo

echo "== the caller gets a token (client_credentials)"
answer=$(curl -sSf -K "$scratch/worker" "$url/oauth/token" -d grant_type=client_credentials -d scope=orders:read)
token=$(member access_token <<<"$answer")
echo "${answer//$token/…}"

ask() {
    printf 'token=%s' "$token" | curl -sSf -K "$scratch/orders" "$url/oauth/introspect" -d @-
}

# A Rust service verifies by itself with `hallpass::guard` and needs no question; this is for the others.
echo "== the called service asks whether it is good"
ask
echo

echo "== the caller takes it back"
printf 'token=%s' "$token" | curl -sSf -K "$scratch/worker" "$url/oauth/revoke" -d @-
echo

echo "== the called service asks again"
last=$(ask)
echo "$last"
[ "$last" = '{"active":false}' ]
