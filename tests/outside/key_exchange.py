"""Exchanges base keys with a running gateway as another party would, whose key blocks psec makes:
python3 key_exchange.py PATH-OF-TILLGATE [SEED]

Two custodians bring each transport key in components. A base key that psec has wrapped is imported
over HTTP and must have the check value that psec computes; exported again, psec must read the same
key. A reader's initial key must open for psec, too. Check values are computed by the cipher library
itself.
"""
import json
import random
import subprocess
import sys
import urllib.error
import urllib.request
import warnings

import key_blocks
import own_environment

# Algorithm of a transport key, bytes, version of its key blocks, and ciphers that go under it.
TRANSPORT_KEYS = [
    ("tdes", 16, "B", ["tdes-dukpt"]),
    ("aes128", 16, "D", ["tdes-dukpt", "aes128-dukpt"]),
    ("aes192", 24, "D", ["tdes-dukpt", "aes128-dukpt", "aes192-dukpt"]),
    ("aes256", 32, "D", ["tdes-dukpt", "aes128-dukpt", "aes192-dukpt", "aes256-dukpt"]),
]
BASE_KEYS = {"tdes-dukpt": ("T", 16), "aes128-dukpt": ("A", 16), "aes192-dukpt": ("A", 24),
             "aes256-dukpt": ("A", 32)}
ROUNDS = 5


class Gateway:
    """The operators' door, whoever knocks."""

    def __init__(self, ready):
        self.base = ready["base_url"]

    def ask(self, path, body=None, token="sandbox"):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}"}
        request = urllib.request.Request(self.base + "/admin/v1" + path, data, headers)
        try:
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            sys.exit(f"{path}: {refused.code} {refused.read().decode()}")

    def operator(self, name):
        return self.ask("/operators", {"name": name, "role": "custodian"})["token"]


def check_value(is_tdes, key):
    """The front of an encrypted block of zeros for TDES, of the CMAC of one for AES (X9.24-1)."""
    from cryptography.hazmat.primitives.ciphers import algorithms
    from cryptography.hazmat.primitives.cmac import CMAC

    if is_tdes:
        import psec

        return psec.des.encrypt_tdes_ecb(key, bytes(8))[:3].hex().upper()
    cmac = CMAC(algorithms.AES(key))
    cmac.update(bytes(16))
    return cmac.finalize()[:3].hex().upper()


def bring_transport_key(gateway, tokens, dice, algorithm, key):
    """Components of a key, each from a custodian of its own; answers the transport key's id."""
    is_tdes = algorithm == "tdes"
    one = dice.randbytes(len(key))
    other = bytes(a ^ b for a, b in zip(one, key))
    ceremony = gateway.ask("/key-ceremonies", {"transport_algorithm": algorithm, "components": 2})
    for token, part in zip(tokens, (one, other)):
        body = {"component": part.hex(), "check_value": check_value(is_tdes, part)}
        told = gateway.ask(f"/key-ceremonies/{ceremony['id']}/components", body, token)
    wanted(told["transport_key"]["check_value"], check_value(is_tdes, key), "a transport key")
    return told["transport_key"]["id"]


def wanted(got, expected, what):
    if got != expected:
        sys.exit(f"{what}: {got!r} instead of {expected!r}")


def exchange(gateway, token, dice, transport, kbpk, version, cipher, number):
    """Imports a base key that psec has wrapped, exports it, and injects a reader of the set."""
    import psec

    letter, size = BASE_KEYS[cipher]
    base = dice.randbytes(size)
    header = psec.tr31.Header(version, "B0", letter, dice.choice("XN"), "00", dice.choice("ES"))
    block = psec.tr31.wrap(kbpk, header, base)
    prefix = f"AA{number:04X}" + ("" if letter == "T" else "00")
    facts = {"prefix": prefix, "cipher": cipher, "key_block": block}
    made = gateway.ask(f"/key-sets/import/{transport}", facts, token)
    wanted(made["check_value"], check_value(letter == "T", base), f"{cipher} under {version}")
    out = gateway.ask(f"/key-sets/{made['id']}/export/{transport}", {}, token)
    read, key = psec.tr31.unwrap(kbpk, out["key_block"])
    told = read.version_id + read.key_usage + read.algorithm + read.mode_of_use + read.exportability
    wanted(key, base, f"{cipher} out again")
    wanted(told, version + "B0" + letter + "X" + header.exportability, "the header of a base key")
    serial = f"7{number:07}"
    gateway.ask("/readers", {"serial": serial, "kind": "spire", "merchant": "sandbox",
                             "endpoint": 1111, "key_set": made["id"], "device": 1})
    given = gateway.ask(f"/readers/{serial}/inject/{transport}", {}, token)
    read, key = psec.tr31.unwrap(kbpk, given["key_block"])
    name = {"KS": given["initial_ksn"]} if letter == "T" else {"IK": given["initial_ksn"][:16]}
    blocks = {id: text for id, text in dict(read.blocks).items() if id != "PB"}
    wanted((read.key_usage, blocks), ("B1", name), "the header of an initial key")
    wanted(given["check_value"], check_value(letter == "T", key), "an initial key")


def main(binary, seed="4711"):
    # Its laments over TDES are known.
    warnings.simplefilter("ignore")
    dice, done = random.Random(int(seed)), 0
    command = [binary, "dev", "--ephemeral", "--json", "--port", "0", "--log", "error"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            gateway = Gateway(json.loads(process.stdout.readline()))
            tokens = [gateway.operator("anna"), gateway.operator("ben")]
            for algorithm, size, version, ciphers in TRANSPORT_KEYS:
                kbpk = dice.randbytes(size)
                transport = bring_transport_key(gateway, tokens, dice, algorithm, kbpk)
                for cipher in ciphers * ROUNDS:
                    done += 1
                    exchange(gateway, tokens[0], dice, transport, kbpk, version, cipher, done)
        finally:
            process.terminate()
    print(f"{done} base keys came in and went out as key blocks that psec made and reads")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    own_environment.run(__file__, key_blocks.PACKAGES, main)
