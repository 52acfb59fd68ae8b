"""What all tests have in common."""

from importlib.util import find_spec

# The infrastructure's tests run where there is no Hypothesis.
if find_spec("hypothesis") is not None:
    from hypothesis import settings

    # A test says how many examples it takes, never how long one may: this machine may stand still for a moment.
    settings.register_profile("unhurried", deadline=None)
    settings.load_profile("unhurried")
