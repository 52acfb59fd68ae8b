"""The data directory: version, lock, and clear words when it cannot be used."""

import errno
import json
import multiprocessing
from pathlib import Path

import pytest

from contracts.errors import Unusable
from contracts.settings import Settings
from stores.data_dir import DataDir, UpLock
from stores.home import close_home, forget_homes, open_home
from tests.ports.port_workers import hold_lock


@pytest.fixture(autouse=True)
def _no_homes():
    yield
    forget_homes()


def test_a_new_folder_gets_a_version(tmp_path):
    path = tmp_path / "a" / "b"
    assert DataDir(path).log == path / "log.db"
    assert json.loads((path / "candlewick.json").read_bytes())["format"] == 1
    DataDir(path)


def test_another_version_is_unusable_naming_both(tmp_path):
    DataDir(tmp_path)
    (tmp_path / "candlewick.json").write_text('{"format": 2}')
    with pytest.raises(Unusable, match=r"format 2, this program reads 1.*give another folder"):
        DataDir(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", "{}", "\xff"])
def test_a_damaged_version_file_is_unusable(tmp_path, text):
    (tmp_path / "candlewick.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(Unusable, match="damaged"):
        DataDir(tmp_path)


def test_databases_without_a_version_are_not_taken_over(tmp_path):
    (tmp_path / "log.db").write_bytes(b"")
    with pytest.raises(Unusable, match=r"no candlewick\.json"):
        DataDir(tmp_path)


@pytest.mark.parametrize("look", ["exists", "glob"])
def test_another_process_may_open_the_new_folder_between_any_two_looks(tmp_path, monkeypatch, look):
    real = getattr(Path, look)

    def look_and_be_overtaken(path, *arguments):
        found = real(path, *arguments)
        found = list(found) if look == "glob" else found
        monkeypatch.undo()
        DataDir(tmp_path).log.write_bytes(b"")
        return found

    monkeypatch.setattr(Path, look, look_and_be_overtaken)
    DataDir(tmp_path)
    assert (tmp_path / "log.db").exists()


def test_a_file_in_its_place_is_unusable(tmp_path):
    (tmp_path / "data").write_text("a file")
    with pytest.raises(Unusable, match="cannot be used as data directory"):
        DataDir(tmp_path / "data")


def test_the_lock_is_for_one_and_names_its_holder(tmp_path):
    ours, theirs = multiprocessing.Pipe()
    holder = multiprocessing.get_context("spawn").Process(target=hold_lock, args=(tmp_path, theirs))
    holder.start()
    assert ours.recv() == "locked"
    directory = DataDir(tmp_path)
    with pytest.raises(Unusable, match=rf"in use by process {holder.pid};"):
        UpLock(directory)
    holder.kill()
    holder.join(20)
    with UpLock(directory), pytest.raises(Unusable, match="in use"):
        UpLock(directory)
    UpLock(directory).release()


def test_a_file_system_without_locks_is_told_as_such(tmp_path, monkeypatch):
    def refuse(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(Unusable, match=r"cannot be locked \(No locks available\)"):
        UpLock(DataDir(tmp_path))


def test_a_home_is_shared_by_its_settings(tmp_path):
    settings = Settings(data_dir=str(tmp_path / "data"))
    home = open_home(settings)
    assert open_home(Settings(data_dir=str(tmp_path / "data"))) is home
    assert home.log.streams() == ["raw-articles", "scored-articles"]
    assert [len(home.log.shards(stream)) for stream in home.log.streams()] == [1, 2]
    close_home(settings)
    assert open_home(settings) is not home
