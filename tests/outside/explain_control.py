"""Plants 24 mistakes in controls and sees whether `explain control` names them, and leaves 6 controls without
a mistake alone: python3 explain_control.py PATH-OF-TILLGATE

It shares no code with the program: it hashes by itself, with hashlib. The name expected of each mistake
stands beside it.
"""
import base64
import hashlib
import hmac
import json
import subprocess
import sys
import urllib.parse
import urllib.request

NAMED_LEAST = 23
LOGIN, NAME, ORDER = "sandbox", "Tisch 4/é", "6877"
STATUS = {"login": LOGIN, "client_orderid": NAME, "orderid": ORDER}
RETURN = {**STATUS, "amount": "10.42", "currency": "RUB", "comment": "returned"}
CALLBACK = {"status": "approved", "merchant_order": NAME, "client_orderid": NAME, "orderid": ORDER, "type": "sale",
            "amount": "10.42"}


def sha1(*parts):
    return hashlib.sha1(b"".join(part if isinstance(part, bytes) else part.encode() for part in parts)).hexdigest()


def good(key):
    status = sha1(LOGIN, NAME, ORDER, key)
    return [
        ("status", STATUS, status),
        ("status", STATUS, status.upper()),
        ("status", {"login": LOGIN, "client_orderid": NAME}, sha1(LOGIN, NAME, key)),
        ("return", RETURN, sha1(LOGIN, NAME, ORDER, "1042", "RUB", key)),
        ("void", RETURN, status),
        ("callback", CALLBACK, sha1("approved", ORDER, NAME, key)),
    ]


def bad_values(key):
    def returned(amount, currency="RUB"):
        return "return", RETURN, sha1(LOGIN, NAME, ORDER, amount, currency, key)

    encoded = urllib.parse.quote(NAME, safe="")
    return [
        ("amount-in-highest-units", *returned("10.42")),
        ("amount-comma", *returned("10,42")),
        ("amount-decimals", *returned("10.4200")),
        ("amount-without-decimals", *returned("10")),
        ("amount-exponent", *returned("104200")),
        ("currency-numeric", *returned("1042", "643")),
        ("other-formula", "return", RETURN, sha1(LOGIN, NAME, ORDER, key)),
        ("left-out", "status", STATUS, sha1(LOGIN, NAME, key)),
        ("order", "callback", CALLBACK, sha1("approved", NAME, ORDER, key)),
        ("percent-encoded", "status", STATUS, sha1(LOGIN, encoded, ORDER, key)),
        ("plus-for-blank", "status", STATUS, sha1(LOGIN, NAME.replace(" ", "+"), ORDER, key)),
        ("endpoint-instead-of-login", "status", STATUS, sha1("1111", NAME, ORDER, key)),
    ]


def bad_keys_and_digests(key):
    whole = LOGIN + NAME + ORDER + key
    made = [
        ("separators", sha1("|".join([LOGIN, NAME, ORDER, key]))),
        ("key-missing", sha1(LOGIN, NAME, ORDER)),
        ("key-case", sha1(LOGIN, NAME, ORDER, key.swapcase())),
        ("trailing-newline", sha1(whole, "\n")),
        ("key-blanks", sha1(whole, " ")),
        ("latin-1", sha1(whole.encode("latin-1"))),
        ("utf-16", sha1(whole.encode("utf-16-le"))),
        ("sha-256", hashlib.sha256(whole.encode()).hexdigest()),
        ("hmac-sha1", hmac.new(key.encode(), (LOGIN + NAME + ORDER).encode(), hashlib.sha1).hexdigest()),
        ("md5", hashlib.md5(whole.encode()).hexdigest()),
        ("base64", base64.b64encode(hashlib.sha1(whole.encode()).digest()).decode()),
        ("nothing-fits", sha1(LOGIN, NAME, ORDER, "the key of somebody else")),
    ]
    return [(expected, "status", STATUS, control) for expected, control in made]


def explained(ready, command, form, control):
    text = urllib.parse.urlencode({**form, "control": control})
    asked = {"login": LOGIN, "command": command, "form": text}
    headers = {"Authorization": "Bearer sandbox", "Content-Type": "application/json"}
    url = ready["base_url"] + "/admin/explain/control"
    request = urllib.request.Request(url, json.dumps(asked).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode()


def judge(ready, cases):
    """How many were named as expected, and what went wrong."""
    wrong = []
    rights = {sha1(LOGIN, NAME, ORDER, ready["control_key"])}
    for expected, command, form, control in cases:
        answer = explained(ready, command, form, control)
        found = json.loads(answer)
        if found["finding"] != expected:
            wrong.append(f"{expected}: named {found['finding']}: {found['wrong']}")
        secrets = {ready["control_key"].lower()} | rights
        if any(secret in answer.lower() for secret in secrets):
            sys.exit(f"{expected}: the key or the right control is in the answer")
    return len(cases) - len(wrong), wrong


def check(ready):
    key = ready["control_key"]
    fine, blamed = judge(ready, [("all-is-well", *case) for case in good(key)])
    planted = bad_values(key) + bad_keys_and_digests(key)
    found, missed = judge(ready, planted)
    print(f"{found} of {len(planted)} planted mistakes named rightly, {fine} of 6 good controls left alone")
    print("\n".join(blamed + missed))
    if len({case[0] for case in planted}) != 24:
        sys.exit("the planted mistakes are not 24 different ones")
    if found < NAMED_LEAST or fine != 6:
        print("0 passed, 1 failed")
        sys.exit(1)
    print("1 passed, 0 failed")


def main(binary):
    command = [binary, "dev", "--ephemeral", "--port", "0", "--json", "--log", "warn"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        check(json.loads(child.stdout.readline()))
    finally:
        child.terminate()
        child.wait(timeout=30)


if __name__ == "__main__":
    main(sys.argv[1])
