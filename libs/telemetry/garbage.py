"""How often Python looks for garbage that refers to itself, in a process that serves."""

import gc

YOUNG = 20_000
"""Objects between two looks: Python's own 700 are made by two or three calls."""


def look_less_often() -> None:
    """Call once when all is loaded: what is there now is never looked through again, and the rest seldom.

    Each full look went through every module and class: it took a quarter of a gateway's time, and made callers wait.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 50)
