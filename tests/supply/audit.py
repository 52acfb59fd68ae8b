"""`make audit`: known vulnerabilities when a database can be reached, else what stands without one: every package is
the pinned version, has a digest in requirements.lock, and a licence that was read.
"""

import subprocess
import sys

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


def main() -> None:
    found = faults()
    print("\n".join(found) or "every package is the pinned one, with a digest and a known licence")
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock.LOCK), "--disable-pip", "--require-hashes"]
    audit = subprocess.run([*command, "--timeout", "10"], capture_output=True, text=True, check=False)
    told = (audit.stdout + audit.stderr).strip()
    if "No module named" in told:
        print("pip-audit is not installed: `pip install pip-audit`, then again, for known vulnerabilities")
    elif "vulnerabilit" in told or audit.returncode == 0:
        print(told)
    else:
        print(f"no database of vulnerabilities could be reached: {told.splitlines()[-1] if told else 'no answer'}")
    if found or "Found" in told:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
