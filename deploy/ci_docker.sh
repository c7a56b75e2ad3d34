#!/usr/bin/env bash
# From a bare Debian 12, as root, to the tests that need Docker, and back: installs an engine where there is none, makes
# the base images out of Debian's archive (no registry is asked), fetches the wheels, runs `pytest -m docker`, fails if
# a container, network or volume is left of it, and stops the engine if it was started here. Images stay, for the next
# run. Usage: deploy/ci_docker.sh [PYTEST ARGUMENTS]
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
python=$PWD/.venv/bin/python
# Debian's client comes with BuildKit; another one that is earlier in PATH may lack it.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin DOCKER_BUILDKIT=1 COMPOSE_DOCKER_CLI_BUILD=1

step() { printf '%s %4d s  %s\n' "$(date +%T)" "$SECONDS" "$1"; }

engine=
wheelhouse=
cleanup() {
  local code=$?
  if [[ -n $wheelhouse ]]; then rm -rf "$wheelhouse"; fi
  if [[ -n $engine ]]; then
    kill "$engine" 2>/dev/null || true
    for _ in $(seq 150); do
      kill -0 "$engine" 2>/dev/null || break
      sleep 0.2
    done
    if grep -qs '[d]ocker/containerd' /proc/[0-9]*/cmdline; then
      echo "the engine was told to stop, and is still there" >&2
      code=1
    fi
  fi
  if ((code)) && [[ -s $work/dockerd.log ]]; then tail -n 5 "$work/dockerd.log" >&2; fi
  rm -rf "$work"
  exit "$code"
}
trap cleanup EXIT

present() { docker ps --all --quiet; docker network ls --quiet; docker volume ls --quiet; }

needed=(docker.io docker-compose debootstrap iptables openssl ca-certificates)
missing=
for program in dockerd docker-compose debootstrap iptables openssl; do
  command -v "$program" >/dev/null || missing+=" $program"
done
if [[ -n $missing ]]; then
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "${needed[@]}" >"$work/apt.log" 2>&1 \
    || { cat "$work/apt.log" >&2; exit 1; }
fi
step "packages"

if ! docker info >/dev/null 2>&1; then
  setsid dockerd ${DOCKER_DATA_ROOT:+--data-root "$DOCKER_DATA_ROOT"} >"$work/dockerd.log" 2>&1 </dev/null &
  engine=$!
  for _ in $(seq 150); do
    docker info >/dev/null 2>&1 && break
    kill -0 "$engine" || { tail "$work/dockerd.log" >&2; exit 1; }
    sleep 0.2
  done
  docker info >/dev/null
fi
step "engine"

# Stand-ins for debian:bookworm-slim and python:3.11-slim-bookworm, without documentation and locales as those are.
if [[ -z $(docker images -q localhost/debian:bookworm) ]]; then
  mirror=$(awk '/^URIs:/ {print $2; exit}' /etc/apt/sources.list.d/debian.sources 2>/dev/null \
    || awk '$1 == "deb" {print $2; exit}' /etc/apt/sources.list)
  debootstrap --variant=minbase --include=ca-certificates bookworm "$work/rootfs" "$mirror" >"$work/debootstrap.log"
  printf 'path-exclude /usr/share/%s/*\n' doc man locale info >"$work/rootfs/etc/dpkg/dpkg.cfg.d/slim"
  rm -rf "$work"/rootfs/usr/share/{doc,man,locale,info}/* "$work"/rootfs/var/{cache/apt/*,lib/apt/lists/*}
  # Authorities that this machine trusts beyond Debian's, such as that of a proxy.
  if compgen -G '/usr/local/share/ca-certificates/*.crt' >/dev/null; then
    cp /usr/local/share/ca-certificates/*.crt "$work/rootfs/usr/local/share/ca-certificates/"
    chroot "$work/rootfs" update-ca-certificates >/dev/null 2>&1
  fi
  tar -C "$work/rootfs" -cf - . | docker import - localhost/debian:bookworm >/dev/null
  rm -rf "$work/rootfs"
fi
if [[ -z $(docker images -q localhost/python:3.11-bookworm) ]]; then
  docker build -q -t localhost/python:3.11-bookworm - >/dev/null <<'DOCKERFILE'
FROM localhost/debian:bookworm
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-venv libpython3.11 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb
DOCKERFILE
fi
export PYTHON_IMAGE=localhost/python:3.11-bookworm DEBIAN_IMAGE=localhost/debian:bookworm
step "base images"

if ! compgen -G 'base_image/wheelhouse/*.whl' >/dev/null; then
  wheelhouse=base_image/wheelhouse
  fetch=("$python" -m pip download --quiet --disable-pip-version-check --dest "$wheelhouse" --only-binary=:all:)
  "${fetch[@]}" --no-deps -r base_image/requirements.txt nvidia-pytriton==0.7.0
  "${fetch[@]}" hatchling==1.33.0
fi
step "wheels"

export COMPOSE_V2=${COMPOSE_V2:-$work/compose-v2}
[[ -x $COMPOSE_V2/cli-plugins/docker-compose ]] || deploy/get_compose_v2.sh "$COMPOSE_V2"
step "Compose v2"

present | sort >"$work/before"
"$python" -m pytest -m docker "$@"
step "tests"
if present | sort | comm -13 "$work/before" - | grep .; then
  echo "left behind: the containers, networks or volumes above" >&2
  exit 1
fi
