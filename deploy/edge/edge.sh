#!/bin/sh
# Reads what lies in the secrets folder, says what is switched on, and becomes haproxy.
#   api_keys       one line a client: NAME SHA256-OF-KEY REQUESTS-PER-10-SECONDS   (new_key.sh makes such lines)
#   tls.pem        certificate chain and private key
#   client_ca.pem  clients must show a certificate of this authority (mutual TLS); needs tls.pem
set -eu
secrets=/etc/edge/secrets
export EDGE_RUN=/run/edge EDGE_KEYS=no EDGE_TLS=no EDGE_CLIENT_CA=no

fail() { echo "edge: $1" >&2; exit 1; }

printf '%s\n' "$EDGE_BODY_MAX_BYTES" | grep -Eqx '[0-9]{1,9}' \
  || fail "EDGE_BODY_MAX_BYTES=$EDGE_BODY_MAX_BYTES: it is a number of bytes below 1000000000"

for file in api_keys tls.pem client_ca.pem; do
  if [ -e "$secrets/$file" ] && ! [ -r "$secrets/$file" ]; then
    fail "$secrets/$file: user $(id -u) may not read it; run the edge as its owner (EDGE_USER=$(stat -c %u:%g "$secrets/$file"))"
  fi
done

: >"$EDGE_RUN/digests.map"
: >"$EDGE_RUN/limits.map"
if [ -e "$secrets/api_keys" ]; then
  number=0
  while read -r name digest limit rest || [ -n "$name" ]; do
    number=$((number + 1))
    case $name in '' | '#'*) continue ;; esac
    printf '%s\n' "$name" | grep -Eqx '[A-Za-z0-9_-]{1,64}' && printf '%s\n' "$digest" | grep -Eqx '[0-9a-f]{64}' \
      && printf '%s\n' "$limit" | grep -Eqx '[0-9]{1,7}' && [ -z "$rest" ] \
      || fail "api_keys, line $number: write NAME SHA256-OF-KEY REQUESTS-PER-10-SECONDS; new_key.sh makes such a line"
    echo "$name $digest" >>"$EDGE_RUN/digests.map"
    echo "$name $limit" >>"$EDGE_RUN/limits.map"
  done <"$secrets/api_keys"
  EDGE_KEYS=yes
fi
if [ -e "$secrets/tls.pem" ]; then EDGE_TLS=yes; fi
if [ -e "$secrets/client_ca.pem" ]; then
  [ $EDGE_TLS = yes ] || fail "client_ca.pem needs tls.pem beside it: clients are asked for certificates under TLS only"
  EDGE_CLIENT_CA=yes
fi
echo "edge: TLS $EDGE_TLS, client certificates $EDGE_CLIENT_CA, API keys $EDGE_KEYS"
exec haproxy -W -db -f /etc/edge/haproxy.cfg
