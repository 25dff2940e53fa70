"""`trimaran graph`: the graph of a committed stack, from its files alone; secrets stay closed, and what is missing is named."""

import json
import shutil
from pathlib import Path

import pytest

from cli.graph import graph, lines, record, settings
from runtime.errors import Misconfigured

ROOT = Path(__file__).parents[2]
FIELDS = {"type", "name", "urn", "inputs", "dependencies", "parent", "provider", "protect"}
CIPHER = "v1:0FmzUqYbEMnYyr9z:bm90IHRvIGJlIG9wZW5lZA=="
STACK = """
config:
  trimaran:app: shop
  trimaran:image: registry.example/trimaran:latest
  trimaran:events: postgresql://trimaran@postgres.example:5432/trimaran
  trimaran:eventsPassword:
    secure: {cipher}
  trimaran:bus: kafka://kafka.example:9093?security_protocol=SASL_SSL&sasl_mechanism=PLAIN
  trimaran:busLogins:
    all:
      user: trimaran
      password:
        secure: {cipher}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of its own: the committed program and declarations, and a stack with encrypted values."""
    for name in ("Pulumi.yaml", "__main__.py"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "Pulumi.k8s-mine.yaml").write_text(STACK.format(cipher=CIPHER))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_committed_stack_is_shown_from_the_repository(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT / "docs")
    graph("k8s", json=True)
    shown = json.loads(capsys.readouterr().out)
    assert (shown["project"], shown["stack"]) == ("trimaran", "k8s")
    assert set(shown["outputs"]) == {"cloud", "commandUrl", "graphqlUrl", "graphqlProtocol", "health"}
    assert all(set(each) >= FIELDS for each in shown["resources"])
    projector = next(each for each in shown["resources"] if each["name"] == "projector-rows" and each["type"].endswith(":Deployment"))
    assert projector["inputs"]["spec"]["template"]["spec"]["containers"][0]["command"][:3] == ["python", "-m", "hosts.projector"]
    assert any("::prepare-bus" in urn for urn in projector["dependencies"])


def test_secrets_that_the_file_lacks_are_said_and_stood_in_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    graph("k8s", json=True)
    heard = capsys.readouterr()
    assert "trimaran:busLogins is not set, and shown as if it were: pulumi config set --secret trimaran:busLogins" in heard.err
    secrets = {each["name"]: each for each in json.loads(heard.out)["resources"] if each["type"].endswith(":Secret")}
    assert secrets["bus-relay"]["inputs"]["data"] == {"password": "[secret]", "url": "[secret]", "username": "[secret]"}


def test_encrypted_values_need_no_passphrase_and_stay_closed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph("k8s-mine", json=True)
    heard = capsys.readouterr()
    assert heard.err == "" and CIPHER not in heard.out
    secrets = {each["name"]: each for each in json.loads(heard.out)["resources"] if each["type"].endswith(":Secret")}
    assert secrets["stores"]["inputs"]["data"] == {"events": "[secret]", "rows": "[secret]"}


def test_a_part_that_is_encrypted_makes_the_whole_value_a_secret(project: Path) -> None:
    config, secrets = settings(project, "k8s-mine")
    assert sorted(secrets) == ["trimaran:busLogins", "trimaran:eventsPassword"]
    assert json.loads(config["trimaran:busLogins"]) == {"all": {"user": "trimaran", "password": "[secret]"}}


def test_defaults_are_those_of_the_project(project: Path) -> None:
    config, _ = settings(project, "k8s-mine")
    assert (config["trimaran:partitions"], config["trimaran:production"]) == ("8", "false")
    assert json.loads(config["trimaran:allowFrom"]) == ["ingress-nginx"]


def test_people_see_a_tree_with_what_each_thing_runs_reads_and_waits_for(project: Path) -> None:
    shown = list(lines(record("k8s-mine")))
    assert shown[0].startswith("trimaran k8s-mine: ")
    assert "Workload relay" in shown and "  Deployment relay" in shown
    assert "    · python -m hosts.relay" in shown
    assert "    · TRIMARAN_EVENTS from stores/events" in shown
    assert any(line.startswith("    after ") and "Job prepare-bus" in line for line in shown)
    assert "    · 0 to 8 of projector-rows" in shown
    assert shown[-1] == "→ health: http://gateway.trimaran-shop.svc:8000/health"
    assert max(map(len, shown)) <= 120 and not [line for line in shown if "[secret]" in line]


def spoilt(project: Path, old: str, new: str) -> None:
    """The stack's file with one text changed."""
    file = project / "Pulumi.k8s-mine.yaml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("  trimaran:bus: kafka://kafka.example:9093?security_protocol=SASL_SSL&sasl_mechanism=PLAIN\n", "", "trimaran:bus is not set"),
        ("  trimaran:events: postgresql://trimaran@postgres.example:5432/trimaran\n", "", "trimaran:events is not set"),
        ("trimaran:app: shop", "trimaran:app: shopp", "'shopp' is not known"),
        ("trimaran:app: shop", "trimaran:partitions: 300", "trimaran:partitions is 300: it is 1 to 256"),
        (f"  trimaran:eventsPassword:\n    secure: {CIPHER}\n", "  trimaran:eventsPassword: horse\n", "is in plain text"),
        ("config:", "config: [", "cannot be read"),
    ],
)
def test_what_is_wrong_with_the_settings_is_one_line_that_names_them(project: Path, old: str, new: str, expected: str) -> None:
    spoilt(project, old, new)
    with pytest.raises(Misconfigured) as caught:
        graph("k8s-mine", json=True)
    assert expected in str(caught.value) and "horse" not in str(caught.value)


def test_a_declared_setting_without_a_value_is_named(project: Path) -> None:
    file = project / "Pulumi.yaml"
    file.write_text(file.read_text().replace("config:\n", "config:\n  trimaran:region: {type: string}\n"))
    with pytest.raises(Misconfigured, match="trimaran:region is not set and has no default"):
        record("k8s-mine")


def test_a_stack_that_is_not_there_is_named_with_those_that_are(project: Path) -> None:
    with pytest.raises(Misconfigured, match=r"there is no stack 'aws'.*there is k8s-mine"):
        record("aws")
    with pytest.raises(Misconfigured, match="is no name of a stack"):
        record("../k8s")
