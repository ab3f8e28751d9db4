"""From values to records: where what the core says is sent. Shared by ingest and link."""

from collections.abc import Iterator, Sequence

from agents.runtime import Out
from agents.runtime.task import Record
from app.core.routing import Noted, Route
from schemas.links import encode_link
from schemas.rejects import Reject
from schemas.topics import EVENTS, LINKS, REJECTS


def routed(route: Route, value: bytes) -> Iterator[Out]:
    """An event on its way, behind what is learned of it."""
    for note in route.notes:
        yield noted(note)
    if route.via is not None:
        yield Out(LINKS.name, key_of(route.via), value)
    else:
        assert route.customer is not None, "a route leads to a customer or by way of the links"
        yield Out(EVENTS.name, key_of(route.customer), value)


def noted(note: Noted) -> Out:
    """A link or a kin, for the links partition of its identifier."""
    return Out(LINKS.name, key_of(note.identifier), encode_link(note.identifier, note.record))


def key_of(text: str) -> bytes:
    """A customer or an identifier as a record's key; any text has one."""
    return text.encode(errors="surrogatepass")


def rejected(record: Record, stage: str, reason: str) -> Out:
    """The reject of a record, with its own headers and the reason's."""
    headers: Sequence[tuple[str, bytes]] = Reject(
        record.topic, record.partition, record.offset, stage, "Unreadable", reason
    ).to_headers()
    return Out(REJECTS.name, record.key, record.value, headers=(*record.headers, *headers))
