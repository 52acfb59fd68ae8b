"""`make chaos`: faults on the running system, each with a client that watches; writes docs/faults.json and faults.md.

`make chaos ONLY=process,disk` does some of them anew; the rows of the others stay.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.e2e.chaos_faults import FAULTS
from tests.e2e.chaos_page import page
from tests.e2e.harness import ROOT

RESULTS = ROOT / "docs" / "faults.json"
PAGE = ROOT / "docs" / "faults.md"


def run(names: list[str]) -> list[dict[str, Any]]:
    rows = []
    for name in names:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="candlewick-chaos-") as folder:
            row = FAULTS[name](Path(folder))._asdict()
        rows.append({"name": name, **row})
        sys.stderr.write(f"{name}: healed in {row['healed_s']} s ({time.monotonic() - began:.0f} s)\n")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="comma-separated: " + ",".join(FAULTS))
    only = [name for name in parser.parse_args().only.split(",") if name]
    known = json.loads(RESULTS.read_text()) if only and RESULTS.exists() else []
    done = {row["name"]: row for row in (*known, *run(only or list(FAULTS)))}
    rows = [done[name] for name in FAULTS if name in done]
    RESULTS.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    PAGE.write_text(page(rows))


if __name__ == "__main__":
    main()
