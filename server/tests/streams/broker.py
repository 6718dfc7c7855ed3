"""A Kafka of one broker in this process: librdkafka's own mock, which speaks the protocol on a loopback port.

Tells its address, then takes lines of JSON: {"partition", "key", "value"} is a message (no value: a tombstone),
{"flush": true} is answered once all before it are in. Lives until its standard input ends.
"""

import json
import sys

from confluent_kafka import Producer

producer = Producer(
    {
        "test.mock.num.brokers": 1,
        "bootstrap.servers": "",
        "compression.type": sys.argv[2],
        "linger.ms": 20,
        "queue.buffering.max.messages": 1_000_000,
        "log_level": 0,
    }
)
topic = sys.argv[1]
# To ask for it makes it, with four partitions.
brokers = producer.list_topics(topic, timeout=30).brokers.values()
print(",".join(f"{broker.host}:{broker.port}" for broker in brokers), flush=True)
failures = []


def delivered(error, _):
    if error is not None:
        failures.append(str(error))


for line in sys.stdin:
    message = json.loads(line)
    if "flush" in message:
        producer.flush(60)
        print(failures[0] if failures else "in", flush=True)
        continue
    key, value = message.get("key"), message.get("value")
    producer.produce(topic, value=value, key=key, partition=message["partition"], on_delivery=delivered)
    producer.poll(0)
