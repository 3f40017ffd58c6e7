"""The bill of materials of an image: each package of its locks once; the same image gives the same text."""

from __future__ import annotations

import json
from pathlib import Path

from mlpipes_cli.adapters.docker.images import bill_of_materials
from mlpipes_cli.adapters.docker.images.reference import parse
from mlpipes_cli.ports.images import Recipe

BASE = parse(f"python:3.11-slim-bookworm@sha256:{'0' * 64}")
RECIPE = Recipe(
    tag="loans:3", model=Path("model"), python="3.11", settings="{}",
    labels={"io.mlpipes.model": "loans", "io.mlpipes.model.version": "3", "io.mlpipes.model.run": "f" * 32,
            "org.opencontainers.image.revision": "1234abcd"},
)  # fmt: skip
API = f"""\
# a comment
Zope.Interface==7.2 \\
    --hash=sha256:{"a" * 64}
uvicorn[standard]==0.54.1 ; python_version >= "3.11" \\
    --hash=sha256:{"b" * 64} \\
    --hash=sha256:{"c" * 64}
"""
MODEL = f"""\
numpy==1.26.4 \\
    --hash=sha256:{"d" * 64}
zope-interface==7.2 \\
    --hash=sha256:{"a" * 64}
"""


def test_all_packages_stand_in_it_once() -> None:
    text = bill_of_materials.document(RECIPE, BASE, {"api": API, "model": MODEL})
    found = json.loads(text)
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.6")
    assert '"CycloneDX"' in text[:200]  # by which a later `build --sbom` knows that it may replace the file
    assert found["metadata"]["component"]["name"] == "mlpipes/loans"
    components = {one["bom-ref"]: one for one in found["components"]}
    assert set(components) == {
        "base", "model", "api+model/zope-interface==7.2", "api/uvicorn==0.54.1", "model/numpy==1.26.4",
    }  # fmt: skip
    assert components["base"]["purl"] == f"pkg:docker/python@sha256:{'0' * 64}"
    assert components["model"]["type"] == "machine-learning-model"
    assert {one["name"]: one["value"] for one in components["model"]["properties"]} == {
        "mlpipes:run": "f" * 32,
        "mlpipes:commit": "1234abcd",
    }
    assert components["model/numpy==1.26.4"]["purl"] == "pkg:pypi/numpy@1.26.4"
    assert components["model/numpy==1.26.4"]["hashes"] == [{"alg": "SHA-256", "content": "d" * 64}]
    assert "hashes" not in components["api/uvicorn==0.54.1"], "which of the two files it was is not known"
    assert set(found["dependencies"][-1].get("dependsOn", [])) <= set(components)
    assert bill_of_materials.document(RECIPE, BASE, {"api": API, "model": MODEL}) == text
    other = bill_of_materials.document(RECIPE, BASE, {"api": API})
    assert json.loads(other)["serialNumber"] != found["serialNumber"]
