#!/bin/sh
# Leave of the wheel nvidia-pytriton what Triton itself needs, its Python backend's folder complete.
# Usage: slim.sh SITE_PACKAGES
set -eu
packages=$1
triton="$packages/pytriton/tritonserver"
version=$(/opt/venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
stub="python_backend_stubs/$version/triton_python_backend_stub"

chmod 0755 "$triton/$stub"
# A link, because the stub finds its libraries relative to where it really lies.
ln -s "../../$stub" "$triton/backends/python/triton_python_backend_stub"
find "$triton/python_backend_stubs" -mindepth 1 -maxdepth 1 ! -name "$version" -exec rm -rf {} +
rm -rf "$triton/external_libs"
# For the stub of Python 3.13 alone.
rm -f "$packages"/nvidia_pytriton.libs/libpython3-*
find "$packages/pytriton" -mindepth 1 -maxdepth 1 ! -name tritonserver ! -name __init__.py -exec rm -rf {} +
: > "$packages/pytriton/__init__.py"
find /opt/venv -name __pycache__ -prune -exec rm -rf {} +
# Tests and headers of packages: a third of NumPy.
rm -rf "$packages/numpy/tests" "$packages"/numpy/*/tests "$packages/numpy/core/include"
chmod -R a+rX /opt/venv
