"""What the alerts about deliveries say."""

from app.core.rule import Rule
from app.rules.delivery_no_show import RULE as NO_SHOW
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
