"""What an image's compiled files lose is what no loader reads: they are smaller, and work."""

from __future__ import annotations

import importlib.util
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.unit.test_base_image import ROOT, module

DROP = module(ROOT / "base_image" / "drop_symbols.py")
LIBRARY = Path(np.core._multiarray_umath.__file__)


def test_a_module_with_symbols_is_smaller_and_works(tmp_path: Path) -> None:
    package = importlib.util.find_spec("ml_dtypes")
    assert package and package.submodule_search_locations
    copy = Path(shutil.copytree(package.submodule_search_locations[0], tmp_path / "ml_dtypes"))
    (extension,) = copy.glob("*.so")
    before = extension.stat().st_size
    DROP.main(tmp_path)
    assert extension.stat().st_size < before / 2  # most of it is symbols
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import ml_dtypes as m; print(m.__file__, m.bfloat16(1.5))"
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert said == [str(copy / "__init__.py"), "1.5"]
    assert DROP.without_symbols(extension.read_bytes()) == extension.read_bytes()  # once is enough


def test_every_loaded_byte_stays_as_it_was() -> None:
    file = LIBRARY.read_bytes()
    kept = DROP.without_symbols(file)
    assert 64 < len(kept) < len(file)
    assert kept[64:] == file[64 : len(kept)]
    programs_at, program_size, programs = (
        struct.unpack_from("<Q", kept, 32)[0],
        *struct.unpack_from("<HH", kept, 54),
    )
    for number in range(programs):
        _, _, offset, _, _, size, _, _ = struct.unpack_from(
            "<IIQQQQQQ", kept, programs_at + number * program_size
        )
        assert offset + size <= len(kept)


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    others = {
        "script.py": b"print()\n",
        "short": b"\x7fELF\x02\x01",
        "object.o": LIBRARY.read_bytes()[:16]
        + struct.pack("<H", 1)
        + LIBRARY.read_bytes()[18:],  # not linked yet
        "large_endian": b"\x7fELF\x02\x02" + bytes(200),
    }
    for name, content in others.items():
        (tmp_path / name).write_bytes(content)
    DROP.main(tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in others} == others
