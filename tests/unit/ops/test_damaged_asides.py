"""One damaged object among what was set aside takes nothing else away, and is named."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from contracts.aside import Aside, list_asides, put_asides
from contracts.errors import BadEvent
from contracts.events import SCORED_STREAM
from ops.accounting import account
from ops.cli import app
from ops.console import PARTIAL
from stores.home import Home, forget_homes
from tests.events import BASE_MS, scored
from tests.unit.ops.given_up import document_of, event_of
from tests.unit.replay.kit import home_of, settings_of

GOOD = json.dumps(scored(1, "AAPL", BASE_MS, 0.1)).encode()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    yield home_of(tmp_path)
    forget_homes()


def put(home: Home, kind: str, number: int) -> None:
    aside = Aside(kind, "bad_value", "", SCORED_STREAM, "shardId-0", str(number), 0, BASE_MS, f"k{number}", GOOD)  # type: ignore[arg-type]
    put_asides(home.lake, [aside])


def damage(folder: Path, name: str, how: str = "cut") -> None:
    """The first object of a folder of the lake: cut short, to nothing, or whole with a line that is no JSON."""
    place = sorted((folder / "lake" / name).rglob("*.gz"))[0]
    data = place.read_bytes()
    place.write_bytes({"cut": data[: len(data) // 2], "emptied": b""}.get(how, gzip.compress(b"no JSON\n")))


def put_failed(home: Home, name: str) -> None:
    """A batch that was given up on, with the good event in it."""
    home.lake.put(f"failed/mapping=aggregator/{name}.jsonl.gz", [json.dumps(document_of(event_of([GOOD]))).encode()])


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--data-dir", str(folder)])


@pytest.mark.parametrize("how", ["cut", "emptied", "no JSON"])
def test_what_can_be_read_is_shown_and_what_cannot_is_named(home: Home, tmp_path: Path, how: str) -> None:
    for number in (1, 2):
        put(home, "quarantined", number)
    damage(tmp_path, "quarantined", how)
    for arguments in (("quarantine", "list", "--json"), ("export", "quarantined")):
        done = run(tmp_path, *arguments)
        assert done.exit_code == PARTIAL, done.output
        assert [json.loads(line)["sequence_number"] for line in done.stdout.splitlines()] == ["2"]
        assert "lake object quarantined/" in done.stderr
    done = run(tmp_path, "quarantine", "show", "2")
    assert (done.exit_code, done.stdout_bytes) == (PARTIAL, GOOD + b"\n"), "the damaged one may hold more of it"
    assert "lake object quarantined/" in done.stderr
    assert run(tmp_path, "quarantine", "show", "1").exit_code == PARTIAL
    done = run(tmp_path, "quarantine", "redrive")
    assert (done.exit_code, json.loads(done.stdout)["redriven"]) == (PARTIAL, 1)
    assert "lake object quarantined/" in done.stderr


def test_status_and_doctor_go_on(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2):
        put(home, "late", number)
    damage(tmp_path, "late")
    done = run(tmp_path, "status", "--json")
    assert done.exit_code == PARTIAL, done.output
    seen = json.loads(done.stdout)
    assert (seen["too_late"], len(seen["damaged"])) == (1, 1)
    assert "lake object late/" in done.stderr
    assert "1 damaged" in run(tmp_path, "status").stdout
    found = {row["check"]: row for row in json.loads(run(tmp_path, "doctor", "--json").stdout)}
    assert found["lake"]["state"] == "warning"
    assert "lake object late/" in found["lake"]["detail"]
    assert "`drain` there" in found["lake"]["remedy"]
    assert "generation" in found
    monkeypatch.setenv("CANDLEWICK_EXPIRE", "true")
    assert "`CANDLEWICK_EXPIRE=false candlewick drain` there, before `up`" in run(tmp_path, "doctor").stdout


def test_the_books_are_kept_of_what_can_be_read(home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(home, "quarantined", 1)
    put(home, "late", 1)
    damage(tmp_path, "late")
    assert account(home, settings_of(tmp_path).allowed_lateness_ms).quarantined == 1
    assert "lake object late/" in capsys.readouterr().err


def test_where_the_names_of_what_went_back_are_damaged_it_may_go_back_again(home: Home, tmp_path: Path) -> None:
    put(home, "quarantined", 1)
    assert run(tmp_path, "quarantine", "redrive").exit_code == 0
    damage(tmp_path, "redriven")
    done = run(tmp_path, "quarantine", "redrive")
    assert (done.exit_code, json.loads(done.stdout)["redriven"]) == (PARTIAL, 1)


def test_who_does_not_ask_for_damage_does_not_read_past_it(home: Home, tmp_path: Path) -> None:
    put(home, "late", 1)
    damage(tmp_path, "late", "no JSON")
    with pytest.raises(BadEvent, match="late/"):
        list(list_asides(home.lake, "late"))


@pytest.mark.parametrize("how", ["cut", "no JSON"])
def test_failed_batches_that_can_be_read_are_shown_and_those_that_cannot_are_named(
    home: Home, tmp_path: Path, how: str
) -> None:
    for name in ("one", "two"):
        put_failed(home, name)
    out = tmp_path / "out"
    assert run(tmp_path, "failed", "fetch", str(out)).exit_code == 0
    damage(tmp_path, "failed", how)
    done = run(tmp_path, "failed", "list", "--json")
    assert (done.exit_code, len(done.stdout.splitlines())) == (PARTIAL, 1), done.output
    assert "failed/mapping=aggregator/one" in done.stderr
    done = run(tmp_path, "failed", "fetch", str(out))
    assert (done.exit_code, json.loads(done.stdout)["scored-articles"]) == (PARTIAL, 1), done.output
    for place in (tmp_path / "lake" / "failed").rglob("*.gz"):
        place.unlink()
    done = run(tmp_path, "failed", "fetch", str(out))
    assert json.loads(done.stdout)["scored-articles"] == 0
    left = out / "scored-articles.jsonl"
    assert left.exists(), "whoever wrote it"
    assert f"{left} is not of this call" in done.stderr


@pytest.mark.parametrize(("source", "folder"), [("failed", "failed"), ("quarantine", "quarantined")])
@pytest.mark.parametrize("how", ["cut", "no JSON"])
def test_a_plan_names_the_damaged_object_and_the_remedy(
    home: Home, tmp_path: Path, source: str, folder: str, how: str
) -> None:
    put_failed(home, "one")
    put(home, "quarantined", 1)
    damage(tmp_path, folder, how)
    done = run(tmp_path, "replay", "plan", "--source", source)
    assert done.exit_code == 2, done.output
    assert f"{folder}/" in done.stderr
    assert "move it away and plan again" in done.stderr
