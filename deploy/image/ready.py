"""Exits 0 if the service in this container says that it is ready, 1 if it does not. The argument names its port."""

import os
import sys
from http.client import HTTPConnection, HTTPException

connection = HTTPConnection("127.0.0.1", int(os.environ[sys.argv[1]]), timeout=3)
try:
    connection.request("GET", "/readyz")
    answer = connection.getresponse()
    print(answer.status, answer.read(500).decode(errors="replace"))
    sys.exit(answer.status != 200)
except (OSError, HTTPException) as error:
    sys.exit(f"no answer: {error}")
