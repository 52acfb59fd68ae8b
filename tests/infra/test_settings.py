"""What a stage's row says reaches the functions it concerns, and no others."""

from dataclasses import replace

import pytest

from infra.bundles import BUNDLES
from infra.functions import ROWS, settings_of
from infra.stages import MODELS, OWN_FILES, STAGES, Stage, checked

DEV = STAGES["dev"]


def given(stage: Stage, variable: str) -> dict[str, str]:
    """What the functions that are told a setting are told."""
    told = {name: settings_of(row, stage, "lake").get(f"CANDLEWICK_{variable}") for name, row in ROWS.items()}
    return {name: value for name, value in told.items() if value is not None}


def test_all_who_judge_how_late_an_event_is_are_told_the_same():
    stage = replace(DEV, allowed_lateness_hours=36)
    who = ("aggregator", "classifier", "finalizer", "producers")
    assert given(stage, "ALLOWED_LATENESS_MS") == dict.fromkeys(who, "129600000")


def test_a_stage_has_its_own_feeds_companies_and_name():
    assert not any(given(DEV, each) for each in ("SOURCES_FILE", "SYMBOLS_FILE", "USER_AGENT"))
    stage = replace(DEV, sources_file="producers/own.json", user_agent="desk/1 (+{mail})")
    stage = replace(stage, symbols_file="consumers/classifier/symbols.csv")
    assert given(stage, "SOURCES_FILE") == {"producers": "producers/own.json"}
    assert given(stage, "USER_AGENT") == {"producers": "desk/1 (+{mail})"}
    assert given(stage, "SYMBOLS_FILE") == {"classifier": "consumers/classifier/symbols.csv"}
    with pytest.raises(ValueError, match=r"no file producers/own\.json of this checkout"):
        checked(stage)
    checked(replace(stage, sources_file="producers/sources/default_feeds.json"))


def test_a_stage_has_a_model_that_its_zip_can_load():
    for model in MODELS:
        checked(replace(DEV, model=model))
    for model in ("hf:ProsusAI/finbert", "finvader", "minilm-news-2"):
        with pytest.raises(ValueError, match="the classifier's zip has minilm-news-1, vader, and no other"):
            checked(replace(DEV, model=model))


def test_a_stages_own_files_lie_where_the_zip_of_their_function_takes_them_from():
    for field, folder in OWN_FILES.items():
        (function,) = (name for name, row in ROWS.items() if field in dict(row.environment))
        assert folder in BUNDLES[ROWS[function].bundle].packages
        with pytest.raises(ValueError, match=f"below {folder}/"):
            checked(replace(DEV, **{field: "README.md"}))
        with pytest.raises(ValueError, match=f"below {folder}/"):
            checked(replace(DEV, **{field: f"{folder}/{'../' * (folder.count('/') + 1)}README.md"}))


def test_what_is_left_out_of_every_zip_is_no_file_of_a_stage():
    with pytest.raises(ValueError, match="not in the function's zip"):
        checked(replace(DEV, symbols_file="consumers/classifier/training/data.py"))


@pytest.mark.parametrize("hours", [-1, 49])
def test_no_event_may_come_when_its_minute_is_gone(hours: int):
    with pytest.raises(ValueError, match=r"allowed_lateness_hours.*48"):
        checked(replace(DEV, allowed_lateness_hours=hours))
