"""What stops a benchmark."""


class BenchError(Exception):
    """It cannot be measured; says why, for people."""
