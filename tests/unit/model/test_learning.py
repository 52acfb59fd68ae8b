"""The parts of training that need torch: resuming, freezing, the exported graph. `make test-train` runs them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the train extra is not installed")
transformers = pytest.importorskip("transformers", reason="the train extra is not installed")

from consumers.classifier.models.onnx_text import session_of  # noqa: E402
from consumers.classifier.training import learn as learning  # noqa: E402
from consumers.classifier.training.calibrate import Calibration  # noqa: E402
from consumers.classifier.training.data import NEGATIVE, POSITIVE, Example  # noqa: E402
from consumers.classifier.training.export import export_fp32, quantise  # noqa: E402
from consumers.classifier.training.learn import Run, learn, probabilities  # noqa: E402
from consumers.classifier.training.network import Classifier  # noqa: E402
from consumers.classifier.training.stages import Pool, Setting, mean_weights, opinions  # noqa: E402
from consumers.classifier.training.workers import side_by_side  # noqa: E402
from contracts.errors import Unusable  # noqa: E402

WORDS, LAYERS, HEADS = 50, 3, 2


def network(seed: int = 3) -> Classifier:
    torch.manual_seed(seed)
    config = transformers.BertConfig(
        vocab_size=WORDS,
        hidden_size=32,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.3,
    )
    return Classifier(transformers.BertModel(config, add_pooling_layer=False))


def texts(count: int = 48) -> tuple[list[list[int]], np.ndarray[Any, Any]]:
    """Ids whose label is told by their first token."""
    chance = np.random.default_rng(5)
    ids = [[int(token) for token in chance.integers(4, WORDS, chance.integers(3, 12))] for _ in range(count)]
    targets = np.zeros((count, 3), np.float32)
    for row, tokens in enumerate(ids):
        targets[row, tokens[0] % 3] = 1
    return ids, targets


def run(**changed: Any) -> Run:
    settings = {"name": "tiny", "epochs": 4, "learning_rate": 5e-3, "seed": 1, "batch": 8, "bfloat16": False}
    return Run(**(settings | changed))


def weights(model: Classifier) -> dict[str, np.ndarray[Any, Any]]:
    return {name: value.detach().numpy().copy() for name, value in model.state_dict().items()}


def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, targets = texts()
    even = np.ones(len(ids), np.float32)
    whole = weights(learn(network(), ids, targets, even, run(), tmp_path / "whole"))
    monkeypatch.setattr(learning, "CHECKPOINT_STEPS", 5)
    step, steps = learning._step, []

    def stopped(*given: Any) -> float:
        steps.append(given[-1])
        if len(steps) == 13:
            raise KeyboardInterrupt
        return step(*given)

    monkeypatch.setattr(learning, "_step", stopped)
    with pytest.raises(KeyboardInterrupt):
        learn(network(), ids, targets, even, run(), tmp_path / "cut")
    resumed = weights(learn(network(9), ids, targets, even, run(), tmp_path / "cut"))
    assert steps[13] == 10, "goes on from the checkpoint"
    for name, value in whole.items():
        np.testing.assert_array_equal(resumed[name], value, err_msg=name)
    assert json.loads((tmp_path / "cut" / "tiny.cost.json").read_text())["cpu_s"] >= 0
    again = weights(learn(network(7), ids, targets, even, run(), tmp_path / "cut"))
    assert all((again[name] == value).all() for name, value in whole.items()), "a finished run is read back"


def test_frozen_parts_stay_and_the_rest_learns(tmp_path: Path) -> None:
    ids, targets = texts()
    before = weights(network())
    settings = run(freeze_words=True, freeze_layers=1, epochs=60)
    model = learn(network(), ids, targets, np.ones(len(ids), np.float32), settings, tmp_path)
    after = weights(model)
    moved = {name for name, value in after.items() if (value != before[name]).any()}
    assert not any("embeddings" in name or "layer.0." in name for name in moved)
    assert any("layer.1." in name for name in moved)
    found = probabilities(model, ids, bfloat16=False).argmax(-1)
    assert (found == targets.argmax(-1)).mean() > 0.6


@pytest.mark.parametrize("temperature", [1.0, 1.7])
def test_the_exported_graph_says_what_the_network_says(tmp_path: Path, temperature: float) -> None:
    model = network().eval()
    path = tmp_path / "fp32.onnx"
    export_fp32(weights(model), HEADS, LAYERS, Calibration(temperature), path)
    session = session_of(path.read_bytes())
    for ids in texts(12)[0]:
        with torch.no_grad():
            expected = (model(torch.tensor([ids]), torch.ones(1, len(ids))) / temperature).softmax(-1)[0].numpy()
        np.testing.assert_allclose(session.run(None, {"ids": np.array(ids)})[0], expected, atol=1e-5)


def test_the_quantised_graph_stays_near_and_is_smaller(tmp_path: Path) -> None:
    model = network().eval()
    fp32, int8 = tmp_path / "fp32.onnx", tmp_path / "int8.onnx"
    export_fp32(weights(model), HEADS, LAYERS, Calibration(1.0), fp32)
    quantise(fp32, int8)
    one, two = (session_of(path.read_bytes()) for path in (fp32, int8))
    gaps = []
    for ids in texts(12)[0]:
        answers = [session.run(None, {"ids": np.array(ids)})[0] for session in (one, two)]
        gaps.append(abs(answers[0] - answers[1]).max())
    assert 0 < np.mean(gaps) < 0.1
    assert int8.stat().st_size < fp32.stat().st_size


def learned_apart(folder: Path, name: str) -> None:
    """A stage as a process of its own runs it; leaves its weights and how many threads it had."""
    ids, targets = texts(400)
    learn(network(), ids, targets, np.ones(len(ids), np.float32), run(name=name, batch=32), folder)
    (folder / f"{name}.threads").write_text(str(torch.get_num_threads()), encoding="utf-8")


def test_stages_side_by_side_write_the_same_bytes_on_one_thread_each(tmp_path: Path) -> None:
    side_by_side(learned_apart, [(tmp_path, name) for name in ("first", "second", "third")], 2)
    states = [torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("first", "second", "third")]
    for name, value in states[0].items():
        assert all(torch.equal(state[name], value) for state in states[1:]), name
    assert (tmp_path / "third.threads").read_text(encoding="utf-8") == "1"


def test_the_error_of_a_stage_comes_out_and_a_killed_stage_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        side_by_side(os.rmdir, [(tmp_path / "missing",)], 1)
    with pytest.raises(Unusable, match="killed") as told:
        side_by_side(os._exit, [(9,)], 1)
    assert "\n" not in str(told.value)


def test_the_mean_of_students_is_the_mean_of_every_weight() -> None:
    one, two = network(1), network(2)
    mean = mean_weights([one.state_dict(), two.state_dict()])
    assert mean.keys() == weights(one).keys()
    for name, value in weights(one).items():
        np.testing.assert_allclose(mean[name].numpy(), (value + weights(two)[name]) / 2, atol=1e-7, err_msg=name)


def test_opinions_are_the_mean_of_the_teachers_and_of_the_times_they_were_asked(tmp_path: Path) -> None:
    pool = Pool([Example("Acme gains", POSITIVE, "x")], ["Globex falls"], [Example("Acme sinks", NEGATIVE, "made")])
    shares = {(1, 1): 0.8, (2, 1): 0.6, (1, 3): 0.4, (2, 3): 0.2}
    for (seed, number), share in shares.items():
        logits = np.log(np.full((2, 3), [share, (1 - share) / 2, (1 - share) / 2], np.float32))
        np.save(tmp_path / f"opinions-{seed}-round-{number}.npy", logits)
    setting = Setting(tmp_path)
    assert opinions(pool, setting, 1)[:, 0] == pytest.approx([0.7, 0.7])
    assert opinions(pool, setting, 2)[:, 0] == pytest.approx([0.5, 0.5])
    with pytest.raises(Unusable, match="another pool"):
        opinions(Pool(pool.labelled, [], []), setting, 1)
