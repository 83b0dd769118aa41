"""Kafka: topics, event contracts, codecs and client settings."""
