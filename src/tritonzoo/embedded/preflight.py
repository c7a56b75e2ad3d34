"""What is checked before the server is started: each refusal says what, where and how to mend it."""

from __future__ import annotations

import importlib.metadata
import os
import socket
from collections.abc import Sequence
from pathlib import Path

from tritonzoo.digests import Digests
from tritonzoo.embedded import shm, state
from tritonzoo.embedded.connections import LISTENING, descriptors, open_sockets
from tritonzoo.embedded.layout import find_wheel
from tritonzoo.embedded.options import Ports, ServeOptions
from tritonzoo.errors import PreflightError
from tritonzoo.gpu_profiles import GPU_PROFILES
from tritonzoo.lock import Lock
from tritonzoo.profiles import DEFAULT, PREFERENCES, choose
from tritonzoo.proofs import unproved
from tritonzoo.repository import Model, Repository
from tritonzoo.runtime import proc

MIB = 1024 * 1024
# A stub takes 1 MiB at start and grows with its largest request, threefold, and never gives back; 16 MiB a
# stub leaves room for a 5 MB photograph at every one of them.
SHM_PER_STUB_BYTES = 16 * MIB
DEFAULT_INSTANCES = {
    "onnxruntime": 2
}  # Triton's own choice on a CPU where the configuration is silent; else 1


def check(options: ServeOptions, models: Sequence[Model]) -> None:
    """Refuse to start a server that could not work.

    Raises:
        PreflightError: the first thing that is wrong, cheap checks first.
    """
    check_profile(options.profile)
    check_numpy()
    find_wheel().stub()
    check_artifacts(models, options.profile)
    check_proofs(options, models)
    check_ports(options.host, options.ports)
    check_shared_memory(stub_count(models))


def selected(options: ServeOptions, repository: Repository) -> tuple[Model, ...]:
    """The models to load: the named pipelines with their members, members first.

    Raises:
        PreflightError: a name is in neither repository; lists the pipelines that there are.
    """
    unknown = [name for name in options.pipelines if name not in repository.models]
    if unknown:
        raise PreflightError(
            f"no pipeline {', '.join(map(repr, unknown))} in {repository.root}; "
            f"there are: {', '.join(repository.pipelines) or 'none'}"
        )
    models = repository.closure(options.pipelines)
    if not models:
        raise PreflightError(f"{repository.root}: no model to serve; add one under model_repository/")
    return models


def check_profile(profile: str) -> None:
    """One of the profiles that this server, which has no native backends, can serve."""
    if profile in GPU_PROFILES and not find_wheel().has_native_backends:
        raise PreflightError(
            f"the profile {profile} needs Triton's native backends and a GPU, which the embedded server has "
            f"not; derive it with `tritonzoo derive {profile}` for NVIDIA's image, or serve one of "
            f"{', '.join(PREFERENCES)} here"
        )


def check_numpy() -> None:
    """NumPy below 2, in the environment that the stubs will use, which is this one."""
    try:
        version = importlib.metadata.version("numpy")
    except importlib.metadata.PackageNotFoundError:
        raise PreflightError("NumPy is not installed; pip install 'numpy<2'") from None
    if int(version.partition(".")[0]) >= 2:
        raise PreflightError(
            f"NumPy {version} is installed, under which Triton 24.10 hands models wrong tensors without any "
            "error; pip install 'numpy<2'"
        )


def check_artifacts(models: Sequence[Model], profile: str = DEFAULT) -> None:
    """Every file that pull and convert make, and that the profile serves, is there and whole."""
    missing = {model.name: paths for model in models if (paths := _missing(model, profile))}
    if not missing:
        return
    lines = "\n".join(
        f"  {name}: {', '.join(str(path) for path in paths)}\n"
        f"    make it with: tritonzoo pull {name} && tritonzoo convert {name}"
        for name, paths in missing.items()
    )
    raise PreflightError(
        f"{len(missing)} of {len(models)} models have no artifact, or one that is not whole:\n{lines}\n"
        "or all at once: make setup"
    )


def _missing(model: Model, profile: str) -> tuple[Path, ...]:
    """What is missing; nothing where the profile serves another artifact in place of the default one."""
    paths = model.missing_artifacts()
    if paths and profile in PREFERENCES and model.recipe.is_exported:
        served = model.version_folder / choose(model, profile).artifact
        if Lock.read(model.lock_path).has_file(served, relative_to=model.folder):
            return ()
    return paths


def check_proofs(options: ServeOptions, models: Sequence[Model]) -> None:
    """Every artifact is the one that was compared with its source model, or is asked for by name."""
    unknown = sorted(set(options.allow_unproved) - {model.name for model in models})
    if unknown:
        raise PreflightError(f"--allow-unproved {', '.join(unknown)}: no such model is to be served")
    found = {
        name: why
        for name, why in unproved(models, options.profile, Digests(state.digests_path())).items()
        if name not in options.allow_unproved
    }
    if found:
        lines = "\n".join(
            f"  {name}: {why}\n    prove it anew: tritonzoo convert {name} --force"
            for name, why in found.items()
        )
        raise PreflightError(
            f"{len(found)} of {len(models)} models are not proved:\n{lines}\n"
            f"or serve them all the same: --allow-unproved {','.join(found)}"
        )


def check_ports(host: str, ports: Ports) -> None:
    """Every port can be bound."""
    for name, port in ports.named().items():
        try:
            with socket.create_server((host, port), reuse_port=False):
                pass
        except OSError as error:
            raise PreflightError(
                f"port {port} on {host} cannot be used for {name}: "
                f"{os.strerror(error.errno) if error.errno else error}{_listener(port)}; "
                f"choose another with --{name}-port"
            ) from error


def _listener(port: int) -> str:
    """Who listens on `port`, as far as this user may know."""
    listening = open_sockets(port, LISTENING)
    for one in proc.processes():
        if listening.intersection(descriptors(one.pid).values()):
            program, *words = proc.command_line(one.pid) or ["?"]
            return f" (process {one.pid}: {' '.join([Path(program).name, *words])[:60]})"
    return ""


def stub_count(models: Sequence[Model]) -> int:
    """How many Python processes the models need: one for each instance."""
    count = 0
    for model in models:
        if not model.is_ensemble:
            default = DEFAULT_INSTANCES.get(model.config.backend, 1)
            count += sum(group.count or default for group in model.config.instance_group) or default
    return count


def check_shared_memory(stubs: int) -> None:
    """/dev/shm has room for the stubs and for what their requests will make of them."""
    needed = stubs * SHM_PER_STUB_BYTES
    if not shm.SHM.is_dir():
        raise PreflightError(f"{shm.SHM} is not there; mount it: mount -t tmpfs tmpfs {shm.SHM}")
    free = shm.free_bytes()
    if free < needed:
        enough = f"{max(256, 2 * needed // MIB)}m"
        raise PreflightError(
            f"{shm.SHM} has {free // MIB} MiB free; {stubs} Python processes need {needed // MIB} MiB. "
            f"Enlarge it: docker run --shm-size={enough}, in Compose shm_size: {enough}, elsewhere "
            f"mount -o remount,size={enough} {shm.SHM}"
        )
