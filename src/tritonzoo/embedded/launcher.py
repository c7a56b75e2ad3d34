"""The process that becomes the server: prepares itself, then execs tritonserver.

Run as a script by `ServerProcess`, not imported, because what it does is unsafe between fork and exec in a
process with threads: a session of its own (a terminal's Ctrl-C must not reach Triton), death when the
supervisor dies, a large stack, and being traced so that the supervisor can hide the admin key (`hiding.py`).

Arguments: supervisor's pid, working folder, hidden option names joined by commas, program, its arguments.
File descriptor 3 gets one byte: `t` when traced, `r` when that was refused; it closes at exec.
"""

import ctypes
import os
import resource
import signal
import sys

HANDSHAKE_FD = 3
# Triton parses some requests recursively or on the stack; at the usual 8 MiB a single one can end it.
STACK_BYTES = 512 * 1024 * 1024
PR_SET_PDEATHSIG = 1
PTRACE_TRACEME = 0


def main(supervisor_pid: str, working_folder: str, hidden: str, program: str, *arguments: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    os.setsid()
    os.chdir(working_folder)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(supervisor_pid):
        sys.exit("the supervisor is gone")  # it died before the death signal was asked for
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    wanted = STACK_BYTES if hard == resource.RLIM_INFINITY else min(STACK_BYTES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_STACK, (wanted, hard))
    for signum in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_DFL)  # ignored signals would stay ignored across exec
    traced = libc.ptrace(PTRACE_TRACEME, 0, None, None) == 0
    if not traced:
        names = hidden.split(",")
        arguments = tuple(f"{word}={os.environ.pop(word)}" if word in names else word for word in arguments)
    os.write(HANDSHAKE_FD, b"t" if traced else b"r")
    os.set_inheritable(HANDSHAKE_FD, False)
    os.execv(program, [program, *arguments])


if __name__ == "__main__":
    main(*sys.argv[1:])
