"""Every topic of the detector, named once: its key, its value, its policy."""

import msgspec

DAY_MS = 24 * 3600 * 1000
PARTITIONS = 8
"""Of `handoff.events`, unless configuration says otherwise; fixed once there is state."""


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """A topic as `handoff topics` declares it."""

    name: str
    key: str
    value: str
    cleanup: str = "delete"
    retention_ms: int | None = None
    partitioned: bool = True
    """Has as many partitions as `handoff.events`; otherwise one."""
    tuning: dict[str, int | float] = {}
    """What else is set, in Kafka's names."""

    def config(self) -> dict[str, str | int | float]:
        """Its configuration, in Kafka's names."""
        retention = {} if self.retention_ms is None else {"retention.ms": self.retention_ms}
        return {"cleanup.policy": self.cleanup, **retention, **self.tuning}


_SMALL: dict[str, int | float] = {
    # Small segments that compact soon: recovery reads what is left of a changelog, not its history.
    "segment.bytes": 64 << 20,
    "segment.ms": 3_600_000,
    "min.cleanable.dirty.ratio": 0.2,
    # Local state is trusted for half as long: it must hear of every deletion.
    "delete.retention.ms": DAY_MS,
}

EVENTS = Topic(name="handoff.events", key="customer", value="canonical event or tick", retention_ms=7 * DAY_MS)
LINKS = Topic(name="handoff.links", key="identifier", value="event, link, kin or tick", retention_ms=7 * DAY_MS)
ALERTS = Topic(name="handoff.alerts", key="alert id", value="alert", cleanup="compact,delete", retention_ms=30 * DAY_MS)
ACTIONS = Topic(
    name="handoff.actions", key="alert id", value="what staff did", cleanup="compact,delete", retention_ms=30 * DAY_MS
)
REJECTS = Topic(name="handoff.rejects", key="theirs", value="raw bytes, errors in headers", retention_ms=14 * DAY_MS)
JOURNEYS = Topic(
    name="handoff-journeys-changelog", key="table row", value="msgpack state", cleanup="compact", tuning=_SMALL
)
IDENTITIES = Topic(
    name="handoff-identities-changelog", key="table row", value="msgpack state", cleanup="compact", tuning=_SMALL
)
CHANGELOGS = (JOURNEYS, IDENTITIES)
"""Named after the application, `handoff` unless configuration says otherwise."""

TOPICS = (EVENTS, LINKS, ALERTS, ACTIONS, REJECTS, *CHANGELOGS)


def own_topics(app_id: str) -> dict[str, Topic]:
    """Every topic of the detector by the name that it has in the application of this name."""
    changelogs = {topic.name: f"{app_id}{topic.name.removeprefix('handoff')}" for topic in CHANGELOGS}
    return {changelogs.get(topic.name, topic.name): topic for topic in TOPICS}
