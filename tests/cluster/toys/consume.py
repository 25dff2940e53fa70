"""A toy projector: reads TOPIC in GROUP over SASL_SSL, PACE messages a second, and commits after each batch; SIGTERM ends it cleanly."""

# ruff: noqa: T201 -- what it prints is its log

import os
import signal
import time

from kafka import KafkaConsumer

stopping: list[int] = []
signal.signal(signal.SIGTERM, lambda number, _: stopping.append(number))
consumer = KafkaConsumer(
    os.environ["TOPIC"],
    bootstrap_servers=os.environ["BOOTSTRAP"],
    group_id=os.environ["GROUP"],
    security_protocol="SASL_SSL",
    sasl_mechanism="PLAIN",
    sasl_plain_username=os.environ["USERNAME"],
    sasl_plain_password=os.environ["PASSWORD"],
    ssl_cafile="/etc/trimaran/bus/ca.crt",
    enable_auto_commit=False,
    auto_offset_reset="earliest",
    max_poll_records=10,
    session_timeout_ms=10_000,
)
print("up", flush=True)
handled = 0
while not stopping:
    for records in consumer.poll(timeout_ms=300).values():
        for record in records:
            time.sleep(1 / float(os.environ["PACE"]))
            handled += 1
            print("handled", record.partition, record.offset, flush=True)
    consumer.commit()
consumer.close()
print(f"over after {handled}", flush=True)
