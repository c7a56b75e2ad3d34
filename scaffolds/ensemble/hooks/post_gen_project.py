"""Write the config.pbtxt, told from the members' own; take the folder away where that cannot be."""

import shutil
import sys
from pathlib import Path

from tritonzoo.errors import TritonZooError
from tritonzoo.repository import Repository
from tritonzoo.scaffold.wiring import ensemble_config

NAME, TITLE = "{{ cookiecutter.name }}", """{{ cookiecutter.title }}"""
MEMBERS = [name.strip() for name in "{{ cookiecutter.members }}".split(",") if name.strip()]

folder = Path("ensembles", NAME)
try:
    text = ensemble_config(Repository.find(Path.cwd()), MEMBERS, TITLE)
except TritonZooError as error:
    shutil.rmtree(folder)
    Path("tests", "ensembles", f"test_{NAME}.py").unlink()
    sys.exit(str(error))
(folder / "config.pbtxt").write_text(text, "utf-8")
