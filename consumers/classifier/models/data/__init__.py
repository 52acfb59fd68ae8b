"""The shipped sentiment model: graph, tokeniser, card. Read by `minilm.py`, which checks every digest."""
