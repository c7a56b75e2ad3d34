"""Take from compiled files what no loader reads: symbols and debugging sections at their end.

    python drop_symbols.py FOLDER

What is loaded is named by a file's program headers. What lies behind the last of those bytes, with the table
of sections that describes it, is for linkers and debuggers, and in some wheels most of the file. Nothing that
is loaded is moved or changed, also in files that auditwheel has rewritten; and it needs no binutils.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path

ELF_64_LITTLE = b"\x7fELF\x02\x01"
HEADER = struct.Struct("<16sHHIQQQIHHHHHH")  # e_ident ... e_shstrndx
PROGRAM = struct.Struct("<IIQQQQQQ")  # p_type, p_flags, p_offset, p_vaddr, p_paddr, p_filesz ... p_align
DYNAMIC_OR_PROGRAM = (2, 3)  # e_type ET_EXEC, ET_DYN: what can be loaded


def loaded_bytes(file: bytes) -> int:
    """How many bytes from the start of an ELF file are loaded; all of them where it is something else."""
    if len(file) < HEADER.size or not file.startswith(ELF_64_LITTLE):
        return len(file)
    _, kind, _, _, _, programs_at, _, _, _, program_size, programs, *_ = HEADER.unpack_from(file)
    if kind not in DYNAMIC_OR_PROGRAM or program_size != PROGRAM.size:
        return len(file)
    end = max(HEADER.size, programs_at + programs * program_size)
    for number in range(programs):
        _, _, offset, _, _, size, _, _ = PROGRAM.unpack_from(file, programs_at + number * program_size)
        end = max(end, offset + size)
    return min(end, len(file))


def without_symbols(file: bytes) -> bytes:
    """The file as far as it is loaded, its header naming no sections any more."""
    end = loaded_bytes(file)
    if end == len(file):
        return file
    fields = list(HEADER.unpack_from(file))
    fields[6] = fields[12] = fields[13] = 0  # e_shoff, e_shnum, e_shstrndx
    return HEADER.pack(*fields) + file[HEADER.size : end]


def compiled(folder: Path) -> Iterator[Path]:
    """The ELF files below a folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(len(ELF_64_LITTLE)) == ELF_64_LITTLE:
                    yield path


def main(folder: Path) -> None:
    dropped = 0
    for path in compiled(folder):
        before = path.read_bytes()
        after = without_symbols(before)
        if len(after) < len(before):
            path.write_bytes(after)
            dropped += len(before) - len(after)
    sys.stdout.write(f"symbols dropped: {dropped / 1e6:.0f} MB\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
