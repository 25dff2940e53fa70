"""What a stateless gateway writes down comes back as it was."""

from typing import Any

from hypothesis import given

from runtime.domain.api import Identity
from runtime.domain.filters import Filter
from runtime.live.callers.identity import Session
from runtime.live.functions.stored import Cohort, cohort_bytes, cohort_of, resume_bytes, resume_of, session_bytes, session_of
from runtime.live.plans import Plan
from runtime.live.requests import Request
from tests.live.house import FILTERS


@given(FILTERS)
def test_any_filter_comes_back_with_the_types_of_its_values(where: Filter) -> None:
    request = Request("subscription { a }", "b", {"c": [1, "ü", None]}, {"d": 1.5})
    cohort = Cohort(request, Plan("ticket", "rows", where, "acme", "acme/1", after="", cohort="e"))
    found = cohort_of(cohort_bytes(cohort))
    assert repr(found) == repr(cohort).replace("fold=1, ", "")  # 1 is not True, and not 1.0; NaN equals nothing


def test_a_session_comes_back_without_its_token() -> None:
    session = Session(Identity("ann", {"roles": ["clerk"], "iat": 1.5, "nested": {"a": [None, True]}}), 2.5, "key", "jti")
    assert session_of(session_bytes(session)) == session
    assert session_of(b"") == Session(Identity())


def test_cursors_of_connection_init_are_bounded_and_what_is_none_is_left_out() -> None:
    kept = resume_bytes({"resume": {"1": "abc", "2": 3, "3": "", "4": "x" * 9_000, "y" * 300: "abc", "5": "def"}}, 10)
    assert [resume_of(kept, id) for id in ("1", "2", "3", "4", "5")] == ["abc", "", "", "", "def"]
    assert len(resume_bytes({"resume": {str(number): "x" for number in range(1_000)}}, 100)) < 2_000
    assert len(resume_bytes({"resume": {str(number): "x" * 8_000 for number in range(100)}}, 100)) < 80_000
    nothings: tuple[dict[str, Any] | None, ...] = (None, {}, {"resume": None}, {"resume": []}, {"resume": "abc"}, {"resume": {}})
    for nothing in nothings:
        assert resume_bytes(nothing, 10) == b""
        assert resume_of(b"", "1") == ""
