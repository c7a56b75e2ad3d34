"""Each peer's own virtual environment, made from its pinned requirements."""

from __future__ import annotations

import hashlib
import json
import subprocess
import venv
from collections.abc import Sequence
from pathlib import Path

REQUIREMENTS = {path.stem: path for path in sorted((Path(__file__).parent / "requirements").glob("*.txt"))}
REQUIREMENTS["speech"] = Path(__file__).parents[1] / "transcription" / "peer" / "requirements.txt"


class Environments:
    """The environments in one folder; one is made anew when its requirements have changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def python(self, name: str) -> Path:
        """The interpreter of the environment `name`, which is made where it is missing."""
        requirements, target = REQUIREMENTS[name], self.folder / name
        stamp = target / ".requirements.sha256"
        wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
        python = target / "bin" / "python"
        if not stamp.is_file() or stamp.read_text() != wanted:
            print(f"{name}: making its environment from {requirements.name}", flush=True)
            venv.EnvBuilder(with_pip=True, clear=True).create(target)
            command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*command, "-r", str(requirements)], check=True)
            stamp.write_text(wanted)
        return python

    def versions(self, name: str, libraries: Sequence[str]) -> dict[str, str]:
        """The versions of installed libraries, in the order that they are asked for."""
        program = (
            "import importlib.metadata as m, json, sys; "
            "print(json.dumps({name: m.version(name) for name in sys.argv[1:]}))"
        )
        said = subprocess.run(
            [self.python(name), "-c", program, *libraries], check=True, capture_output=True, text=True
        )
        return dict(json.loads(said.stdout))
