"""The classifier: an encoder, the mean of its outputs, one linear layer on top."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import AutoModel

__all__ = ["Classifier", "build", "read_tokenizer"]

LABEL_COUNT = 3
DROPOUT = 0.1


class Classifier(nn.Module):  # type: ignore[misc]
    """Token ids of whole texts in, three logits out: negative, neutral, positive."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(DROPOUT)
        self.head = nn.Linear(encoder.config.hidden_size, LABEL_COUNT)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Logits of shape (texts, 3). `mask` is 1 on tokens and 0 on padding."""
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(-1).to(states.dtype)
        return self.head(self.dropout((states * weights).sum(1) / weights.sum(1)))


def build(folder: Path, seed: int, attention_dropout: float = DROPOUT) -> Classifier:
    """The encoder of `folder` under a head drawn from `seed`.

    Attention is written out: on a CPU the fused kernel's way back took half of the time of a step with short texts.
    """
    torch.manual_seed(seed)
    encoder = AutoModel.from_pretrained(
        str(folder),
        add_pooling_layer=False,
        attn_implementation="eager",
        attention_probs_dropout_prob=attention_dropout,
    )
    return Classifier(encoder)


def read_tokenizer(folder: Path, tokens_max: int) -> Tokenizer:
    """The encoder's own tokeniser, cutting at `tokens_max` and never padding."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(tokens_max)
    return tokenizer
