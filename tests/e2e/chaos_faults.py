"""The faults, one function each: given a fresh folder it breaks the running system, lets it heal, and checks that
nothing was lost. Each answers a `Row` for docs/faults.md, or raises `AssertionError`."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.e2e.chaos_damage import lake_object_lost, log_damaged, page_damaged, source_down
from tests.e2e.chaos_row import Row
from tests.e2e.chaos_scene import Scene
from tests.e2e.harness import candlewick, environment

HOUR_MS: Final = 3_600_000
SLOW_MS: Final = 5_000


def process_killed(folder: Path) -> Row:
    with Scene(folder / "data") as scene:
        scene.up.kill()
        time.sleep(2)
        scene.start_again()
        healed_s = scene.wait_healed()
        seen = scene.watcher.seen(scene.began_s)
        return Row(
            "the process is killed (`kill -9`)", "started again after 2 s", seen,
            "the log has what was acknowledged; stages go on at their checkpoints; the client resumes at its last id",
            healed_s, scene.accounted(),
        )  # fmt: skip


class _Api:
    """`python -m api.stream_app` on the same data directory, a process of its own."""

    def __init__(self, data: Path) -> None:
        import socket

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = (data.parent / "api.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "api.stream_app"], stdout=self.log, stderr=self.log,
            env=environment() | {"CANDLEWICK_DATA_DIR": str(data), "PORT": str(port)},
        )  # fmt: skip


def driver_killed(folder: Path) -> Row:
    with Scene(folder / "data") as scene:
        api = _Api(scene.data)
        try:
            scene.watch(api.url)
            scene.up.kill()
            time.sleep(5)
            scene.start_again()
            healed_s = scene.wait_healed()
            seen = scene.watcher.seen(scene.began_s)
            assert not seen["reconnects"], seen
            return Row(
                "the process with the shard driver is killed (`kill -9`); the API is a process of its own",
                "started again after 5 s", seen,
                "nobody was disconnected: candles stood still and went on; the driver goes on at its checkpoints",
                healed_s, scene.accounted(),
            )  # fmt: skip
        finally:
            api.process.kill()
            api.process.wait()
            api.log.close()


def disk_full(folder: Path) -> Row:
    """As root the data directory is a small file system of its own, filled to the last byte; else no file of the
    program's may grow past the size the log has now."""
    data = folder / "small" / "data"
    mounted = _mounted(data.parent)
    try:
        with Scene(data) as scene:
            filler = data.parent / "filler"
            if mounted:
                _fill(filler)
                done = "a 64 MiB file system filled to the last byte for 10 s"
            else:
                scene.up.wrong(file_bytes=(data / "log.db").stat().st_size)
                done = "no file may grow (RLIMIT_FSIZE) for 10 s"
            until = time.monotonic() + 10
            while time.monotonic() < until:
                if mounted:
                    _fill(filler)
                time.sleep(0.5)
            detail = _complaint(scene) if mounted else "nothing: there is room, only not for these files"
            scene.up.wrong()
            filler.unlink(missing_ok=True)
            healed_s = scene.wait_healed()
            seen = scene.watcher.seen(scene.began_s)
            checked = scene.accounted()
            if mounted:
                assert checked["refused"] > 0, "the disk was not full for the publisher"
            return Row(
                "the disk is full", f"{done}; `status` said: “{detail}”", seen,
                "by itself once there was space: what was refused was offered again, nothing acknowledged was lost",
                healed_s, checked,
            )  # fmt: skip
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(data.parent)], check=True)


def _mounted(folder: Path) -> bool:
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0


def _fill(filler: Path) -> None:
    """Whatever is left, in ever smaller pieces."""
    with filler.open("ab", buffering=0) as file:
        size = 1 << 20
        while size >= 512:
            try:
                if file.write(b"\0" * size) < size:
                    size //= 2
            except OSError:
                size //= 2


def _complaint(scene: Scene) -> str:
    """What `status` says of a stage that is being retried; `doctor` must warn of the disk."""
    done = candlewick("doctor", "--json", "--data-dir", str(scene.data))
    finding = next(each for each in json.loads(done.stdout) if each["check"] == "disk")
    assert finding["state"] != "ok", finding
    stages = scene.up.get("/api/v2/status")["stages"]
    told = [shard["error"] for stage in stages for shard in stage["shards"] if shard["error"]]
    assert any("space" in text for text in told), told
    cause = next(text for text in told if "space" in text)
    return cause.replace(str(scene.data), "DATA").partition(": ")[2]


def clock_jumps(folder: Path, hours: int) -> Row:
    with Scene(folder / "data") as scene:
        scene.up.wrong(clock_ms=hours * HOUR_MS)
        time.sleep(15)
        while_wrong_s = scene.wait_healed()
        assert while_wrong_s < 30
        archived = _archived(scene)
        scene.up.wrong()
        time.sleep(10)
        assert _archived(scene) > archived, "the archiver stood still after the clock was set back"
        healed_s = scene.wait_healed()
        seen = scene.watcher.seen(scene.began_s)
        direction = "forward" if hours > 0 else "back"
        return Row(
            f"the clock jumps an hour {direction}", f"for 15 s, then back to the true time; counted while it was "
            f"wrong: everything, {while_wrong_s} s behind", seen,
            "verdicts come from the events' stamps, pauses are measured so that a step ends them", healed_s,
            scene.accounted(),
        )  # fmt: skip


def _archived(scene: Scene) -> int:
    return len(scene.home.lake.keys("scored/"))


def store_slow(folder: Path) -> Row:
    with Scene(folder / "data") as scene:
        scene.up.wrong(store_ms=SLOW_MS)
        time.sleep(30)
        scene.up.wrong()
        healed_s = scene.wait_healed()
        seen = scene.watcher.seen(scene.began_s)
        return Row(
            "every read and write of the store takes 5 s longer", "for 30 s", seen,
            "by itself: batches grew while they waited, then were worked off", healed_s, scene.accounted(),
        )  # fmt: skip


def clock_forward(folder: Path) -> Row:
    return clock_jumps(folder, 1)


def clock_back(folder: Path) -> Row:
    return clock_jumps(folder, -1)


FAULTS: Final[dict[str, Callable[[Path], Row]]] = {
    "process": process_killed,
    "driver": driver_killed,
    "disk": disk_full,
    "clock-forward": clock_forward,
    "clock-back": clock_back,
    "page": page_damaged,
    "log": log_damaged,
    "lake": lake_object_lost,
    "source": source_down,
    "latency": store_slow,
}
