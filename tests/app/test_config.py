"""handoff.toml and channels.toml: what is read, what overrides what, and what is said of a wrong value."""

from pathlib import Path

import pytest

from app.compose import RuleSettings
from app.config import ConfigError, Settings, load_settings, parse_channels, unready
from app.config.durations import format_duration, parse_duration, parse_offset
from app.config.files import write_toml
from app.core.clocks import Feed
from app.core.engine import Limits

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
CSV: dict[str, object] = {
    "format": "csv",
    "columns": ["no", "at", "who"],
    "events": [{"type": "order.cancelled", "time": "at", "data": {"order_id": "no", "by": {"value": "us"}}}],
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "handoff.toml"


@pytest.mark.parametrize(
    ("text", "ms"),
    [("500ms", 500), ("30s", 30_000), ("10m", 600_000), ("1h30m", 5_400_000), ("3d", 3 * DAY), ("0s", 0)],
)
def test_a_duration_is_read_and_written(text: str, ms: int) -> None:
    assert (parse_duration(text), format_duration(ms)) == (ms, text)


@pytest.mark.parametrize("value", ["", "10", "10 m", "m", "-5m", "1w", 10, None])
def test_what_is_no_duration_says_what_is_allowed(value: object) -> None:
    with pytest.raises(ValueError, match='"10s", "5m"'):
        parse_duration(value)


@pytest.mark.parametrize("value", ["36501d", "99999999999999999d", "9" * 400 + "d"])
def test_a_duration_that_is_a_slip_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="allowed is at most 36500d"):
        parse_duration(value)


def test_an_offset_has_a_sign() -> None:
    assert [parse_offset(text) for text in ("+30m", "30m", "-10d")] == [30 * MINUTE, 30 * MINUTE, -10 * DAY]


def test_without_a_file_the_defaults_are_in_force() -> None:
    settings = load_settings(None, {})

    assert settings.core_limits() == Limits()
    assert settings.rule_settings() == {}
    assert settings.worker.http_host == "127.0.0.1"


def test_a_file_sets_windows_by_rule_channel_and_location(file: Path) -> None:
    file.write_text(
        '[rules.H101]\nwithin = "5m"\nchannels = { app = "2m" }\nlocations = { s1 = "1h" }\n'
        "[rules.H202]\nenabled = false\n"
        '[rules.H108]\nsubscribers = ["app", "crm"]\n[limits]\nretention = "90d"\nfacts = 50\n'
    )

    settings = load_settings(file, {})

    assert settings.rule_settings() == {
        "H101": RuleSettings(True, 5 * MINUTE, {"app": 2 * MINUTE}, {"s1": HOUR}),
        "H202": RuleSettings(False),
        "H108": RuleSettings(subscribers=("app", "crm")),
    }
    assert settings.core_limits() == Limits(90 * DAY, 50, 1000)


def test_variables_override_the_file_key_by_key(file: Path) -> None:
    file.write_text('[rules.H101]\nwithin = "5m"\nenabled = false\n[kafka]\nbootstrap = "a:1"\n')
    variables = {"HANDOFF_RULES__H101__WITHIN": "7m", "HANDOFF_WORKER__HTTP_PORT": "9000", "PATH": "/bin"}

    settings = load_settings(file, variables)

    assert settings.rule_settings()["H101"] == RuleSettings(False, 7 * MINUTE)
    assert (settings.kafka.bootstrap, settings.worker.http_port) == ("a:1", 9000)


def test_a_variable_means_the_location_that_the_file_writes_with_capitals(file: Path) -> None:
    file.write_text('[rules.H101.locations]\nS12 = "30m"\ns1 = "1h"\nS1 = "2h"\n')
    name = "HANDOFF_RULES__H101__LOCATIONS"

    settings = load_settings(file, {f"{name}__S12": "45m", f"{name}__S1": "3h", f"{name}__NEW": "5m"})

    locations = settings.rule_settings()["H101"].locations
    assert locations == {"S12": 45 * MINUTE, "s1": 3 * HOUR, "S1": 2 * HOUR, "new": 5 * MINUTE}


def test_a_secret_comes_from_a_file_and_is_never_shown(file: Path, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("s3cret\n")

    signing_in = {"HANDOFF_KAFKA__SECURITY_PROTOCOL": "SASL_SSL", "HANDOFF_KAFKA__SASL_USERNAME": "handoff"}
    settings = load_settings(None, signing_in | {"HANDOFF_KAFKA__SASL_PASSWORD_FILE": str(secret)})

    assert settings.kafka.sasl_password is not None
    assert settings.kafka.sasl_password.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(settings) + write_toml(settings.model_dump(mode="json"))


def test_the_links_are_told_how_long_to_wait_to_hold_and_how_often_to_speak(file: Path) -> None:
    file.write_text('[links]\nwait = "5m"\nhold = "20s"\nevery = "2s"\n')

    set_, default = load_settings(file, {}).links.core_limits(), load_settings(None, {}).links.core_limits()

    assert (set_.wait_ms, set_.hold_ms, set_.every_ms) == (5 * MINUTE, 20_000, 2000)
    assert (default.wait_ms, default.hold_ms, default.every_ms) == (15 * MINUTE, MINUTE, 500)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings(None, {}).channels = Path("other")  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[worker]\nhttp_port = 99999", "worker.http_port is 99999: allowed is less than or equal to 65535"),
        ("[worker]\ntick_second = 1", "worker.tick_second is not known; allowed here: app_id, partitions"),
        ("[wroker]\n", "wroker is not known; allowed here: channels, kafka, worker"),
        ('[limits]\nretention = "3 weeks"', "limits.retention is '3 weeks': allowed is a duration such as"),
        ("[rules.H101]\nwithin = 10", "rules.H101.within is 10: allowed is a duration such as"),
        ("[rules.H101]\nwithn = 10", "rules.H101.withn is not known; allowed here: enabled, within, channels"),
        ('[rules.H101]\nchannels = { fax = "1m" }', "rules.H101.channels.fax is 'fax': allowed is 'web'"),
        ("[rules.H999]\n", "rules.H999 is no rule; allowed are H101"),
        ("[rules]\nH101 = 5", "rules.H101 is 5: "),
        ('[kafka]\nsecurity_protocol = "TLS"', "kafka.security_protocol is 'TLS': allowed is 'PLAINTEXT', 'SSL'"),
        ("[kafka\n", "is not TOML"),
        ("kafka = 5", "kafka is 5: allowed is a table"),
        ("[rules.order-not-visible]", "rules.order-not-visible is no rule; allowed are H101"),
        ("rules = 5", "rules is 5: allowed is a table"),
        ("channels = 5", "channels is 5: allowed is a path"),
        ("[kafka]\nbootstrap = 5", "kafka.bootstrap is 5: allowed is a text"),
    ],
)
def test_a_wrong_value_names_its_key_what_it_was_and_what_is_allowed(file: Path, text: str, words: str) -> None:
    file.write_text(text)

    with pytest.raises(ConfigError) as error:
        load_settings(file, {})

    assert words in str(error.value)
    assert str(error.value).startswith(str(file))


def test_a_wrong_secret_is_not_repeated(file: Path) -> None:
    file.write_text("[kafka]\nsasl_password = 12345\n")

    with pytest.raises(ConfigError) as error:
        load_settings(file, {})

    assert "12345" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("HANDOFF_WOKER__HTTP_PORT", "1", "HANDOFF_WOKER__HTTP_PORT is not known; allowed are HANDOFF_KAFKA"),
        ("HANDOFF_WORKER__HTTP_PORT", "x", "HANDOFF_WORKER__HTTP_PORT: worker.http_port is 'x'"),
        ("HANDOFF_WORKER", '{"http_port": "x"}', "HANDOFF_WORKER: worker.http_port is 'x'"),
        ("handoff_worker__foo", "1", "handoff_worker__foo: worker.foo is not known"),
        ("HANDOFF_RULES__H999__WITHIN", "5m", "HANDOFF_RULES__H999__WITHIN: rules.h999 is no rule"),
        ("HANDOFF_KAFKA__SASL_USERNAME", "x", "HANDOFF_KAFKA__SASL_USERNAME: kafka.sasl_username is set, and"),
        ("HANDOFF_CHANNELS__WEB", "1", "HANDOFF_CHANNELS__WEB is not known; allowed are HANDOFF_KAFKA"),
        ("HANDOFF_WORKER_PARTITIONS", "4", "HANDOFF_WORKER_PARTITIONS is not known; allowed is HANDOFF_WORKER__PART"),
        ("HANDOFF_LINKS_SECRET_FILE", "/s", "HANDOFF_LINKS_SECRET_FILE is not known; allowed is HANDOFF_LINKS__SECRET"),
        ("HANDOFF_RULES_H101_WITHIN", "5m", "allowed is HANDOFF_RULES__H101__WITHIN, with two `_` before each key"),
        (
            "HANDOFF_WORKER",
            "x",
            "HANDOFF_WORKER…: allowed is the value of one key, as in HANDOFF_WORKER__KEY=…, or a ta",
        ),
        ("HANDOFF_RULES__H101__CHANNELS", '{"web":', "HANDOFF_RULES…: allowed is the value of one key"),
        ("HANDOFF_LINKS__SECRET_FILE", "/nowhere", "HANDOFF_LINKS__SECRET_FILE is '/nowhere': the file cannot be read"),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_settings(None, {name: value})

    assert words in str(error.value)


def test_what_a_variable_says_wrong_is_not_laid_on_the_file(file: Path, tmp_path: Path) -> None:
    file.write_text("[worker]\npartitions = 8\nhttp_port = 99999\n[links]\nsecret = 'a secret of the file'\n")
    (tmp_path / "short").write_text("short")
    secret = {"HANDOFF_LINKS__SECRET_FILE": str(tmp_path / "short")}

    with pytest.raises(ConfigError) as error:
        load_settings(file, {"HANDOFF_WORKER__PARTITIONS": "many"} | secret)

    where = [line.partition(": ")[0] for line in str(error.value).splitlines()]
    assert where == ["HANDOFF_WORKER__PARTITIONS", str(file), "HANDOFF_LINKS__SECRET_FILE"]


@pytest.mark.parametrize("name", ["HANDOFF_SERVICE_HOST", "HANDOFF_WORKER_PORT", "HANDOFF_KAFKA_BOOTSTRAP_PORT"])
def test_what_others_call_by_our_prefix_is_let_be(name: str) -> None:
    assert load_settings(None, {name: "tcp://10.0.0.1:9092"}) == load_settings(None, {})


def test_a_mark_of_the_encoding_before_the_first_table_is_no_part_of_it(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf[worker]\npartitions = 4\n")

    assert load_settings(file, {}).worker.partitions == 4


@pytest.mark.parametrize(
    "text",
    ['kafka = [{ sasl_password = "s3cret" }]', '[kafka]\nsasl_username = { sasl_password = "s3cret" }'],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(file: Path, text: str) -> None:
    file.write_text(text)

    with pytest.raises(ConfigError) as error:
        load_settings(file, {})

    assert "s3cret" not in str(error.value)
    assert "kafka" in str(error.value)


@pytest.mark.parametrize("bootstrap", ["", "a:b:c", "a:9092,", "a:port", "a b:9092", "http://a:9092", "a:0", "a:65536"])
def test_what_is_no_address_of_brokers_is_refused(bootstrap: str) -> None:
    with pytest.raises(ConfigError, match=r"kafka\.bootstrap is '.*': allowed are addresses such as"):
        load_settings(None, {"HANDOFF_KAFKA__BOOTSTRAP": bootstrap})


@pytest.mark.parametrize("bootstrap", ["a:9092", "a", "a.b-c.d:9092, e:9093", "[::1]:9092", "127.0.0.1:1", "a:65535"])
def test_addresses_of_brokers_are_taken(bootstrap: str) -> None:
    assert load_settings(None, {"HANDOFF_KAFKA__BOOTSTRAP": bootstrap}).kafka.bootstrap == bootstrap


def test_all_that_is_wrong_is_said_at_once(file: Path) -> None:
    file.write_text("[worker]\nhttp_port = 'x'\npartitions = 0\n")

    with pytest.raises(ConfigError) as error:
        load_settings(file, {})

    assert len(str(error.value).splitlines()) == 2


def test_what_is_in_force_prints_as_toml_that_reads_the_same(file: Path) -> None:
    file.write_text('[rules.H101]\nwithin = "5m"\nlocations = { "store 7" = "1h" }\n')
    settings = load_settings(file, {})

    file.write_text(write_toml(settings.model_dump(mode="json")))

    assert load_settings(file, {}) == settings


def test_the_channel_of_what_is_in_no_table_has_a_feed_too() -> None:
    channel = {"path": "what", "table": {"sale": "store"}, "default": "warehouse"}
    events = [{"type": "order.placed", "time": "at", "channel": channel}]
    topics = {"t": {"channel": "web", "dialect": "d"}}

    tables = parse_channels({"topics": topics, "dialects": {"d": CSV | {"events": events}}}, "c.toml")

    assert tables.channels_of("t") == ("web", "store", "warehouse")
    channel["default"] = "shop"
    with pytest.raises(ConfigError, match="allowed is a channel, or a path with a table of channels"):
        parse_channels({"topics": topics, "dialects": {"d": CSV | {"events": events}}}, "c.toml")


def test_a_channel_of_several_topics_is_as_late_as_the_latest_and_as_patient_as_the_most() -> None:
    tables = parse_channels(
        {
            "topics": {
                "a": {"channel": "web", "lateness": "10s", "patience": "30m"},
                "b": {"channel": "web", "lateness": "1m", "patience": "1h"},
                "c": {"channel": "app", "patience": "1h"},
                "d": {"channel": "app"},
            }
        },
        "channels.toml",
    )

    assert tables.feeds() == (
        Feed("web", ("a", "b"), MINUTE, HOUR),
        Feed("app", ("c", "d"), 0, None),
    )


def test_a_topic_of_a_dialect_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="allowed are cloudevents"):
        parse_channels({"topics": {"a": {"channel": "web", "dialect": "sap"}}}, "channels.toml")


def test_a_dialect_that_would_never_be_read_by_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"dialects\.cloudevents is there without a table: allowed is any other name"):
        parse_channels({"topics": {"a": {"channel": "web"}}, "dialects": {"cloudevents": CSV}}, "channels.toml")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"topics": {}}, "topics is a table: at least one is needed"),
        ({"topics": 5}, "topics is 5: allowed is a table"),
        ({"topics": {"t": "x"}}, "topics.t is 'x': allowed is a table"),
        ({"dialects": {"sheet": CSV | {"events": "x"}}}, "dialects.sheet.events is 'x': allowed is a list"),
        ({"dialects": {"sheet": CSV | {"customer": "x"}}}, "dialects.sheet.customer is 'x': allowed is a table"),
        (
            {"dialects": {"sheet": CSV | {"delimiter": "||"}}},
            "dialects.sheet.delimiter is '||': allowed is one character",
        ),
        ({"dialects": {"sheet": CSV | {"rows": "a"}}}, "dialects.sheet.rows is 'a': only documents of JSON hold rows"),
        (
            {"dialects": {"sheet": CSV | {"format": "json", "encoding": "utf-16"}}},
            'dialects.sheet.encoding belongs to CSV, and `format` is "json"',
        ),
        ({"dialects": {"sheet": CSV | {"quote": "''"}}}, "dialects.sheet.quote is \"''\": allowed is one character"),
        ({"dialects": {"sheet": CSV | {"delimiter": "\n"}}}, "dialects.sheet.delimiter is '\\n': allowed is one char"),
        (
            {"dialects": {"sheet": CSV | {"columns": ["a", "a"]}}},
            "columns is ['a', 'a']: allowed are names that differ",
        ),
    ],
)
def test_a_wrong_table_of_channels_is_told_in_words_of_toml(table: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_channels({"topics": {"t": {"channel": "web"}}} | table, "channels.toml")

    assert words in str(error.value)


def test_a_value_that_may_be_of_two_kinds_is_named_by_its_key_alone() -> None:
    events = [{"type": 5, "time": "at"}]

    with pytest.raises(ConfigError) as error:
        parse_channels({"topics": {"t": {"channel": "web"}}, "dialects": {"d": CSV | {"events": events}}}, "c.toml")

    assert str(error.value).splitlines() == [
        "c.toml: dialects.d.events.0.type is 5: allowed is a text",
        "c.toml: dialects.d.events.0.type is 5: allowed is a table",
    ]


def test_files_belong_to_the_first_topic_whose_pattern_they_match() -> None:
    tables = parse_channels(
        {"topics": {"a": {"channel": "web", "files": "a*.csv"}, "b": {"channel": "web", "files": ["*.csv", "*.txt"]}}},
        "channels.toml",
    )

    names = ("/x/a1.csv", "b.csv", "c.txt", "d.json")
    assert [tables.topic_of(name) for name in names] == ["a", "b", "b", None]


SECRET = "a secret of 24 characters"


@pytest.mark.parametrize("secret", ["", "   ", "\n", "short", "short".center(40)])
def test_a_secret_that_is_blank_or_short_is_refused_and_not_repeated(file: Path, secret: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_settings(None, {"HANDOFF_LINKS__SECRET": secret})

    assert "links.secret is a secret: allowed is a text of at least 16 characters" in str(error.value)
    assert "short" not in str(error.value)


def test_a_file_of_a_secret_must_be_text(tmp_path: Path) -> None:
    (tmp_path / "links").write_bytes(b"\xff\xfe" * 20)

    with pytest.raises(ConfigError, match=r"HANDOFF_LINKS__SECRET_FILE is .*: allowed is text, in UTF-8"):
        load_settings(None, {"HANDOFF_LINKS__SECRET_FILE": str(tmp_path / "links")})


def test_the_links_secret_comes_from_a_file_or_a_variable(tmp_path: Path) -> None:
    (tmp_path / "links").write_text(f"{SECRET}\n")
    by_file = load_settings(None, {"HANDOFF_LINKS__SECRET_FILE": str(tmp_path / "links")})
    by_variable = load_settings(None, {"HANDOFF_LINKS__SECRET": SECRET})

    made = [settings.links.identities().of("phone", "+12125550123") for settings in (by_file, by_variable)]

    assert made[0] == made[1] != load_settings(None, {}).links.identities().of("phone", "+12125550123")


def unready_for(settings: Settings, topic: dict[str, object], **dialect: object) -> list[str]:
    tables = {"topics": {"t": {"channel": "web", **topic}}, "dialects": {"sheet": CSV | dialect}}
    return unready(settings, parse_channels(tables, "channels.toml"))


@pytest.mark.parametrize(
    ("topic", "dialect", "words"),
    [
        ({}, {}, "name a customer's email, phone, loyalty_id, device_id"),
        ({"dialect": "sheet"}, {"customer": {"id": "who", "phone": "who"}}, "name a customer's phone,"),
        ({"dialect": "sheet"}, {"events": [{**CSV["events"][0], "customer": {"email": "who"}}]}, "customer's email,"),  # type: ignore[index]
    ],
    ids=["cloudevents", "the dialect's customer", "an event's customer"],
)
def test_without_a_secret_no_worker_reads_what_may_identify_a_person(
    topic: dict[str, object], dialect: dict[str, object], words: str
) -> None:
    (problem,) = unready_for(load_settings(None, {}), topic, **dialect)

    assert problem.startswith("links.secret is not set, and records of the topic t may ")
    assert words in problem
    assert "HANDOFF_LINKS__SECRET_FILE" in problem
    assert unready_for(load_settings(None, {"HANDOFF_LINKS__SECRET": SECRET}), topic, **dialect) == []


def test_a_worker_that_knows_customers_by_their_id_alone_needs_no_secret() -> None:
    assert unready_for(load_settings(None, {}), {"dialect": "sheet"}, customer={"id": "who"}) == []


def test_several_topics_that_need_the_secret_are_one_problem() -> None:
    tables = parse_channels({"topics": {"a": {"channel": "web"}, "b": {"channel": "app"}}}, "channels.toml")

    (problem,) = unready(load_settings(None, {}), tables)

    assert "the topic a and of 1 more may name" in problem


def test_a_worker_reads_csv_only_by_columns_that_the_dialect_names() -> None:
    settings = load_settings(None, {"HANDOFF_LINKS__SECRET": SECRET})

    (problem,) = unready_for(settings, {"dialect": "sheet"}, columns=None)

    assert problem.startswith("dialects.sheet.columns is missing: a record of t is one line of CSV without the header")
    assert unready_for(settings, {"dialect": "sheet"}) == []
    assert unready_for(settings, {}, columns=None) == [], "no topic has this dialect"


@pytest.mark.parametrize("topic", ["handoff.events", "handoff.links", "handoff.alerts", "handoff.rejects"])
def test_no_worker_reads_what_it_writes_itself(topic: str) -> None:
    tables = parse_channels({"topics": {topic: {"channel": "web"}}}, "channels.toml")

    (problem,) = unready(load_settings(None, {"HANDOFF_LINKS__SECRET": SECRET}), tables)

    assert problem.startswith(f'topics."{topic}" is a topic that a worker writes itself')


def test_the_changelogs_that_no_worker_reads_are_those_of_its_own_name() -> None:
    tables = parse_channels({"topics": {"shop-journeys-changelog": {"channel": "web"}}}, "channels.toml")
    ours = {"HANDOFF_LINKS__SECRET": SECRET, "HANDOFF_WORKER__APP_ID": "shop"}

    assert len(unready(load_settings(None, ours), tables)) == 1
    assert unready(load_settings(None, {"HANDOFF_LINKS__SECRET": SECRET}), tables) == []
