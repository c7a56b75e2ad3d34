#!/usr/bin/env bash
# Replaces every replica by one of the image as it is built now, without losing a request: the new ones start beside
# the old ones, and only when all of them are ready the old ones leave, one after another.
# Needs memory for both sets. Usage: [COMPOSE="docker compose"] deploy/roll.sh [REPLICAS]
set -euo pipefail
read -ra compose <<<"${COMPOSE:-docker-compose}"
stop_grace_s=50 # stop_grace_period of docker-compose.yml
start_timeout_s=${START_TIMEOUT_S:-300}

mapfile -t old < <("${compose[@]}" ps -q triton)
wanted=${1:-${#old[@]}}
"${compose[@]}" up -d --no-deps --no-recreate --scale triton=$((${#old[@]} + wanted)) triton
mapfile -t all < <("${compose[@]}" ps -q triton)

for container in "${all[@]}"; do
  deadline=$((SECONDS + start_timeout_s))
  until [[ $(docker inspect --format '{{.State.Health.Status}}' "$container") == healthy ]]; do
    if ((SECONDS > deadline)); then
      echo "replica $container is not ready after $start_timeout_s s; the old ones go on serving. Its log: docker logs $container" >&2
      exit 1
    fi
    sleep 0.5
  done
done
for container in "${old[@]}"; do
  docker stop --time "$stop_grace_s" "$container" >/dev/null
  docker rm "$container" >/dev/null
  echo "replaced $container"
done
