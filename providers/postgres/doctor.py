"""Examines a PostgreSQL database without changing it: whether it answers, its version, our rights, the schema version."""

import time
from typing import Any

import psycopg

from providers.postgres.database import connect
from runtime.findings import Finding, schema

SERVER = 15
TIMEOUT_S = 5.0
SETTINGS = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on local remote_write remote_apply"}


def examine(url: str, namespace: str, component: str) -> list[Finding]:
    """Findings about the schema `namespace` for `component`, "events" or "rows"."""
    try:
        connection = connect(url, time.monotonic() + TIMEOUT_S)
    except psycopg.Error as error:
        way_out = "is the server running, and are host, port, user and password right?"
        return [Finding("connection", " ".join(str(error).split()), False, way_out)]
    with connection:
        connection.deadline = time.monotonic() + 2 * TIMEOUT_S
        return [_version(connection), *_rights(connection, namespace), *_durable(connection), _schema(connection, namespace, component)]


def _one(connection: Any, sql: str, *values: object) -> Any:
    row = connection.execute(sql, values).fetchone()
    return row[0] if row else None


def _version(connection: Any) -> Finding:
    number = int(_one(connection, "SELECT current_setting('server_version_num')"))
    return Finding(
        "server", f"PostgreSQL {_one(connection, 'SHOW server_version')}", number // 10_000 >= SERVER, f"use PostgreSQL {SERVER} or newer"
    )


def _rights(connection: Any, namespace: str) -> list[Finding]:
    user = _one(connection, "SELECT current_user")
    writes = _one(connection, "SELECT NOT pg_is_in_recovery()")
    findings = [Finding("role", "primary" if writes else "a standby that only reads", bool(writes), "name the primary in the URL")]
    if _one(connection, "SELECT to_regnamespace(%s) IS NOT NULL", f'"{namespace}"'):
        may = _one(connection, "SELECT has_schema_privilege(%s, 'USAGE') AND has_schema_privilege(%s, 'CREATE')", namespace, namespace)
        way_out = f'GRANT USAGE, CREATE ON SCHEMA "{namespace}" TO "{user}"'
        return [*findings, Finding("rights", f"{user} on schema {namespace}: {'enough' if may else 'too few'}", bool(may), way_out)]
    may = _one(connection, "SELECT has_database_privilege(current_database(), 'CREATE')")
    way_out = f'GRANT CREATE ON DATABASE "{_one(connection, "SELECT current_database()")}" TO "{user}"'
    found = f"{user} {'may' if may else 'may not'} make schema {namespace}"
    return [*findings, Finding("rights", found, bool(may), way_out)]


def _durable(connection: Any) -> list[Finding]:
    findings = []
    for name, good in SETTINGS.items():
        value = str(_one(connection, f"SHOW {name}"))
        findings.append(Finding(name, value, value in good.split(), f"set {name} = on: what was acknowledged could be lost in a crash"))
    return findings


def _schema(connection: Any, namespace: str, component: str) -> Finding:
    table = f'"{namespace}".schema_versions'
    try:
        there = _one(connection, "SELECT to_regclass(%s) IS NOT NULL", table)
        found = _one(connection, f"SELECT version FROM {table} WHERE component = %s", component) if there else 0
    except psycopg.Error as error:
        return Finding(f"{component} schema", " ".join(str(error).split()), False, f"grant SELECT on {table}")
    return schema(component, int(found or 0), _known(component))


def _known(component: str) -> int:
    if component == "events":
        from providers.postgres.schema import MIGRATIONS

        return len(MIGRATIONS)
    from providers.postgres.rows_schema import MIGRATIONS as ROWS

    return len(ROWS)
