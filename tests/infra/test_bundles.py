"""The zips as they are deployed: wheels for arm64, below Lambda's limit."""

from pathlib import Path

import pytest

from infra import bundling
from infra.bundles import BUNDLES
from infra.bundling import MAX_UNPACKED_MB, content_hash, fill, unpacked_mb


@pytest.mark.parametrize("bundle", list(BUNDLES))
def test_a_zip_is_below_the_limit_and_holds_what_runs_there(tmp_path: Path, bundle: str):
    fill(tmp_path, bundle, "lambda")
    size_mb = unpacked_mb(tmp_path)
    assert size_mb < MAX_UNPACKED_MB, f"{bundle}: {size_mb:.0f} MB unpacked; Lambda takes 250"
    assert (tmp_path / "contracts" / "events.py").exists()
    native = [path.name for path in tmp_path.rglob("*.so") if "x86_64" in path.name]
    assert native == [], "made for another processor"
    assert not list(tmp_path.rglob("training")), "training code is not deployed"
    assert bool(list(tmp_path.rglob("model.onnx"))) == (bundle == "classifier")
    if bundle == "api":
        assert (tmp_path / "run.sh").stat().st_mode & 0o111
        assert "$LAMBDA_RUNTIME_DIR" in (tmp_path / "run.sh").read_text(), "boto3 is the runtime's"
    print(f"{bundle}: {size_mb:.0f} MB")


def test_a_zips_hash_follows_everything_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With the hash of before, nothing would be deployed."""
    before = content_hash("api", "lambda")
    assert content_hash("api", "lambda") == before
    for name, value in (("RUN", "#!/bin/sh\n"), ("LEFT_OUT", ()), ("PLATFORMS", ("any",)), ("ROOT", tmp_path)):
        with monkeypatch.context() as changed:
            if name == "ROOT":
                for each in ("api", "aggregation", "consumers", "contracts", "stores", "constraints.txt"):
                    (tmp_path / each).symlink_to(bundling.ROOT / each)
                (tmp_path / "web" / "dist").mkdir(parents=True)
                (tmp_path / "web" / "dist" / "index.html").write_text("another page")
            changed.setattr(bundling, name, value)
            assert content_hash("api", "lambda") != before, name
