"""The Kafka worker: award requests in, awards in Postgres, events out."""
