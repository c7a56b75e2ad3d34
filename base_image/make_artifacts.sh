#!/bin/sh
# The image's tree, with artifacts: those that lie in the tree already, else made here from the recipes' sources.
# Usage: make_artifacts.sh TREE TARGET PROFILE PRECISIONS
set -eu
tree=$1 target=$2 profile=$3 precisions=$4
here=$(dirname "$0")
built_in="/opt/venv/bin/python -m tritonzoo.container.built_in"

if ! $built_in --missing "$tree" "$profile"; then
  echo "making them here, which takes PyTorch and some minutes; this stage is thrown away"
  python3 -m venv /opt/convert
  # A wheelhouse need not hold what only this step needs.
  if ls "$here"/wheelhouse/torch-*.whl >/dev/null 2>&1; then
    export PIP_FIND_LINKS="$here/wheelhouse"
  fi
  /opt/convert/bin/python -m pip install --no-cache-dir --disable-pip-version-check "${tree}[convert,serve]"
  (cd "$tree" && PATH="/opt/convert/bin:$PATH" tritonzoo pull && PATH="/opt/convert/bin:$PATH" tritonzoo convert --precision "$precisions")
fi
$built_in "$tree" "$target" "$profile"
