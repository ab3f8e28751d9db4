# ruff: noqa: SLF001  # aiokafka does not mean its group protocol to be changed from outside.
"""Static members of the group, topics that change, and groups that are two by mistake.

A static member that comes back within its session is given the partitions it had, and nothing is shared out anew: so
nobody would read a topic, or partitions, that have come meanwhile, and nobody would say so. Where it was the leader,
nobody watches for what comes later either. So what is read is part of a member's name, and every static member watches.
"""

import logging
import zlib
from collections import Counter
from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer
from faust.assignor import PartitionAssignor

log = logging.getLogger(__name__)


class Assignor(PartitionAssignor):
    """Faust's, which also says where the members of a group do not read the same.

    Of two systems that share a group each is given a part of what is common to both, and knows nothing of the channels
    that the other reads: their clocks stand still, nothing is detected any more, and all are ready and without lag.
    """

    def assign(self, cluster: Any, member_metadata: Any) -> Any:
        if apart := not_read_by_all(member_metadata.values()):
            log.error("the workers of group %s read different topics: %s. That passes while a change is rolled out;"
                      " else two systems share an app_id, and neither works", self.app.conf.id, apart)  # fmt: skip
        return super().assign(cluster, member_metadata)


def not_read_by_all(members: Iterable[Any]) -> str:
    """Which topics only some of the group's members read, and how many do; empty where all read the same."""
    members = list(members)
    readers = Counter(topic for member in members for topic in set(member.subscription))
    return ", ".join(f"{topic} by {n} of {len(members)}" for topic, n in sorted(readers.items()) if n < len(members))


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
