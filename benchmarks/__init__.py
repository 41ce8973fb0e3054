"""Measurements that take too long for the tests. One command each: python -m benchmarks.NAME."""
