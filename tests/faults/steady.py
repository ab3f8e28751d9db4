"""Steady input: a recorded day sent record by record at an even pace, the shared clock following what was sent."""

import threading
import time
from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError, Message, Producer

from app.simulate import Sent
from tests.kafka.live import Live
from tests.kafka.recorded_day import Recording

_SLICE_MS = 60_000
_AT_ONCE = 20
_PATIENCE_S = 120.0


class Steady(threading.Thread):
    """Sends a recording at so many records a second, then comes to its end. `hurry` ends the pace.

    Where the recording asks for it, a record waits until everything before it was heard.
    """

    def __init__(self, live: Live, recording: Recording, settled: Callable[[], bool], rate: float) -> None:
        super().__init__(name="steady", daemon=True)
        self.hurry = threading.Event()
        self.sent = 0
        self._live = live
        self._recording = recording
        self._settled = settled
        self._rate = rate
        self._failure: BaseException | None = None
        self._stopped = threading.Event()
        # Idempotent: a broker that is restarted must not put the recording out of order.
        options = {"bootstrap.servers": live.broker.bootstrap, "enable.idempotence": True, "log_level": 0}
        self._producer = Producer({**options, "linger.ms": 2, "compression.type": "lz4", "message.timeout.ms": 120_000})

    def run(self) -> None:
        try:
            self._play(self._recording.records)
        except BaseException as error:  # told to whoever asks how it went
            self._failure = error

    def _play(self, records: Sequence[Sent]) -> None:
        for sent in records:
            waits = self._recording.waits(sent)
            if waits or sent.sent_ms > self._live.clock() + _SLICE_MS:
                self._come_to(sent.sent_ms - 1)
            if waits:
                self._wait_until(self._settled)
            # Stamped with the time of sending: to the broker the day may be long ago, and its records past keeping.
            self._producer.produce(sent.topic, sent.value, key=sent.key, on_delivery=self._delivered)
            self.sent += 1
            if self.sent % _AT_ONCE == 0:
                self._come_to(sent.sent_ms - 1)
                self.hurry.wait(_AT_ONCE / self._rate)
            if self._stopped.is_set():
                return
        self._come_to(self._recording.end_ms)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failure = AssertionError(f"a record of {message.topic()} was not sent: {error}")

    def _come_to(self, moment: int) -> None:
        """Moves the clock on once all is acknowledged."""
        self._wait_until(lambda: self._producer.flush(1) == 0)
        self._live.clock.set(max(moment, self._live.clock()))

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        ends = time.monotonic() + _PATIENCE_S
        while not condition() and not self._stopped.is_set():
            assert time.monotonic() < ends, f"the input stands still at record {self.sent}"
            time.sleep(0.05)

    @property
    def done(self) -> bool:
        """Whether the day is over. Raises what kept it from that."""
        if self._failure is not None:
            raise self._failure
        return not self.is_alive()

    def close(self) -> None:
        """Ends the input where it stands."""
        self._stopped.set()
        self.hurry.set()
        self.join(20)
