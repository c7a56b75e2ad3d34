#!/usr/bin/env bash
# Install NVIDIA's perf_analyzer into .venv-perf, from PyPI alone: no root, no CUDA.
# The wheel tritonclient 2.48.0 is the last that carries it for glibc below 2.38; the two libraries that it
# looks for are in the wheel that Triton itself comes from.
set -euo pipefail
cd "$(dirname "$0")/../.."

venv=.venv-perf
libraries=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/nvidia_pytriton.libs

"${PYTHON:-python3.11}" -m venv --clear "$venv"
"$venv/bin/python" -m pip install --quiet --no-deps tritonclient==2.48.0
mkdir "$venv/perf"
mv "$venv/bin/perf_analyzer" "$venv/perf/"
ln -s "$libraries"/libcudart-*.so.12* "$venv/perf/libcudart.so.12"
ln -s "$libraries"/libb64-*.so.0d "$venv/perf/libb64.so.0d"
cat > "$venv/bin/perf_analyzer" <<'WRAPPER'
#!/usr/bin/env bash
here=$(cd "$(dirname "$0")/../perf" && pwd)
LD_LIBRARY_PATH="$here" exec "$here/perf_analyzer" "$@"
WRAPPER
chmod +x "$venv/bin/perf_analyzer"
"$venv/bin/perf_analyzer" --version
echo "put it on the PATH: export PATH=\$PWD/$venv/bin:\$PATH"
