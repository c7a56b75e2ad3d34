"""List what an image consists of (CycloneDX 1.5, JSON): Python packages, Debian packages, the Triton server.

    docker run --rm -i --entrypoint python3 tritonzoo:cpu - < deploy/sbom.py > sbom.json

Runs inside the image, with nothing but its Python, so that nothing has to be added to it.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

DPKG_STATUS = Path("/var/lib/dpkg/status")
TRITON_OF_WHEEL = {"0.7.0": "2.51.0"}  # nvidia-pytriton -> the Triton that it carries

Component = dict[str, object]


def component(kind: str, name: str, version: str, purl: str, licence: str = "") -> Component:
    found: Component = {"type": kind, "name": name, "version": version, "purl": purl, "bom-ref": purl}
    if licence:
        found["licenses"] = [{"license": {"name": licence}}]
    return found


def python_packages() -> Iterator[Component]:
    for one in importlib.metadata.distributions():
        name, version = one.metadata["Name"], one.version
        licence = one.metadata.get("License-Expression") or one.metadata.get("License") or ""
        # Some packages put their whole licence there.
        licence = licence.strip().splitlines()[0][:100] if licence.strip() else ""
        yield component(
            "library", name, version, f"pkg:pypi/{name.lower().replace('_', '-')}@{version}", licence
        )
        if name == "nvidia-pytriton" and version in TRITON_OF_WHEEL:
            triton = TRITON_OF_WHEEL[version]
            yield component("application", "tritonserver", triton, f"pkg:generic/tritonserver@{triton}")


def debian_packages() -> Iterator[Component]:
    text = DPKG_STATUS.read_text("utf-8") if DPKG_STATUS.is_file() else ""
    for paragraph in text.split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " "
        )
        if fields.get("Status") == "install ok installed":
            name, version, machine = fields["Package"], fields["Version"], fields["Architecture"]
            purl = f"pkg:deb/debian/{name}@{quote(version, safe='')}?arch={machine}"
            yield component("library", name, version, purl)


def main() -> None:
    found = {str(one["purl"]): one for one in (*python_packages(), *debian_packages())}
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": "tritonzoo"}},
        "components": [found[purl] for purl in sorted(found)],
    }
    json.dump(bill, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
