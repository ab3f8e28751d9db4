"""Static members notice what has become of their topics."""

from types import SimpleNamespace
from typing import Any

from aiokafka.cluster import ClusterMetadata
from aiokafka.consumer.group_coordinator import BaseCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState

from agents.runtime.membership import name_member, watch_sizes


class Cluster(ClusterMetadata):
    """Topics of these sizes."""

    def __init__(self, **sizes: int) -> None:
        super().__init__()
        self.sizes = sizes

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return set(range(self.sizes[topic])) if topic in self.sizes else None


class Coordinator(BaseCoordinator):
    """A member that has joined, and has not led the assignment."""

    _group_subscription: set[str] | None = None
    joins_again = 0

    def _on_metadata_change(self) -> None:
        self.joins_again += 1


async def test_a_member_that_did_not_lead_joins_again_when_a_topic_grows_and_only_then() -> None:
    cluster, subscription = Cluster(orders=4), SubscriptionState()
    subscription.subscribe({"orders"})
    coordinator = Coordinator(SimpleNamespace(cluster=cluster), subscription, exclude_internal_topics=True)
    client: Any = SimpleNamespace(_coordinator=coordinator, subscription=lambda: frozenset({"orders"}))
    watch_sizes(client)
    coordinator._handle_metadata_update(cluster)
    assert coordinator.joins_again == 0
    cluster.sizes["orders"] = 8
    coordinator._handle_metadata_update(cluster)
    assert coordinator.joins_again == 1


async def named(topics: set[str], **sizes: int) -> str:
    async def all_metadata() -> Cluster:
        return Cluster(**sizes)

    coordinator = SimpleNamespace(_group_instance_id=None)
    client: Any = SimpleNamespace(_coordinator=coordinator, _client=SimpleNamespace(fetch_all_metadata=all_metadata))
    await name_member(client, "one", topics)
    return str(coordinator._group_instance_id)


async def test_a_member_keeps_its_name_until_it_reads_other_topics_or_one_has_grown() -> None:
    name = await named({"orders", "parcels"}, orders=4, parcels=4, others=1)
    assert name.startswith("one-")
    assert await named({"parcels", "orders"}, parcels=4, orders=4, others=2) == name
    assert await named({"orders"}, orders=4, parcels=4) != name
    assert await named({"orders", "parcels"}, orders=8, parcels=4) != name
