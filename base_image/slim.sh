#!/bin/sh
# Leave of the wheel nvidia-pytriton what Triton itself needs, its Python backend's folder complete, and of the other
# packages what serving imports.
# Usage: slim.sh SITE_PACKAGES
set -eu
here=$(dirname "$0")
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
# Tests, headers and build tools of packages: a third of NumPy.
rm -rf "$packages/numpy/tests" "$packages"/numpy/*/tests "$packages/numpy/core/include" \
  "$packages/numpy/distutils" "$packages/numpy/f2py"
# ONNX Runtime's library for programs in C, of which its Python module holds a copy, and its tools for making models.
rm -rf "$packages"/onnxruntime/capi/libonnxruntime.so.* "$packages"/onnxruntime/quantization \
  "$packages"/onnxruntime/tools "$packages"/onnxruntime/transformers "$packages"/onnxruntime/datasets
find "$packages" -type f \( -name '*.pyi' -o -name '*.pxd' -o -name '*.a' \) -delete
/opt/venv/bin/python "$here/drop_symbols.py" "$packages"
chmod -R a+rX /opt/venv
