"""Measurements that are not tests: they take minutes, want a quiet machine, and give figures instead of a verdict."""
