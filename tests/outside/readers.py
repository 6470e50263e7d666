"""Plays a Spire reader against a running gateway, from nothing but the ready line of `tillgate dev`:
python3 readers.py PATH-OF-TILLGATE

It shares no code with the program: keys, ciphers, layouts and signatures are its own, or those of
explain.py beside it. The sale of each stripe and each chip must be accepted and approved, a stripe
sent twice must be refused.
"""
import base64
import hashlib
import hmac
import json
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import explain
import own_environment

PAN, TRACK = "4444555566661111", b";4444555566661111=30122010000000000?"
SEPARATOR = b"\x1c"


def tlv(tag, value):
    length = bytes([len(value)]) if len(value) < 128 else b"\x81" + bytes([len(value)])
    return bytes.fromhex(tag) + length + value


def sealed(reader, ksn, clear):
    from Crypto.Cipher import AES, DES3

    key = reader.key(ksn)
    size = 16 if reader.is_aes else 8
    clear += bytes(-len(clear) % size)
    cipher = AES if reader.is_aes else DES3
    return cipher.new(key, cipher.MODE_CBC, bytes(size)).encrypt(clear)


def stripe(reader):
    ksn = reader.ksn()
    inside = tlv("DFAE63", sealed(reader, ksn, TRACK)) + tlv("DFAE64", ksn)
    inside += tlv("DFAE65", b"0") + tlv("DFAE66", reader.serial.encode())
    return tlv("E9", inside).hex().upper()


def chip(reader):
    """The tags by two bytes each, and their values as hexadecimal text behind each other."""
    ksn, today = reader.ksn(), time.strftime("%y%m%d", time.gmtime())
    values = {
        "DF63": sealed(reader, ksn, bytes.fromhex("4444555566661111D30122010000000000F0")).hex(),
        "DF64": ksn.hex(),
        "9F1E": reader.serial,
        "5A00": "444455******1111",
        "5F20": "TEST/CARD",
        "5F24": "301231",
        "9F02": "000000001042",
        "5F2A": "0643",
        "9A00": today,
        "9F26": "1122334455667788",
        "9F27": "80",
        "9F36": "0042",
        "8200": "3900",
        "8400": "A0000000031010",
        "9F39": "05",
    }
    names = bytes.fromhex("".join(values))
    message = SEPARATOR.join(value.upper().encode() for value in values.values())
    return tlv("E9", tlv("DFAE60", names) + tlv("DFAE61", message)).hex().upper()


def quoted(text):
    return urllib.parse.quote(str(text), safe="-._~")


class Shop:
    def __init__(self, ready):
        self.ready, self.count = ready, 0

    def signed(self, url, fields):
        """OAuth 1.0a with HMAC-SHA1, as the mobile SDK signs."""
        self.count += 1
        oauth = {
            "oauth_consumer_key": self.ready["login"],
            "oauth_nonce": f"outside-{self.count}",
            "oauth_signature_method": "HMAC-SHA1",
            "oauth_timestamp": str(int(time.time())),
            "oauth_version": "1.0",
        }
        pairs = sorted((quoted(name), quoted(value)) for name, value in {**fields, **oauth}.items())
        params = "&".join(f"{name}={value}" for name, value in pairs)
        text = "&".join(["POST", quoted(url), quoted(params)])
        key = quoted(self.ready["control_key"]) + "&"
        oauth["oauth_signature"] = base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha1).digest()).decode()
        return "OAuth " + ",".join(f'{name}="{quoted(value)}"' for name, value in oauth.items())

    def post(self, path, fields, sign):
        url = self.ready["base_url"] + path
        headers = {"Authorization": self.signed(url, fields)} if sign else {}
        request = urllib.request.Request(url, urllib.parse.urlencode(fields).encode(), headers)
        with urllib.request.urlopen(request) as answer:
            text = answer.read().decode()
        return dict(pair.split("=", 1) for pair in text.replace("\n", "").split("&") if "=" in pair)

    def sell(self, kind, data):
        name = f"outside-{self.count + 1}"
        fields = {
            "client_orderid": name, "order_desc": "test", "amount": "10.42", "currency": "RUB",
            "address1": "no-address", "city": "Moscow", "zip_code": "123000", "country": "RU",
            "email": "v-0.2.32-4", "phone-id": "F5769D0E-DD15-459B-AED1-E1F9F05A2495",
            "ipaddress": "127.0.0.1", "encrypted-type": kind, "encrypted-data": data,
        }
        return name, self.post(f"/mapi/v1/sale/{self.ready['endpoint_id']}", fields, sign=True)

    def stage(self, name, order):
        ready = self.ready
        control = hashlib.sha1((ready["login"] + name + order + ready["control_key"]).encode()).hexdigest()
        fields = {"login": ready["login"], "client_orderid": name, "orderid": order, "control": control}
        path = f"/api/v2/status/{ready['endpoint_id']}"
        for _ in range(600):
            answer = self.post(path, fields, sign=False)
            if answer.get("order-stage") not in ("sale_processing", "sale_emv_processing"):
                return answer.get("order-stage")
        return "never decided"


def check(what, got, wanted):
    if got != wanted:
        sys.exit(f"{what}: {got!r} instead of {wanted!r}")
    return 1


def main(binary):
    command = [binary, "dev", "--ephemeral", "--json", "--port", "0", "--log", "error"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            ready = json.loads(process.stdout.readline())
            shop, passed = Shop(ready), 0
            for told in (one for one in ready["readers"] if one["type"] == "spire"):
                reader = explain.Reader(told)
                for make, stage in ((stripe, "sale_approved"), (chip, "sale_emv_validating")):
                    what, data = f"{make.__name__} at {told['cipher']}", make(reader)
                    name, answer = shop.sell("spire", data)
                    passed += check(what, answer.get("type"), "async-response")
                    passed += check(what, shop.stage(name, answer["paynet-order-id"]), stage)
                    passed += check(what + " again", shop.sell("spire", data)[1].get("error-code"), "25")
        finally:
            process.terminate()
    print(f"readers played from outside: {passed} checks hold")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    own_environment.run(__file__, explain.PACKAGES, main)
