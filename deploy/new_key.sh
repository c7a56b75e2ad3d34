#!/bin/sh
# Makes an API key: prints it once, for the client, and appends its digest to the file of keys.
# Usage: deploy/new_key.sh NAME [REQUESTS_PER_10_SECONDS] [FILE]
set -eu
name=${1:?usage: new_key.sh NAME [REQUESTS_PER_10_SECONDS] [FILE]}
limit=${2:-1000}
file=${3:-$(dirname "$0")/edge/secrets/api_keys}
printf '%s\n' "$name" | grep -Eqx '[A-Za-z0-9_-]{1,64}' || { echo "NAME is letters, digits, _ and -" >&2; exit 1; }
if grep -qs "^$name " "$file"; then echo "$file has a key of $name; remove that line first" >&2; exit 1; fi
key="$name.$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')"
digest=$(printf %s "$key" | sha256sum | cut -d ' ' -f 1)
echo "$name $digest $limit" >>"$file"
echo "$key"
