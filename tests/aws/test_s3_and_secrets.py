"""What S3 and Secrets Manager do and a folder and an environment do not."""

import json
import os
from typing import Any

import pytest

from contracts.errors import BadEvent, BadRequest, Transient, Unusable
from stores import s3
from stores.aws_client import MAX_TRIES
from stores.env_secrets import EnvSecrets
from stores.home import open_home
from stores.s3 import S3Lake
from stores.secrets_manager import FirstOf, SecretsManagerSecrets
from tests.aws.conftest import World
from tests.aws.moto_aws import refusal

KEY = "raw/source=rss/date=2025-12-21/shardId-000000000000-1-2.jsonl.gz"


# ---- S3 ----------------------------------------------------------------------------------------------------------
def test_a_large_object_goes_in_parts_and_comes_back(world: World, monkeypatch):
    monkeypatch.setattr(s3, "PART_BYTES", 5 << 20)
    lines = [os.urandom(60_000).replace(b"\n", b"") for _ in range(200)]
    world.aws.lake.put(KEY, lines)
    head = world.aws.s3.client.head_object(Bucket="lake", Key=KEY)
    assert head["ETag"].strip('"').endswith("-3"), "three parts"
    assert list(world.aws.lake.read(KEY)) == lines


def test_a_part_that_fails_leaves_no_upload_behind(world: World, monkeypatch):
    monkeypatch.setattr(s3, "PART_BYTES", 5 << 20)
    client = world.aws.s3.client

    def broken(**given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(client, "upload_part", broken)
    with pytest.raises(KeyboardInterrupt):
        world.aws.lake.put(KEY, [os.urandom(60_000).replace(b"\n", b"") for _ in range(100)])
    assert "Uploads" not in client.list_multipart_uploads(Bucket="lake")
    assert world.aws.lake.keys() == []


def test_a_damaged_object_is_told_apart_from_an_absent_one(world: World):
    world.aws.lake.put(KEY, [b"%d" % number for number in range(5_000)])
    client = world.aws.s3.client
    whole = client.get_object(Bucket="lake", Key=KEY)["Body"].read()
    for damaged in (whole[:2_000], b"plain text, not gzip\n"):
        client.put_object(Bucket="lake", Key=KEY, Body=damaged)
        with pytest.raises(BadEvent):
            list(world.aws.lake.read(KEY))
    with pytest.raises(BadRequest):
        world.aws.lake.read("raw/none.jsonl.gz")


def test_the_same_lines_give_the_same_bytes_on_either_home(world: World, tmp_path):
    from stores.files_lake import FilesLake

    lines = [b'{"a":1}', "ü🙂".encode(), b""]
    world.aws.lake.put(KEY, lines)
    FilesLake(tmp_path).put(KEY, lines)
    assert world.aws.s3.client.get_object(Bucket="lake", Key=KEY)["Body"].read() == (tmp_path / KEY).read_bytes()


def test_more_keys_than_one_page_are_listed(world: World, monkeypatch):
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")
    keys = [f"late/stream=a/date=2025-12-21/{number:04d}.jsonl.gz" for number in range(25)]
    for key in keys:
        world.aws.s3.client.put_object(Bucket="lake", Key=key, Body=b"")
    assert world.aws.s3.client.list_objects_v2(Bucket="lake")["KeyCount"] == 10, "it does come in pages"
    assert world.aws.lake.keys("late/") == keys


def test_a_missing_bucket_is_named_with_the_remedy(world: World):
    lake = S3Lake(world.aws.s3, "no-such-bucket-of-ours")
    for call in (lambda: lake.put(KEY, [b"1"]), lambda: lake.read(KEY), lambda: lake.keys()):
        with pytest.raises(Unusable, match="CANDLEWICK_LAKE_BUCKET"):
            call()


# ---- Secrets Manager ---------------------------------------------------------------------------------------------
def store(world: World, text: str) -> None:
    client = world.aws.secrets._service.client
    if client.list_secrets()["SecretList"]:
        client.put_secret_value(SecretId="dev-candlewick", SecretString=text)
    else:
        client.create_secret(Name="dev-candlewick", SecretString=text)


def test_a_missing_secret_leaves_its_source_off_and_says_so(world: World, caplog):
    assert world.aws.secrets.get("FINNHUB_API_KEY") is None
    assert "dev-candlewick" in caplog.text


def test_one_secret_holds_all_names_and_a_rotated_one_arrives_by_itself(world: World):
    store(world, json.dumps({"FINNHUB_API_KEY": "one", "EMPTY": ""}))
    secrets = world.aws.secrets
    assert [secrets.get(name) for name in ("FINNHUB_API_KEY", "EMPTY", "NONE")] == ["one", None, None]
    assert world.faults.calls["GetSecretValue"] == 1
    store(world, json.dumps({"FINNHUB_API_KEY": "two"}))
    assert secrets.get("FINNHUB_API_KEY") == "one"
    world.clock.advance(300_000)
    assert secrets.get("FINNHUB_API_KEY") == "two"


def away(service: str, operation: str, given: dict[str, Any]) -> Any:
    return refusal("InternalServiceError", status=500) if operation == "GetSecretValue" else None


def test_values_that_are_known_outlive_an_outage_and_are_asked_for_once_a_minute(world: World, caplog):
    store(world, json.dumps({"FINNHUB_API_KEY": "one"}))
    secrets = world.aws.secrets
    assert secrets.get("FINNHUB_API_KEY") == "one"
    world.faults.before.append(away)
    world.clock.advance(300_000)
    asked, began_ms = world.faults.calls["GetSecretValue"], world.clock.monotonic_ms()
    assert [secrets.get(name) for name in ("FINNHUB_API_KEY", "NONE")] == ["one", None]
    assert world.faults.calls["GetSecretValue"] == asked + 1
    assert world.clock.monotonic_ms() == began_ms, "nobody waits for what there is already"
    assert "dev-candlewick" in caplog.text
    assert "one" not in caplog.text
    world.faults.before.clear()
    store(world, json.dumps({"FINNHUB_API_KEY": "two"}))
    assert secrets.get("FINNHUB_API_KEY") == "one"
    world.clock.advance(60_000)
    assert secrets.get("FINNHUB_API_KEY") == "two"


def test_values_that_are_known_outlive_a_secret_that_is_none(world: World):
    store(world, json.dumps({"FINNHUB_API_KEY": "one"}))
    assert world.aws.secrets.get("FINNHUB_API_KEY") == "one"
    store(world, "not json")
    world.clock.advance(300_000)
    assert world.aws.secrets.get("FINNHUB_API_KEY") == "one"


def test_an_outage_at_the_start_is_told(world: World):
    world.faults.before.append(away)
    with pytest.raises(Transient):
        world.aws.secrets.get("FINNHUB_API_KEY")
    assert world.faults.calls["GetSecretValue"] == MAX_TRIES


@pytest.mark.parametrize("text", ["not json", "[]", '{"A": 1}'])
def test_a_secret_of_another_shape_is_refused_without_showing_it(world: World, text: str):
    store(world, text)
    with pytest.raises(Unusable) as caught:
        world.aws.secrets.get("A")
    assert text not in str(caught.value)
    assert repr(world.aws.secrets) == "SecretsManagerSecrets(dev-candlewick)"


def test_the_environment_wins_over_the_store(world: World):
    store(world, json.dumps({"A": "stored", "B": "stored"}))
    home = open_home(world.settings, world.clock, env={"A": "env"})
    assert (home.secrets.get("A"), home.secrets.get("B")) == ("env", "stored")
    assert isinstance(home.secrets, FirstOf)
    assert isinstance(world.aws.secrets, SecretsManagerSecrets)
    assert FirstOf(EnvSecrets({})).get("A") is None
