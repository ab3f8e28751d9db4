"""The small parts: partitions as Kafka computes them, failpoints, settings, counters."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from agents.runtime.failpoints import POINTS, parse
from agents.runtime.metrics import Histogram, Metrics
from agents.runtime.partition import partition_for
from agents.runtime.settings import RuntimeSettings, changelog_topic


@given(st.binary(max_size=40), st.integers(1, 64))
def test_a_key_has_the_partition_that_kafkas_own_partitioner_gives_it(key: bytes, partitions: int) -> None:
    everywhere = list(range(partitions))
    assert partition_for(key, partitions) == DefaultPartitioner()(key, everywhere, everywhere)


@pytest.mark.parametrize(
    ("value", "armed"), [("after-commit", ("after-commit", 1)), ("in-recovery:3", ("in-recovery", 3))]
)
def test_a_failpoint_is_named_with_how_often_it_is_passed(value: str, armed: tuple[str, int]) -> None:
    assert parse(value) == armed


def test_an_unknown_failpoint_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="HANDOFF_CRASH_AT is 'nowhere', must be one of before-process"):
        parse("nowhere")


def test_a_process_dies_the_nth_time_it_passes_its_failpoint_and_not_at_others() -> None:
    program = f"""
from agents.runtime.failpoints import crash_at
for n in range(3):
    print(n, flush=True)
    crash_at("{POINTS[1]}")
    crash_at("{POINTS[0]}")
"""
    environment = os.environ | {"HANDOFF_CRASH_AT": f"{POINTS[0]}:2"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (137, b"0\n1\n")


def settings(**changes: object) -> RuntimeSettings:
    return RuntimeSettings(app_id="a", bootstrap_servers="b:1, c:2", data_dir=Path("d"), **changes)  # type: ignore[arg-type]


def test_servers_are_separated_by_commas() -> None:
    assert settings().servers == ["b:1", "c:2"]


def test_a_changelog_is_named_after_application_and_table() -> None:
    assert changelog_topic(settings(), "journeys") == "a-journeys-changelog"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_max_records": 0}, "batch_max_records is 0"),
        ({"heartbeat_ms": 20_000}, "heartbeat_ms"),
        ({"revoke_timeout_s": 60}, "revoke_timeout_s"),
        ({"processing": "at-most-once"}, "processing is 'at-most-once'"),
    ],
)
def test_settings_that_cannot_work_together_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        settings(**changes)


def test_durations_are_counted_up_to_and_including_their_bound() -> None:
    histogram = Histogram()
    for seconds in (0.005, 0.006, 20.0):
        histogram.observe(seconds)
    buckets = dict(histogram.buckets())
    assert (buckets["0.005"], buckets["0.01"], buckets["10.0"], buckets["+Inf"]) == (1.0, 2.0, 2.0, 3.0)
    assert histogram.total == pytest.approx(20.011)


def test_counters_show_in_the_exposition_by_agent() -> None:
    metrics = Metrics()
    metrics.agent("detect").records += 7
    metrics.agent("detect").commit_seconds.observe(0.02)
    metrics.rebalances += 1
    text = metrics.exposition().decode()
    assert 'handoff_records_total{agent="detect"} 7.0' in text
    assert 'handoff_commit_seconds_bucket{agent="detect",le="0.025"} 1.0' in text
    assert "handoff_rebalances_total 1.0" in text


def test_a_collector_of_the_callers_own_shows_too() -> None:
    class Own:
        def collect(self) -> list[object]:
            return []

        def describe(self) -> list[object]:
            self.asked = True
            return []

    metrics, own = Metrics(), Own()
    metrics.register(own)
    assert own.asked
