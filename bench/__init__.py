"""Benchmarks (``playtower bench``): each prints a table and returns figures beside a reference of the same run."""
