"""Rights of a login that may count what is due and read nothing of it: KEDA's, where it has one of its own."""

from psycopg import errors, sql

from providers.postgres.database import Connection
from runtime.errors import Misconfigured

COUNTED = "saga, generation, stuck, ready"  # columns that `rows_due.counting_due` looks at
GRANTS = (
    "GRANT USAGE ON SCHEMA {schema} TO {login}",
    f"GRANT SELECT ({COUNTED}) ON {{schema}}.read_outputs TO {{login}}",
    "GRANT SELECT (now) ON {schema}.read_clock TO {login}",
)


def grant_counting(connection: Connection, namespace: str, login: str) -> None:
    """Give `login` what `rows_due.counting_due` needs, once or again. Raises `Misconfigured` when the server has no such login."""
    words = {"schema": sql.Identifier(namespace), "login": sql.Identifier(login)}
    try:
        with connection.transaction():
            for grant in GRANTS:
                connection.execute(sql.SQL(grant).format(**words))
    except errors.UndefinedObject:
        made = f"CREATE ROLE \"{login}\" LOGIN PASSWORD '…'"
        raise Misconfigured(f"the read database has no login {login!r} that could count what is due: make it with {made}") from None
