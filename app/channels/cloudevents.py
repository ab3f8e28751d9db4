"""CloudEvents 1.0 as channels send them: structured mode passes through, binary mode is put together."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

Headers = Iterable[tuple[str, bytes | None]]
"""As Kafka has them: a header may have no value."""
_ATTRIBUTES = ("id", "source", "type", "time", "channel", "specversion", "subject")
_OURS = ("origintopic", "originpartition", "originoffset", "originindex", "linked")
_STRUCTURED = b"application/cloudevents"


def structured(value: bytes, headers: Headers) -> bytes:
    """The event in structured mode: as it is, or from `ce_*` headers and the value as its data.

    Raises ValueError where the headers are no UTF-8.
    """
    found = {name.lower(): content for name, content in headers if content is not None} if headers else {}
    if "ce_type" not in found or found.get("content-type", b"").startswith(_STRUCTURED):
        return value
    attributes = {name: found[f"ce_{name}"].decode() for name in _ATTRIBUTES if f"ce_{name}" in found}
    return b'%s,"data":%s}' % (orjson.dumps(attributes)[:-1], value.strip() or b"{}")


def stamped(value: bytes, channel: str, origin: Mapping[str, Any]) -> bytes:
    """The event with its channel, where it names none, and the place it came from.

    Attributes are put in front, and of attributes that come twice the last one counts: so an event that brings its own
    place is taken apart instead. Raises ValueError where it is no JSON object.
    """
    front = orjson.dumps({"channel": channel, **origin})[:-1]
    body = value.lstrip()
    if body[:1] != b"{":
        raise ValueError("no JSON object")
    if b"origin" in value or b"linked" in value or b"\\u" in value:  # as in one that brings a place, if not only there
        attributes = orjson.loads(value)
        return orjson.dumps({"channel": channel, **{k: v for k, v in attributes.items() if k not in _OURS}, **origin})
    return b"%s}" % front if body == b"{}" else b"%s,%s" % (front, body[1:])
