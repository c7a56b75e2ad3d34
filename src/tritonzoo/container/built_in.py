"""The tree that goes into an image: what is served, with its proofs, and nothing else.

    python -m tritonzoo.container.built_in --missing TREE [PROFILE]   # exit 1, naming them, where some are
    python -m tritonzoo.container.built_in TREE TARGET [PROFILE]      # copy

Other precisions than the profile's, sources, logs and derived configurations stay out, to keep it small.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

from tritonzoo.container.overlay import BACKENDS, MADE_HERE
from tritonzoo.errors import TritonZooError
from tritonzoo.lock import Lock
from tritonzoo.profiles import DEFAULT, choose
from tritonzoo.proofs import why_unproved
from tritonzoo.pull import is_current
from tritonzoo.repository import MODEL_REPOSITORIES, Model, Repository


def missing(tree: Repository, profile: str = DEFAULT) -> dict[str, str]:
    """Why a model cannot go into the image, by model: artifacts that are absent, outdated or not proved."""
    found = {}
    for model in tree.models.values():
        if model.has_recipe:
            if not is_current(model, Lock.read(model.lock_path).variant):
                found[model.name] = "it has no artifacts of today's recipe"
            elif why := why_unproved(model, profile):
                found[model.name] = why
    return found


def copy(tree: Repository, target: Path, profile: str = DEFAULT) -> None:
    """Copy what `profile` serves of a tree to `target`, with locks that say what is there."""
    for name in MODEL_REPOSITORIES:
        (target / name).mkdir(parents=True)
    for model in tree.models.values():
        folder = target / model.folder.relative_to(tree.root)
        made = {path.name for path in model.present_artifacts}
        kept = served(model, profile)

        def left_out(where: str, names: list[str], made: set[str] = made - kept) -> set[str]:
            return {name for name in names if name in MADE_HERE or name in made or name.endswith(".partial")}

        shutil.copytree(model.folder, folder, ignore=left_out)
        if model.has_recipe:
            lock = Lock.read(model.lock_path)
            files = {name: file for name, file in lock.files.items() if Path(name).name in kept}
            replace(lock, files=files).write(folder / model.lock_path.name)
    for backend in sorted((tree.root / BACKENDS).glob("*/model.py")):
        unneeded = shutil.ignore_patterns(*MADE_HERE)
        shutil.copytree(backend.parent, target / BACKENDS / backend.parent.name, ignore=unneeded)


def served(model: Model, profile: str) -> set[str]:
    """The names of the made files in a model's version folder that `profile` needs."""
    if not model.has_recipe:
        return set()
    if not model.recipe.is_exported:
        return set(model.artifacts)
    return {*model.recipe.files, *model.graph_files(choose(model, profile).artifact)}


def main(arguments: list[str]) -> int:
    try:
        if arguments[0] == "--missing":
            found = missing(Repository(Path(arguments[1])), *arguments[2:])
            for name, why in found.items():
                sys.stdout.write(f"{name}: {why}\n")
            return 1 if found else 0
        copy(Repository(Path(arguments[0])), Path(arguments[1]), *arguments[2:])
    except TritonZooError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
