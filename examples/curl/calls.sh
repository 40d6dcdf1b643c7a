#!/usr/bin/env bash
# The common calls of every contract, with curl and jq: `calls.sh [NAME]`, where NAME begins the names of the keys it makes.
set -euo pipefail

url=${KEYPORT_URL:-https://127.0.0.1:8443}
ca=${KEYPORT_CA:-keyport-data/ca.pem}
token=${KEYPORT_TOKEN_FILE:-keyport-data/token}
name=${1:-demo-$(date +%s)}
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

# `call METHOD PATH [BODY [OPTION…]]`: the body of the answer. An error ends the script, with what the gateway says of it.
# The token reaches curl through a file: an argument would be there for everybody to see.
call() {
    local method=$1 path=$2 body=${3-}
    shift $(($# > 3 ? 3 : $#))
    curl --silent --show-error --fail-with-body --cacert "$ca" \
        --header @<(printf 'Authorization: Bearer %s\n' "$(cat "$token")") \
        --request "$method" ${body:+--header 'Content-Type: application/json' --data "$body"} "$@" "$url$path"
}

# `json FILTER [NAME VALUE]…`: a body made by jq, which quotes whatever is in the values.
json() {
    local filter=$1 arguments=()
    shift
    while [ $# -gt 1 ]; do
        arguments+=(--arg "$1" "$2")
        shift 2
    done
    jq --null-input --compact-output "${arguments[@]}" "$filter"
}

# `accept PUBLIC-KEY-PEM SIGNATURE-BASE64`: has openssl verify a DER signature of the message.
accept() {
    printf '%s\n' "$1" >"$work/public.pem"
    base64 --decode <<<"$2" >"$work/signature"
    openssl dgst -sha256 -verify "$work/public.pem" -signature "$work/signature" "$work/message"
}

say() { printf '\n# %s\n' "$*"; }

printf 'hello' >"$work/message"
digest=$(openssl dgst -sha256 -binary "$work/message" | base64)
message=$(base64 <"$work/message")

say 'webhook: create, sign a digest, list, release'
key=$name-webhook
public=$(call POST /webhook/keys "$(json '{key_id: $key, key_type: "EC-P256"}' key "$key")" | jq --raw-output .public_key)
signed=$(call POST "/webhook/keys/$key/sign" "$(json '{digest: $digest, hash_algorithm: "SHA-256"}' digest "$digest")")
jq . <<<"$signed"
accept "$public" "$(jq --raw-output .signature <<<"$signed")"
call GET /webhook/keys | jq --arg key "$key" '.keys[] | select(.key_id == $key) | {key_id, fingerprint}'
call POST "/webhook/keys/$key/release"

say 'remote_kms: health, create, sign a message as JWS has it, delete'
key=$name-remote-kms
call GET /remote-kms/health | jq --compact-output .
call POST /remote-kms/keys "$(json '{kid: $key, alg: "ES256"}' key "$key")" | jq .publicJwk
call POST "/remote-kms/keys/$key/sign" "$(json '{data: $message, alg: "ES256"}' message "$message")" | jq .
call DELETE "/remote-kms/keys/$key"

say 'v1: which providers there are'
call GET /v1/providers | jq --compact-output '.[] | {providerId, type, ok}'

say 'v1: create; the same Idempotency-Key gives the same key, however often it is asked for'
key=$name-v1
body=$(json '{name: $key, type: "ec-p256"}' key "$key")
once=$(openssl rand -hex 16)
first=$(call POST /v1/keys "$body" --header "Idempotency-Key: $once")
again=$(call POST /v1/keys "$body" --header "Idempotency-Key: $once")
[ "$(jq .id <<<"$first")" = "$(jq .id <<<"$again")" ]
jq '{name, id, type, state}' <<<"$first"

say 'v1: sign a digest, and have openssl and the gateway verify it'
signed=$(call POST "/v1/keys/$key/sign" "$(json '{digest: $digest, scheme: "ES256"}' digest "$digest")")
signature=$(jq --raw-output .signature <<<"$signed")
accept "$(jq --raw-output .public_key.pem <<<"$first")" "$signature"
call POST "/v1/keys/$key/verify" \
    "$(json '{digest: $digest, scheme: "ES256", signature: $signature}' digest "$digest" signature "$signature")" |
    jq --compact-output .

say 'v1: two signatures in one call, each with an outcome of its own'
call POST /v1/sign "$(json '{items: [
    {key: $key, message: $message, scheme: "ES256", format: "jws"},
    {key: "no-such-key", digest: $digest, scheme: "ES256"}
]}' key "$key" message "$message" digest "$digest")" | jq --compact-output '.results[]'

say 'v1: release, restore, look, list, delete'
id=$(jq --raw-output .id <<<"$first")
call POST "/v1/keys/$key/release"
call POST "/v1/keys/$key/restore" "$(json '{id: $id}' id "$id")" | jq --compact-output '{name, state}'
call GET "/v1/keys/$key" | jq --compact-output '{name, state}'
call GET "/v1/keys?state=active&prefix=$name&limit=10" | jq --compact-output '.keys[].name'
call DELETE "/v1/keys/$key"

say 'done'
