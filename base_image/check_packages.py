"""Fail where an installed package lacks a requirement, or has it in a version that it does not take.

    python check_packages.py

Like `pip check`, but for what is left out on purpose.
"""

from __future__ import annotations

import subprocess
import sys

# By package, what it declares as required but does not import when serving.
LEFT_OUT = {
    # Of this wheel only the server is used.
    "nvidia-pytriton": {"importlib-metadata", "pyzmq", "sh", "typing-inspect", "wrapt"},
    "onnxruntime": {"coloredlogs", "sympy"},  # its quantizer and symbolic shapes; 100 MB
    "tokenizers": {"huggingface-hub"},  # downloads
    "tritonzoo": {"aiohttp"},  # the client over HTTP
    "typer": {"pydantic"},
}


def conflicts(report: str) -> list[str]:
    """The lines of `pip check`'s report that are not about a package left out on purpose."""
    found = []
    for line in report.splitlines():
        package, _, rest = line.partition(" ")
        needed = rest.partition("requires ")[2].partition(",")[0].lower().replace("_", "-")
        is_absent = rest.endswith("which is not installed.")
        is_expected = is_absent and needed in LEFT_OUT.get(package.lower(), ())
        if not is_expected and "No broken requirements" not in line:
            found.append(line)
    return found


def main() -> int:
    command = [sys.executable, "-m", "pip", "check", "--disable-pip-version-check"]
    report = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found = conflicts(report)
    for line in found:
        sys.stderr.write(f"{line}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
