#!/bin/sh
# pip install from base_image/wheelhouse where that holds wheels (closed networks), else from pip's own index.
set -eu
here=$(dirname "$0")
if ls "$here"/wheelhouse/*.whl >/dev/null 2>&1; then
  set -- --no-index --find-links="$here/wheelhouse" "$@"
fi
exec "${PYTHON:-/opt/venv/bin/python}" -m pip install --no-cache-dir --disable-pip-version-check "$@"
