"""Command line, settings and the supervision of processes."""
