"""Where the server is found and how its folders are laid out.

The wheel nvidia-pytriton carries a whole Triton (server, Python backend, one stub per Python version). Only
the Python backend's library is copied: Triton refuses it as a symlink when a Python-based backend uses it.
The stub must be a symlink, because its library path is relative to its real place.

In an image the Python backend's folder is complete (NVIDIA's, or ours, where the build puts the stub in it):
there it is linked as a whole, so that no library has to be copied to where programs may not be run from.
NVIDIA's has further, native backends, named by TRITONZOO_SERVER: they take the place of ours.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from tritonzoo.errors import PreflightError

GLIBC_NEEDED = (2, 35)  # the wheel is tagged manylinux_2_35
REMEDY = "pip install 'tritonzoo[serve]'"
STUB = "triton_python_backend_stub"
# How glibc hands memory out (mallopt(3)). By itself it keeps what each of hundreds of threads once had, and
# gives large buffers no longer back once some were freed: recordings then make processes grow for hours.
MALLOC = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": str(2**20)}
# NumPy's own threads spin while they wait: a picture took 27 ms of processor time with two of them, 12 ms
# with one (2 cores, 16 clients). Models work side by side in processes; ONNX Runtime has threads of its own.
ARITHMETIC = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
INSTALLED_VARIABLE = "TRITONZOO_SERVER"  # such as /opt/tritonserver: use it, not the wheel


@dataclass(frozen=True)
class Wheel:
    """The Triton inside nvidia-pytriton: `root` is its `tritonserver` folder, or /opt/tritonserver."""

    root: Path
    has_native_backends: bool = False

    @property
    def server(self) -> Path:
        return self.root / "bin" / "tritonserver"

    @property
    def caches(self) -> Path:
        return self.root / "caches"

    @property
    def backends(self) -> Path:
        return self.root / "backends"

    def stub(self, python: tuple[int, int] = sys.version_info[:2]) -> Path:
        """The process that runs Python models, built for one Python version.

        Raises:
            PreflightError: there is no stub for this Python; lists those that there are.
        """
        stub = self.backends / "python" / STUB
        if stub.is_file():
            return stub
        stub = self.root / "python_backend_stubs" / f"{python[0]}.{python[1]}" / STUB
        if not stub.is_file():
            there = sorted(
                stub.parent.parent.glob("*/" + stub.name), key=lambda path: _version(path.parent.name)
            )
            raise PreflightError(
                f"{self.root}: no Python backend for Python {python[0]}.{python[1]}, only for "
                f"{', '.join(path.parent.name for path in there) or 'none'}; make the virtual environment "
                "with one of 3.10, 3.11, 3.12"
            )
        return stub


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def find_wheel() -> Wheel:
    """The installed Triton.

    Raises:
        PreflightError: nvidia-pytriton is not installed or incomplete; says how to install it.
    """
    if installed := os.environ.get(INSTALLED_VARIABLE):
        server = Wheel(Path(installed), has_native_backends=True)
        if not server.server.is_file():
            raise PreflightError(f"{server.server}: not found; {INSTALLED_VARIABLE} names another folder")
        return server
    spec = importlib.util.find_spec("pytriton")  # finds without importing: pytriton's import is slow
    if spec is None or not spec.submodule_search_locations:
        raise PreflightError(f"no Triton server in {sys.prefix}: {_why_absent()}")
    wheel = Wheel(Path(spec.submodule_search_locations[0]) / "tritonserver")
    if not wheel.server.is_file():
        raise PreflightError(
            f"{wheel.server}: not found, so this nvidia-pytriton is incomplete; {REMEDY} --force-reinstall"
        )
    return wheel


def _why_absent() -> str:
    glibc = glibc_version()
    if glibc is None:
        return "the wheel nvidia-pytriton exists for Linux with glibc only; use a container or such a machine"
    if glibc < GLIBC_NEEDED:
        return (
            f"the wheel nvidia-pytriton needs glibc {GLIBC_NEEDED[0]}.{GLIBC_NEEDED[1]}, this system has "
            f"{glibc[0]}.{glibc[1]}; use a newer one (Debian 12, Ubuntu 22.04, RHEL 10) or a container"
        )
    return f"install it with: {REMEDY}"


def glibc_version() -> tuple[int, int] | None:
    """(major, minor) of this system's glibc; None where there is another C library."""
    try:
        text = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        return None
    name, _, version = text.partition(" ")
    if name != "glibc":
        return None
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def assemble_backends(wheel: Wheel, tree: Path, target: Path) -> Path:
    """Make `target` the folder for Triton's `--backend-directory`, and return it.

    Holds `python` from the wheel, and every folder under `<tree>/backends` that has a model.py, unless the
    server has a native backend of that name.
    """
    if target.exists():
        shutil.rmtree(target)
    target.mkdir(parents=True)
    if (wheel.backends / "python" / STUB).exists():
        (target / "python").symlink_to(wheel.backends / "python")
    else:
        _assemble_python(wheel, target / "python")
    native = wheel.backends.iterdir() if wheel.has_native_backends else ()
    for backend in [*native, *sorted(path.parent for path in (tree / "backends").glob("*/model.py"))]:
        if not (target / backend.name).exists():
            (target / backend.name).symlink_to(backend.resolve())
    return target


def _assemble_python(wheel: Wheel, target: Path) -> None:
    target.mkdir()
    source = wheel.backends / "python"
    shutil.copyfile(source / "libtriton_python.so", target / "libtriton_python.so")
    (target / "triton_python_backend_utils.py").symlink_to(source / "triton_python_backend_utils.py")
    (target / STUB).symlink_to(wheel.stub())


def environment() -> dict[str, str]:
    """The server's environment: this one, so that stubs find this interpreter and its shared library.

    The stub finds its virtual environment through PATH alone, and without the interpreter's LIBDIR it would
    load the system's libpython of the same minor version, whose extension modules do not fit.

    MALLOC and ARITHMETIC are added where the caller has not decided otherwise.
    """
    variables = {**MALLOC, **ARITHMETIC, **os.environ}
    variables["PATH"] = os.pathsep.join(_joined([str(Path(sys.prefix) / "bin")], variables.get("PATH", "")))
    variables["LD_LIBRARY_PATH"] = os.pathsep.join(
        _joined(library_folders(), variables.get("LD_LIBRARY_PATH", ""))
    )
    return variables


def library_folders() -> list[str]:
    """Where this interpreter's libpython lies; empty where it is the system's own or linked statically."""
    name = f"libpython{sys.version_info[0]}.{sys.version_info[1]}.so.1.0"
    candidates = [sysconfig.get_config_var("LIBDIR"), str(Path(sys.base_prefix) / "lib")]
    return [folder for folder in dict.fromkeys(candidates) if folder and (Path(folder) / name).is_file()]


def _joined(first: list[str], rest: str) -> list[str]:
    return list(dict.fromkeys([*first, *filter(None, rest.split(os.pathsep))]))
