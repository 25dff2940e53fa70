"""How much one caller may hold: what is taken is surely given back, and silent connections lock nobody out."""

import random
from typing import Any

import pytest

from runtime.domain.api import Identity
from runtime.errors import LimitExceeded
from runtime.live.callers.quotas import Lease, Quotas, Seat, caller_of
from runtime.live.limits import Limits

ANN, BOB = Identity("ann"), Identity("bob")


def few(**limits: int) -> Quotas:
    return Quotas(Limits(**({"connections_per_identity": 3, "waiting_connections": 4, "connections": 6} | limits)))


def full(**figures: int) -> dict[str, int]:
    return {"connections": 0, "waiting": 0, "operations": 0} | figures


def test_what_is_taken_is_given_back_once() -> None:
    quotas = few()
    seat = quotas.connect("192.0.2.1")
    seat.acknowledged(ANN)
    lease = seat.operation()
    assert quotas.figures() == full(connections=1, operations=1)
    lease.close()
    lease.close()
    assert quotas.figures() == full(connections=1)
    with seat.operation(), quotas.operation(ANN, "192.0.2.1"):
        assert quotas.figures() == full(connections=1, operations=2)
    seat.operation()
    seat.close()
    seat.close()
    assert quotas.figures() == full()


def test_a_connection_that_ends_in_an_error_gives_everything_back() -> None:
    quotas = few()
    with pytest.raises(ZeroDivisionError), quotas.connect("192.0.2.1") as seat:
        seat.operation()
        raise ZeroDivisionError
    assert quotas.figures() == full()


def test_one_subject_has_so_many_connections_from_everywhere_together() -> None:
    quotas = few(connections=100)
    for n in range(3):
        quotas.connect(f"192.0.2.{n}").acknowledged(ANN)
    late = quotas.connect("192.0.2.9")
    with pytest.raises(LimitExceeded, match=r"your connections is 4, the limit is 3: close some"):
        late.acknowledged(ANN)
    late.close()
    quotas.connect("192.0.2.9").acknowledged(BOB)
    assert quotas.figures() == full(connections=4)


def test_many_subjects_may_come_from_one_address() -> None:
    quotas = few(connections=100, connections_per_identity=3)
    for n in range(50):
        quotas.connect("192.0.2.1").acknowledged(Identity(f"customer {n}"))
    assert quotas.figures() == full(connections=50)


def test_nobody_in_particular_is_counted_by_address() -> None:
    quotas = few(connections=100)
    for _ in range(3):
        quotas.connect("192.0.2.1").acknowledged(Identity())
    with pytest.raises(LimitExceeded, match="your connections"):
        quotas.connect("192.0.2.1")
    quotas.connect("192.0.2.2").acknowledged(Identity())


def test_the_oldest_silent_connection_of_an_address_makes_room_for_its_next() -> None:
    quotas, evicted = few(), []
    for n in range(5):
        quotas.connect("192.0.2.1", lambda n=n: evicted.append(n))  # type: ignore[misc]
    assert evicted == [0, 1]
    assert quotas.figures() == full(connections=3, waiting=3)


def test_silent_connections_from_everywhere_make_room_for_a_client_that_speaks() -> None:
    quotas, evicted = few(), []
    silent = [quotas.connect(f"192.0.2.{n}", lambda n=n: evicted.append(n)) for n in range(4)]  # type: ignore[misc]
    healthy = quotas.connect("198.51.100.1", lambda: evicted.append(99))
    healthy.acknowledged(ANN)
    for n in range(10, 30):
        silent.append(quotas.connect(f"192.0.2.{n}", lambda n=n: evicted.append(n)))  # type: ignore[misc]
    assert 99 not in evicted and evicted[0] == 0
    assert quotas.figures() == full(connections=5, waiting=4)
    for seat in silent:
        seat.close()
    assert quotas.figures() == full(connections=1)


def test_a_process_full_of_speaking_clients_says_so() -> None:
    quotas = few()
    for n in range(6):
        quotas.connect(f"192.0.2.{n}").acknowledged(Identity(f"customer {n}"))
    with pytest.raises(LimitExceeded, match=r"number of connections is 7, the limit is 6: try again later"):
        quotas.connect("192.0.2.9")
    assert quotas.figures() == full(connections=6)


def test_operations_are_bounded_per_connection_and_per_caller() -> None:
    quotas = few(operations_per_connection=2, operations_per_identity=3)
    first, second = quotas.connect("192.0.2.1"), quotas.connect("192.0.2.1")
    first.acknowledged(ANN)
    second.acknowledged(ANN)
    first.operation()
    first.operation()
    with pytest.raises(LimitExceeded, match="operations on this connection is 3, the limit is 2"):
        first.operation()
    second.operation()
    with pytest.raises(LimitExceeded, match="your operations is 4, the limit is 3"):
        second.operation()
    with pytest.raises(LimitExceeded, match="your operations"):
        quotas.operation(ANN, "203.0.113.5")
    quotas.operation(BOB, "203.0.113.5").close()
    first.close()
    quotas.operation(ANN, "").close()


def test_an_operation_begun_after_the_end_holds_nothing() -> None:
    quotas = few()
    seat = quotas.connect("192.0.2.1")
    seat.close()
    seat.acknowledged(ANN)
    seat.operation()
    assert quotas.figures() == full()


def test_a_flood_of_messages_is_refused_and_a_burst_is_not() -> None:
    now = [0.0]
    seat = Quotas(Limits(messages_per_second=10), lambda: now[0]).connect("192.0.2.1")
    for _ in range(100):
        seat.message()
    with pytest.raises(LimitExceeded, match="messages a second"):
        seat.message()
    now[0] += 5.0
    for _ in range(45):
        seat.message()


@pytest.mark.parametrize(
    ("address", "caller"),
    [
        ("192.0.2.1", "address 192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "address 2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "address 2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "address 192.0.2.1"),
        ("fe80::1%eth0", "address fe80::/64"),
        ("a socket file", "address a socket file"),
        ("", "address "),
    ],
)
def test_whom_an_address_stands_for(address: str, caller: str) -> None:
    assert caller_of(Identity(), address) == caller


def test_a_subject_called_like_an_address_is_not_one() -> None:
    assert caller_of(Identity("address 192.0.2.1"), "x") != caller_of(Identity(), "192.0.2.1")


def test_after_any_sequence_everything_is_given_back_and_no_bound_was_passed() -> None:
    chooser = random.Random(42)
    for _ in range(200):
        quotas = few(operations_per_connection=2, operations_per_identity=4)
        seats: list[Seat] = []
        leases: list[Lease] = []
        for _ in range(60):
            try:
                match chooser.randrange(6):
                    case 0 | 1:
                        seats.append(quotas.connect(f"192.0.2.{chooser.randrange(4)}"))
                    case 2 if seats:
                        chooser.choice(seats).acknowledged(chooser.choice([ANN, BOB, Identity()]))
                    case 3 if seats:
                        leases.append(chooser.choice(seats).operation())
                    case 4 if leases:
                        chooser.choice(leases).close()
                    case 5 if seats:
                        chooser.choice(seats).close()
                    case _:
                        pass
            except LimitExceeded:
                pass
            held = quotas.figures()
            assert held["connections"] <= 6 and held["waiting"] <= 4
        rest: list[Any] = [*seats, *leases]
        chooser.shuffle(rest)
        for thing in rest:
            thing.close()
        assert quotas.figures() == full()
        assert not quotas._connections and not quotas._operations  # nobody is remembered who holds nothing
