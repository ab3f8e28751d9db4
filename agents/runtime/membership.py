# ruff: noqa: SLF001  # aiokafka does not mean its group protocol to be changed from outside.
"""Static members of the group, and topics that change.

A static member that comes back within its session is given the partitions it had, and nothing is shared out anew: so
nobody would read a topic, or partitions, that have come meanwhile, and nobody would say so. Where it was the leader,
nobody watches for what comes later either. So what is read is part of a member's name, and every static member watches.
"""

import zlib
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer


async def name_member(client: AIOKafkaConsumer, instance_id: str, topics: Iterable[str]) -> None:
    """Names a member that has not joined yet after the topics it will read and how many partitions each has."""
    cluster = await client._client.fetch_all_metadata()
    sizes = [(topic, len(cluster.partitions_for_topic(topic) or ())) for topic in sorted(topics)]
    client._coordinator._group_instance_id = f"{instance_id}-{zlib.crc32(repr(sizes).encode()):08x}"


def watch_sizes(client: AIOKafkaConsumer) -> None:
    """Lets a member ask for a new assignment when a topic grows; the client does so only where it has led the last one.

    The broker heeds who is the leader in its books, and gives the others what they have.
    """
    coordinator = client._coordinator
    if coordinator._group_subscription is None:
        coordinator._group_subscription = set(client.subscription())
        coordinator._metadata_snapshot = coordinator._get_metadata_snapshot()
