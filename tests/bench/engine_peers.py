"""The peers' own programs on the same job (`make bench-engine PEERS=1`): CPU seconds of whole process trees.

Their folder is copied to build/peers, where `setup.sh` makes one virtual environment a peer.
"""

import json
import shutil
import subprocess
from pathlib import Path

from tests.bench.engine_job import EVENTS_4M, plain_job
from tests.bench.report import FOLDER, median

HERE = FOLDER.parent / "peers"
ROUNDS = 3
#: Name, virtual environment, program and arguments after input and output.
PROGRAMS = {
    "bytewax": ("venv-bytewax", ["peer_bytewax.py", "{src}", "{dst}", "cascade"]),
    "pathway": ("venv-pathway", ["peer_pathway.py", "{src}", "{dst}", "cascade"]),
}


def prepare(peers: Path) -> None:
    """Copy the programs and make their environments, once."""
    HERE.mkdir(parents=True, exist_ok=True)
    for file in peers.iterdir():
        shutil.copy(file, HERE / file.name)
    (HERE / "out").mkdir(exist_ok=True)
    if not (HERE / "venv-pathway").exists():
        subprocess.run(["bash", "setup.sh"], cwd=HERE, check=True)


def cpu_s(name: str, environment: str, arguments: list[str]) -> float:
    """CPU seconds of one run, by the peers' own `measure.py`."""
    done = subprocess.run(
        ["venv-core/bin/python", "measure.py", name, "--", f"{environment}/bin/python", *arguments],
        cwd=HERE, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["rc"] == 0, f"{name}: {done.stderr[-500:]}"
    return float(found["cpu"])


def peers_cpu_s(peers: Path) -> dict[str, float]:
    """Medians per million events. Flink SQL's is its steady state: the difference between four million events and one,
    divided by three, so that its start-up does not count."""
    prepare(peers)
    source = plain_job(peers, 1_000_000)
    found: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(ROUNDS):
        for name, (environment, arguments) in PROGRAMS.items():
            filled = [part.format(src=source, dst=HERE / "out" / name) for part in arguments]
            found[name].append(cpu_s(name, environment, filled))
    result = {name: round(median(values), 2) for name, values in found.items()}
    flink = [
        cpu_s("flink_sql", "venv-flink", ["peer_flink_sql.py", str(plain_job(peers, n)), "out/flink", "cascade", "1"])
        for n in (1_000_000, EVENTS_4M)
    ]
    result["flink_sql"] = round((flink[1] - flink[0]) / 3, 2)
    return result
