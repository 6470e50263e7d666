"""Plants 40 mistakes in messages of readers and sees whether `explain decrypt` names them, and leaves
10 messages without a mistake alone: python3 explain.py PATH-OF-TILLGATE

It shares no code with the program: it derives keys, seals and lays out by itself, after ANSI X9.24 and
the description of the `sim` profile. The name expected of each mistake stands beside it. The packages
go to a virtual environment of its own, thrown away afterwards.
"""
import base64
import datetime
import hashlib
import hmac
import json
import os
import subprocess
import sys
import urllib.parse
import urllib.request

import own_environment

PACKAGES = ["pycryptodome"]
NAMED_LEAST = 38
PAN, BAD_PAN = "4444555566661111", "4444555566661112"
EXPIRY, PAST = "3012", "2001"
AMOUNT, MINOR = "10.42", 1042
DES_MASK = 0xC0C0C0C000000000


# --- keys ---


def des(key, block):
    from Crypto.Cipher import DES

    return DES.new(key, DES.MODE_ECB).encrypt(block)


def tdes(key, data):
    from Crypto.Cipher import DES3

    return DES3.new(key, DES3.MODE_ECB).encrypt(data)


def xor(one, other):
    return bytes(a ^ b for a, b in zip(one, other))


def tdes_initial(base, ksn):
    front = (int.from_bytes(ksn, "big") & ~0x1FFFFF).to_bytes(10, "big")[:8]
    other = xor(base, DES_MASK.to_bytes(8, "big") * 2)
    return tdes(base, front) + tdes(other, front)


def one_way(key, register):
    left, right = key[:8], key[8:]
    return xor(des(left, xor(right, register)), right)


def tdes_message_key(initial, ksn):
    number = int.from_bytes(ksn, "big")
    register, counter, key = (number & ~0x1FFFFF) & (2**64 - 1), number & 0x1FFFFF, initial
    for bit in reversed(range(21)):
        if counter >> bit & 1:
            register |= 1 << bit
            block = register.to_bytes(8, "big")
            left = one_way(xor(key, DES_MASK.to_bytes(8, "big") * 2), block)
            key = left + one_way(key, block)
    return key


TDES_VARIANTS = {"pin": 0xFF, "mac-request": 0xFF00, "data-request": 0xFF0000, "data-response": 0xFF00000000}


def tdes_working(initial, ksn, use):
    key = xor(tdes_message_key(initial, ksn), TDES_VARIANTS[use].to_bytes(8, "big") * 2)
    return tdes(key, key[:8]) + tdes(key, key[8:]) if use.startswith("data") else key


def aes_ecb(key, block):
    from Crypto.Cipher import AES

    return AES.new(key, AES.MODE_ECB).encrypt(block)


def aes_step(key, indicator, context):
    return aes_ecb(key, bytes.fromhex("0101") + indicator.to_bytes(2, "big") + bytes.fromhex("00020080") + context)


def aes_working(initial, ksn, use):
    walked, counter, key = 0, int.from_bytes(ksn[8:], "big"), initial
    for bit in reversed(range(32)):
        if counter >> bit & 1:
            walked |= 1 << bit
            key = aes_step(key, 0x8000, ksn[4:8] + walked.to_bytes(4, "big"))
    indicator = {"pin": 0x1000, "mac-request": 0x2000, "data-request": 0x3000, "data-response": 0x3001}[use]
    return aes_step(key, indicator, ksn[4:])


def sim_derived(key, label):
    return b"".join(hmac.new(key, bytes([n]) + label, hashlib.sha1).digest() for n in (1, 2))[:32]


class Reader:
    """A reader in our hands: its keys, its count, its layout."""

    def __init__(self, told):
        self.serial, self.type, self.cipher = told["serial"], told["type"], told["cipher"]
        self.use = told["variant"] or ""
        self.base, self.first = bytes.fromhex(told["bdk"]), bytes.fromhex(told["ksn_prefix"])
        self.count = told["next_counter"]
        self.is_aes = self.cipher == "aes128-dukpt"

    def ksn(self, counter=None):
        """A fresh KSN, or that of a counter."""
        if counter is None:
            self.count += 1
            counter = self.count
        return (int.from_bytes(self.first, "big") + counter).to_bytes(len(self.first), "big")

    def initial(self, base=None):
        base = base or self.base
        if self.cipher == "aes-gcm":
            return sim_derived(base, self.serial.encode())
        return aes_step(base, 0x8001, self.first[:8]) if self.is_aes else tdes_initial(base, self.first)

    def key(self, ksn, use=None, base=None):
        derive = aes_working if self.is_aes else tdes_working
        return derive(self.initial(base), ksn, use or self.use)

    def seal(self, clear, ksn, key=None, aes=None, mode="CBC", vector=None):
        from Crypto.Cipher import AES, DES3

        maker = AES if (self.is_aes if aes is None else aes) else DES3
        clear += bytes(-len(clear) % maker.block_size)
        key = key or self.key(ksn)
        if mode == "ECB":
            return maker.new(key, maker.MODE_ECB).encrypt(clear)
        return maker.new(key, maker.MODE_CBC, iv=vector or bytes(maker.block_size)).encrypt(clear)

    def seal_sim(self, clear, ksn, minor=MINOR, currency="RUB"):
        from Crypto.Cipher import AES

        nonce = os.urandom(12)
        box = AES.new(sim_derived(self.initial(), ksn), AES.MODE_GCM, nonce=nonce)
        box.update(ksn + f"|{self.serial}|{minor}|{currency}".encode())
        sealed, tag = box.encrypt_and_digest(clear)
        return nonce + sealed + tag


# --- layouts ---


def tlv(tag, value):
    length = len(value)
    size = bytes([length]) if length < 0x80 else bytes([0x81, length]) if length < 0x100 else b"\x82" + length.to_bytes(2, "big")
    return bytes.fromhex(tag) + size + value


def track2(pan=PAN, expiry=EXPIRY):
    return f";{pan}={expiry}2010000000000?".encode()


def track1():
    return f"%B{PAN}^TEST/CARD^{EXPIRY}2010000000000?".encode()


def packed():
    return bytes.fromhex(f"{PAN}D{EXPIRY}2010000000000"[:34])


def card_list():
    return tlv("5A", bytes.fromhex(PAN)) + tlv("5F24", bytes.fromhex(EXPIRY + "31")) + tlv("5F20", b"TEST/CARD")


def chip_tags():
    today = datetime.datetime.now(datetime.timezone.utc).strftime("%y%m%d")
    return {"9F02": f"{MINOR:012}", "5F2A": "0643", "9A": today, "9F36": "0007", "9F26": "0102030405060708",
            "9F27": "80", "82": "1800", "95": "0000000000", "9F37": "01020304", "84": "A0000000031010"}


def mask():
    return f"{PAN[:6]}******{PAN[-4:]}".encode()


def spire_inside(reader, sealed, ksn, entry=b"0"):
    return (tlv("DFAE63", sealed) + (tlv("DFAE64", ksn) if ksn else b"") + tlv("DFAE65", entry)
            + tlv("DFAE66", reader.serial.encode()))


def spire(reader, sealed, ksn, entry=b"0"):
    return tlv("E9", spire_inside(reader, sealed, ksn, entry))


def spire_chip(reader, ksn):
    fields = {"DF63": reader.seal(packed(), ksn).hex(), "DF64": ksn.hex(), "9F1E": reader.serial,
              "5A": mask().decode(), "9F39": "05", **chip_tags()}
    names = b"".join(bytes.fromhex(tag.ljust(4, "0")) for tag in fields)
    values = b"\x1c".join(value.upper().encode() for value in fields.values())
    return tlv("E9", tlv("DFAE60", names) + tlv("DFAE61", values))


def miura(reader, pairs, template="E1", clear=b""):
    pairs = b"".join(tlv("DFAE02", sealed) + tlv("DFAE03", ksn) for sealed, ksn in pairs)
    return tlv(template, clear + tlv("9F1E", reader.serial.encode()) + pairs)


def miura_chip(reader, ksn, more=b""):
    clear = b"".join(tlv(tag, bytes.fromhex(value)) for tag, value in chip_tags().items())
    clear += tlv("DFAE5A", mask()) + more
    return miura(reader, [(reader.seal(tlv("57", packed()), ksn), ksn)], "E4", clear)


def miura_stripe(reader):
    one, two = reader.ksn(), reader.ksn()
    pairs = [(reader.seal(track1(), one), one), (reader.seal(track2(), two), two)]
    return miura(reader, pairs, "E1", tlv("DFAE5A", mask()))


# --- what is sent: (expected, reader, type, data, amount, currency) ---


def good(sim, tdes_spire, aes_spire, pin_miura, data_miura):
    def ask(reader, data, kind=None):
        return "all-is-well", reader.serial, kind or reader.type, data, AMOUNT, "RUB"

    def hexed(data):
        return data.hex().upper()

    swipe = lambda reader: (lambda ksn: spire(reader, reader.seal(track2(), ksn), ksn))(reader.ksn())
    chip_list = card_list() + b"".join(tlv(tag, bytes.fromhex(value)) for tag, value in chip_tags().items())
    ksns = [sim.ksn() for _ in range(3)]
    listed = tdes_spire.ksn()
    return [
        ask(sim, hexed(spire(sim, sim.seal_sim(card_list(), ksns[0]), ksns[0]))),
        ask(sim, hexed(spire(sim, sim.seal_sim(chip_list, ksns[1]), ksns[1], b"2"))),
        ask(sim, hexed(spire(sim, sim.seal_sim(card_list(), ksns[2]), ksns[2])), "spire"),
        ask(tdes_spire, hexed(swipe(tdes_spire))),
        ask(aes_spire, swipe(aes_spire).hex()),
        ask(tdes_spire, hexed(spire_chip(tdes_spire, tdes_spire.ksn()))),
        ask(aes_spire, hexed(spire_chip(aes_spire, aes_spire.ksn()))),
        ask(tdes_spire, hexed(spire(tdes_spire, tdes_spire.seal(card_list(), listed), listed))),
        ask(pin_miura, hexed(miura_stripe(pin_miura))),
        ask(data_miura, hexed(miura_chip(data_miura, data_miura.ksn(), tlv("DF30", b"\x01")))),
    ]


def bad_texts(one):
    """The digits are right, the way they are written is not."""
    def fresh():
        ksn = one.ksn()
        return spire(one, one.seal(track2(), ksn), ksn)

    once = base64.b64encode(fresh()).decode()
    return [
        ("base64", base64.b64encode(fresh()).decode()),
        ("whitespace", fresh().hex(" ").upper()),
        ("hex-prefix", "0x" + fresh().hex()),
        ("double-hex", fresh().hex().upper().encode().hex()),
        ("percent-encoded", urllib.parse.quote(once + "\n", safe="")),
        ("odd-length", fresh().hex().upper()[:-1]),
    ]


def bad_frames(one):
    def fresh():
        ksn = one.ksn()
        return spire(one, one.seal(track2(), ksn), ksn)

    def lrc(body):
        total = 0
        for byte in body:
            total ^= byte
        return bytes([total])

    framed, counted, short = fresh(), fresh(), bytearray(fresh())
    short[1] -= 1
    body = b"\x00" + len(framed).to_bytes(2, "big") + framed + b"\x03"
    naked = one.ksn()
    return [
        ("vendor-frame", (b"\x02" + body + lrc(body)).hex()),
        ("length-header", (len(counted).to_bytes(2, "big") + counted).hex()),
        ("truncated", fresh()[:-6].hex()),
        ("extra-bytes", (fresh() + b"\x90\x00").hex()),
        ("missing-template", spire_inside(one, one.seal(track2(), naked), naked).hex()),
        ("template-length", bytes(short).hex()),
    ]


def bad_ksns(one, neighbour, other_set):
    def sent(ksn, told):
        return spire(one, one.seal(track2(), ksn), told).hex()

    k = [one.ksn() for _ in range(7)]
    swapped = one.seal(track2(), k[5])
    illegal = one.ksn(0x7FF)
    return [
        ("missing-ksn", sent(k[0], None)),
        ("ksn-reversed", sent(k[1], k[1][::-1])),
        ("other-reader", sent(k[2], neighbour.ksn(7))),
        ("other-key-set", sent(k[2], other_set.ksn(7))),
        ("ksn-without-padding", sent(k[3], k[3][2:])),
        ("ksn-padding", sent(k[4], k[4][2:] + bytes(2))),
        ("ksn-and-data-swapped", spire(one, k[5], swapped).hex()),
        ("counter-zero", sent(one.ksn(1), one.ksn(0))),
        ("counter-illegal", sent(one.ksn(1), illegal)),
    ]


def bad_keys(one, other_set):
    def sent(key, aes=False, **how):
        ksn = one.ksn()
        return spire(one, one.seal(track2() + bytes(3), ksn, key=key(ksn), aes=aes, **how), ksn).hex()

    ahead = one.ksn()
    return [
        ("key-pin", sent(lambda ksn: one.key(ksn, "pin"))),
        ("key-mac-request", sent(lambda ksn: one.key(ksn, "mac-request"))),
        ("key-data-response", sent(lambda ksn: one.key(ksn, "data-response"))),
        ("aes-instead-of-tdes", sent(one.key, aes=True)),
        ("initial-key-used", sent(lambda _: one.initial())),
        ("base-key-used", sent(lambda _: one.base)),
        ("counter-off", spire(one, one.seal(track2(), one.ksn()), ahead).hex()),
        ("other-base-key", sent(lambda ksn: one.key(ksn, base=other_set.base))),
        ("mode-ecb", sent(one.key, mode="ECB")),
    ]


def bad_contents(one):
    def sent(clear):
        ksn = one.ksn()
        return spire(one, one.seal(clear, ksn), ksn).hex()

    return [("card-number", sent(track2(BAD_PAN))), ("card-expired", sent(track2(expiry=PAST)))]


def spoilt(sim, tdes_spire, aes_spire, pin_miura, data_miura, accepted):
    one, other = tdes_spire, aes_spire

    def ask(expected, reader, data, kind=None):
        return expected, reader.serial, kind or reader.type, data, AMOUNT, "RUB"

    lists = bad_texts(one) + bad_frames(one) + bad_ksns(one, data_miura, pin_miura)
    lists += bad_keys(one, pin_miura) + bad_contents(one)
    asked = [ask(expected, one, data) for expected, data in lists]
    ksn, chained, dear, foreign = one.ksn(), other.ksn(), sim.ksn(), sim.ksn()
    plain = spire(one, one.seal(track2(), ksn), ksn).hex()
    first, second = pin_miura.ksn(), pin_miura.ksn()
    pairs = [(pin_miura.seal(clear, number, key=pin_miura.key(number, "data-request")), number)
             for clear, number in [(track1(), first), (track2(), second)]]
    vector = chained + bytes(4)
    return asked + [
        ask("wrong-type", one, plain, "miura"),
        ask("wrong-template", one, miura_stripe(data_miura).hex(), "spire"),
        ask("unsupported-type", one, plain, "SPIRE"),
        ask("counter-replayed", other, spire(other, other.seal(track2(), accepted), accepted).hex()),
        ask("key-data-request", pin_miura, miura(pin_miura, pairs).hex()),
        ask("iv-ksn", other, spire(other, other.seal(track2(), chained, vector=vector), chained).hex()),
        ask("amount-differs", sim, spire(sim, sim.seal_sim(card_list(), dear, MINOR * 100), dear).hex()),
        ask("currency-differs", sim, spire(sim, sim.seal_sim(card_list(), foreign, currency="USD"), foreign).hex()),
    ]


# --- the program ---


def explained(ready, case):
    _, reader, kind, data, amount, currency = case
    asked = {"reader": reader, "encrypted_type": kind, "encrypted_data": data, "amount": amount, "currency": currency}
    headers = {"Authorization": "Bearer sandbox", "Content-Type": "application/json"}
    url = ready["base_url"] + "/admin/explain/decrypt"
    request = urllib.request.Request(url, json.dumps(asked).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode()


def sell(binary, ready, reader):
    """One sale that is taken, so that its counter is used up."""
    command = [binary, "sale", "--url", ready["base_url"], "--endpoint", ready["endpoint_id"], "--login", ready["login"],
               "--control-key", ready["control_key"], "--reader", reader.serial, "--amount", AMOUNT, "--currency", "RUB"]
    subprocess.run(command, check=True, capture_output=True)


def secrets_of(readers):
    told = {PAN, BAD_PAN}
    for reader in readers:
        told |= {reader.base.hex(), reader.initial().hex()}
        if reader.cipher != "aes-gcm":
            told |= {reader.key(reader.ksn(count)).hex() for count in range(1, 80)}
    return told


def judge(ready, cases, secrets):
    """How many were named as expected, and what went wrong."""
    wrong = []
    for case in cases:
        answer = explained(ready, case)
        named = json.loads(answer)
        if named["finding"] != case[0]:
            wrong.append(f"{case[0]}: named {named['finding']}: {named['wrong']}")
        if any(secret in answer.lower() for secret in secrets):
            sys.exit(f"{case[0]}: a key or a card number is in the answer")
    return len(cases) - len(wrong), wrong


def check(binary, ready):
    readers = {told["serial"]: Reader(told) for told in ready["readers"]}
    named = [readers[serial] for serial in ["10000462", "20000001", "20000002", "30000001", "30000002"]]
    accepted = named[2].ksn(named[2].count)
    sell(binary, ready, named[2])
    secrets = secrets_of(named)
    fine, blamed = judge(ready, good(*named), secrets)
    planted = spoilt(*named, accepted)
    found, missed = judge(ready, planted, secrets)
    kinds = len({case[0] for case in planted})
    print(f"{found} of {len(planted)} planted mistakes named rightly, {fine} of 10 good messages left alone")
    print("\n".join(blamed + missed))
    if len(planted) != 40 or kinds != 40:
        sys.exit(f"{len(planted)} mistakes of {kinds} kinds are not 40")
    if found < NAMED_LEAST or fine != 10:
        print("0 passed, 1 failed")
        sys.exit(1)
    print("1 passed, 0 failed")


def main(binary):
    command = [binary, "dev", "--ephemeral", "--port", "0", "--json", "--log", "warn"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        check(binary, json.loads(child.stdout.readline()))
    finally:
        child.terminate()
        child.wait(timeout=30)


if __name__ == "__main__":
    own_environment.run(__file__, PACKAGES, main)
