"""What the alerts about deliveries say."""

from app.core.rule import Rule
from app.rules.delivery_no_show import RULE as NO_SHOW
from app.rules.stale_promise import RULE as STALE
from app.timeline import read_page, run

PAGE = """
### Told
```timeline fires
{lines}
```
"""


def summaries(rule: Rule, *lines: str) -> list[str]:
    (timeline,) = read_page(PAGE.format(lines="\n".join(lines)))
    return [alert.summary for said in run(timeline, [rule]) for alert in said.alerts if alert.phase == "breach"]


def test_two_parcels_of_an_order_are_told_apart_and_one_without_a_name_is_the_order() -> None:
    said = summaries(
        NO_SHOW,
        "0:00 warehouse delivery.scheduled order_id=o1 package_id=A window_to=1:00:00",
        "0:00 warehouse delivery.scheduled order_id=o1 tracking_id=T1 package_id=B window_to=1:00:00",
        "0:00 warehouse delivery.scheduled order_id=o2 window_to=1:00:00",
        "9:00:00 tick",
    )
    assert said == [
        "The delivery window of parcel A of order o1 is over, and nobody came or called it off",
        "The delivery window of parcel B of order o1 is over, and nobody came or called it off",
        "The delivery window of order o2 is over, and nobody came or called it off",
    ]


def test_a_stale_promise_is_told_in_words_that_fit_a_window_with_one_end_or_two_or_none() -> None:
    said = summaries(
        STALE,
        "0:00 carrier delivery.scheduled order_id=o1 window_from=1d0:00:00 window_to=1d4:00:00",
        "0:00 carrier delivery.scheduled order_id=o2 window_from=1d0:00:00",
        "0:00 carrier delivery.scheduled order_id=o3 window_from=1d0:00:00",
        "1:00 carrier delivery.cancelled order_id=o3",
        "2:00 notification notification.sent kind=reminder order_id=o1 window_to=2d0:00:00",
        "2:00 notification notification.sent kind=reminder order_id=o2 window_from=2d0:00:00 window_to=2d4:00:00",
        "2:00 notification notification.sent kind=reminder order_id=o3",
        "3:00 tick",
    )
    plan = "the plan of carrier is:"
    assert [summary.removeprefix("The customer got a reminder for ") for summary in said] == [
        f"order o1 that says: by 2026-03-04 09:00 UTC; {plan} 2026-03-03 09:00 to 2026-03-03 13:00 UTC",
        f"order o2 that says: 2026-03-04 09:00 to 2026-03-04 13:00 UTC; {plan} from 2026-03-03 09:00 UTC",
        f"order o3 that says: it will come; {plan} called off",
    ]
