#!/usr/bin/env bash
# Compose v2 and buildx as client plugins in a folder of their own, out of the Debian release after this one: for the
# tests, which run both versions of Compose. Nothing is installed. Usage: deploy/get_compose_v2.sh FOLDER
set -euo pipefail
target=$(realpath -m "${1:?usage: get_compose_v2.sh FOLDER}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mirror=$(awk '/^URIs:/ {print $2; exit}' /etc/apt/sources.list.d/debian.sources 2>/dev/null \
  || awk '$1 == "deb" {print $2; exit}' /etc/apt/sources.list)
mkdir -p "$work"/{lists/partial,cache/archives/partial,parts,packages} "$target/cli-plugins"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$work/sources.list"
options=(
  -o "Dir::Etc::sourcelist=$work/sources.list" -o "Dir::Etc::sourceparts=$work/parts"
  -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root
)
apt-get -qq "${options[@]}" update
(cd "$work/packages" && apt-get -qq "${options[@]}" download docker-compose/trixie docker-buildx/trixie)
for package in "$work"/packages/*.deb; do dpkg -x "$package" "$work/files"; done
install -m 0755 "$work"/files/usr/libexec/docker/cli-plugins/* "$target/cli-plugins/"
echo "docker compose $(DOCKER_CONFIG=$target docker compose version --short), with DOCKER_CONFIG=$target"
