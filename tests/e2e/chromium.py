"""A Chromium for the browser tests: the system's, else Playwright's own, else Debian's when root, else none.

`python -m tests.e2e.chromium` finds or installs one (`make browser`); tests only look.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
MISSING = "no Chromium here: run `make browser` (as root it installs Debian's), or install chromium"


def find() -> str | None:
    """Path of a Chromium, or None."""
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


def install() -> str | None:
    """Try Playwright's download, then Debian's package when root."""
    attempts = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    if os.geteuid() == 0 and shutil.which("apt-get"):
        attempts += [["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "chromium"]]
    for command in attempts:
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, timeout=600)
        found = find()
        if found:
            return found
    return None


@contextmanager
def browser() -> Iterator[Any]:
    """A headless browser; skips the test with the remedy when there is none."""
    import pytest
    from playwright.sync_api import sync_playwright

    path = find()
    if path is None:
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield running
        finally:
            running.close()


if __name__ == "__main__":
    print(find() or install() or f"browser tests will be skipped: {MISSING}")
