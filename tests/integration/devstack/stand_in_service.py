"""In the place of the gateway and the worker: `stand_in_service.py API|WORKER [SECONDS]`.

Ready, unless a file unready.json says otherwise; takes so many seconds to end.
"""

import os
import signal
import sys
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        told = Path("unready.json")
        self.send_response(HTTPStatus.SERVICE_UNAVAILABLE if told.exists() else HTTPStatus.OK)
        self.end_headers()
        if told.exists():
            self.wfile.write(told.read_bytes())


def drain(*_: object) -> None:
    time.sleep(float(sys.argv[2]))
    sys.exit(0)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        signal.signal(signal.SIGTERM, drain)
    prefix = f"BADGES_{sys.argv[1]}"
    HTTPServer((os.environ[f"{prefix}_HOST"], int(os.environ[f"{prefix}_PORT"])), Ready).serve_forever()
