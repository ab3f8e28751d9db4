"""In place of a record too large to be sent: a reject that says where the record is, without its bytes."""

import msgspec

from agents.runtime import Out
from schemas.codec import Envelope, Unreadable, decode_alert
from schemas.rejects import TOO_LARGE, Reject
from schemas.topics import ALERTS, REJECTS

STAGE = "size"
_UNKNOWN = -1
"""The partition and offset of what came from no record."""
_envelope = msgspec.json.Decoder(Envelope)


def too_large(out: Out) -> Out:
    """The reject in place of an output. It has no bytes to send again: these are in the topic that it names."""
    size = sum(len(part or b"") for part in (out.key, out.value))
    reason = f"{size} bytes are more than can be sent on"
    reject = Reject(*_place(out), STAGE, TOO_LARGE, reason)
    return Out(REJECTS.name, None, None, headers=tuple(reject.to_headers()))


def _place(out: Out) -> tuple[str, int, int]:
    """Where the record that became this output stands, as far as that can be told: this may never raise."""
    try:
        return _origin(out)
    except (ValueError, RecursionError):  # what msgspec raises is a ValueError too
        return out.topic, _UNKNOWN if out.partition is None else out.partition, _UNKNOWN


def _origin(out: Out) -> tuple[str, int, int]:
    if out.topic == REJECTS.name:
        reject = Reject.from_headers(out.headers)
        return reject.topic, reject.partition, reject.offset
    if out.topic == ALERTS.name:
        return _cited(out)
    event = _envelope.decode(out.value or b"")
    return event.origintopic or out.topic, event.originpartition, event.originoffset


def _cited(out: Out) -> tuple[str, int, int]:
    """The record of the last event that the alert rests on."""
    for cited in reversed(decode_alert(out.value or b"").evidence):
        if cited.topic is not None and cited.partition is not None and cited.offset is not None:
            return cited.topic, cited.partition, cited.offset
    raise Unreadable("the alert names no record")
