"""Rules about what a config.pbtxt says of the model as a whole."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from tritonzoo.check.finding import Fault, Place, Severity
from tritonzoo.check.folder import Folder
from tritonzoo.check.pbtxt import Key
from tritonzoo.check.rule import every, models, readable, rule
from tritonzoo.check.syntax_remedy import remedy

# Backends of NVIDIA's images, and what their models were called before there were backends.
NATIVE_BACKENDS = frozenset(
    "onnxruntime tensorrt python pytorch tensorflow openvino dali fil vllm tensorrtllm "
    "identity repeat square".split()
)
_BACKEND_OF_PLATFORM = {
    "onnxruntime_onnx": "onnxruntime",
    "tensorrt_plan": "tensorrt",
    "pytorch_libtorch": "pytorch",
    "tensorflow_graphdef": "tensorflow",
    "tensorflow_savedmodel": "tensorflow",
}
# Fields that came after Triton 2.51 (24.10), whose parser refuses a file with an unknown field.
_TOO_NEW = (("model_metrics",), ("ensemble_scheduling", "max_inflight_requests"))


@rule(on=every)
def config_syntax(folder: Folder) -> Iterator[Fault]:
    """A config.pbtxt parses as Triton's `ModelConfig`."""
    if folder.unparsed is not None:
        fault = folder.unparsed
        yield Fault(
            Place(folder.config_path, fault.line, fault.column),
            fault.message.rstrip("."),
            remedy(fault.message),
        )


@rule(on=readable)
def config_field_too_new(folder: Folder) -> Iterator[Fault]:
    """A config.pbtxt has no field that Triton 2.51 (24.10) does not know.

    Its parser refuses the whole file over one.
    """
    for path in _TOO_NEW:
        if folder.text.has(*path):
            yield folder.fault(
                f"{path[-1]} is a field of later Tritons; 2.51 (24.10) refuses a file that has it",
                "remove it",
                *path,
            )


@rule(on=readable)
def config_key_repeated(folder: Folder) -> Iterator[Fault]:
    """A key stands once in its map.

    Of two entries with one key (in `parameters`, an `input_map`, an `output_map`) the parser silently keeps
    the last.
    """
    steps = len(folder.config.ensemble_scheduling.step)
    paths: list[tuple[str | int, ...]] = [("parameters",)]
    paths += [
        ("ensemble_scheduling", "step", index, name)
        for index in range(steps)
        for name in ("input_map", "output_map")
    ]
    paths += [("model_warmup", index, "inputs") for index in range(len(folder.config.model_warmup))]
    for path in paths:
        for entry in folder.text.repeated_keys(*path):
            yield Fault(
                Place(folder.config_path, entry.line, entry.column),
                f"{path[-1]} has the key {entry.key!r} twice, and only the last entry counts",
                "remove one of them",
            )


@rule(on=readable, severity=Severity.WARNING)
def config_title(folder: Folder) -> Iterator[Fault]:
    """The first line of a config.pbtxt is a comment that says what the model does.

    `tritonzoo serve` shows it.
    """
    if not folder.model.title:
        yield Fault(
            Place(folder.config_path, 1, 1),
            "does not say what the model does",
            "open it with a comment that says in one sentence what the model does",
        )


@rule(on=readable)
def name_differs(folder: Folder) -> Iterator[Fault]:
    """A `name:` is the folder's.

    Triton refuses another one.
    """
    if folder.config.name not in ("", folder.name):
        yield folder.fault(
            f"has name: {folder.config.name!r} in the folder {folder.name!r}, which Triton refuses",
            "remove the line, the folder is the name",
            "name",
        )


@rule(on=readable, severity=Severity.WARNING)
def name_repeated(folder: Folder) -> Iterator[Fault]:
    """There is no `name:`.

    The folder is the name; a second one can only come to differ.
    """
    if folder.config.name == folder.name:
        yield folder.fault(
            f"repeats its name {folder.name!r}", "remove the line, the folder is the name", "name"
        )


@rule(on=models)
def backend_missing(folder: Folder) -> Iterator[Fault]:
    """A model names its backend."""
    if folder.config.backend:
        return
    platform = folder.config.platform
    if platform in _BACKEND_OF_PLATFORM:
        yield folder.fault(
            f"names the platform {platform!r} and no backend",
            f'write backend: "{_BACKEND_OF_PLATFORM[platform]}" in its place',
            "platform",
        )
    else:
        yield folder.fault(
            f"has an unknown platform {platform!r} and no backend" if platform else "names no backend",
            'add one, such as backend: "python" (platform: "ensemble" is for pipelines)',
            "platform",
        )


@rule(on=models)
def backend_unknown(folder: Folder) -> Iterator[Fault]:
    """A backend is one of the tree's, or one of Triton's own."""
    backend = folder.config.backend
    known = sorted({*folder.tree.backends, *NATIVE_BACKENDS})
    if backend and backend not in known:
        close = difflib.get_close_matches(backend, known, 1)
        yield folder.fault(
            f"no backend {backend!r}, neither in backends/ nor in Triton",
            f'did you mean "{close[0]}"?'
            if close
            else f"add backends/{backend}/model.py, or take one of: "
            + ", ".join(sorted({*folder.tree.backends, "onnxruntime", "python"})),
            "backend",
        )


@rule(on=models)
def backend_platform(folder: Folder) -> Iterator[Fault]:
    """A `platform` beside a `backend` is the backend's own.

    Triton refuses another pair for its own backends, and passes over it for Python models.
    """
    config = folder.config
    expected = _BACKEND_OF_PLATFORM.get(config.platform, config.platform)
    if config.backend and config.platform and expected != config.backend:
        yield folder.fault(
            f"platform {config.platform!r} does not go with backend {config.backend!r}",
            "remove the platform",
            "platform",
        )


@rule(on=models)
def runtime_committed(folder: Folder) -> Iterator[Fault]:
    """A config.pbtxt names no `runtime`.

    Triton finds it by the backend. A backend's library has another name on each kind of server, so that a
    committed one works on one of them at most.
    """
    if folder.config.runtime:
        yield folder.fault(
            f"names the runtime {folder.config.runtime!r}, which not every server has",
            "remove the line; the backend decides",
            "runtime",
        )


@rule(on=models, severity=Severity.WARNING)
def environment_path(folder: Folder) -> Iterator[Fault]:
    """A Python environment is named relative to the model.

    An absolute path is right on one machine only.
    """
    path = folder.parameter("EXECUTION_ENV_PATH")
    if path.startswith("/"):
        yield folder.fault(
            f"EXECUTION_ENV_PATH is {path}, a place on one machine",
            "begin it with $$TRITON_MODEL_DIRECTORY/, or leave it out: the server's environment is used",
            "parameters",
            Key("EXECUTION_ENV_PATH"),
        )


@rule(on=models)
def agents_committed(folder: Folder) -> Iterator[Fault]:
    """A config.pbtxt names no repository agents.

    The embedded server has none and refuses the model; our lock and ledger vouch for the bytes.
    """
    if folder.config.HasField("model_repository_agents"):
        yield folder.fault(
            "names repository agents, which not every server has",
            "remove model_repository_agents",
            "model_repository_agents",
        )


@rule(on=models)
def artifact_missing(folder: Folder) -> Iterator[Fault]:
    """The file that a backend loads is there, in each version that is served, or a recipe makes it.

    Of several version folders Triton serves the latest, if no policy says otherwise.
    """
    backend, name = folder.config.backend, folder.main_file
    if not name or folder.config.cc_model_filenames:
        return
    named = "default_model_filename" if folder.config.default_model_filename else "backend"
    if "/" in name:
        yield folder.fault(
            f"default_model_filename is {name!r}, and it is looked for in the version folder only",
            "name a file of 1/",
            named,
        )
        return
    for version in folder.served_versions:
        path = folder.path / str(version)
        if (path / name).exists() or (path / name).is_symlink():
            continue
        if str(version) == folder.model.version_folder.name and _is_made(folder, name):
            continue
        why = "" if len(folder.versions) == 1 else " (of several versions the policy serves this one)"
        if backend == "python":
            yield folder.fault(
                f"{version}/{name} is not there; a model of the python backend needs it{why}",
                "add it, with a class TritonPythonModel",
                named,
            )
        else:
            yield folder.fault(
                f"{version}/{name} is not there, and no recipe makes it{why}",
                "add the file, or a recipe.py that makes it"
                + _close_by(name, [file.name for file in path.iterdir() if file.is_file()]),
                named,
            )


def _is_made(folder: Folder, name: str) -> bool:
    """Whether `pull` or `convert` makes this file; a recipe that does not load is another rule's."""
    if folder.recipe is None:
        return False
    recipe = folder.recipe.recipe
    if recipe is None:
        return True
    graphs = "|".join(re.escape(graph) for graph in recipe.graphs) or "model"
    is_graph = re.fullmatch(rf"({graphs})(\.\w+)?\.(onnx|plan)", name) is not None
    return name in recipe.files or (recipe.is_exported and is_graph)


def _close_by(name: str, present: list[str]) -> str:
    close = difflib.get_close_matches(name, present, 1)
    return f"; or did you mean {close[0]}?" if close else ""
