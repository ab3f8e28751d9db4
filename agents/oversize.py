"""In place of a record too large to be sent: a reject that says where the record is, without its bytes."""

import msgspec

from agents.runtime import Out
from schemas.codec import Envelope
from schemas.rejects import TOO_LARGE, Reject
from schemas.topics import REJECTS

STAGE = "size"
_envelope = msgspec.json.Decoder(Envelope)


def too_large(out: Out) -> Out:
    """The reject in place of an output. It has no bytes to send again: these are in the topic that it names."""
    size = sum(len(part or b"") for part in (out.key, out.value))
    reason = f"{size} bytes are more than can be sent on"
    reject = Reject(*_place(out), STAGE, TOO_LARGE, reason)
    return Out(REJECTS.name, None, None, headers=tuple(reject.to_headers()))


def _place(out: Out) -> tuple[str, int, int]:
    """Where the record that became this output stands."""
    if out.topic == REJECTS.name:
        reject = Reject.from_headers(out.headers)
        return reject.topic, reject.partition, reject.offset
    event = _envelope.decode(out.value or b"")
    return event.origintopic or out.topic, event.originpartition, event.originoffset
