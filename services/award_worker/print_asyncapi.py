"""`python -m award_worker.print_asyncapi`: the AsyncAPI document; `docs/asyncapi.json` is made with it."""

import sys

from award_worker.asyncapi import asyncapi_document, document_text
from messaging.topics import Topics


def main() -> None:
    """Print the document. Nothing is connected to."""
    sys.stdout.write(document_text(asyncapi_document(Topics())))


if __name__ == "__main__":
    main()
