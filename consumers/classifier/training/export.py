"""The trained student as an ONNX graph for one unpadded text: ids of shape (tokens,) in, probabilities (3,) out.

The graph is written by hand, node by node, instead of traced. One text at a time needs no mask, no batch axis and no
shape arithmetic; query, key and value share one product; temperature and class offsets are folded into the head.
It is then quantised to int8: weights once, activations by each text's own range, which is exactly repeatable as
long as every text runs alone (law 7).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from consumers.classifier.training.calibrate import Calibration

__all__ = ["export_fp32", "quantise"]

Floats = NDArray[np.float32]
OPSET = 17
IR_VERSION = 8
"""Old enough for every onnxruntime that is allowed."""
MICROSOFT = "com.microsoft"


class _Graph:
    """Nodes and constants in the order they are written."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, domain: str = "", **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, domain=domain, **attributes))
        return output


def export_fp32(weights: dict[str, Floats], heads: int, layers: int, calibration: Calibration, path: Path) -> None:
    """Writes the float graph of a BERT encoder with mean pooling and a linear head.

    `weights` are the state dict of `network.Classifier` as arrays.
    """
    graph = _Graph()
    hidden = weights["encoder.embeddings.word_embeddings.weight"].shape[1]
    state = _embed(graph, weights)
    for layer in range(layers):
        state = _attend(graph, weights, f"encoder.encoder.layer.{layer}.", f"layer{layer}/", state, heads, hidden)
    _answer(graph, weights, state, calibration)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "candlewick-sentiment",
            [helper.make_tensor_value_info("ids", TensorProto.INT64, ["tokens"])],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [3])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)],
        ir_version=IR_VERSION,
        producer_name="candlewick",
    )
    onnx.save(model, path)


def quantise(fp32: Path, int8: Path) -> None:
    """Weights of the matrix products and the word vectors in 8 bits, seven of them used (`reduce_range`).

    Seven bits keep processors without VNNI from saturating, so that they give the same sums.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        fp32,
        int8,
        op_types_to_quantize=["MatMul", "Gather"],
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=["head/product", "positions/taken"],
        extra_options={"MatMulConstBOnly": True, "DefaultTensorType": TensorProto.FLOAT},
    )


def _embed(graph: _Graph, weights: dict[str, Floats]) -> str:
    name = "encoder.embeddings."
    words = graph.constant("words", weights[name + "word_embeddings.weight"])
    # There is one segment only: its vector belongs to every position.
    places = weights[name + "position_embeddings.weight"] + weights[name + "token_type_embeddings.weight"][0]
    graph.constant("positions", places)
    word = graph.node("Gather", [words, "ids"], "words/taken", axis=0)
    count = graph.node("Shape", ["ids"], "tokens/count")
    zero = graph.constant("zero", np.array([0], np.int64))
    place = graph.node("Slice", ["positions", zero, count, zero], "positions/taken")
    return _normalise(graph, weights, name + "LayerNorm.", "embedded", word, place)


def _normalise(graph: _Graph, weights: dict[str, Floats], name: str, output: str, left: str, right: str) -> str:
    """Layer normalisation of a sum."""
    gamma = graph.constant(output + "/gamma", weights[name + "weight"])
    beta = graph.constant(output + "/beta", weights[name + "bias"])
    total = graph.node("Add", [left, right], output + "/sum")
    return graph.node("LayerNormalization", [total, gamma, beta], output, axis=-1, epsilon=1e-12)


def _linear(graph: _Graph, weight: Floats, bias: Floats, output: str, state: str) -> str:
    """state @ weight.T + bias, with torch's (out, in) weight."""
    matrix = graph.constant(output + "/weight", weight.T)
    product = graph.node("MatMul", [state, matrix], output + "/product")
    return graph.node("Add", [product, graph.constant(output + "/bias", bias)], output)


def _attend(graph: _Graph, weights: dict[str, Floats], name: str, out: str, state: str, heads: int, hidden: int) -> str:
    """One encoder layer: attention, then the two-layer network, each with its residual."""
    own = name + "attention.self."
    scale = np.float32(1 / np.sqrt(hidden // heads))
    parts = [(weights[own + part + ".weight"], weights[own + part + ".bias"]) for part in ("query", "key", "value")]
    parts[0] = (parts[0][0] * scale, parts[0][1] * scale)
    joined = _linear(
        graph, np.concatenate([w for w, _ in parts]), np.concatenate([b for _, b in parts]), out + "qkv", state
    )
    shape = graph.constant(out + "split", np.array([0, 3, heads, hidden // heads], np.int64))
    apart = graph.node("Reshape", [joined, shape], out + "apart")
    turned = graph.node("Transpose", [apart], out + "turned", perm=[1, 2, 0, 3])
    query, key, value = (
        graph.node(
            "Gather", [turned, graph.constant(f"{out}part{number}", np.array(number, np.int64))], out + part, axis=0
        )
        for number, part in enumerate(("query", "key", "value"))
    )
    key_turned = graph.node("Transpose", [key], out + "key_turned", perm=[0, 2, 1])
    scores = graph.node("MatMul", [query, key_turned], out + "scores")
    mixed = graph.node("MatMul", [graph.node("Softmax", [scores], out + "weights", axis=-1), value], out + "mixed")
    back = graph.node("Transpose", [mixed], out + "back", perm=[1, 0, 2])
    flat = graph.node(
        "Reshape", [back, graph.constant(out + "flat_shape", np.array([0, hidden], np.int64))], out + "flat"
    )
    dense = name + "attention.output."
    seen = _linear(graph, weights[dense + "dense.weight"], weights[dense + "dense.bias"], out + "seen", flat)
    state = _normalise(graph, weights, dense + "LayerNorm.", out + "attended", seen, state)
    wide = _linear(
        graph,
        weights[name + "intermediate.dense.weight"],
        weights[name + "intermediate.dense.bias"],
        out + "wide",
        state,
    )
    active = graph.node("Gelu", [wide], out + "active", domain=MICROSOFT)
    narrow = _linear(
        graph, weights[name + "output.dense.weight"], weights[name + "output.dense.bias"], out + "narrow", active
    )
    return _normalise(graph, weights, name + "output.LayerNorm.", out + "done", narrow, state)


def _answer(graph: _Graph, weights: dict[str, Floats], state: str, calibration: Calibration) -> None:
    """Mean over the tokens, calibrated head, softmax."""
    mean = graph.node("ReduceMean", [state], "mean", axes=[0], keepdims=0)
    matrix = graph.constant("head/weight", weights["head.weight"].T / np.float32(calibration.temperature))
    shift = weights["head.bias"] / np.float32(calibration.temperature) + np.array(calibration.offsets, np.float32)
    product = graph.node("MatMul", [mean, matrix], "head/product")
    logits = graph.node("Add", [product, graph.constant("head/bias", shift)], "logits")
    graph.node("Softmax", [logits], "probabilities", axis=-1)
