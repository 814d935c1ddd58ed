"""The Kafka REST proxy of the sandbox: Confluent's v2 and v3 interfaces on confluent-kafka."""
