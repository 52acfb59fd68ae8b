"""What crosses a boundary: events, keys, resolutions, errors, metric names, ports, settings and the clock.

Imports nothing of ours; everything else may import it.
"""
