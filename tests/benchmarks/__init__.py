"""Benchmarks: real processes, printed figures, no assertions on time. ``python -m tests.benchmarks [name ...]``."""
