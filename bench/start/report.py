"""What a program that just did its command looks like from inside: its peak memory and the foreign packages it imported."""

import sys

FOREIGN = (
    "aiokafka", "asyncpg", "azure", "boto3", "botocore", "confluent_kafka", "eventsourcing", "fastapi", "google", "graphene", "graphql",
    "kafka", "opentelemetry", "psycopg", "pulumi", "pydantic", "pyspark", "rich", "starlette", "strawberry", "typer", "uvicorn",
)  # fmt: skip

# not getrusage: its maximum survives exec and would be the benchmark's own
peak_kib = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:"))  # noqa: SIM115
found = sorted({name.partition(".")[0] for name in sys.modules} & set(FOREIGN))
sys.stdout.write(f"{peak_kib} {','.join(found)}\n")
