"""Render a template of `scaffolds/` into a tree.

The templates are plain cookiecutter ones whose layout is the tree's (`{{cookiecutter._tree}}` is "."), so
that `cookiecutter --overwrite-if-exists --skip-if-file-exists scaffolds/<kind>`, in the tree's root, does the
same with questions.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from tritonzoo.errors import ScaffoldError
from tritonzoo.repository import Repository

KINDS = ("exported_model", "python_model", "ensemble", "backend")
TEMPLATES = "scaffolds"
_MADE_BELOW = ("model_repository", "ensembles", "backends", "starters")
_TEMPLATE_MARKS = ("{{", "{%", "{#")  # cookiecutter would fill in what stands between them


def new(
    repository: Repository, kind: str, name: str, answers: Mapping[str, str], *, ask: bool = False
) -> tuple[Path, ...]:
    """Make a folder of one kind, and return the files that were written.

    Args:
        answers: the template's variables that are not to have their default.
        ask: ask at the terminal for those that were not given.

    Raises:
        ScaffoldError: no such kind or variable, an answer that cannot be, or a name that is taken.
    """
    template = _template(repository, kind)
    questions = json.loads((template / "cookiecutter.json").read_text("utf-8"))
    known = [key for key in questions if not key.startswith("_") and key != "name"]
    unknown = sorted(answers.keys() - set(known))
    if unknown:
        raise ScaffoldError(f"{kind} does not ask for {', '.join(unknown)}; it asks for {', '.join(known)}")
    for key, text in answers.items():
        choices = questions[key]
        if isinstance(choices, list) and text not in choices:
            raise ScaffoldError(f"{key} is {text!r}; write one of: {', '.join(choices)}")
        if any(mark in text for mark in _TEMPLATE_MARKS):
            raise ScaffoldError(
                f"{key} is {text!r}; write plain text: {' and '.join(_TEMPLATE_MARKS)} are marks"
            )
    for made in filter(None, (name, answers.get("example"))):
        for folder in _MADE_BELOW:
            if (repository.root / folder / made).exists():
                raise ScaffoldError(f"{folder}/{made} is there already; choose another name, or remove it")
    before = _files(repository.root)
    _render(repository.root, template, {"name": name, **answers}, ask=ask)
    return tuple(sorted(_files(repository.root) - before))


def _template(repository: Repository, kind: str) -> Path:
    if kind not in KINDS:
        raise ScaffoldError(f"no scaffold {kind!r}; there are: {', '.join(KINDS)}")
    # A tree of its own has no templates; an editable install has those of its clone.
    places = (repository.root / TEMPLATES, Path(__file__).parents[3] / TEMPLATES)
    for place in places:
        if (place / kind / "cookiecutter.json").is_file():
            return place / kind
    raise ScaffoldError(f"no folder {TEMPLATES}/{kind} in {repository.root}; work in a clone of tritonzoo")


def _render(root: Path, template: Path, answers: Mapping[str, str], *, ask: bool) -> None:
    try:
        from cookiecutter.exceptions import CookiecutterException
        from cookiecutter.main import cookiecutter
    except ImportError:
        raise ScaffoldError("cookiecutter is not installed; pip install 'tritonzoo[new]'") from None
    logging.getLogger("cookiecutter").propagate = False  # it logs a refused answer with a traceback
    logging.getLogger("cookiecutter").addHandler(logging.NullHandler())
    try:
        cookiecutter(
            str(template),
            no_input=not ask,
            extra_context=dict(answers),
            output_dir=str(root),
            overwrite_if_exists=True,  # the root is there; no file in it is overwritten
            skip_if_file_exists=True,
            default_config=True,
        )
    except CookiecutterException as error:
        raise ScaffoldError(f"{template.name} was not made; why is said above ({error})") from error


def _files(root: Path) -> set[Path]:
    folders = (*_MADE_BELOW, "data_samples", "tests")
    return {path for folder in folders for path in (root / folder).rglob("*") if path.is_file()}
