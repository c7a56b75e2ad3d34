"""Rules about folders and their names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path

from tritonzoo.check.finding import Fault, Place, Severity
from tritonzoo.check.folder import Folder
from tritonzoo.check.rule import every, readable, rule, tree_rule
from tritonzoo.check.tree import Tree
from tritonzoo.repository import VERSION

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@tree_rule()
def stray_folder(tree: Tree) -> Iterator[Fault]:
    """Every folder of a model repository is a model.

    Triton takes each for one, also `_shared` and hidden ones, and refuses to start over the first that has no
    configuration and no version.
    """
    for path in tree.strays:
        yield Fault(
            Place(path),
            "has no config.pbtxt, and Triton takes every folder here for a model",
            _stray_remedy(path),
        )


def _stray_remedy(path: Path) -> str:
    held = path / "config.pbtxt"
    if held.is_symlink() or held.exists():
        return "make config.pbtxt a file: it is a link to nothing, or a folder"
    close = difflib.get_close_matches("config.pbtxt", [child.name for child in path.iterdir()], 1, 0.75)
    if close:
        return f"rename {close[0]} to config.pbtxt"
    return "add a config.pbtxt, or move the folder out of the repository" + (
        " (shared code belongs to src/ or backends/)" if path.name[0] in "_." else ""
    )


@tree_rule(severity=Severity.WARNING)
def names_alike(tree: Tree) -> Iterator[Fault]:
    """No two names differ by capitals only.

    A file system that does not tell them apart, such as a Mac's, keeps one of the two.
    """
    seen: dict[str, Folder] = {}
    for folder in tree.folders:
        first = seen.setdefault(folder.name.lower(), folder)
        if first.name != folder.name:
            other = first.path.relative_to(tree.root).as_posix()
            yield Fault(
                Place(folder.config_path, 1, 1),
                f"{other} has the same name but for capitals",
                "rename one of the folders",
            )


@tree_rule(severity=Severity.WARNING)
def samples_unknown(tree: Tree) -> Iterator[Fault]:
    """A folder of `data_samples/` has the name of a pipeline.

    `tritonzoo demo` and `serve` send what lies there to the pipeline of that name, and pass over others.
    """
    folder = tree.root / "data_samples"
    names = [path.name for path in sorted(folder.iterdir()) if path.is_dir()] if folder.is_dir() else []
    known = sorted(name for name, model in tree.by_name.items() if model.model.is_pipeline)
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            yield Fault(
                Place(folder / name),
                f"no pipeline is called {name}",
                f"rename it to {close[0]}" if close else f"there are: {', '.join(known) or 'none'}",
            )


@tree_rule()
def duplicate_model(tree: Tree) -> Iterator[Fault]:
    """A name is used once in all repositories.

    Triton serves neither of two models of one name, nor what depends on them.
    """
    for folder in tree.folders:
        first = tree.by_name[folder.name]
        if first is not folder:
            other = first.path.relative_to(tree.root).as_posix()
            yield Fault(
                Place(folder.config_path, 1, 1), f"{other} has the same name", "rename one of the folders"
            )


@rule(on=every)
def folder_name(folder: Folder) -> Iterator[Fault]:
    """A folder's name is letters, digits, `_`, `.` and `-`.

    It is part of URLs (`/v2/models/<name>/infer`), of file names and of metrics' labels.
    """
    if not _NAME.fullmatch(folder.name):
        yield Fault(
            Place(folder.config_path, 1, 1),
            f"the folder's name {folder.name!r} cannot stand in a URL as it is",
            "rename it with letters, digits, _ . and - only, a letter or a digit first",
        )


@rule(on=every)
def version_folder(folder: Folder) -> Iterator[Fault]:
    """A model has the version folder `1/`; of an ensemble it is empty.

    Without any, Triton says that the model "has no available versions"; it takes other numbers too, but `1/`
    is where this tree's commands put and look for artifacts. Git keeps no empty folder, hence `1/.gitkeep`.
    """
    path, place = folder.model.version_folder, Place(folder.config_path, 1, 1)
    if path.is_dir() or path.is_symlink():  # a link to nothing is told by link-dangling
        return
    if path.exists():
        yield Fault(
            place,
            f"{VERSION} is a file, and Triton looks for a folder of that name",
            f"make {VERSION}/ a folder",
        )
        return
    others = sorted(child.name for child in folder.path.iterdir() if re.fullmatch(r"v?\d+", child.name))
    what = (
        f"has no version folder {VERSION}/, which the commands of this tree look into"
        if folder.versions
        else f"has no version folder {VERSION}/, and Triton would not load it"
    )
    yield Fault(
        place,
        what + (f" (there is {', '.join(others)})" if others else ""),
        f"rename {others[0]}/ to {VERSION}/" if others else f"add {VERSION}/.gitkeep",
    )


@rule(on=every, severity=Severity.WARNING)
def version_repeated(folder: Folder) -> Iterator[Fault]:
    """No two version folders are the same number, as `1/` and `01/` are.

    Triton passes over the second.
    """
    for name in folder.version_names:
        number = str(int(name))
        if name != number and number in folder.version_names:
            yield Fault(
                Place(folder.path / name),
                f"is version {number} once more, beside {number}/",
                "remove it, or give it a number of its own",
            )


@rule(on=readable)
def version_policy(folder: Folder) -> Iterator[Fault]:
    """The version policy leaves a version to serve."""
    policy = folder.config.version_policy
    for index, version in enumerate(policy.specific.versions):
        if version not in folder.versions:
            yield folder.fault(
                f"version {version} is asked for, and there is no folder {version}/",
                f"there are: {', '.join(map(str, folder.versions)) or 'none'}",
                "version_policy",
                "specific",
                "versions",
                index,
            )
    if policy.HasField("specific") and not policy.specific.versions:
        yield folder.fault(
            "asks for specific versions and names none",
            "name one, or leave version_policy out",
            "version_policy",
        )
    if policy.HasField("latest") and not policy.latest.num_versions:
        yield folder.fault(
            "asks for the latest 0 versions, so that none is served",
            "write num_versions: 1, or leave version_policy out",
            "version_policy",
            "latest",
        )
