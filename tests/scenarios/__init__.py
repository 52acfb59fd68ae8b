"""Scenario scripts (`*.scn`): each a law or an edge, run unchanged on every engine. language, runner, engines."""
