"""What a competent team would write in an afternoon: the same topics, tables and HTTP call, in the plainest way."""
