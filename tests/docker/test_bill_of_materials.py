"""The list of what an image consists of is complete for Python, names Debian's packages, and the server."""

from __future__ import annotations

import json
import re

from tests.docker.stack import ROOT, docker


def test_it_names_every_pinned_package_and_the_server(images: dict[str, str]) -> None:
    script = (ROOT / "deploy" / "sbom.py").read_text()
    bill = json.loads(
        docker("run", "--rm", "-i", "--entrypoint", "python3", "tritonzoo:cpu", "-", input_text=script)
    )
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    found = {one["purl"] for one in bill["components"]}
    assert len(found) == len(bill["components"])
    pins = re.findall(
        r"^([\w-]+)==([\w.]+)(?: ; python_version >=.*)?$",
        (ROOT / "base_image/requirements.txt").read_text(),
        re.M,
    )
    assert len(pins) > 20
    for name, version in pins:
        assert f"pkg:pypi/{name.lower().replace('_', '-')}@{version}" in found
    assert "pkg:generic/tritonserver@2.51.0" in found
    assert sum(purl.startswith("pkg:deb/debian/") for purl in found) > 50
