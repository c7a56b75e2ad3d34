"""What has to be installed for embedded serving: the C library, Python, NumPy, the server."""

from __future__ import annotations

import sys

from tritonzoo.doctor.finding import Finding, Verdict
from tritonzoo.embedded import preflight
from tritonzoo.embedded.layout import GLIBC_NEEDED, find_wheel, glibc_version
from tritonzoo.errors import PreflightError

PYTHONS = ((3, 10), (3, 11), (3, 12))  # those for which there are both a stub and NumPy below 2


def glibc() -> Finding:
    """The server in the wheel is linked against a C library of a certain age."""
    found = glibc_version()
    if found is not None and found >= GLIBC_NEEDED:
        return Finding("glibc", Verdict.FINE, f"{found[0]}.{found[1]}")
    says = "this is no glibc system" if found is None else f"{found[0]}.{found[1]}"
    needed = f"{GLIBC_NEEDED[0]}.{GLIBC_NEEDED[1]}"
    return Finding(
        "glibc",
        Verdict.WRONG,
        f"{says}; the embedded server needs {needed}",
        "use Debian 12, Ubuntu 22.04, RHEL 10 or newer, or docker-compose up",
    )


def python_version(version: tuple[int, int] = sys.version_info[:2]) -> Finding:
    """Triton's Python backend has a process of its own for each version of Python."""
    says = f"{version[0]}.{version[1]}"
    if version in PYTHONS:
        return Finding("Python", Verdict.FINE, says)
    return Finding(
        "Python",
        Verdict.WRONG,
        f"{says}; Triton's Python backend with NumPy below 2 exists for 3.10 to 3.12",
        "make the virtual environment anew: make setup PYTHON=python3.11",
    )


def numpy_version() -> Finding:
    """Under NumPy 2 models get wrong numbers without any error."""
    return _of(preflight.check_numpy, "NumPy", "below 2")


def server() -> Finding:
    """The wheel with the server, or NVIDIA's installation."""
    return _of(lambda: find_wheel().stub(), "Triton", "the server and a stub for this Python are there")


def _of(check: object, subject: str, fine: str) -> Finding:
    """A preflight check as a finding: its sentence is the problem, a semicolon, the remedy."""
    assert callable(check)
    try:
        check()
    except PreflightError as error:
        says, _, remedy = str(error).rpartition("; ")
        return Finding(subject, Verdict.WRONG, says or str(error), remedy)
    return Finding(subject, Verdict.FINE, fine)
