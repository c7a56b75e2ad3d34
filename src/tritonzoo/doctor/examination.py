"""Everything the doctor looks at, in the order in which things are needed."""

from __future__ import annotations

from collections.abc import Iterator

from tritonzoo.doctor.finding import Finding
from tritonzoo.doctor.machine import disk, memory, shared_memory
from tritonzoo.doctor.services import docker_engine, gpu_driver, ports
from tritonzoo.doctor.software import glibc, numpy_version, python_version, server
from tritonzoo.errors import RepositoryError
from tritonzoo.repository import Repository


def examine() -> Iterator[Finding]:
    """Look at one thing after another; nothing is changed.

    How much memory is needed depends on the tree around the current folder; outside of one, on what any tree
    needs.
    """
    try:
        models = tuple(Repository.find().models.values())
    except RepositoryError:
        models = ()
    yield glibc()
    yield python_version()
    yield numpy_version()
    yield server()
    yield memory(models)
    yield shared_memory(models)
    yield disk()
    yield from ports()
    yield docker_engine()
    yield gpu_driver()
