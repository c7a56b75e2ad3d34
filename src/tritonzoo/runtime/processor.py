"""What this machine's processor has, as Linux tells it."""

from __future__ import annotations

from pathlib import Path

_USUAL_BYTES = 512 << 10  # where the system does not tell, as in some virtual machines
_UNITS = {"K": 10, "M": 20}


def second_level_cache_bytes(folder: Path = Path("/sys/devices/system/cpu/cpu0/cache")) -> int:
    """The second-level cache of one core, in bytes; 512 KiB where it is not told.

    Source: Documentation/ABI/testing/sysfs-devices-system-cpu of the Linux kernel.
    """
    for index in sorted(folder.glob("index*")):
        try:
            level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        if level == "2" and kind != "Instruction" and size[:-1].isdecimal() and size[-1] in _UNITS:
            return int(size[:-1]) << _UNITS[size[-1]]
    return _USUAL_BYTES
