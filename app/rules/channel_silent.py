"""H501: a channel's feed has not moved for its patience: whatever hangs on it cannot be judged."""

from app.core.rule import Rule
from app.core.silence import NoFacts

RULE = Rule(
    id="H501",
    name="channel-silent",
    severity="critical",
    about="channel",
    audience="platform on-call",
    pattern=NoFacts(),
    expected="the feed of {channel} speaks again by {due}; it last spoke at {spoke}",
    summary="The feed of {channel} has said nothing since {spoke}",
    action="Find out why {channel} is quiet; until it speaks, nobody is warned of what it owes",
)
