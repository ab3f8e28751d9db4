"""Identifiers: what an event knows of its customer besides the id, normalised, and hashed where it is personal.

Two writings of one address or number give the same identifier; what cannot be normalised is none. Personal values leave
here only as a keyed hash: equal values stay equal, and nobody without the secret can try values out.
"""

import hmac
from functools import lru_cache
from typing import Literal, NamedTuple

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from schemas.events import TYPES, Customer, Data, OfParcel, OrderPlaced

Kind = Literal["order", "tracking", "package", "case", "loyalty", "email", "phone", "device"]
PARCELS: frozenset[str] = frozenset(("tracking", "package"))
GOODS: frozenset[str] = PARCELS | {"order"}
"""Kinds whose customer is known to those who sell."""
UNIQUE: frozenset[str] = GOODS | {"case"}
"""Kinds that belong to one customer for ever; the others are of persons, who may share them."""
_OF_DATA: dict[str, Kind] = {
    "order_id": "order",
    "tracking_id": "tracking",
    "package_id": "package",
    "case_id": "case",
}
_OF_CUSTOMER: dict[str, Kind] = {"loyalty_id": "loyalty", "email": "email", "phone": "phone", "device_id": "device"}
_FIELDS: dict[type[Data], tuple[tuple[str, Kind], ...]] = {
    cls: tuple((field, kind) for field, kind in _OF_DATA.items() if field in cls.__struct_fields__)
    for cls in TYPES.values()
}
_LONGEST = 200
_HASH_LENGTH = 32


class Identifier(NamedTuple):
    """Something that leads to a customer."""

    kind: Kind
    value: str

    @property
    def text(self) -> str:
        """As a key: `order:o1`."""
        return f"{self.kind}:{self.value}"


def kind_of(text: str) -> str:
    """The kind of an identifier as text."""
    return text.partition(":")[0]


def value_of(text: str) -> str:
    """The value of an identifier as text."""
    return text.partition(":")[2]


class Identities:
    """Makes identifiers. `region` is the country (`US`) of phone numbers that name none; none: those are ignored.

    An empty secret hides nothing: values can be tried out. Remembers the last `remember` personal values, for
    normalising takes some ten microseconds. Raises ValueError where there is no such region.
    """

    def __init__(self, secret: bytes, region: str | None = "US", remember: int = 100_000) -> None:
        if region is not None and region not in phonenumbers.SUPPORTED_REGIONS:
            raise ValueError(f"region {region!r}: no such region; allowed is a country as in ISO 3166, such as 'US'")
        self._secret = secret
        self._region = region
        self._personal = lru_cache(remember)(self._make)

    def of(self, kind: Kind, raw: str) -> Identifier | None:
        """The identifier, or none where the value is none of its kind."""
        if kind not in UNIQUE:
            return self._personal(kind, raw)
        value = raw.strip()
        return Identifier(kind, value) if 0 < len(value) <= _LONGEST else None

    def of_event(self, data: Data, customer: Customer | None) -> tuple[Identifier, ...]:
        """All identifiers of an event, strongest first."""
        found = [self.of(kind, raw) for field, kind in _FIELDS[type(data)] if (raw := getattr(data, field))]
        if customer is not None:
            found += [self.of(kind, raw) for field, kind in _OF_CUSTOMER.items() if (raw := getattr(customer, field))]
        return tuple(identifier for identifier in found if identifier is not None)

    def _make(self, kind: Kind, raw: str) -> Identifier | None:
        value = normal(kind, raw, self._region)
        if value is None:
            return None
        digest = hmac.digest(self._secret, f"{kind}:{value}".encode(errors="surrogatepass"), "sha256")
        return Identifier(kind, digest.hex()[:_HASH_LENGTH])


def padded(data: Data) -> dict[str, str | None]:
    """The fields that name a thing with blanks around it → its name, none of blanks alone: cases are kept by it too."""
    found: dict[str, str | None] = {}
    for field, _ in _FIELDS[type(data)]:
        name = getattr(data, field)
        if name and name != (bare := name.strip()):
            found[field] = bare or None
    return found


def lacks_order(data: Data) -> bool:
    """Whether the event is about an order that it knows only by a parcel."""
    return isinstance(data, OfParcel) and data.order_id is None


def places(data: Data) -> bool:
    """Whether the event places its order: whoever it names is the order's customer, and not one who asks about it."""
    return isinstance(data, OrderPlaced)


def normal(kind: Kind, raw: str, region: str | None) -> str | None:
    """The one writing of a value; none where it is no value of its kind."""
    value = raw.strip()
    if not 0 < len(value) <= _LONGEST:
        return None
    if kind == "email":
        return _email(value)
    return _phone(value, region) if kind == "phone" else value


def _email(value: str) -> str | None:
    """The local part too in lower case: no provider tells people apart by capitals, and people write as they like."""
    try:
        return validate_email(value, check_deliverability=False, test_environment=True).normalized.lower()
    except EmailNotValidError:
        return None


def _phone(value: str, region: str | None) -> str | None:
    """E.164 (`+12125550123`); a number of a length that the country does not know is none."""
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
