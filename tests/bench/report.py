"""What every benchmark shares: medians, the machine it ran on, and JSON under build/bench/."""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from contracts.clock import SystemClock
from contracts.instants import date_of

PACKAGES = ("msgspec", "xxhash", "onnxruntime", "fastapi", "uvicorn")
FOLDER = Path(__file__).resolve().parents[2] / "build" / "bench"


def percentile(values: Sequence[float], percent: float) -> float:
    """Nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def machine() -> dict[str, Any]:
    """What a reader needs to judge a figure."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load_1m": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    """As Linux names it; elsewhere what Python knows, which may be nothing."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def rss_bytes(pid: int) -> int:
    """What of a process is resident in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def stamped(document: dict[str, Any]) -> dict[str, Any]:
    """With the day, the packages and the machine it was measured with."""
    packages = {name: version(name) for name in PACKAGES}
    return document | {"measured_on": date_of(SystemClock().now_ms()), "packages": packages, "machine": machine()}


def measured_on(document: dict[str, Any]) -> str:
    """The same, told, as far as it was noted."""
    told = [f"measured on {document['measured_on']}"]
    if place := document.get("machine"):
        told.append(f"Python {place['python']}, {place['system']}, {place['cores']} cores")
        told.append(f"load {place['load_1m']} at the end")
        told += [place["processor"]] if place.get("processor") else []
    told += [f"{name} {number}" for name, number in document.get("packages", {}).items()]
    return f"M{', '.join(told)[1:]}."


def write(name: str, document: dict[str, Any]) -> None:
    """Write build/bench/<name>.json and print it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = json.dumps(stamped(document), indent=2)
    (FOLDER / f"{name}.json").write_text(text + "\n")
    print(text)
