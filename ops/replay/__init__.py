"""Replay: rebuild buckets from the log and the lake into a new generation, compare, promote, roll back."""
