"""Postgres: tables, queries, migrations. The only package that speaks SQL."""
