"""Where the classifier's companies come from, for what looks at them beside it."""

from pathlib import Path

from api.names import company_names
from contracts.settings import ClassifierSettings
from local.ready import symbol_table

HEADER = "ticker,exchange,name,aliases,weak_aliases,cues,never_with\n"


def test_names_are_those_of_the_table_the_classifier_reads(tmp_path: Path) -> None:
    settings = ClassifierSettings(data_dir=str(tmp_path))
    assert company_names(symbol_table(settings))["AAPL"] == "Apple Inc."
    (tmp_path / "symbols.csv").write_text(HEADER + "ZZZQ,NYSE,Refreshed Corp.,,,,\n")
    assert company_names(symbol_table(settings)) == {"ZZZQ": "Refreshed Corp."}
    named = tmp_path / "mine.csv"
    named.write_text("\ufeff" + HEADER.replace("name,", "") + "ZZZZ,NYSE,,,,\n", encoding="utf-8")
    settings = settings.model_copy(update={"symbols_file": str(named)})
    assert company_names(symbol_table(settings)) == {}


def test_on_aws_a_table_of_the_data_directory_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "symbols.csv").write_text(HEADER)
    settings = ClassifierSettings(data_dir=str(tmp_path), home="aws", lake_bucket="lake")
    assert symbol_table(settings) is None
