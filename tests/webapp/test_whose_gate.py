"""Over real HTTP: which gate speaks for a unit, and a threshold that was decided for a gate nobody has weighed."""

from __future__ import annotations

import html
import time
import tomllib

import pytest

from governance.approvals import written
from governance.changes import faults
from governance.gate import Gate
from inference.assessment import VENTILATION
from tests.servers import postgres_at, postgres_url  # noqa: F401
from tests.webapp.reviewed import SITE
from tests.webapp.test_decided import GATE, Governed, governed, url  # noqa: F401

UNIT = f"{GATE}/medical"
STOP = ("gate", "suspend", SITE, VENTILATION, "--sentence", "The monitor counts high.", "--as", "Ada", "--key")


def stop(governed: Governed) -> None:  # noqa: F811
    """Ada stops the model; what is signed afterwards is of a later second, as approvals are dated."""
    done = governed.run(*STOP, str(governed.folder / "Ada.key"))
    assert done.exit_code == 0, done.output
    time.sleep(1.1)


def lines_of(text: str) -> str:
    """The lines for the gate file that stand on a page."""
    shown = text[text.index('<pre class="lines"') :]
    return html.unescape(shown[shown.index("[[gates]]") : shown.index("</pre>")])


def test_a_threshold_decided_for_a_gate_in_no_file_is_carried_out_from_the_page_alone(
    governed: Governed,  # noqa: F811
) -> None:
    about = {"decision": "change-threshold", "gate": UNIT, "threshold": "0.35"}
    governed.decide(governed.week.before(1), sentence="Medical beds are different.", **about)
    for text in governed.get(f"/gate/{SITE}"):
        assert "gates that were never weighed here" in text
        assert f"gates/{SITE}.toml has no gate of this name" in text
        assert "Two of these sign, each with a key of their own: Ada (Chief medical" in text
        assert "It opens when its own figures hold" in text
    told = lines_of(text)
    (made,) = tomllib.loads(told)["gates"]
    version = governed.house.rooms.models[VENTILATION].version
    expected = (VENTILATION, "ventilation-24h", "medical", 0.35, version)
    assert tuple(made[key] for key in ("model", "outcome", "care_unit", "threshold", "version")) == expected
    assert (made["sensitivity"], made["false_alarms"]) == (0.85, 0.1)

    path = governed.house.rooms.settings.gates / f"{SITE}.toml"
    signed = []  # before the lines stand in the file: so the gate never stands there unsigned
    for name in ("Ada", "Ben"):
        key = str(governed.folder / f"{name}.key")
        said = governed.run("gate", "sign", SITE, UNIT, "--threshold", "0.35", "--as", name, "--key", key)
        assert said.exit_code == 0, said.output
        signed.append(said.output[said.output.index("[[approvals]]") :])
    path.write_text("\n".join([path.read_text(), told, *signed]))
    for text in governed.get(f"/gate/{SITE}"):
        assert "2 of 2 approvers have signed it so far" in text
    governed.weigh()
    governed.weigh()
    (line,) = [each for each in governed.house.rooms.changes.lines(SITE) if each.kind == "in-force"]
    assert "medical: threshold 0.35 in force, as decided about week" in line.modification
    for text in governed.get(f"/gate/{SITE}"):
        assert "Decided, not in force" not in text
        assert "Medical: its own gate" in text
        assert "Every other unit, and patients whose unit is not known: the gate of the whole hospital" in text


def test_a_gate_that_is_in_the_file_and_was_never_weighed_says_so_with_its_lines(
    governed: Governed,  # noqa: F811
) -> None:
    about = {"decision": "change-threshold", "gate": GATE, "threshold": "0.3"}
    governed.decide(governed.week.before(1), sentence="Fewer false alarms.", **about)
    for text in governed.get(f"/gate/{SITE}"):
        assert "The gate stands in gates/" in text
        assert "at 20.0" in text
        assert "was never weighed" in text
    assert tomllib.loads(lines_of(text))["gates"][0]["threshold"] == 0.3


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        (f"{VENTILATION}/ventilation-48h", "the model has no outcome 'ventilation-48h'; it has ventilation-6h"),
        (f"{GATE}/medicla", "no patient here is ever in a unit called 'medicla'"),
    ],
)
def test_a_threshold_that_no_line_could_carry_out_is_refused_before_it_is_signed(
    governed: Governed,  # noqa: F811
    gate: str,
    said: str,
) -> None:
    assert governed.run("review", "make", SITE, governed.week.name).exit_code == 0
    key = str(governed.folder / "Ada.key")
    told = ("--decision", "change-threshold", "--gate", gate, "--threshold", "0.3", "--sentence", "x")
    refused = governed.run("review", "sign", SITE, governed.week.name, *told, "--as", "Ada", "--key", key)
    assert refused.exit_code == 1
    assert said in refused.output
    refused = governed.run("gate", "sign", SITE, gate, "--threshold", "0.3", "--as", "Ada", "--key", key)
    assert refused.exit_code == 1
    assert said in refused.output


def test_a_site_that_shows_nothing_comes_back_where_no_gate_speaks_and_says_by_which_gate(
    governed: Governed,  # noqa: F811
) -> None:
    house = governed.house
    version = house.rooms.models[VENTILATION].version
    path = house.rooms.settings.gates / f"{SITE}.toml"
    path.write_text(written(Gate(SITE, VENTILATION, "ventilation-24h", version, 0.2, "medical")))
    governed.weigh()
    stop(governed)
    governed.weigh()
    elsewhere = "Every other unit, and patients whose unit is not known: no gate"
    for text in governed.get(f"/gate/{SITE}"):
        assert elsewhere in text
        assert "a gate of another unit does not: answers would be shown again" in text
    for name in ("Ada", "Ben"):
        key = str(governed.folder / f"{name}.key")
        said = governed.run("gate", "sign", SITE, UNIT, "--as", name, "--key", key)
        with path.open("a") as file:
            file.write("\n" + said.output[said.output.index("[[approvals]]") :])
    governed.weigh()
    card = governed.card("Practitioner/one")  # whose unit no gate speaks for
    assert card is not None
    assert "is suspended" in card["summary"]
    for text in governed.get("/metrics"):
        whose = f'tenant="{SITE}",model="{VENTILATION}"'
        assert f'ordertime_model_state{{{whose},state="suspended"}} 1' in text
        assert f'ordertime_model_state{{{whose},care_unit="medical",state="demonstration"}} 1' in text
    assert faults(house.rooms.changes.lines()) == ()


def test_without_any_gate_the_page_gives_the_lines_of_one_that_can_end_a_suspension(
    governed: Governed,  # noqa: F811
) -> None:
    path = governed.house.rooms.settings.gates / f"{SITE}.toml"
    path.write_text("")
    stop(governed)
    governed.weigh()
    for text in governed.get(f"/gate/{SITE}"):
        assert "no gate was ever weighed that could end it" in text
        assert "figures below" not in text  # there are none
    path.write_text(lines_of(text))
    governed.approve()
    governed.weigh()
    for text in governed.get(f"/gate/{SITE}"):
        assert "Every unit: the gate of the whole hospital; no unit has a gate of its own" in text
        assert "Suspended by the decision" not in text
