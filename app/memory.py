"""How a process that detects looks after its memory."""

import gc

_ALLOCATIONS = 100_000
"""New containers between two looks of the collector; a step of the detector leaves about ten that stay."""


def settle() -> None:
    """To be called once, when all is loaded, by whoever runs the detector for long.

    State is trees of values, in which nothing refers back: reference counts free it, and a collector that went through
    every case in memory again and again would find nothing. So it looks seldom, and never at what was loaded first.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, 10, 10)
