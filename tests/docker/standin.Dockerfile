# A base with the layout of NVIDIA's Triton image, for building base_image/Dockerfile without it: /opt/tritonserver
# with the server, its libraries, its Python backend complete with a stub, and a backend of the name onnxruntime that
# counts as native. It is the wheel's Triton on Python 3.11; NVIDIA's has 3.10, CUDA and compiled backends.
ARG CPU_IMAGE=tritonzoo:cpu
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
FROM ${CPU_IMAGE} AS cpu
FROM ${PYTHON_IMAGE}
# hadolint ignore=DL3008
RUN python3 -m pip --version >/dev/null 2>&1 \
 || (apt-get update && apt-get install -y --no-install-recommends python3-pip && rm -rf /var/lib/apt/lists/*)
COPY --from=cpu /opt/venv/lib/python3.11/site-packages/nvidia_pytriton.libs /opt/tritonserver/lib
COPY --from=cpu /opt/venv/lib/python3.11/site-packages/pytriton/tritonserver/bin /opt/tritonserver/bin
COPY --from=cpu /opt/venv/lib/python3.11/site-packages/pytriton/tritonserver/caches /opt/tritonserver/caches
COPY --from=cpu /opt/venv/lib/python3.11/site-packages/pytriton/tritonserver/backends/python/*.* \
     /opt/venv/lib/python3.11/site-packages/pytriton/tritonserver/python_backend_stubs/3.11/triton_python_backend_stub \
     /opt/tritonserver/backends/python/
COPY --from=cpu /opt/tritonzoo/tree/backends/onnxruntime /opt/tritonserver/backends/onnxruntime
ENV PATH=/opt/tritonserver/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LD_LIBRARY_PATH=/opt/tritonserver/lib
