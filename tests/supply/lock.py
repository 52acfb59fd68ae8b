"""`make lock`: requirements.lock, every package of an installation with the SHA-256 of what pip would fetch for this
platform. `pip install --require-hashes -r requirements.lock` takes exactly these bytes, whatever an index says.
"""

import json
import subprocess
import sys

from tests.house.source_tree import ROOT
from tests.supply.licences import EXTRAS, canonical

LOCK = ROOT / "requirements.lock"
HEAD = """# Made by `make lock`: what `pip install '.[aws,parquet]'` fetches for this platform, by digest.
# pip install --require-hashes -r requirements.lock && pip install --no-deps .
"""


def resolved() -> list[tuple[str, str, str]]:
    """(package, version, SHA-256) of every archive pip would fetch, ascending."""
    command = [
        sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-",
        "-c", str(ROOT / "constraints.txt"), f"{ROOT}[{','.join(EXTRAS)}]",
    ]  # fmt: skip
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    found = []
    for each in report["install"]:
        digest = each["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256")
        if digest:  # our own folder has none
            found.append((canonical(each["metadata"]["name"]), each["metadata"]["version"], digest))
    return sorted(found)


def read() -> dict[str, tuple[str, str]]:
    """Package → (version, SHA-256) of the file as it stands."""
    found = {}
    for line in LOCK.read_text().splitlines():
        if line and not line.startswith("#"):
            pin, _, digest = line.partition(" --hash=sha256:")
            name, _, version = pin.partition("==")
            found[name] = (version, digest)
    return found


if __name__ == "__main__":
    LOCK.write_text(
        HEAD + "".join(f"{name}=={version} --hash=sha256:{digest}\n" for name, version, digest in resolved())
    )
