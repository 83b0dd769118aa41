"""The embedded stack: Postgres, Apache Kafka, and what keeps them and the services running."""
