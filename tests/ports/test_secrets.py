"""The Secrets port: the environment and a `.env` file."""

import pytest

from contracts.errors import Unusable
from stores.env_secrets import EnvSecrets
from stores.home import open_home


@pytest.fixture
def dotenv(tmp_path):
    path = tmp_path / ".env"
    path.write_text(
        "# keys\n\nFINNHUB_API_KEY=abc # mine\nexport TIINGO_API_KEY='a b#c'\nQUOTED=\"x=y\"\nEMPTY=\nSPACED = v \n"
    )
    return path


def test_values_are_read_from_the_file(dotenv):
    secrets = EnvSecrets({}, dotenv)
    names = ("FINNHUB_API_KEY", "TIINGO_API_KEY", "QUOTED", "EMPTY", "SPACED", "NONE")
    assert [secrets.get(name) for name in names] == ["abc", "a b#c", "x=y", None, "v", None]


def test_the_environment_wins_over_the_file(dotenv):
    assert EnvSecrets({"FINNHUB_API_KEY": "env"}, dotenv).get("FINNHUB_API_KEY") == "env"


def test_an_empty_variable_counts_as_unset(dotenv):
    assert EnvSecrets({"FINNHUB_API_KEY": ""}, dotenv).get("FINNHUB_API_KEY") == "abc"


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=   # get one at the shop", None),
        ("A=\t#x", None),
        ("A=#x", "#x"),
        ("A= 'b' # x", "b"),
        ("A = b#c # x", "b#c"),
    ],
)
def test_a_comment_is_no_value(dotenv, line, value):
    dotenv.write_text(line + "\n")
    assert EnvSecrets({}, dotenv).get("A") == value


@pytest.mark.parametrize("before", ["", "# mine\n"])
def test_a_byte_order_mark_as_editors_write_it_is_no_part_of_the_first_line(dotenv, before):
    dotenv.write_text(f"\ufeff{before}A=b\n", encoding="utf-8")
    assert EnvSecrets({}, dotenv).get("A") == "b"


def test_a_missing_file_is_empty(tmp_path):
    assert EnvSecrets({"A": "1"}, tmp_path / "none").get("A") == "1"


def test_a_damaged_file_is_told_by_its_line(dotenv):
    dotenv.write_text("A=1\nnot a setting\n")
    with pytest.raises(Unusable, match="line 2"):
        EnvSecrets({}, dotenv)


def test_values_are_never_shown(dotenv):
    secrets = EnvSecrets({"OTHER": "hidden"}, dotenv)
    assert "abc" not in f"{secrets!r} {secrets}"
    assert "hidden" not in f"{secrets!r} {secrets}"


@pytest.mark.homes("embedded")
def test_a_home_reads_the_file_of_its_data_directory(installation, tmp_path):
    (tmp_path / "data" / ".env").write_text("FINNHUB_API_KEY=file\n")
    assert installation.reopen().secrets.get("FINNHUB_API_KEY") == "file"
    home = open_home(installation.settings, env={"FINNHUB_API_KEY": "env"})
    assert home.secrets.get("FINNHUB_API_KEY") == "env"
    assert home.log is installation.home.log
