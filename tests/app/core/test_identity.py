"""Identifiers: two writings of one thing are the same, what is none is none, and nothing personal can be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.identity import Identifier, Identities, Kind, kind_of, lacks_order, normal, value_of
from schemas.events import ContactOpened, Customer, FulfilmentCompleted, OrderPlaced, ParcelAccepted

SECRET = b"a secret"


@pytest.mark.parametrize(
    ("kind", "writings"),
    [
        ("email", ("ann.b@example.com", " Ann.B@EXAMPLE.com ", "ANN.B@example.com")),
        ("email", ("ann@münchen.de", "ann@xn--mnchen-3ya.de", "Ann@MÜNCHEN.de")),
        ("phone", ("+12125550123", "(212) 555-0123", "212.555.0123", "+1 212 555 0123", "001 1 212 555 0123"[4:])),
        ("phone", ("+4930123456", "+49 30 123456", "+49 (0)30 / 12 34 56")),
        ("loyalty", ("L1", " L1 ")),
        ("order", ("o1", " o1\t")),
    ],
)
def test_writings_of_one_thing_give_one_identifier(kind: Kind, writings: tuple[str, ...]) -> None:
    identities = Identities(SECRET, "US")
    found = {identities.of(kind, writing) for writing in writings}
    assert len(found) == 1
    assert None not in found


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("email", "ann"),
        ("email", "ann@"),
        ("email", "ann@example"),
        ("email", "a b@example.com"),
        ("phone", "unknown"),
        ("phone", "110"),
        ("phone", "+1 212"),
        ("phone", "9" * 30),
        ("order", "  "),
        ("order", "o" * 201),
        ("device", ""),
        ("device", "d" * 201),
    ],
)
def test_what_is_no_value_of_its_kind_is_no_identifier(kind: Kind, value: str) -> None:
    assert Identities(SECRET, "US").of(kind, value) is None


def test_a_number_without_its_country_needs_a_region() -> None:
    assert normal("phone", "030 123456", "DE") == "+4930123456"
    assert normal("phone", "030 123456", None) is None
    assert normal("phone", "+49 30 123456", None) == "+4930123456"


@given(st.text(max_size=60), st.sampled_from(("email", "phone", "loyalty", "device", "order")))
def test_any_text_is_an_identifier_or_none_and_normalising_twice_changes_nothing(text: str, kind: Kind) -> None:
    once = normal(kind, text, "US")
    assert once is None or normal(kind, once, "US") == once


@pytest.mark.parametrize("kind", ["email", "phone", "loyalty", "device"])
def test_personal_values_are_hashed_with_the_secret(kind: Kind) -> None:
    value = {"email": "ann@example.com", "phone": "+12125550123"}.get(kind, "L1")
    mine, theirs = Identities(SECRET).of(kind, value), Identities(b"another").of(kind, value)
    assert mine is not None
    assert theirs is not None
    assert len(mine.value) == 32
    assert set(mine.value) <= set("0123456789abcdef")
    assert mine != theirs


def test_the_same_value_of_another_kind_is_another_identifier() -> None:
    identities = Identities(SECRET)
    loyalty, device = identities.of("loyalty", "1"), identities.of("device", "1")
    assert loyalty is not None
    assert device is not None
    assert loyalty.value != device.value


def test_an_event_names_its_identifiers_strongest_first() -> None:
    identities = Identities(SECRET)
    customer = Customer(id="ann", email="ann@example.com", phone="none", device_id="d1")
    found = identities.of_event(FulfilmentCompleted("o1", "p1", "t1"), customer)
    assert [one.kind for one in found] == ["order", "tracking", "package", "email", "device"]
    assert found[:3] == (Identifier("order", "o1"), Identifier("tracking", "t1"), Identifier("package", "p1"))
    assert [one.text for one in identities.of_event(ContactOpened("c1"), None)] == ["case:c1"]


def test_an_identifier_as_text_can_be_taken_apart() -> None:
    text = Identifier("order", "a:b").text
    assert (kind_of(text), value_of(text)) == ("order", "a:b")


def test_only_an_event_about_a_parcel_can_lack_its_order() -> None:
    assert lacks_order(ParcelAccepted(tracking_id="t1"))
    assert not lacks_order(ParcelAccepted("o1", tracking_id="t1"))
    assert not lacks_order(ContactOpened("c1"))
    assert not lacks_order(OrderPlaced("o1"))


def test_a_region_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="no such region"):
        Identities(SECRET, "ZZ")
