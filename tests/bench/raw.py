"""Figure `raw`: reading `handoff.events` and nothing else, the limit of any consumer on this client.

Method: one aiokafka consumer, `read_committed`, all partitions, `getmany` of up to 2,000 records as the workers read
them, until the end; values are not looked at.

    python -m tests.bench.raw BOOTSTRAP TOPIC PARTITIONS
"""

import asyncio
import json
import sys
import time

import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition


async def read(bootstrap: str, topic: str, partitions: int) -> dict[str, float]:
    """Records, and what reading them took in seconds of the wall and of the processor."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level="read_committed", enable_auto_commit=False, max_poll_records=2_000
    )
    await consumer.start()
    places = [TopicPartition(topic, number) for number in range(partitions)]
    consumer.assign(places)
    await consumer.seek_to_beginning(*places)
    left = sum((await consumer.end_offsets(places)).values())
    records, wall, cpu = 0, time.perf_counter(), time.process_time()
    while records < left:
        records += sum(map(len, (await consumer.getmany(timeout_ms=1_000)).values()))
    took = {"records": records, "wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    await consumer.stop()
    return took


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(read(sys.argv[1], sys.argv[2], int(sys.argv[3])))))
