#!/usr/bin/env bash
# Runs an OpenBao, and a gateway whose keys are in its transit engine: examples/openbao/run.sh [DATA [ARGUMENT OF keyport dev…]]
#
# OpenBao's storage is made once, in DATA/openbao, with an unseal key and a root token beside it: for a look around, and for
# nothing else. KEYPORT and BAO are the programs, OPENBAO_LISTEN is where OpenBao listens. It ends with the gateway.
set -euo pipefail

data=${1:-keyport-data}
shift || true
keyport=${KEYPORT:-keyport}
bao=${BAO:-bao}
listen=${OPENBAO_LISTEN:-127.0.0.1:8200}
here=$(cd "$(dirname "$0")" && pwd)

say() { printf 'openbao: %s\n' "$*" >&2; }

for command in "$keyport" "$bao" curl flock jq setpriv; do
    command -v "$command" >/dev/null || { say "$command is not installed"; exit 1; }
done

umask 077
mkdir -p "$data/openbao/storage"
openbao=$(cd "$data/openbao" && pwd)

# Without TLS, as the gateway allows it on this machine alone.
cat >"$openbao/server.hcl" <<HCL
storage "raft" {
  path                   = "$openbao/storage"
  node_id                = "one"
  performance_multiplier = 1
}

listener "tcp" {
  address         = "$listen"
  cluster_address = "127.0.0.1:0"
  tls_disable     = true
}

api_addr     = "http://$listen"
cluster_addr = "https://127.0.0.1:0"
HCL

# OpenBao has the lock as long as it runs: the one of an earlier start may still be on its way out.
exec 9>"$openbao/lock"
flock --wait 60 9 || { say "there is one already in $openbao"; exit 1; }
# It ends with what this process becomes.
setpriv --pdeathsig TERM "$bao" server -config="$openbao/server.hcl" >"$openbao/log" 2>&1 &
server=$!

export BAO_ADDR=http://$listen
unset BAO_TOKEN BAO_NAMESPACE VAULT_ADDR VAULT_TOKEN VAULT_NAMESPACE

# Waits until OpenBao's health has one of these statuses.
answers() {
    local status
    for _ in $(seq 300); do
        status=$(curl --silent --output /dev/null --write-out '%{http_code}' "$BAO_ADDR/v1/sys/health" || true)
        [[ " $* " == *" $status "* ]] && return
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    say "it does not start:"
    tail -n 5 "$openbao/log" >&2
    exit 1
}

# 501 is not initialised, 503 is sealed.
answers 501 503
if [ ! -e "$openbao/init.json" ]; then
    say "making a storage in $openbao"
    "$bao" operator init -key-shares=1 -key-threshold=1 -format=json >"$openbao/init.json.new"
    mv "$openbao/init.json.new" "$openbao/init.json"
fi
jq --join-output .root_token "$openbao/init.json" >"$openbao/root-token"
jq --join-output '.unseal_keys_b64[0]' "$openbao/init.json" >"$openbao/unseal-key"
"$bao" write sys/unseal key=@"$openbao/unseal-key" >/dev/null
answers 200

# What an operator does once: an engine, and a role with the one policy that the gateway needs.
BAO_TOKEN=$(cat "$openbao/root-token")
export BAO_TOKEN
if [ ! -e "$openbao/secret-id" ]; then
    {
        "$bao" secrets list -format=json | jq -e '.["transit/"]' || "$bao" secrets enable transit
        "$bao" auth list -format=json | jq -e '.["approle/"]' || "$bao" auth enable approle
        "$bao" policy write keyport "$here/policy.hcl"
        "$bao" write auth/approle/role/keyport token_policies=keyport token_ttl=20m token_max_ttl=24h
    } >/dev/null
    "$bao" read -field=role_id auth/approle/role/keyport/role-id >"$openbao/role-id"
    "$bao" write -force -field=secret_id auth/approle/role/keyport/secret-id >"$openbao/secret-id.new"
    mv "$openbao/secret-id.new" "$openbao/secret-id"
fi
unset BAO_TOKEN

cat >"$openbao/custodian.toml" <<TOML
[[connection]]
name = "transit"
kind = "vault"
address = "http://$listen"
login = { method = "approle", role-id = "$(cat "$openbao/role-id")", secret-id = "$openbao/secret-id" }

[[provider]]
name = "transit"
component = "builtin:vault-transit"

[[provider.grant]]
connection = "transit"
uses = ["generate", "public-key", "sign", "destroy"]
objects = ["*"]
TOML

say "to see the keys in it:
  BAO_ADDR=$BAO_ADDR BAO_TOKEN=\$(cat '$openbao/root-token') $bao list transit/keys"
exec 9>&-
exec "$keyport" dev --data "$data" --custodian "$openbao/custodian.toml" "$@"
