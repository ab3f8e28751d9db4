"""Static members notice what has become of their topics, and the group that its members do not read the same ones."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aiokafka.cluster import ClusterMetadata
from aiokafka.consumer.group_coordinator import BaseCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState

from agents.runtime import RuntimeSettings, make_app
from agents.runtime.membership import Assignor, name_member, not_read_by_all, watch_sizes


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


def member(*topics: str) -> Any:
    return SimpleNamespace(subscription=list(topics))


def test_topics_that_only_some_workers_of_a_group_read_are_named() -> None:
    ours, theirs = member("events", "web", "desk"), member("events", "scans")
    assert not_read_by_all([ours, ours]) == ""
    assert not_read_by_all([theirs]) == ""
    assert not_read_by_all([ours, theirs, ours]) == "desk by 2 of 3, scans by 1 of 3, web by 2 of 3"


def test_who_leads_a_group_looks_for_that() -> None:
    app = make_app(RuntimeSettings(app_id="a", bootstrap_servers="b:1", data_dir=Path("d")))
    assert isinstance(app.assignor, Assignor)
