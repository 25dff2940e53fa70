"""Which of a saga's outputs are due, in SQL, for the dispatcher and for whoever only counts them from outside, such as KEDA.

Imports nothing, so that a plan of a stack can carry the statement.
"""

DUE = "generation = 0 AND NOT stuck AND ready"  # … <= the saga clock; index read_outputs_ready
CLOCK = "coalesce((SELECT now FROM {s}.read_clock), clock_timestamp())"  # its row, or the database's time


def counting_due(namespace: str, saga: str) -> str:
    """One line of SQL whose single bigint is how many commands and timers of `saga` a dispatcher would find due now.

    For KEDA's `postgresql` trigger, which takes a statement without parameters; both names are identifiers by an app's own rules.
    """
    text = f"SELECT count(*) FROM {{s}}.read_outputs WHERE saga = '{saga}' AND {DUE} <= {CLOCK}"
    return text.replace("{s}", f'"{namespace}"')
