"""`make audit`: known vulnerabilities when a database can be reached, else what stands without one: every package is
the pinned version, has a digest in requirements.lock, and a licence that was read.
"""

import json
import subprocess
import sys
from typing import Any

from tests.supply import lock
from tests.supply.licences import KNOWN, canonical, licence_of, runtime


def faults() -> list[str]:
    """What is installed and is not what the lock says."""
    pinned, found = lock.read(), []
    for installed in runtime():
        name = canonical(installed.name)
        version, digest = pinned.get(name, ("", ""))
        if version != installed.version:
            found.append(f"{name} {installed.version}: the lock has {version or 'nothing'}")
        elif len(digest) != 64:
            found.append(f"{name}: no digest in the lock")
        if not KNOWN.search(licence_of(installed)):
            found.append(f"{name}: licence {licence_of(installed)!r} was not read by anybody")
    return found


def vulnerabilities(program: str) -> str:
    """What pip-audit says of the lock, or that it could not ask."""
    command = [program, "--requirement", str(lock.LOCK), "--disable-pip", "--require-hashes", "--timeout", "10"]
    try:
        done = subprocess.run([*command, "--format", "json"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "pip-audit could not be installed: known vulnerabilities were not looked up"
    try:
        rows = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        return f"no database of vulnerabilities could be reached: {last[:200]}"
    return told_of(rows)


def told_of(rows: list[dict[str, Any]]) -> str:
    """pip-audit's rows in words. One that was left out is not one that is well."""
    asked = [row for row in rows if "skip_reason" not in row]
    if not asked:
        return "no database of vulnerabilities could be reached: it knows none of the packages"
    bad = [f"{row['name']} {row['version']}: {vuln['id']}" for row in asked for vuln in row.get("vulns", ())]
    left_out = f"; {len(rows) - len(asked)} could not be looked up" if len(asked) < len(rows) else ""
    return "\n".join([f"{len(asked)} packages looked up{left_out}, Found {len(bad)} known vulnerabilities", *bad])


def main() -> None:
    found = faults()
    print("\n".join(found) or "every package is the pinned one, with a digest and a known licence")
    told = vulnerabilities(sys.argv[1]) if len(sys.argv) > 1 else "pip-audit is not installed"
    print(told)
    if found or ("Found" in told and "Found 0 " not in told):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
