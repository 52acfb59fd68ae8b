"""What a killed process leaves half written goes when another writes there; what is being written stays. What is
durable is on the disk before its name says so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stores import durable_files
from stores.durable_files import write_atomically

KILLED = """
import os, signal, sys
from pathlib import Path
from stores.durable_files import write_atomically
write_atomically(Path(sys.argv[1]), lambda file: os.kill(os.getpid(), signal.SIGKILL))
"""


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_a_killed_process_left_goes_with_the_next_write(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "a.gz")], check=False)
    assert done.returncode < 0
    assert len(names(tmp_path)) == 1
    write_atomically(tmp_path / "b.gz", lambda file: None)
    assert names(tmp_path) == {"b.gz"}


def test_what_somebody_else_writes_stays_and_a_number_used_again_is_no_life(tmp_path: Path) -> None:
    alive, own = os.getppid(), os.getpid()
    kept = {f".a.gz.{alive}.0123abcd.7.tmp", f".a.gz.{own}.{durable_files._TOKEN}.7.tmp", ".other.tmp", "a.gz"}
    for name in (*kept, f".a.gz.{own}.0123abcd.7.tmp"):
        (tmp_path / name).touch()
    write_atomically(tmp_path / "b.gz", lambda file: None)
    assert names(tmp_path) == {*kept, "b.gz"}


def test_a_folder_is_looked_through_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomically(tmp_path / "a.gz", lambda file: None)
    monkeypatch.setattr(Path, "glob", None)
    write_atomically(tmp_path / "b.gz", lambda file: None)
    assert names(tmp_path) == {"a.gz", "b.gz"}


def test_a_durable_file_is_on_the_disk_before_its_name_is_and_its_folders_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "outer" / "inner" / "a.gz"
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        found = os.fstat(descriptor)
        folders = [each.name for each in place.parents if each.exists() and os.path.samestat(each.stat(), found)]
        assert folders or found.st_size == len(b"words"), "nothing is left in a buffer of ours"
        done.append(folders[0] if folders else "file")
        fsync(descriptor)

    def renamed(old: Path, new: Path) -> None:
        done.append("rename")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    write_atomically(place, lambda file: file.write(b"words"))
    assert done[:2] == ["file", "rename"]
    assert sorted(done[2:]) == sorted(["inner", "outer", tmp_path.name])
    done.clear()
    write_atomically(place, lambda file: file.write(b"words"), durable=False)
    assert done == ["rename"]
