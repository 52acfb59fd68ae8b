"""The peers' own programs on the same job (`make bench-engine PEERS=1`): CPU seconds of whole process trees.

Their folder is copied to build/peers, where their `setup.sh` makes one virtual environment a peer, once. Their figure
is net of their start-up, as ours is: the CPU of a million events less that of a single one; for Flink SQL the steady
state, four million less one million, by three.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Final, NamedTuple

from tests.bench.engine_job import job
from tests.bench.report import FOLDER, median

HERE: Final = FOLDER.parent / "peers"
MILLION: Final = 1_000_000


class Peer(NamedTuple):
    """`arguments` come after input and output. `sizes`: events of the smaller and the larger run."""

    program: str
    environment: str
    arguments: tuple[str, ...]
    sizes: tuple[int, int]


PEERS: Final = {
    "bytewax": Peer("peer_bytewax.py", "venv-bytewax", ("cascade",), (1, MILLION)),
    "pathway": Peer("peer_pathway.py", "venv-pathway", ("cascade",), (1, MILLION)),
    "flink_sql": Peer("peer_flink_sql.py", "venv-flink", ("cascade", "1"), (MILLION, 4 * MILLION)),
}


class PeerRuns:
    """Their runs so far."""

    def __init__(self, peers: Path, environments: Path | None = None) -> None:
        """Copies the programs and makes their environments, unless a folder that has them is given."""
        HERE.mkdir(parents=True, exist_ok=True)
        for file in peers.iterdir():
            if file.is_file():
                shutil.copy(file, HERE / file.name)
        (HERE / "out").mkdir(exist_ok=True)
        self._environments = environments or HERE
        if environments is None and not (HERE / "venv-pathway" / "bin" / "pathway").exists():
            subprocess.run(["bash", "setup.sh"], cwd=HERE, check=True)
        self._inputs = {size: job(peers, size, 13).with_suffix(".plain") for size in (MILLION, 4 * MILLION)}
        self._inputs[1] = HERE / "one.jsonl"
        with self._inputs[MILLION].open() as lines:
            self._inputs[1].write_text(next(lines))
        self._runs: dict[str, dict[int, list[float]]] = {
            name: {size: [] for size in peer.sizes} for name, peer in PEERS.items()
        }

    def round(self) -> None:
        """Every peer once."""
        for name, peer in PEERS.items():
            for size in peer.sizes:
                self._runs[name][size].append(self._cpu_s(name, peer, size))
                print(f"{name} {size:,}: {self._runs[name][size][-1]:.1f} CPU s", flush=True)

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds of a million events, net of start-up: differences of medians."""
        found = {}
        for name, peer in PEERS.items():
            few, many = peer.sizes
            cpu_s = median(self._runs[name][many]) - median(self._runs[name][few])
            found[name] = round(cpu_s * MILLION / (many - few), 2)
        return found

    def equal(self) -> dict[str, bool]:
        """Whether a peer's last result of a million events is the exact answer, by their own oracle and check."""
        python, oracle = self._environments / "venv-core" / "bin" / "python", HERE / "out" / "oracle.jsonl"
        if not oracle.exists():
            subprocess.run([python, "oracle.py", self._inputs[MILLION], oracle], cwd=HERE, check=True)
        return {
            name: not subprocess.run([python, "check.py", oracle, f"out/{name}-{MILLION}"], cwd=HERE).returncode
            for name in PEERS
        }

    def _cpu_s(self, name: str, peer: Peer, size: int) -> float:
        """One run, by their own `measure.py`."""
        python = self._environments / peer.environment / "bin" / "python"
        done = subprocess.run(
            [
                self._environments / "venv-core" / "bin" / "python", "measure.py", name, "--",
                python, peer.program, self._inputs[size], f"out/{name}-{size}", *peer.arguments,
            ],
            cwd=HERE, capture_output=True, text=True, check=True,
        )  # fmt: skip
        found = json.loads(done.stdout.splitlines()[-1])
        assert found["rc"] == 0, f"{name}: {done.stderr[-500:]}"
        return float(found["cpu"])
