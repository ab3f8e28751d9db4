"""Subjects: which case an event belongs to."""

import pytest

from app.core.subjects import subject_of
from schemas.events import (
    AccountChanged,
    ContactOpened,
    Data,
    NotificationSent,
    OrderPlaced,
    ParcelAccepted,
    ProfileUpdated,
    SessionResumed,
)


@pytest.mark.parametrize(
    ("kind", "data", "subject"),
    [
        ("order", OrderPlaced("o1"), "o1"),
        ("order", NotificationSent("reminder", about="o1"), "o1"),
        ("order", ParcelAccepted(package_id="p1"), None),
        ("contact", ContactOpened("k1", order_id="o1"), "k1"),
        ("contact", OrderPlaced("o1"), None),
        ("profile", ProfileUpdated("address"), "address"),
        ("account", AccountChanged("limit"), "limit"),
        ("account", NotificationSent("change", about="limit"), "limit"),
        ("cart", SessionResumed("b1"), "b1"),
        ("basket", OrderPlaced("o1"), ""),
        ("channel", OrderPlaced("o1"), None),
    ],
)
def test_an_event_is_about_what_it_names(kind: str, data: Data, subject: str | None) -> None:
    assert subject_of(kind, data) == subject
