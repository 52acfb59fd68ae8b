"""What the program is made of is what was pinned, and is written down."""

import re
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.house.source_tree import PACKAGES, ROOT
from tests.supply import lock, sbom
from tests.supply.audit import faults, told_of
from tests.supply.licences import KNOWN, PAGE, canonical, licence_of, runtime


def test_what_is_installed_is_what_is_pinned() -> None:
    assert faults() == []


def test_the_lock_is_of_the_pinned_versions_with_a_digest_each() -> None:
    pins = dict(
        line.split(";")[0].strip().split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    )
    pinned = {canonical(name): version for name, version in pins.items()}
    locked = {name: version for name, (version, _) in lock.read().items()}
    assert {name: pinned.get(name) for name in locked} == locked
    digests = [digest for _, digest in lock.read().values()]
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in digests)


def test_every_package_has_a_licence_somebody_read_and_is_in_the_table() -> None:
    table = PAGE.read_text()
    for installed in runtime():
        licence = licence_of(installed)
        assert KNOWN.search(licence), f"{installed.name}: {licence}"
        assert f"| {canonical(installed.name)} |" in table


def test_the_bill_of_materials_names_everything() -> None:
    document = sbom.document()
    names = {component["name"] for component in document["components"]}
    assert {canonical(installed.name) for installed in runtime()} <= names
    assert any(component["type"] == "machine-learning-model" for component in document["components"])
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")


def test_a_wheel_holds_every_file_of_the_packages_and_the_licences_among_them() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["*"]
    listed = subprocess.run(["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a clone: what else lies in the folders is nobody's")
    names = {Path(name).name for name in listed.stdout.splitlines() if not name.endswith(".py")}
    assert "LICENSE.MIT-akladyous" in names
    assert sorted(name for name in names if not any(fnmatch(name, pattern) for pattern in told)) == []


def test_canary_another_version_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    known = lock.read() | {"fastapi": ("0.0.1", "0" * 64)}
    monkeypatch.setattr(lock, "read", lambda: known)
    assert any(fault.startswith("fastapi ") for fault in faults())


def test_what_could_not_be_looked_up_is_not_called_well() -> None:
    skipped = {"name": "a", "version": "1", "skip_reason": "not found"}
    bad = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1"}]}
    assert "could be reached" in told_of([skipped])
    assert told_of([skipped, bad]).splitlines() == [
        "1 packages looked up; 1 could not be looked up, Found 1 known vulnerabilities", "b 2: CVE-1",
    ]  # fmt: skip
