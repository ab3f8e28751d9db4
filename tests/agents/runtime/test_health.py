"""A worker lives by what it gets done; nobody's clock but the one that is given decides."""

from agents.runtime.health import Liveness, Sight

IDLE = Sight(beat=0.0, answered=0.0, assigned=True, settled=True, backlog=0, progress=(1,))


def judge(sights: list[tuple[float, Sight]]) -> str | None:
    """The verdict after seeing all of these, with a limit of 60 s."""
    liveness = Liveness(60.0, 0.0)
    verdict = None
    for now, sight in sights:
        verdict = liveness.verdict(now, sight)
    return verdict


def every_second(seconds: int, **changes: object) -> list[tuple[float, Sight]]:
    """Sights of a sound worker, but for what is said to be otherwise; a callable is given the second."""

    def at(second: int) -> Sight:
        sight = IDLE._replace(beat=second, answered=second)
        return sight._replace(**{k: v(second) if callable(v) else v for k, v in changes.items()})

    return [(float(second), at(second)) for second in range(seconds)]


def test_a_worker_without_work_lives() -> None:
    assert judge(every_second(600)) is None


def test_a_worker_that_gets_through_its_backlog_lives() -> None:
    assert judge(every_second(600, backlog=1_000, progress=lambda second: (second // 50,))) is None


def test_a_worker_with_a_backlog_and_no_progress_dies() -> None:
    assert judge(every_second(59, backlog=7)) is None
    assert judge(every_second(62, backlog=7)) == "nothing was processed although 7 records wait for 61 s"


def test_a_worker_whose_broker_is_silent_dies() -> None:
    assert "the broker has not answered a fetch" in str(judge(every_second(100, answered=10)))


def test_a_broker_is_not_missed_while_nothing_is_assigned() -> None:
    assert judge(every_second(600, answered=0, assigned=False)) is None


def test_a_broker_is_not_missed_while_partitions_are_taken_over_and_from_then_on_is_given_its_time() -> None:
    taking_over = every_second(200, answered=0, assigned=lambda second: second >= 150)
    assert judge(taking_over) is None
    assert "the broker has not answered a fetch" in str(judge([*taking_over, *every_second(215, answered=0)[200:]]))


def test_a_worker_whose_event_loop_hangs_dies() -> None:
    assert "the event loop has not run" in str(judge(every_second(100, beat=10)))


def test_a_worker_that_is_never_given_its_share_dies() -> None:
    never = every_second(62, settled=False, assigned=False)
    assert "no partitions were assigned" in str(judge(never))


def test_a_rebalance_that_ends_in_time_is_no_stall() -> None:
    sights = every_second(200, settled=lambda second: second % 50 > 40, assigned=False)
    assert judge(sights) is None


def test_a_process_that_was_suspended_is_given_its_time_anew() -> None:
    before = every_second(10, backlog=7)
    thawed = [(600.0, IDLE._replace(beat=10, answered=10, backlog=7))]
    after = [(now + 601.0, IDLE._replace(beat=now + 601, answered=now + 601, backlog=7)) for now in range(50)]
    assert judge(before + thawed) is None
    assert judge(before + thawed + after) is None
