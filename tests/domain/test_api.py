"""Who may see and send: each rule is a bool or a filter over rows, never a check after reading."""

from runtime.domain import Identity, anyone, expose, owner, role, send, signed_in
from runtime.domain.filters import Compare
from tests.domain.library import Lend, loans

NOBODY = Identity()
ANN = Identity("ann", {"roles": ["clerk"]})


def test_anyone_is_also_nobody() -> None:
    assert anyone(NOBODY) is True
    assert anyone(ANN) is True


def test_signed_in_is_any_verified_subject() -> None:
    assert signed_in(NOBODY) is False
    assert signed_in(ANN) is True


def test_a_role_is_a_claim() -> None:
    assert role("clerk")(ANN) is True
    assert role("head")(ANN) is False
    assert role("clerk")(NOBODY) is False


def test_an_owner_sees_their_own_rows_by_a_filter_and_nobody_sees_none() -> None:
    assert owner("reader")(ANN) == Compare("reader", "eq", "ann")
    assert owner()(ANN) == Compare("owner", "eq", "ann")
    assert owner("reader")(NOBODY) is False


def test_what_is_shown_says_who_may() -> None:
    shown, sent = expose(loans, allow=signed_in), send(Lend, allow=anyone)
    assert (shown.part, shown.allow) == (loans, signed_in)
    assert (sent.command, sent.allow) == (Lend, anyone)
