"""What a worker needs of a configuration beyond what a replay does: nothing is kept of a replay, and it reads files."""

from collections.abc import Iterator

from app.config.channels import CLOUDEVENTS, ChannelTables
from app.config.settings import SECRET_LENGTH, Settings
from schemas.events import Customer
from schemas.topics import ACTIONS, own_topics

PERSONAL = tuple(name for name in Customer.__struct_fields__ if name != "id")
"""What identifies a person, not a customer: it is kept hashed."""


def unready(settings: Settings, tables: ChannelTables) -> list[str]:
    """Why no worker may run on this configuration, in words, one line each; empty where one may."""
    return [*_secret(settings, tables), *_headers(tables), *_round_in_circles(settings, tables)]


def _secret(settings: Settings, tables: ChannelTables) -> Iterator[str]:
    named = {topic: found for topic in tables.topics if (found := personal(tables, topic))}
    if settings.links.secret is None and named:
        topic, found = next(iter(named.items()))
        others = f" and of {len(named) - 1} more" if len(named) > 1 else ""
        yield (
            f"links.secret is not set, and records of the topic {topic}{others} may name a customer's "
            f"{', '.join(found)}, which a worker keeps hashed with it: allowed is a text of at least {SECRET_LENGTH} "
            "characters, the same for all workers and for good; HANDOFF_LINKS__SECRET_FILE names a file that holds it"
        )


def personal(tables: ChannelTables, topic: str) -> tuple[str, ...]:
    """The personal identifiers that records of a topic may carry: any as CloudEvents, else those of the dialect."""
    name = tables.topics[topic].dialect
    if name == CLOUDEVENTS:
        return PERSONAL
    dialect = tables.dialects[name]
    used = {*dialect.customer, *(field for event in dialect.events for field in event.customer or ())}
    return tuple(field for field in PERSONAL if field in used)


def _headers(tables: ChannelTables) -> Iterator[str]:
    for name, dialect in tables.dialects.items():
        topics = [topic for topic, table in tables.topics.items() if table.dialect == name]
        if topics and dialect.format == "csv" and dialect.columns is None:
            yield (
                f"dialects.{name}.columns is missing: a record of {', '.join(topics)} is one line of CSV without the "
                "header that a file has; allowed is the list of the columns' names, in their order"
            )


def _round_in_circles(settings: Settings, tables: ChannelTables) -> Iterator[str]:
    """What a worker writes itself, and would read and write again for ever."""
    written = [name for name, topic in own_topics(settings.worker.app_id).items() if topic is not ACTIONS]
    for name in tables.topics:
        if name in written:
            yield (
                f'topics."{name}" is a topic that a worker writes itself: allowed are the channels\' own, '
                f"not {', '.join(written)}"
            )
