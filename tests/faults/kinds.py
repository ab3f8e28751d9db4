"""What befalls the workers. Each kind of fault does its harm, and times how long it takes to be whole again."""

import random
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from tests.faults.fleet import Fleet, Member

FREEZE_S = 8.0
"""Longer than the session (6 s): the group gives the partitions of a frozen worker to others."""

Fault = Callable[[Fleet, random.Random], float]
"""Returns the seconds from the fault until every partition was at work, had heard all that was sent before the fault,
and kept up with the input."""


def _victim(fleet: Fleet, chance: random.Random) -> Member:
    return chance.choice(fleet.members)


def _recovery(fleet: Fleet, harm: Callable[[], None]) -> float:
    """Seconds from the harm until the detector has recovered of it."""
    moment, began = fleet.live.clock(), time.monotonic()
    harm()
    fleet.wait(lambda: fleet.recovered(moment))
    return time.monotonic() - began


def kill(fleet: Fleet, chance: random.Random) -> float:
    """kill -9, and started again at once."""
    member = _victim(fleet, chance)

    def harm() -> None:
        member.end(signal.SIGKILL)
        member.start()

    return _recovery(fleet, harm)


def stop(fleet: Fleet, chance: random.Random) -> float:
    """An orderly stop, and started again at once."""
    member = _victim(fleet, chance)

    def harm() -> None:
        member.end(signal.SIGTERM)
        member.start()

    return _recovery(fleet, harm)


def freeze(fleet: Fleet, chance: random.Random) -> float:
    """Frozen past its session and thawed as a zombie. With others about, they take over while it is frozen, and that is
    timed; alone, the time runs from the thaw.
    """
    member = _victim(fleet, chance)
    began = time.monotonic()
    took = _recovery(fleet, member.freeze) if len(fleet.members) > 1 else 0.0
    time.sleep(max(0.0, FREEZE_S + chance.uniform(0, 2) - (time.monotonic() - began)))
    thawed = _recovery(fleet, member.thaw)
    return took or thawed


def join(fleet: Fleet, chance: random.Random) -> float:
    """One worker more; one less where there are three."""
    return _recovery(fleet, lambda: fleet.add().start()) if len(fleet.members) < 3 else leave(fleet, chance)


def leave(fleet: Fleet, chance: random.Random) -> float:
    """One worker less, for good; one more where it would be the last."""
    if len(fleet.members) == 1:
        return join(fleet, chance)
    member = _victim(fleet, chance)

    def harm() -> None:
        member.end(chance.choice([signal.SIGTERM, signal.SIGKILL]))
        fleet.remove(member)

    return _recovery(fleet, harm)


def _moved(fleet: Fleet, chance: random.Random, *, disk: bool, spoil: Callable[[Path], None] | None = None) -> float:
    member = _victim(fleet, chance)

    def harm() -> None:
        member.end(chance.choice([signal.SIGTERM, signal.SIGKILL]))
        heir = fleet.heir(member, disk=disk)
        if spoil is not None:
            spoil(heir.state)
        heir.start()

    return _recovery(fleet, harm)


def moved_kept(fleet: Fleet, chance: random.Random) -> float:
    """Another worker goes on with the disk of one that was killed or stopped."""
    return _moved(fleet, chance, disk=True)


def moved_wiped(fleet: Fleet, chance: random.Random) -> float:
    """Another worker goes on with an empty disk."""
    return _moved(fleet, chance, disk=False)


def moved_corrupted(fleet: Fleet, chance: random.Random) -> float:
    """Another worker goes on with a disk on which a file of each store is damaged."""
    return _moved(fleet, chance, disk=True, spoil=lambda state: damage(state, chance))


def damage(state: Path, chance: random.Random) -> None:
    """Overwrites or cuts short one file of every store, of those that hold rows or say which do."""
    stores = [path for path in state.iterdir() if path.is_dir()] if state.exists() else []
    for store in sorted(stores):
        files = sorted(p for p in store.iterdir() if p.suffix in {".sst", ".log"} or p.name.startswith("MANIFEST"))
        sized = [path for path in files if path.stat().st_size]
        if sized:
            _spoil(chance.choice(sized), chance)


def _spoil(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    if chance.random() < 0.3:
        path.write_bytes(data[: len(data) // 2])
        return
    at = chance.randrange(len(data))
    data[at : at + 512] = chance.randbytes(min(512, len(data) - at))
    path.write_bytes(data)


def broker(fleet: Fleet, chance: random.Random) -> float:
    """The broker is killed, and started again a little later. The time runs from when it answers again."""
    fleet.live.broker.kill()
    time.sleep(chance.uniform(0, 3))
    fleet.live.broker.restart()
    return _recovery(fleet, lambda: None)


KINDS: Mapping[str, Fault] = MappingProxyType(
    {
        "kill": kill,
        "stop": stop,
        "freeze": freeze,
        "join": join,
        "leave": leave,
        "moved, disk kept": moved_kept,
        "moved, disk wiped": moved_wiped,
        "moved, disk corrupted": moved_corrupted,
        "broker": broker,
    }
)
