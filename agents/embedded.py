"""A Kafka broker that needs nothing but pip: for the demo, and for tests where no real one can be had.

confluent-kafka's wheel carries librdkafka, and librdkafka a Kafka broker in memory, its "mock cluster". It speaks the
real protocol over TCP, so workers and clients run against it as they are. This module starts it in a child process
(``python -m agents.embedded``), because an assertion of librdkafka ends the process it is in, and drives it through
librdkafka's own C functions, because only these create a topic with a chosen number of partitions.

What it cannot do, and what to do about it:

- It is memory only: what it holds ends with the process.
- A partition keeps 5 MiB of record batches, counted as they arrive (compressed), or 100,000 batches; librdkafka fixes
  both figures when it is compiled. Beyond that the oldest batches go, heedless of who has read them: a consumer that
  was behind gets "offset out of range" and goes on by its ``auto_offset_reset``; with ``earliest`` it skips what went
  and says nothing of it. So a producer must stay within `PARTITION_BYTES` of the slowest *committed* offset, in each
  partition. In events of 500 bytes and batches of 64 KiB that is 10,000 uncompressed, 60,000 in lz4, 90,000 in zstd.
  A batch above half of `PARTITION_BYTES` can be lost on arrival; clients stop at 1 MiB unless told otherwise.
- Nothing is compacted: a changelog that outgrows `PARTITION_BYTES` in a partition cannot be recovered whole.
- There is no CreateTopics: `EmbeddedBroker.create_topics` is the way. A metadata request for a topic that does not
  exist creates it with 4 partitions, so create topics before any client names them.
- Transactions must not be used. They are accepted, but aborted records stay visible to ``read_committed``, a former
  owner is not fenced, and the markers written at their end carry no checksum: aiokafka's consumers stop at them with
  "invalid CRC". Workers run on it at least once, with an idempotent producer.
- A rebalance waits for the whole session timeout less a second, since the broker does not notice that all have
  rejoined: a session of 6 s is a fair choice. A new group's first members are awaited for `FIRST_JOIN_MS`.
- A fetch that found nothing is answered after its ``fetch_max_wait_ms``, even when records arrive meanwhile: 50 ms is a
  fair choice. A fetch brings one batch of each partition, so small batches are slow to read.
"""

import asyncio
import ctypes
import importlib.metadata
import json
import select
import struct
import subprocess
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Self

PARTITION_BYTES = 5 * 1024 * 1024
FIRST_JOIN_MS = 500
_LEADER_SYNC_DELAY = 0.1  # seconds
_REPLY_TIMEOUT = 20.0  # seconds
_SYNC_GROUP = 14  # the number of SyncGroup in the protocol
_HOST = "127.0.0.1"


class EmbeddedBrokerError(RuntimeError):
    """The embedded broker did not start, ended, or refused a request. The text says which and why."""


class EmbeddedBroker:
    """A broker in memory for as long as the ``with`` block lasts.

    ``topics`` maps names to partition counts. ``bootstrap`` is what clients connect to, as "127.0.0.1:port". The broker
    ends with the block, and also when this process dies. Raises `EmbeddedBrokerError` when it does not start.
    """

    def __init__(self, topics: Mapping[str, int] | None = None) -> None:
        self._topics = dict(topics or {})
        self._process: subprocess.Popen[str] | None = None
        self.bootstrap = ""

    def __enter__(self) -> Self:
        # A session of its own: an interrupt at the terminal must reach the workers first, and the broker last.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "agents.embedded"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            self.bootstrap = self._reply()
            self.create_topics(self._topics)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def create_topics(self, topics: Mapping[str, int]) -> None:
        """Create each topic with its number of partitions. Raises `EmbeddedBrokerError` where one exists already."""
        process = self._running()
        assert process.stdin is not None
        for name, partitions in topics.items():
            process.stdin.write(json.dumps([name, partitions]) + "\n")
            process.stdin.flush()
            self._reply()

    def close(self) -> None:
        """End the broker, with all that it holds. Safe to call twice."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        with process:  # waits for its end, and closes the pipes
            pass

    def _running(self) -> "subprocess.Popen[str]":
        if self._process is None:
            raise EmbeddedBrokerError("the embedded broker is not running")
        return self._process

    def _reply(self) -> str:
        process = self._running()
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], _REPLY_TIMEOUT)
        line = process.stdout.readline() if ready else ""
        if not line:
            raise EmbeddedBrokerError(f"the embedded broker did not answer (status {process.poll()})")
        answer: dict[str, str] = json.loads(line)
        if "error" in answer:
            raise EmbeddedBrokerError(answer["error"])
        return answer["ok"]


class _Mock:
    """librdkafka's mock cluster of one broker, by its C functions (rdkafka_mock.h)."""

    def __init__(self) -> None:
        self._lib = _librdkafka()
        reason = ctypes.create_string_buffer(512)
        conf = self._lib.rd_kafka_conf_new()
        self._lib.rd_kafka_conf_set(conf, b"log_level", b"3", reason, len(reason))
        handle = self._lib.rd_kafka_new(0, conf, reason, len(reason))
        if not handle:
            raise EmbeddedBrokerError(f"librdkafka did not start: {reason.value.decode()}")
        self._cluster = self._lib.rd_kafka_mock_cluster_new(handle, 1)
        if not self._cluster:
            raise EmbeddedBrokerError("librdkafka did not start its mock cluster")
        self._lib.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, FIRST_JOIN_MS)
        # Later versions have another layout, which `_is_leader_sync` does not read.
        self._lib.rd_kafka_mock_set_apiversion(self._cluster, _SYNC_GROUP, 0, 3)
        address: bytes = self._lib.rd_kafka_mock_cluster_bootstraps(self._cluster)
        self.port = int(address.decode().rpartition(":")[2])

    def advertise(self, port: int) -> None:
        """Let metadata name this port, not the mock's own."""
        self._lib.rd_kafka_mock_broker_set_host_port(self._cluster, 1, _HOST.encode(), port)

    def create_topic(self, name: str, partitions: int) -> None:
        error = self._lib.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1)
        if error:
            text: bytes = self._lib.rd_kafka_err2str(error)
            raise EmbeddedBrokerError(f"topic {name} with {partitions} partitions was not created: {text.decode()}")


_SIGNATURES: dict[str, tuple[list[type], type | None]] = {
    "rd_kafka_conf_new": ([], ctypes.c_void_p),
    "rd_kafka_conf_set": (
        [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t],
        ctypes.c_int,
    ),
    "rd_kafka_new": ([ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t], ctypes.c_void_p),
    "rd_kafka_err2str": ([ctypes.c_int], ctypes.c_char_p),
    "rd_kafka_mock_cluster_new": ([ctypes.c_void_p, ctypes.c_int], ctypes.c_void_p),
    "rd_kafka_mock_cluster_bootstraps": ([ctypes.c_void_p], ctypes.c_char_p),
    "rd_kafka_mock_group_initial_rebalance_delay_ms": ([ctypes.c_void_p, ctypes.c_int32], None),
    "rd_kafka_mock_set_apiversion": ([ctypes.c_void_p, ctypes.c_int16, ctypes.c_int16, ctypes.c_int16], ctypes.c_int),
    "rd_kafka_mock_broker_set_host_port": ([ctypes.c_void_p, ctypes.c_int32, ctypes.c_char_p, ctypes.c_int], None),
    "rd_kafka_mock_topic_create": ([ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int], ctypes.c_int),
}


def _librdkafka() -> ctypes.CDLL:
    """The librdkafka inside confluent-kafka's wheel, with the functions in use declared."""
    try:
        files = importlib.metadata.files("confluent-kafka") or []
    except importlib.metadata.PackageNotFoundError:
        raise EmbeddedBrokerError("the embedded broker needs the package confluent-kafka") from None
    path = next((str(file.locate()) for file in files if file.name.startswith("librdkafka")), None)
    if path is None:
        raise EmbeddedBrokerError("this confluent-kafka carries no librdkafka: install it from its wheel")
    library = ctypes.CDLL(path)
    for name, (arguments, result) in _SIGNATURES.items():
        function = getattr(library, name)
        function.argtypes, function.restype = arguments, result
    return library


class _Gate:
    """Passes bytes between clients and the mock, and lets a group's leader wait for its followers.

    The mock settles a rebalance as soon as the leader's SyncGroup arrives, and answers a follower whose own comes after
    it with an error that ends the follower's consumer. Real brokers wait for all. Three members in three processes met
    this in four rebalances of five. So a leader's SyncGroup is held back while followers send theirs.
    """

    def __init__(self, port: int) -> None:
        self._port = port

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_broker, to_broker = await asyncio.open_connection(_HOST, self._port)
        except OSError:
            writer.close()
            return
        requests = asyncio.create_task(_pass_requests(reader, to_broker))
        responses = asyncio.create_task(_pass_responses(from_broker, writer))
        pumps = (requests, responses)
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        to_broker.close()
        writer.close()


async def _pass_requests(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        head = await reader.readexactly(4)
        request = await reader.readexactly(int.from_bytes(head))
        if _is_leader_sync(request):
            await asyncio.sleep(_LEADER_SYNC_DELAY)
        writer.write(head + request)
        await writer.drain()


async def _pass_responses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 18):
        writer.write(data)
        await writer.drain()


def _is_leader_sync(request: bytes) -> bool:
    """Whether this is a SyncGroup (version 0 to 3) that carries assignments: only a leader's does."""
    key, version = struct.unpack_from(">hh", request)
    if key != _SYNC_GROUP:
        return False
    at = _after_string(request, 8)  # key, version, correlation id; then the client's name
    at = _after_string(request, _after_string(request, at) + 4)  # group, generation, member
    if version >= 3:
        at = _after_string(request, at)  # group instance
    return int.from_bytes(request[at : at + 4]) > 0


def _after_string(request: bytes, at: int) -> int:
    length: int = struct.unpack_from(">h", request, at)[0]
    return at + 2 + max(length, 0)


async def _run() -> None:
    """Serve until standard input ends. Answers each line ``[name, partitions]`` on it with one line of JSON."""
    mock = _Mock()
    server = await asyncio.start_server(_Gate(mock.port).serve, _HOST, 0)
    port = server.sockets[0].getsockname()[1]
    mock.advertise(port)
    _answer("ok", f"{_HOST}:{port}")
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        try:
            mock.create_topic(*json.loads(line))
            _answer("ok", "created")
        except EmbeddedBrokerError as error:
            _answer("error", str(error))


def _answer(kind: str, text: str) -> None:
    sys.stdout.write(json.dumps({kind: text}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        asyncio.run(_run())
    except EmbeddedBrokerError as problem:
        _answer("error", str(problem))
        sys.exit(1)
