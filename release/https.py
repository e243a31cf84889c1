#!/usr/bin/env python3
"""Serves the working folder by HTTPS on loopback, with the certificate of the tests, and prints the port: release/https.py"""

import http.server
import ssl


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("testdata/tls/localhost.pem", "testdata/tls/localhost.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
