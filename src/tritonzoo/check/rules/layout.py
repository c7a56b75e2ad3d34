"""Rules about folders and their names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tritonzoo.check.finding import Fault, Place
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
            "add a config.pbtxt, or move the folder out of the repository"
            + (" (shared code belongs to src/ or backends/)" if path.name[0] in "_." else ""),
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

    Without one, Triton says that the model "has no available versions". Git keeps no empty folder, hence
    `1/.gitkeep`.
    """
    path = folder.model.version_folder
    if path.is_dir():
        return
    if path.exists():
        yield Fault(
            Place(folder.config_path, 1, 1),
            f"{VERSION} is a file, and Triton looks for a folder of that name",
            f"make {VERSION}/ a folder",
        )
        return
    others = sorted(child.name for child in folder.path.iterdir() if re.fullmatch(r"v?\d+", child.name))
    yield Fault(
        Place(folder.config_path, 1, 1),
        f"has no version folder {VERSION}/, and Triton would not load it"
        + (f" (there is {', '.join(others)})" if others else ""),
        f"rename {others[0]}/ to {VERSION}/" if others else f"add {VERSION}/.gitkeep",
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
