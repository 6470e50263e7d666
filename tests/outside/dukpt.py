"""Derives working keys for 10,000 random key serial numbers and compares them with the program's:
python3 dukpt.py PATH-OF-EXAMPLE-dukpt_keys [SEED]

TDES keys are compared with those of pydukpt, AES keys with those of a derivation written here from
ANSI X9.24-3:2017. It shares no code with the program. The packages go to a virtual environment of
its own, thrown away afterwards.
"""
import random
import subprocess
import sys

import own_environment

NUMBERS = 10_000
PACKAGES = ["pydukpt==0.1.0", "pycryptodome"]
USES = ["pin", "mac-request", "mac-response", "mac-both", "data-request", "data-response", "data-both"]
LENGTHS = {"tdes": 16, "aes128": 16, "aes192": 24, "aes256": 32}
REFUSED = "refused"


def some_counter(dice, bits, ones_max, last):
    """Often legal, often just not, sometimes one of the edges."""
    if dice.random() < 0.1:
        return dice.choice([0, 1, 0x0F, 0x10, 0x3FF, 0x7FF, last, last + 1, last - 1, 2**bits - 1])
    ones = dice.choice([1, 2, ones_max - 1, ones_max, ones_max + 1, dice.randrange(bits + 1)])
    return sum(1 << bit for bit in dice.sample(range(bits), ones))


def is_legal(counter, ones_max):
    return counter != 0 and bin(counter).count("1") <= ones_max


def expected_tdes(base, ksn, use, variant):
    import pydukpt

    if not is_legal(pydukpt.ksn_counter(ksn), 10):
        return REFUSED
    key = pydukpt.derive_key(pydukpt.derive_ipek(base, ksn), ksn)
    if use == "pin" or use.startswith("data") and variant == "pin":
        return pydukpt.pin_key(key).hex().upper()
    # One key for both directions is the request's.
    makers = {"mac": pydukpt.mac_request_key, "data": pydukpt.data_request_key}
    if use.endswith("response"):
        makers = {"mac": pydukpt.mac_response_key, "data": pydukpt.data_response_key}
    return makers[use.split("-")[0]](key).hex().upper()


# The key types and key usage indicators of X9.24-3:2017.
KEY_TYPES = {"tdes": 0, "aes128": 2, "aes192": 3, "aes256": 4}
INDICATORS = dict(zip(USES, [0x1000, 0x2000, 0x2001, 0x2002, 0x3000, 0x3001, 0x3002]))


def derive_key(key, kind, indicator, context):
    """Encrypts numbered blocks of derivation data until the new key is long enough."""
    from Crypto.Cipher import AES

    length, made, number = LENGTHS[kind], b"", 0
    while len(made) < length:
        number += 1
        fields = [(1, 1), (number, 1), (indicator, 2), (KEY_TYPES[kind], 2), (8 * length, 2)]
        data = b"".join(value.to_bytes(size, "big") for value, size in fields) + context
        made += AES.new(key, AES.MODE_ECB).encrypt(data)
    return made[:length]


def expected_aes(kind, base, ksn, use, target):
    counter = int.from_bytes(ksn[8:], "big")
    if not is_legal(counter, 16):
        return REFUSED
    key, mask, walked = derive_key(base, kind, 0x8001, ksn[:8]), 1 << 31, 0
    while mask:
        if counter & mask:
            walked |= mask
            key = derive_key(key, kind, 0x8000, ksn[4:8] + walked.to_bytes(4, "big"))
        mask >>= 1
    return derive_key(key, target, INDICATORS[use], ksn[4:8] + ksn[8:]).hex().upper()


def one_case(dice, kind):
    """A line for the program, and what it should answer."""
    base, use = dice.randbytes(LENGTHS[kind]), dice.choice(USES)
    if kind == "tdes":
        counter, variant = some_counter(dice, 21, 10, 0x1FF800), dice.choice(["data-request", "pin"])
        ksn = (dice.getrandbits(59) << 21 | counter).to_bytes(10, "big")
        return f"tdes {base.hex()} {ksn.hex()} {use} {variant}", expected_tdes(base, ksn, use, variant)
    target = dice.choice([other for other in LENGTHS if LENGTHS[other] <= LENGTHS[kind]])
    ksn = dice.randbytes(8) + some_counter(dice, 32, 16, 0xFFFF0000).to_bytes(4, "big")
    return f"{kind} {base.hex()} {ksn.hex()} {use} {target}", expected_aes(kind, base, ksn, use, target)


def main(program, seed=4711):
    dice = random.Random(int(seed))
    # Half of them TDES, the other half AES of the three lengths.
    kinds = ["tdes", "aes128", "tdes", "aes192", "tdes", "aes256"]
    cases = [one_case(dice, kinds[number % len(kinds)]) for number in range(NUMBERS)]
    lines = "".join(line + "\n" for line, _ in cases)
    run = subprocess.run([program], input=lines, capture_output=True, text=True)
    answers = run.stdout.splitlines()
    if run.returncode != 0 or len(answers) != NUMBERS:
        sys.exit(f"exit {run.returncode} after {len(answers)} answers: {run.stderr}")
    wrong = [(line, want, got) for (line, want), got in zip(cases, answers) if want != got]
    refused = sum(want == REFUSED for _, want in cases)
    print(f"{NUMBERS - len(wrong)} of {NUMBERS} DUKPT keys agree, {refused} of them rightly refused")
    if wrong or not NUMBERS // 10 < refused < NUMBERS // 2:
        sys.exit("\n".join(f"{line}: wanted {want}, got {got}" for line, want, got in wrong[:5]) or "no mix")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    own_environment.run(__file__, PACKAGES, main)
