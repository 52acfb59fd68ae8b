"""The simulator: the whole pipeline from scored events to store under seeded faults. `python -m tests.sim --help`."""
