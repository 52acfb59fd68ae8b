"""How the shipped sentiment model is made and judged. Needs the `train` extra; nothing here runs in production."""
