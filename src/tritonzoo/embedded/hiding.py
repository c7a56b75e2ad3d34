"""Keeping options out of the process list.

Anybody may read `/proc/<pid>/cmdline`, but `/proc/<pid>/environ` only the process's owner, and Triton takes
its admin key by option alone. So the launcher execs the server with the bare names of these options as
arguments and the whole options in its environment (an entry is `--name=value`, just the option's text), and
asks to be traced. The kernel then stops the new program before its first instruction; the supervisor points
the argument pointers on its stack at the environment's strings, points those environment entries elsewhere
(so that stubs do not inherit the key), and lets it run. At no time does the key stand in a cmdline.

Where tracing is refused (some containers, Yama's ptrace_scope 2 and above) the options are passed openly and
their bytes are overwritten once Triton has read them; where that is refused too, they stay visible, and the
supervisor's log says so.

The layout of the initial stack (argc, argv pointers, null, envp pointers, null) is the same on x86-64 and
aarch64: System V ABI, "Initial Stack and Register State".
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

PTRACE_CONT = 7
PTRACE_DETACH = 17
POINTER_BYTES = struct.calcsize("P")
START_STACK_FIELD = 28  # of /proc/<pid>/stat, counted from 1 (proc_pid_stat(5))


def release_with_hidden(pid: int, names: Collection[str]) -> None:
    """Wait until the traced `pid` has exec'ed, move its options `names` into argv, and let it run.

    To be called by the thread that started `pid`, which is its tracer.

    Raises:
        OSError: the process ended before exec, or its memory could not be written.
    """
    while True:
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            raise ChildProcessError(f"process {pid} ended before it became the server")
        if os.WSTOPSIG(status) == signal.SIGTRAP:
            break
        _ptrace(PTRACE_CONT, pid, os.WSTOPSIG(status))  # a signal that came before exec: pass it on
    _swap_pointers(pid, names)
    _ptrace(PTRACE_DETACH, pid, 0)


def overwrite_visible(pid: int, names: Collection[str]) -> bool:
    """Overwrite the values of the options `names` in a running process's arguments; False if refused."""
    try:
        with _memory(pid) as memory:
            _, arguments, _ = _stack(pid, memory)
            for address in arguments.values():
                name, is_set, value = _string(memory, address).partition(b"=")
                if is_set and name.decode() in names:
                    memory.seek(address + len(name) + 1)
                    memory.write(b"x" * len(value))
    except OSError:
        return False
    return True


def _swap_pointers(pid: int, names: Collection[str]) -> None:
    with _memory(pid) as memory:
        _, arguments, environment = _stack(pid, memory)
        entries = {
            slot: (address, _string(memory, address).partition(b"=")[0].decode("utf-8", "replace"))
            for slot, address in environment.items()
        }
        hidden = {name: (slot, address) for slot, (address, name) in entries.items() if name in names}
        harmless = next(address for address, name in entries.values() if name not in names)
        for argument_slot, address in arguments.items():
            name = _string(memory, address).decode("utf-8", "replace")
            if name in hidden:
                entry_slot, option = hidden[name]
                _write_pointer(memory, argument_slot, option)
                _write_pointer(memory, entry_slot, harmless)


def _stack(pid: int, memory: BinaryIO) -> tuple[int, dict[int, int], dict[int, int]]:
    """(argc, argv, envp) of a process, the last two as {address of the pointer: address of the string}."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    start = int(fields[START_STACK_FIELD - 3])  # the split starts at field 3
    if start == 0:
        raise PermissionError(f"/proc/{pid}/stat does not tell where the stack starts")
    argc = _pointer(memory, start)
    argv = {slot: _pointer(memory, slot) for slot in _slots(start + POINTER_BYTES, argc)}
    envp: dict[int, int] = {}
    slot = start + POINTER_BYTES * (argc + 2)  # past argc, argv and its null
    while address := _pointer(memory, slot):
        envp[slot] = address
        slot += POINTER_BYTES
    return argc, argv, envp


def _slots(start: int, count: int) -> range:
    return range(start, start + POINTER_BYTES * count, POINTER_BYTES)


def _memory(pid: int) -> BinaryIO:
    return Path(f"/proc/{pid}/mem").open("r+b", buffering=0)


def _pointer(memory: BinaryIO, address: int) -> int:
    memory.seek(address)
    return int(struct.unpack("P", memory.read(POINTER_BYTES))[0])


def _write_pointer(memory: BinaryIO, address: int, value: int) -> None:
    memory.seek(address)
    memory.write(struct.pack("P", value))


def _string(memory: BinaryIO, address: int) -> bytes:
    """The null-terminated string at `address`; read in small pieces, for the stack ends soon after it."""
    text = b""
    while b"\0" not in text:
        memory.seek(address + len(text))
        piece = memory.read(64)
        if not piece:
            raise OSError(f"unreadable memory at {address:#x}")
        text += piece
    return text.partition(b"\0")[0]


def _ptrace(request: int, pid: int, data: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(request, pid, None, data) == -1:
        error = ctypes.get_errno()
        raise OSError(error, f"ptrace request {request}: {os.strerror(error)}")
