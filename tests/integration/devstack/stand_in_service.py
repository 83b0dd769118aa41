"""In the place of the gateway and the worker: `stand_in_service.py API|WORKER`, always ready."""

import os
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer


class Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(HTTPStatus.OK)
        self.end_headers()


if __name__ == "__main__":
    prefix = f"BADGES_{sys.argv[1]}"
    HTTPServer((os.environ[f"{prefix}_HOST"], int(os.environ[f"{prefix}_PORT"])), Ready).serve_forever()
