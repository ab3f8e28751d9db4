"""The commands that need no Kafka, as a user calls them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agents.cli import commands as live_commands
from app.cli import commands
from app.rules import RULES

ROOT = Path(__file__).parents[2]
LINE = (
    '{"specversion":"1.0","id":"%s","source":"/web","type":"order.placed","time":"2026-03-02T%s:00Z","channel":"web",'
    '"data":{"customer":{"id":"c1"},"order_id":"%s","fulfilment":"pickup","location_id":"s1"}}\n'
)


def handoff(*arguments: object) -> Result:
    return CliRunner().invoke(commands, [str(argument) for argument in arguments])


@pytest.fixture
def day(tmp_path: Path) -> Path:
    path = tmp_path / "day.jsonl"
    path.write_text(LINE % ("e1", "09:00", "o1") + "nonsense\n" + LINE % ("e2", "10:00", "o2"))
    return path


def test_replay_writes_alerts_to_stdout_and_words_to_stderr(day: Path) -> None:
    result = handoff("replay", day)

    assert result.exit_code == 0
    assert [json.loads(line)["rule"] for line in result.stdout.splitlines()] == ["H101"]
    assert "3 rows: 2 events, 0 rows skipped, 1 row rejected" in result.stderr
    assert "day.jsonl row 2: " in result.stderr
    assert "order-not-visible" in result.stderr


def test_replay_writes_its_files(day: Path, tmp_path: Path) -> None:
    out, summary, rejects = tmp_path / "alerts", tmp_path / "summary", tmp_path / "rejects"

    result = handoff("replay", day, "--out", out, "--summary", summary, "--rejects", rejects, "--rules", "H101,H107")

    assert (result.exit_code, result.stdout) == (0, "")
    assert json.loads(out.read_text())["subject"] == {"kind": "order", "id": "o1"}
    report = json.loads(summary.read_text())
    assert set(report["rules"]) == {"H101", "H107"}
    assert report["rules"]["H101"] == {
        "name": "order-not-visible",
        "fired": 1,
        "jeopardy": 0,
        "resolved": {"late": 0, "retracted": 0, "cancelled": 0, "expired": 0, "averted": 0},
        "firing": 1,
        "unheard": {},
    }
    assert [report["events"][word] for word in ("rows", "read", "skipped", "rejected")] == [3, 2, 0, 1]
    reject = json.loads(rejects.read_text())
    assert (reject["file"], reject["row"], reject["stage"]) == (str(day), 2, "decode")
    assert "malformed" in reject["reason"]


def test_replay_takes_windows_from_a_configuration_and_channels_from_beside_it(day: Path, tmp_path: Path) -> None:
    (tmp_path / "handoff.toml").write_text('[rules.H101]\nwithin = "2h"\n')
    (tmp_path / "channels.toml").write_text('topics.web.channel = "web"\ntopics.desk.channel = "pickup"\n')

    assert handoff("replay", day, "--config", tmp_path / "handoff.toml").stdout == ""
    assert handoff("replay", day, "--channels", tmp_path / "channels.toml").stdout != ""


def test_what_replay_wrote_into_the_folder_of_a_recording_is_no_recording(day: Path, tmp_path: Path) -> None:
    (tmp_path / "channels.toml").write_text('[topics.web]\nchannel = "web"\nfiles = "day*"\n')
    command = ("replay", day.parent, "--channels", tmp_path / "channels.toml", "--out", day.parent / "alerts.jsonl")

    assert [handoff(*command).exit_code for _ in range(2)] == [0, 0]


def test_nothing_is_asked_of_a_channel_without_a_topic(day: Path, tmp_path: Path) -> None:
    (tmp_path / "channels.toml").write_text('topics.web.channel = "web"\n')

    assert handoff("replay", day, "--channels", tmp_path / "channels.toml").stdout == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is not one row"),
        ("\n \n", "there is not one row"),
        ("a\nb\n" + "{}\n", "no row gives an event; 2 rows: JSON is malformed"),
        (
            LINE.replace("order.placed", "page.viewed") % ("e1", "09:00", "o1"),
            "1 row: the type 'page.viewed' is not",
        ),
        ((LINE % ("e1", "09:00", "o1")).rstrip("}\n"), "1 row: Input data was truncated"),
    ],
    ids=["empty", "blank", "no JSON", "no word for it", "cut off"],
)
def test_a_recording_that_gives_no_event_is_an_error_that_says_why(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "day.jsonl").write_text(text)

    result = handoff("replay", tmp_path / "day.jsonl", "--summary", tmp_path / "summary")

    assert result.exit_code == 2
    said = result.stderr.splitlines()[-1]
    assert said.startswith("handoff: nothing was replayed: ")
    assert words in said
    assert json.loads((tmp_path / "summary").read_text())["events"]["read"] == 0


def test_an_end_before_the_first_event_is_no_error(day: Path) -> None:
    assert handoff("replay", day, "--until", "2020-01-01T00:00:00Z").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.jsonl"], "nowhere.jsonl: no such file"),
        (["DAY", "--rules", "H999"], "'H999' is no rule; there are H101"),
        (["DAY", "--until", "noon"], "--until is 'noon': allowed is a time with its zone"),
        (["DAY", "--until", "2026-03-02T09:00:00"], "allowed is a time with its zone"),
        (["DAY", "--map", "x"], "--map is 'x': allowed is PATTERN=TOPIC"),
        (["DAY", "--map", "*=x"], "no such topic; there are none"),
        (["DAY", "--config", "nowhere.toml"], "nowhere.toml: cannot be read"),
        (["DAY", "--channels", "nowhere.toml"], "nowhere.toml: cannot be read"),
        (["DAY", "--out", "/nowhere/x"], "/nowhere/x: cannot be written"),
        (["DAY", "--summary", "/nowhere/x"], "/nowhere/x: cannot be written"),
        (["DAY", "--out", "DAY"], "day.jsonl, which is a recording: allowed is a file of its own"),
        (["DAY", "--out", "OTHER", "--rejects", "OTHER"], "other, which is --out: allowed is a file of its own"),
    ],
)
def test_a_wrong_option_is_named_and_the_exit_code_is_2(day: Path, arguments: list[str], words: str) -> None:
    files = {"DAY": day, "OTHER": day.with_name("other")}
    recorded = day.read_bytes()

    result = handoff("replay", *(files.get(argument, argument) for argument in arguments))

    assert result.exit_code == 2
    assert words in result.stderr
    assert (result.stdout, day.read_bytes()) == ("", recorded)


def test_a_recording_in_a_folder_is_not_written_over(day: Path, tmp_path: Path) -> None:
    (tmp_path / "channels.toml").write_text('[topics.web]\nchannel = "web"\nfiles = "*.jsonl"\n')

    result = handoff("replay", tmp_path, "--channels", tmp_path / "channels.toml", "--rejects", day)

    assert (result.exit_code, "which is a recording" in result.stderr) == (2, True)


@pytest.mark.parametrize("command", [["config"], ["replay", "DAY"]])
def test_channels_that_handoff_toml_names_must_be_there(day: Path, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "handoff.toml").write_text('channels = "nowhere.toml"\n')

    arguments = [day if argument == "DAY" else argument for argument in command]
    result = handoff(*arguments, "--config", tmp_path / "handoff.toml")

    assert (result.exit_code, "nowhere.toml: cannot be read" in result.stderr) == (2, True)


def test_a_variable_names_the_channels_too(day: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere.toml").write_text('topics.web.channel = "web"\n')
    monkeypatch.setenv("HANDOFF_CHANNELS", str(tmp_path / "elsewhere.toml"))

    assert "[topics.web]" in handoff("config").stdout


LABELS = ["--out", "FILE", "--labels", "/nowhere/x"]


@pytest.mark.parametrize(
    "options",
    [["--out", "/nowhere/x"], ["--out", "FILE/x", "--format", "topics"], ["--out", "FOLDER"], LABELS],
    ids=" ".join,
)
def test_a_day_that_cannot_be_written_says_where_to(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "file").touch()
    paths = [option.replace("FILE", f"{tmp_path}/file").replace("FOLDER", str(tmp_path)) for option in options]

    result = handoff("simulate", "--customers", 1, *paths)

    assert result.exit_code == 2
    assert "cannot be written: " in result.stderr.splitlines()[-1]


def test_a_demo_that_could_not_write_its_summary_is_not_begun() -> None:
    result = CliRunner().invoke(live_commands, ["demo", "--summary", "/nowhere/x"])

    assert (result.exit_code, result.stderr.splitlines()) == (
        2,
        ["handoff demo: /nowhere/x: cannot be written: there is no folder /nowhere"],
    )


def test_rules_lists_every_rule_with_the_windows_in_force(tmp_path: Path) -> None:
    (tmp_path / "handoff.toml").write_text('[rules.H101]\nwithin = "7m"\n[rules.H202]\nenabled = false\n')

    lines = handoff("rules", "--config", tmp_path / "handoff.toml").stdout.splitlines()

    rows = {line.split()[0]: line for line in lines[1:] if line.strip()}
    assert list(rows) == [rule.id for rule in RULES]
    assert " 7m " in rows["H101"]
    assert " off " in rows["H202"]
    assert "chat 2m" in rows["H105"]


def test_explain_prints_a_rules_page_by_id_or_name() -> None:
    page = (ROOT / "app" / "rules" / "order_not_visible.md").read_text()

    assert handoff("explain", "h101").stdout == handoff("explain", "order-not-visible").stdout == page


def test_explain_of_no_rule_says_which_there_are() -> None:
    result = handoff("explain", "H999")

    assert (result.exit_code, "there are H101" in result.stderr) == (2, True)


def test_config_prints_what_is_in_force_with_secrets_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDOFF_LINKS__SECRET", "s3cret of the links")
    monkeypatch.setenv("HANDOFF_RULES__H101__WITHIN", "7m")

    shown = handoff("config", "--channels", ROOT / "deploy/examples/retailer/channels.toml").stdout

    assert "s3cret" not in shown
    assert 'within = "7m"' in shown
    assert '[topics."web.events"]' in shown


def test_config_says_what_keeps_a_worker_from_running_on_it() -> None:
    result = handoff("config", "--channels", ROOT / "deploy/examples/retailer/channels.toml")

    assert result.exit_code == 0
    assert "no worker may run on this, only a replay: links.secret is not set" in result.stderr


@pytest.mark.parametrize("command", ["worker", "preflight"])
def test_nothing_live_runs_without_a_secret(command: str) -> None:
    channels = ROOT / "deploy/examples/retailer/channels.toml"

    result = CliRunner().invoke(live_commands, [command, "--channels", str(channels)])

    assert result.exit_code == 2
    assert result.stderr.startswith("handoff: links.secret is not set")


SHEET = """
[topics.sheet]
channel = "web"
dialect = "sheet"
files = "*.csv"

[dialects.sheet]
format = "csv"
customer.id = "who"

[[dialects.sheet.events]]
type = "order.placed"
time = "at"
data = { order_id = "no", fulfilment = { value = "pickup" }, location_id = { value = "s1" } }
"""


def test_a_csv_whose_header_names_the_columns_is_replayed_and_no_worker_runs_on_it(tmp_path: Path) -> None:
    channels, file = tmp_path / "channels.toml", tmp_path / "day.csv"
    channels.write_text(SHEET)
    file.write_text("no,at,who\no1,2026-03-02T09:00:00Z,c1\n")

    replayed = handoff("replay", file, "--channels", channels)
    shown = handoff("config", "--channels", channels)
    live = [CliRunner().invoke(live_commands, [name, "--channels", str(channels)]) for name in ("worker", "preflight")]

    assert (replayed.exit_code, "1 row: 1 event," in replayed.stderr) == (0, True)
    assert "no worker may run on this, only a replay: dialects.sheet.columns is missing" in shown.stderr
    assert [one.exit_code for one in live] == [2, 2]
    assert all(one.stderr.startswith("handoff: dialects.sheet.columns is missing") for one in live)


@pytest.mark.parametrize("command", ["worker", "preflight"])
def test_nothing_live_runs_without_topics(command: str) -> None:
    result = CliRunner().invoke(live_commands, [command])

    assert (result.exit_code, result.stderr.startswith("handoff: which topics?")) == (2, True)


_WITHOUT_KAFKA = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("faust", "aiokafka", "confluent_kafka", "rocksdict", "prometheus_client"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from agents.cli import main
sys.argv = ["handoff", *sys.argv[1:]]
main()
"""


def without_kafka(*arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _WITHOUT_KAFKA, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)


def test_replay_works_with_no_kafka_installed(day: Path) -> None:
    result = without_kafka("replay", str(day))

    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["rule"] == "H101"


def test_a_live_command_says_what_it_needs() -> None:
    result = without_kafka("worker")

    assert result.returncode == 2
    assert "pip install 'handoff-detector[live]'" in result.stderr


def test_all_commands_are_listed_without_kafka() -> None:
    result = without_kafka("--help")

    assert result.returncode == 0
    for command in (
        "demo",
        "worker",
        "replay",
        "simulate",
        "rules",
        "explain",
        "topics",
        "preflight",
        "rejects",
        "config",
    ):
        assert f" {command} " in result.stdout
