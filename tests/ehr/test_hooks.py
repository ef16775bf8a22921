"""CDS Hooks on the wire: requests read or refused by element, six prefetch forms, orders that concern."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demo.orders import BY_KEY, Order, draft_orders
from ehr.errors import EhrError, EhrUnavailable, MalformedRequest, MissingData
from ehr.hooks import (
    HOOKS,
    concerns,
    discovery,
    gather,
    parse_json,
    prefetch_templates,
    read_feedback,
    read_request,
)
from ehr.prefetch import ESSENTIAL, TEMPLATES

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
INSTANCE = "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"
Body = dict[str, Any]


def drafts(*keys: str) -> Body:
    orders = [Order(f"draft-{key}", BY_KEY[key], "1", "e", "p", {}) for key in keys]
    return draft_orders(tuple(orders), NOW)


def body(hook: str = "order-select", **more: Any) -> Body:
    context: Body = {"userId": "Practitioner/7", "patientId": "1", "encounterId": "e"}
    if hook != "patient-view":
        context["draftOrders"] = drafts("oxygen", "troponin")
    if hook == "order-select":
        context["selections"] = ["ServiceRequest/draft-oxygen"]
    return {"hook": hook, "hookInstance": INSTANCE, "context": context} | more


def authorised(hook: str = "patient-view", **more: Any) -> Body:
    granted = {
        "access_token": "secret-token",
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "patient/*.rs",
    }
    return body(hook, fhirServer="https://ehr.example/fhir", fhirAuthorization=granted, **more)


@dataclass(frozen=True)
class Brought:
    """What a fetch brings in these tests."""

    resources: tuple[dict[str, Any], ...] = ()
    truncated: bool = False
    foreign: int = 0
    problems: tuple[str, ...] = ()


def never() -> Brought:
    raise AssertionError("nothing may be fetched")


def observation(key: str, taken: str = "2026-11-23T06:00:00Z", patient: str = "1") -> Body:
    return {
        "resourceType": "Observation",
        "id": key,
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": taken,
    }


def bundle(*rows: Body, **more: Any) -> Body:
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "entry": [{"resource": row} for row in rows],
    } | more


def full(**more: Any) -> Body:
    """A prefetch in which every key came, empty where not told otherwise."""
    sent: Body = {key: bundle() for key in TEMPLATES}
    sent["patient"] = {"resourceType": "Patient", "id": "1"}
    return sent | more


# --- discovery and templates


def test_discovery_lists_each_service_on_its_three_hooks() -> None:
    found = discovery(
        {"ventilation-need": ("Breathing", "Who may need a ventilator"), "troponin-trend": ("Heart", "x")}
    )
    assert [(s["id"], s["hook"]) for s in found["services"]] == [
        (name, hook) for name in ("ventilation-need", "troponin-trend") for hook in HOOKS
    ]  # CONFORMANCE 67
    assert all(s["title"] and s["description"] and s["prefetch"] for s in found["services"])


def empties(node: Any) -> bool:
    """Whether a null, an empty text, list or object stands anywhere."""
    if isinstance(node, dict):
        return not node or any(empties(child) for child in node.values())
    if isinstance(node, list):
        return not node or any(empties(child) for child in node)
    return node is None or node == ""


def test_discovery_holds_nothing_null_or_empty() -> None:
    assert not empties(discovery({"ventilation-need": ("Breathing", "text")}))  # CONFORMANCE 68


@pytest.mark.parametrize(("key", "template"), TEMPLATES.items())
def test_a_prefetch_template_uses_only_what_every_client_must_support(key: str, template: str) -> None:
    tokens = re.findall(r"\{\{(.*?)\}\}", template)  # CONFORMANCE 69
    assert tokens == ["context.patientId"]
    assert "://" not in template  # CONFORMANCE 44: systems are percent-encoded
    path, _, query = template.partition("?")
    assert re.fullmatch(r"[A-Z][A-Za-z]+(/\{\{context\.patientId\}\})?", path)
    names = [pair.split("=")[0] for pair in query.split("&") if pair]
    assert set(names) <= {"patient", "category", "code", "_sort", "_count"}


def test_templates_ask_for_bedside_rows_and_laboratory_rows() -> None:
    asked = "\n".join(prefetch_templates("troponin-trend").values())
    assert "category=vital-signs" in asked
    assert "category=laboratory" in asked


# --- requests


@pytest.mark.parametrize("hook", HOOKS)
def test_a_sound_request_is_read(hook: str) -> None:
    asked = read_request(authorised(hook, prefetch={"patient": None}), "ventilation-need")
    assert (asked.hook, asked.hook_instance, asked.patient, asked.user, asked.encounter) == (
        hook,
        INSTANCE,
        "1",
        "Practitioner/7",
        "e",
    )
    assert asked.may_fetch


def test_the_token_is_in_no_representation() -> None:
    assert "secret-token" not in repr(read_request(authorised(), "ventilation-need"))  # CONFORMANCE 75


def changed(path: str, value: Any, hook: str = "order-select") -> Body:
    sent = copy.deepcopy(authorised(hook))
    node, *rest = sent, *path.split(".")
    for name in rest[:-1]:
        node = node[name]
    if value is KeyError:
        del node[rest[-1]]
    else:
        node[rest[-1]] = value
    return sent


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("hook", KeyError, "hook"),
        ("hook", "appointment-book", "hook"),
        ("hookInstance", KeyError, "hookInstance"),
        ("hookInstance", "1234", "hookInstance"),
        ("context", KeyError, "context"),
        ("context", [], "context"),
        ("context.userId", KeyError, "context.userId"),
        ("context.userId", "7", "context.userId"),
        ("context.userId", "Device/7", "context.userId"),
        ("context.patientId", KeyError, "context.patientId"),
        ("context.patientId", "", "context.patientId"),
        ("context.patientId", "1?_count=5", "context.patientId"),
        ("context.encounterId", 3, "context.encounterId"),
        ("context.draftOrders", KeyError, "context.draftOrders"),
        ("context.draftOrders", {"resourceType": "ServiceRequest"}, "context.draftOrders.resourceType"),
        ("context.draftOrders.entry", [{}], "context.draftOrders.entry[0]"),
        ("context.draftOrders.entry", {}, "context.draftOrders.entry"),
        ("context.selections", KeyError, "context.selections"),
        ("context.selections", "ServiceRequest/1", "context.selections"),
        ("context.selections", [1], "context.selections"),
        ("prefetch", [], "prefetch"),
        ("fhirServer", KeyError, "fhirServer"),
        ("fhirServer", "file:///etc/passwd", "fhirServer"),
        ("fhirServer", "https://user@ehr.example", "fhirServer"),
        ("fhirAuthorization", "token", "fhirAuthorization"),
        ("fhirAuthorization.access_token", KeyError, "fhirAuthorization.access_token"),
        ("fhirAuthorization.access_token", "a\r\nX: y", "fhirAuthorization.access_token"),
        ("fhirAuthorization.token_type", "mac", "fhirAuthorization.token_type"),
    ],
)
def test_a_wrong_request_is_refused_naming_the_element(path: str, value: Any, where: str) -> None:
    with pytest.raises(MalformedRequest) as caught:  # CONFORMANCE 73
        read_request(changed(path, value), "ventilation-need")
    assert caught.value.where == where


def test_additions_of_a_later_version_are_tolerated() -> None:
    asked = read_request(authorised(extension={"x": 1}, fhirVersion="4.0.1"), "ventilation-need")
    assert asked.patient == "1"


@pytest.mark.parametrize(
    ("user", "clinician"),
    [
        ("Practitioner/1", True),
        ("PractitionerRole/1", True),
        ("Patient/1", False),
        ("RelatedPerson/1", False),
    ],
)
def test_a_patients_own_view_is_not_a_clinicians(user: str, clinician: bool) -> None:
    sent = body("patient-view")  # CONFORMANCE 78
    sent["context"]["userId"] = user
    assert read_request(sent, "ventilation-need").for_clinician is clinician


PLACES = ["hook", "hookInstance", "context", "context.userId", "context.draftOrders", "context.selections"]
PLACES += ["context.draftOrders.entry", "prefetch", "prefetch.vitals", "prefetch.patient", "fhirServer"]
PLACES += ["fhirAuthorization"]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    path=st.sampled_from(PLACES),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=6),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["resourceType", "entry", "resource", "id", "link", "code"]),
                inner,
                max_size=3,
            )
        ),
        max_leaves=6,
    ),
)
def test_whatever_comes_is_read_or_refused_by_name(path: str, value: Any) -> None:
    sent = authorised("order-select", prefetch=full())
    node: Any = sent
    *above, last = path.split(".")
    for name in above:
        node = node[name]
    node[last] = value
    with suppress(EhrError):
        asked = read_request(sent, "ventilation-need")
        concerns(asked, "ventilation-need")
        gather(asked, Brought)


def test_text_that_is_not_json_is_a_value_error_without_its_content() -> None:
    with pytest.raises(ValueError, match="line 1") as caught:
        parse_json(b'{"patient": "Mrs Secret", }x')
    assert "Secret" not in str(caught.value)


# --- which orders concern a model


BREATHING = {
    "oxygen",
    "high-flow",
    "niv",
    "intubation",
    "blood-gas",
    "venous-gas",
    "icu-transfer",
    "morphine",
    "lorazepam",
    "furosemide",
}
HEART = {"troponin", "troponin-i", "ecg"}


@pytest.mark.parametrize("key", BY_KEY)
def test_an_order_concerns_the_model_it_should(key: str) -> None:
    sent = body("order-sign")
    sent["context"]["draftOrders"] = drafts(key)
    asked = read_request(sent, "any")
    assert bool(concerns(asked, "ventilation-need")) is (key in BREATHING)
    assert bool(concerns(asked, "troponin-trend")) is (key in HEART)


def test_order_select_judges_only_what_was_selected() -> None:
    asked = read_request(body("order-select"), "any")  # CONFORMANCE 76
    assert concerns(asked, "ventilation-need")
    assert not concerns(asked, "troponin-trend")


@pytest.mark.parametrize(
    ("selection", "judged"), [("draft-troponin", 1), ("ServiceRequest/none", 0), ("", 0)]
)
def test_a_bare_selection_is_tolerated_and_an_unmatched_one_selects_nothing(
    selection: str, judged: int
) -> None:
    sent = body("order-select")  # CONFORMANCE 76
    sent["context"]["selections"] = [selection]
    assert len(read_request(sent, "any").orders) == judged


def test_order_sign_judges_every_draft_of_every_kind() -> None:
    sent = body("order-sign")  # CONFORMANCE 77
    sent["context"]["draftOrders"] = drafts("diet", "high-flow", "morphine", "troponin")
    asked = read_request(sent, "any")
    assert {row["resourceType"] for row in asked.orders} == {
        "NutritionOrder",
        "DeviceRequest",
        "MedicationRequest",
        "ServiceRequest",
    }
    assert len(concerns(asked, "ventilation-need")) == 2


def test_patient_view_always_concerns() -> None:
    asked = read_request(body("patient-view"), "any")
    assert concerns(asked, "ventilation-need")
    assert concerns(asked, "troponin-trend")


def order(**more: Any) -> Body:
    made = {"resourceType": "MedicationRequest", "id": "m", "status": "draft"} | more
    return {"resourceType": "Bundle", "entry": [{"resource": made}]}


@pytest.mark.parametrize(
    ("drafted", "concerned"),
    [
        (order(medicationCodeableConcept={"text": "Morphine sulfate 2 mg/mL injection"}), True),
        (
            order(
                medicationReference={"reference": "#m", "display": "?"},
                contained=[{"id": "m", "code": {"text": "midazolam"}}],
            ),
            True,
        ),
        (order(medicationReference={"display": "FENTANYL 50 mcg patch"}), True),
        (order(medicationCodeableConcept={"text": "Paracetamol"}), False),
        (order(medicationCodeableConcept={"text": "Morphine"}, doNotPerform=True), False),
        (order(medicationCodeableConcept="morphine"), False),
        (order(medicationCodeableConcept={"coding": [None, {"code": 3, "display": 4}]}), False),
    ],
)
def test_a_sites_own_code_is_known_by_its_words(drafted: Body, concerned: bool) -> None:
    sent = body("order-sign")
    sent["context"]["draftOrders"] = drafted
    assert bool(concerns(read_request(sent, "any"), "ventilation-need")) is concerned


# --- prefetch in six forms


def collected(prefetch: Body, fetch: Callable[[], Any] = never, *, allowed: bool = False) -> Any:
    sent = authorised(prefetch=prefetch) if allowed else body("patient-view", prefetch=prefetch)
    return gather(read_request(sent, "any"), fetch)


def test_a_whole_prefetch_needs_no_fetch() -> None:
    found = collected(full(vitals=bundle(observation("a"), observation("b"))), allowed=True)
    assert [row["id"] for row in found.resources] == ["1", "a", "b"]
    assert (found.missing, found.truncated, found.foreign) == ((), False, 0)


def test_null_means_the_hospital_has_none_and_is_not_asked_again() -> None:
    found = collected(full(vitals=None, laboratory=None), allowed=True)  # CONFORMANCE 70, 72
    assert found.missing == ()


def test_a_single_resource_is_taken_where_it_is_of_the_right_type() -> None:
    found = collected(
        full(encounters={"resourceType": "Encounter", "id": "e", "subject": {"reference": "Patient/1"}})
    )
    assert len(found.resources) == 2  # CONFORMANCE 70
    with pytest.raises(MalformedRequest, match=r"prefetch\.vitals: is neither a Bundle nor a single Observation"):
        collected(full(vitals={"resourceType": "Patient", "id": "1"}))


@pytest.mark.parametrize("key", sorted(ESSENTIAL))
def test_an_absent_essential_key_is_412_without_leave_to_fetch(key: str) -> None:
    sent = full()  # CONFORMANCE 71
    del sent[key]
    with pytest.raises(MissingData) as caught:
        collected(sent)
    assert caught.value.where == f"prefetch.{key}"


def test_an_absent_key_is_fetched_where_the_client_allows_it() -> None:
    sent = full(vitals=bundle(observation("a")))  # CONFORMANCE 71
    del sent["laboratory"]
    found = collected(
        sent, lambda: Brought((observation("a"), observation("b")), True, 3, ("x",)), allowed=True
    )
    assert [row["id"] for row in found.resources] == ["1", "a", "a", "b"]
    assert (found.missing, found.truncated, found.foreign, found.problems) == ((), True, 3, ("x",))


def test_no_prefetch_at_all_is_412_or_fetched() -> None:
    with pytest.raises(MissingData):
        collected({})
    assert collected({}, lambda: Brought((observation("a"),)), allowed=True).resources


def test_an_absent_lesser_key_is_said_and_does_not_stop_the_answer() -> None:
    sent = full()
    del sent["conditions"]
    assert collected(sent).missing == ("conditions",)


def unavailable() -> Brought:
    raise EhrUnavailable("no answer", "Observation")


def test_a_hospital_that_cannot_be_reached_is_a_fault_only_where_it_matters() -> None:
    sent = full()
    del sent["devices"]
    found = collected(sent, unavailable, allowed=True)
    assert (found.missing, found.truncated) == (("devices",), True)
    del sent["vitals"]
    with pytest.raises(EhrUnavailable):
        collected(sent, unavailable, allowed=True)


def test_an_operation_outcome_is_not_asked_again_and_stops_the_answer_where_it_matters() -> None:
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [{"code": "timeout", "diagnostics": "Mrs Secret"}],
    }
    with pytest.raises(MissingData) as caught:  # CONFORMANCE 70
        collected(full(vitals=outcome), allowed=True)
    assert "Secret" not in str(caught.value)
    found = collected(full(conditions=outcome), allowed=True)
    assert (found.missing, found.problems) == (("conditions",), ("prefetch.conditions: timeout",))


def batch(*entries: Body) -> Body:
    return {"resourceType": "Bundle", "type": "batch-response", "entry": list(entries)}


def test_a_batch_that_worked_is_read_search_by_search() -> None:
    entry = {"resource": bundle(observation("a")), "response": {"status": "200 OK"}}
    other = {"resource": bundle(observation("b"), total=500), "response": {"status": "200"}}
    found = collected(full(vitals=batch(entry, other)))  # CONFORMANCE 50
    assert [row["id"] for row in found.resources] == ["1", "a", "b"]
    assert found.truncated
    assert (found.missing, found.problems) == ((), ())


@pytest.mark.parametrize(
    ("response", "code"),
    [
        ({"status": "403 Forbidden", "outcome": {"issue": [{"code": "forbidden"}]}}, "forbidden"),
        ({"status": "500"}, "status 500"),
        ({"status": "404", "outcome": "nothing here"}, "status 404"),
    ],
)
def test_a_refused_search_does_not_hide_in_a_batch_that_is_200(response: Body, code: str) -> None:
    fine = {"resource": bundle(observation("a")), "response": {"status": "200"}}
    mixed = batch(fine, {"response": response})
    with pytest.raises(MissingData) as caught:  # CONFORMANCE 50
        collected(full(vitals=mixed), allowed=True)
    assert caught.value.where == "prefetch.vitals"
    found = collected(full(conditions=mixed))
    assert (found.missing, found.problems) == (("conditions",), (f"prefetch.conditions: {code}",))


@pytest.mark.parametrize("sent", [3, "x", [], {"entry": []}, {"resourceType": "Bundle", "entry": {}}])
def test_what_is_none_of_the_six_is_malformed(sent: Any) -> None:
    with pytest.raises(MalformedRequest, match=r"prefetch\.vitals"):
        collected(full(vitals=sent))


def test_another_patients_rows_are_dropped_and_counted() -> None:
    found = collected(
        full(vitals=bundle(observation("a", patient="2"), observation("b"), {"resourceType": "Observation"}))
    )
    assert [row["id"] for row in found.resources] == ["1", "b"]  # CONFORMANCE 37
    assert found.foreign == 2


def test_a_first_page_of_more_is_said_unless_it_reaches_back_far_enough() -> None:
    link = [{"relation": "next", "url": "https://ehr.example/fhir?page=2"}]
    hours = [observation(f"o{i}", (NOW - timedelta(hours=i)).isoformat()) for i in range(100)]
    assert collected(full(vitals=bundle(*hours[:20], link=link))).truncated  # CONFORMANCE 70
    assert not collected(full(vitals=bundle(*hours, link=link))).truncated
    assert collected(full(vitals=bundle(*reversed(hours), link=link))).truncated
    assert collected(full(vitals=bundle(*hours[:20], total=500))).truncated


# --- feedback


def row(**more: Any) -> Body:
    return {"card": "c1", "outcome": "overridden", "outcomeTimestamp": "2026-11-23T12:00:00Z"} | more


def test_feedback_is_read_with_reason_and_comment() -> None:
    reason = {"reason": {"code": "known", "system": "urn:x"}, "userComment": "Mrs Secret is fine"}
    (found,) = read_feedback({"feedback": [row(overrideReason=reason)]})  # CONFORMANCE 90
    assert (found.card, found.outcome, found.override_code, found.override_system) == (
        "c1",
        "overridden",
        "known",
        "urn:x",
    )
    assert found.comment == "Mrs Secret is fine"
    assert "Secret" not in repr(found)


def test_feedback_without_a_reason_and_with_accepted_suggestions_is_read() -> None:
    rows = read_feedback({"feedback": [row(), row(outcome="accepted", acceptedSuggestions=[{"id": "s"}])]})
    assert [found.accepted for found in rows] == [(), ("s",)]  # CONFORMANCE 90


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"feedback": []},
        {"feedback": {}},
        {"feedback": [3]},
        {"feedback": [row(card=None)]},
        {"feedback": [row(outcome="ignored")]},
        {"feedback": [row(outcomeTimestamp="today")]},
        {"feedback": [row(overrideReason="no")]},
        {"feedback": [row(acceptedSuggestions=[{}])]},
    ],
)
def test_malformed_feedback_is_refused(sent: Body) -> None:
    with pytest.raises(MalformedRequest):
        read_feedback(sent)
