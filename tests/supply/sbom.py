"""`make sbom`: build/sbom.json, a CycloneDX 1.6 bill of materials of an installation: Python packages with licence and
digest, what the dashboard bundles, and the model.
"""

import hashlib
import json
from typing import Any

from tests.house.source_tree import ROOT
from tests.supply import lock
from tests.supply.licences import canonical, licence_of, runtime

OUT = ROOT / "build" / "sbom.json"
MODEL = ROOT / "consumers" / "classifier" / "models"


def document() -> dict[str, Any]:
    from importlib.metadata import version

    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application", "name": "candlewick", "version": version("candlewick"),
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": [*_python(), *_web(), *_models()],
    }  # fmt: skip


def _python() -> list[dict[str, Any]]:
    digests = lock.read()
    found = []
    for installed in runtime():
        name = canonical(installed.name)
        version, digest = digests.get(name, ("", ""))
        found.append(
            {
                "type": "library",
                "name": name,
                "version": installed.version,
                "purl": f"pkg:pypi/{name}@{installed.version}",
                "licenses": [{"license": {"name": licence_of(installed)}}],
                "hashes": [{"alg": "SHA-256", "content": digest}] if version == installed.version else [],
            }
        )
    return found


def _web() -> list[dict[str, Any]]:
    """What the page carries: the runtime dependencies; the build's own tools do not reach a user."""
    packages = json.loads((ROOT / "web" / "package-lock.json").read_text())["packages"]
    wanted, found = list(packages[""].get("dependencies", {})), {}
    while wanted:
        name = wanted.pop()
        told = packages.get(f"node_modules/{name}")
        if told is None or name in found:
            continue
        found[name] = {
            "type": "library",
            "name": name,
            "version": told["version"],
            "purl": f"pkg:npm/{name.replace('@', '%40')}@{told['version']}",
            "licenses": [{"license": {"name": told.get("license", "not told")}}],
        }
        wanted += told.get("dependencies", {})
    return [found[name] for name in sorted(found)]


def _models() -> list[dict[str, Any]]:
    return [
        {
            "type": "machine-learning-model",
            "name": path.relative_to(MODEL).as_posix(),
            "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}],
        }
        for path in sorted(MODEL.rglob("*.onnx"))
    ]


if __name__ == "__main__":
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(document(), indent=2) + "\n")
    print(f"{len(document()['components'])} components: {OUT.relative_to(ROOT)}")
