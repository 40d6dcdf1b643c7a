#!/usr/bin/env bash
# Runs a gateway whose keys are on a SoftHSM token: examples/softhsm/run.sh [DATA [ARGUMENT OF keyport dev…]]
#
# The token is made once, in DATA/softhsm, with PINs of its own. KEYPORT is the program, MODULE the library.
set -euo pipefail

data=${1:-keyport-data}
shift || true
keyport=${KEYPORT:-keyport}
module=${MODULE:-/usr/lib/softhsm/libsofthsm2.so}

say() { printf 'softhsm: %s\n' "$*" >&2; }

configure() {
    cat >"$1/softhsm2.conf" <<CONF
directories.tokendir = $1/tokens
objectstore.backend = file
log.level = ERROR
CONF
}

# PINs go by the environment: on a command line, everybody on the machine would see them.
make_token() {
    local folder=$1
    mkdir -p "$folder/tokens"
    configure "$folder"
    export SOFTHSM2_CONF=$folder/softhsm2.conf
    PIN=$(openssl rand -hex 8) SO_PIN=$(openssl rand -hex 8)
    export PIN SO_PIN
    pkcs11-tool --module "$module" --slot-index 0 --init-token --label "$label" --so-pin env:SO_PIN
    pkcs11-tool --module "$module" --token-label "$label" --init-pin --so-pin env:SO_PIN --pin env:PIN
    printf '%s\n' "$SO_PIN" >"$folder/so-pin"
    printf '%s\n' "$PIN" >"$folder/pin"
    unset PIN SO_PIN
}

for command in pkcs11-tool openssl "$keyport"; do
    command -v "$command" >/dev/null || { say "$command is not installed"; exit 1; }
done
[ -e "$module" ] || { say "there is no $module: install SoftHSM, or say where it is with MODULE=…"; exit 1; }

umask 077
mkdir -p "$data"
data=$(cd "$data" && pwd)
token=$data/softhsm
label=keyport
if [ ! -e "$token" ]; then
    say "making a token in $token"
    # It gets its name when all of it is there.
    rm -rf "$token.new"
    make_token "$token.new" >/dev/null
    mv "$token.new" "$token"
fi
# The folder may have been moved.
configure "$token"
export SOFTHSM2_CONF=$token/softhsm2.conf

say "to see what is on the token:
  SOFTHSM2_CONF='$SOFTHSM2_CONF' PIN=\$(cat '$token/pin') \\
    pkcs11-tool --module $module --token-label $label --login --pin env:PIN --list-objects"
exec "$keyport" dev --data "$data" --module "$module" --token "$label" --pin-file "$token/pin" "$@"
