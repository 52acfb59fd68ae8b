"""The window engine.

Pure: instant_table, gather, verdict, summary, rollup, watermark, operator. Shell: service, handler, finalizer.

The pure modules import `contracts` only and never touch network, disk, clock, environment, log or chance.
"""
