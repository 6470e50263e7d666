"""Receives callbacks of a running gateway and verifies their signatures with another implementation
of Standard Webhooks: python3 webhooks.py PATH-OF-TILLGATE

It shares no code with the program. POST signs the body, GET the query as it stands in the address;
during a rotation both keys sign, and afterwards the new one only. What was changed on the way does
not verify.
"""
import http.server
import json
import queue
import subprocess
import sys
import threading
import urllib.request

import own_environment

PACKAGES = ["standardwebhooks"]
ENDPOINT = "/admin/v1/endpoints/1111"


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes everything, and hands over what was signed, and its headers."""

    def take(self, signed):
        self.server.taken.put((self.command, signed, dict(self.headers)))
        self.send_response(204)
        self.end_headers()

    def do_POST(self):
        self.take(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def do_GET(self):
        self.take(self.path.partition("?")[2])

    def log_message(self, *_):
        pass


class Shop:
    def __init__(self, binary, ready, receiver):
        self.binary, self.ready, self.receiver = binary, ready, receiver
        self.url = f"http://127.0.0.1:{receiver.server_address[1]}/cb?shop=7"

    def operate(self, method, path, asked):
        headers = {"Authorization": "Bearer sandbox", "Content-Type": "application/json"}
        url = self.ready["base_url"] + ENDPOINT + path
        request = urllib.request.Request(url, json.dumps(asked).encode(), headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or "null")

    def make_key(self, overlap):
        return self.operate("POST", "/webhook-key", {"overlap_seconds": overlap})["key"]

    def sell(self, mode):
        """A sale whose callback comes in this mode; answers what was signed, and the headers."""
        self.operate("PUT", "/webhooks", {"webhooks": mode})
        ready = self.ready
        command = [self.binary, "sale", "--url", ready["base_url"], "--endpoint", ready["endpoint_id"],
                   "--login", ready["login"], "--control-key", ready["control_key"],
                   "--reader", ready["readers"][0]["serial"], "--callback-url", self.url,
                   "--amount", "10.42", "--currency", "RUB"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        method, signed, headers = self.receiver.taken.get(timeout=60)
        check(f"the method in mode {mode}", method, mode.upper())
        return signed, headers


def check(what, got, wanted):
    if got != wanted:
        sys.exit(f"{what}: {got!r} instead of {wanted!r}")


def verifies(key, signed, headers):
    """Whether the library takes it. It also reads what it takes as JSON, which a query is not."""
    from standardwebhooks.webhooks import Webhook, WebhookVerificationError

    try:
        Webhook(key).verify(signed, headers)
    except WebhookVerificationError:
        return False
    except json.JSONDecodeError:
        return not signed.startswith("{")
    return True


def examine(shop, mode, good, bad):
    """All `good` keys and no other verify the callback of a sale, and none a changed one."""
    signed, headers = shop.sell(mode)
    changed = signed.replace("10.42", "99.42")
    check(f"{mode}: that the amount is told", changed != signed, True)
    other_id = {name: "evt_1" if name.lower() == "webhook-id" else value for name, value in headers.items()}
    for number, key in enumerate(good):
        check(f"{mode}: key {number} as it came", verifies(key, signed, headers), True)
        check(f"{mode}: key {number}, amount changed", verifies(key, changed, headers), False)
        check(f"{mode}: key {number}, id changed", verifies(key, signed, other_id), False)
    for key in bad:
        check(f"{mode}: a key that is not good", verifies(key, signed, headers), False)
    told = {name.lower(): value for name, value in headers.items()}
    check(f"{mode}: signatures", len(told["webhook-signature"].split()), len(good))
    return 3 * len(good) + len(bad) + 3


def examine_all(shop):
    first = shop.make_key(0)
    passed = sum(examine(shop, mode, [first], []) for mode in ("post", "get"))
    second = shop.make_key(3600)
    passed += sum(examine(shop, mode, [first, second], []) for mode in ("post", "get"))
    third = shop.make_key(0)
    passed += sum(examine(shop, mode, [third], [second]) for mode in ("post", "get"))
    return passed


def main(binary):
    command = [binary, "dev", "--ephemeral", "--json", "--port", "0", "--log", "error"]
    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    receiver.taken = queue.Queue()
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            passed = examine_all(Shop(binary, json.loads(process.stdout.readline()), receiver))
        finally:
            process.terminate()
    receiver.shutdown()
    print(f"callbacks verified by another implementation of Standard Webhooks: {passed} checks hold")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    own_environment.run(__file__, PACKAGES, main)
