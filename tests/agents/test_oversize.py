"""What stands in place of a record too large to be sent says where that record is, whatever it was."""

import msgspec
import pytest

from agents.oversize import too_large
from agents.runtime import Out
from schemas.codec import encode_alert, encode_event
from schemas.events import ContactOpened
from schemas.rejects import TOO_LARGE, Reject
from schemas.state import Fact
from schemas.topics import ALERTS, EVENTS, REJECTS
from tests.schemas.test_codec import ALERT


def place(out: Out) -> tuple[str, int, int]:
    instead = too_large(out)
    assert (instead.topic, instead.key, instead.value) == (REJECTS.name, None, None)
    reject = Reject.from_headers(instead.headers)
    assert (reject.stage, reject.kind) == ("size", TOO_LARGE)
    return reject.topic, reject.partition, reject.offset


def test_an_event_is_where_its_channel_put_it() -> None:
    value = encode_event(Fact(0, "e1", "/chat", "chat", ContactOpened("k1")), {"id": "c1"})
    stamped = b'{"origintopic":"chats","originpartition":3,"originoffset":17,' + value[1:]
    assert place(Out(EVENTS.name, b"c1", stamped)) == ("chats", 3, 17)


def test_a_reject_is_where_its_headers_say() -> None:
    headers = Reject("chats", 3, 17, "decode", "Unreadable", "no JSON").to_headers()
    assert place(Out(REJECTS.name, b"k", b"?" * 9, headers=tuple(headers))) == ("chats", 3, 17)


def test_an_alert_is_where_the_last_event_stands_that_it_rests_on() -> None:
    assert place(Out(ALERTS.name, b"7d1f", encode_alert(ALERT))) == ("shop", 3, 17)


NOWHERE = encode_alert(msgspec.structs.replace(ALERT, evidence=()))


@pytest.mark.parametrize("value", [None, b"", b"?", b"[" * 100_000, b"{}", NOWHERE, encode_alert(ALERT)[:-5]])
@pytest.mark.parametrize("topic", [ALERTS.name, EVENTS.name, REJECTS.name, "other"])
def test_of_what_cannot_be_read_it_says_what_it_can(topic: str, value: bytes | None) -> None:
    assert place(Out(topic, b"k", value, 2)) == (topic, 2, -1)
    assert place(Out(topic, b"k", value)) == (topic, -1, -1)
