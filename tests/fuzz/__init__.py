"""Manifests with random damage, twenty thousand at a time: `python -m tests.fuzz`."""
