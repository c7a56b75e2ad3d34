"""A pipeline's source: `source.py` in its folder, the same work as its authors' own code does it.

def source(repository, variant) -> Run     # from a request's arrays to the answer's
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tritonzoo.errors import RepositoryError
from tritonzoo.module_file import load_module

if TYPE_CHECKING:
    from tritonzoo.convert.parity import Run
    from tritonzoo.repository import Model, Repository

SOURCE = "source.py"


def has_source(pipeline: Model) -> bool:
    """Whether the folder says what its answers are to be compared with."""
    return (pipeline.folder / SOURCE).is_file()


def source_of(repository: Repository, pipeline: Model, variant: str) -> Run:
    """What `source.py` gives: a function from one request's arrays to the answer's.

    Raises:
        RepositoryError: there is no such file, or something that it imports is not installed.
    """
    path = pipeline.folder / SOURCE
    try:
        run: Run = load_module(path).source(repository, variant)
    except FileNotFoundError:
        raise RepositoryError(
            f"{path}: not found; it says how this pipeline's source is asked: source(repository, variant)"
        ) from None
    except ImportError as error:
        raise RepositoryError(f"{path} needs {error.name}; pip install 'tritonzoo[convert,dev]'") from error
    return run


def members_with_weights(repository: Repository, pipeline: Model) -> list[Model]:
    """The pipeline's models that have a recipe."""
    return [model for model in repository.closure([pipeline.name]) if model.has_recipe]
