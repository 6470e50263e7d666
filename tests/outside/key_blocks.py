"""Holds our key blocks and PIN blocks against psec, another implementation, both ways:
python3 key_blocks.py PATH-OF-KEY-TOOL [SEED]

The key tool is `cargo build --example key_tool`. psec is installed into a virtual environment that
goes with the run.
"""
import random
import subprocess
import sys
import warnings

import own_environment

# The cipher library beneath it gives TDES up with version 48.
PACKAGES = ["psec==1.3.0", "cryptography>=42,<48"]
# Usage and the modes it is used in.
USAGES = {"B0": "XN", "B1": "XN", "C0": "CGVN", "D0": "BDEN", "K0": "BDEN", "K1": "BDEN",
          "M3": "CGVN", "M6": "CGVN", "P0": "BDEN", "E0": "XN", "V2": "CGVN"}
KEY_BLOCKS = 200
PIN_BLOCKS = 200


class Tool:
    """Our side: a command a line, an answer a line."""

    def __init__(self, binary):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([binary], stdin=pipe, stdout=pipe, text=True)

    def ask(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if not answer:
            sys.exit(f"the key tool ended at {words[0]}")
        return answer

    def end(self):
        self.process.stdin.close()
        if self.process.wait(timeout=10) != 0:
            sys.exit("the key tool did not end well")


def some_hex(dice, size):
    return dice.randbytes(size).hex().upper()


def key_case(dice, version):
    """A protection key, a header and a key that may stand in a block of this version."""
    size = 16 if version == "B" else dice.choice([16, 24, 32])
    algorithm = "T" if version == "B" else dice.choice("TA")
    # No key is protected by a weaker one.
    key_size = 16 if algorithm == "T" else dice.choice([s for s in [16, 24, 32] if s <= size])
    usage = dice.choice(list(USAGES))
    number = dice.choice(["00", "01", "12", "A9", "z0"])
    header = usage + algorithm + dice.choice(USAGES[usage]) + number + dice.choice("ENS")
    optional = {}
    if dice.random() < 0.5:
        optional["KS"] = some_hex(dice, 10)
    if dice.random() < 0.3:
        optional["TT"] = "x" * dice.choice([0, 1, 7, 8, 11, 251, 252, 300])
    return some_hex(dice, size), header, optional, some_hex(dice, key_size)


def psec_header(psec, version, header, optional):
    made = psec.tr31.Header(version, header[:2], header[2], header[3], header[4:6], header[6])
    for name, text in optional.items():
        made.blocks[name] = text
    return made


def with_optional(header, optional):
    return header + "".join(f",{name}={text}" for name, text in optional.items())


def ours_to_psec(psec, tool, dice, version):
    kbpk, header, optional, key = key_case(dice, version)
    word, *block = tool.ask("wrap", version, kbpk, with_optional(header, optional), key)
    if word != "ok":
        return f"not wrapped: {block}"
    read, opened = psec.tr31.unwrap(bytes.fromhex(kbpk), block[0])
    told = (read.key_usage + read.algorithm + read.mode_of_use + read.version_num
            + read.exportability)
    same = (read.version_id, told, dict(read.blocks), opened.hex().upper())
    if same != (version, header, optional, key):
        return f"psec reads another key or header: {told}"
    # psec's own length of block, which hides the key's.
    length = len(psec.tr31.wrap(bytes.fromhex(kbpk), read, opened))
    shortest = not optional and length != len(block[0])
    return f"psec's block is of another length: {length}" if shortest else None


def psec_to_ours(psec, tool, dice, version):
    kbpk, header, optional, key = key_case(dice, version)
    made = psec_header(psec, version, header, optional)
    masked = dice.choice([None, 0, 24, 32, 64])
    block = psec.tr31.wrap(bytes.fromhex(kbpk), made, bytes.fromhex(key), masked)
    answer = tool.ask("unwrap", kbpk, block)
    if answer != ["ok", with_optional(header, optional), key]:
        return f"we read {answer[:2]} of psec's {header}"
    place = dice.randrange(5, len(block))
    other = dice.choice([c for c in "0123456789ABCDEF" if c != block[place]])
    spoilt = block[:place] + other + block[place + 1:]
    return None if tool.ask("unwrap", kbpk, spoilt)[0] == "refused" else "a spoilt block was opened"


def luhn_valid(dice, length):
    body = [dice.randrange(10) for _ in range(length - 1)]
    doubled = [d if n % 2 else (2 * d - 9 if d > 4 else 2 * d) for n, d in enumerate(body[::-1])]
    return "".join(map(str, body)) + str(-sum(doubled) % 10)


def psec_decoded(psec, version, key, block, pan):
    key, block = bytes.fromhex(key), bytes.fromhex(block)
    if version == "iso4":
        return psec.pinblock.decipher_pinblock_iso_4(key, block, pan)
    clear = psec.des.decrypt_tdes_ecb(key, block)
    decode = {"iso0": psec.pinblock.decode_pinblock_iso_0, "iso3": psec.pinblock.decode_pinblock_iso_3}
    return decode[version](clear, pan)


def psec_encoded(psec, version, key, pin, pan):
    key = bytes.fromhex(key)
    if version == "iso4":
        return psec.pinblock.encipher_pinblock_iso_4(key, pin, pan).hex()
    encode = {"iso0": psec.pinblock.encode_pinblock_iso_0, "iso3": psec.pinblock.encode_pinblock_iso_3}
    return psec.des.encrypt_tdes_ecb(key, encode[version](pin, pan)).hex()


def pin_both_ways(psec, tool, dice, version):
    key = some_hex(dice, dice.choice([16, 24, 32]) if version == "iso4" else 16)
    # psec takes no card numbers of twelve digits for formats 0 and 3.
    pan = luhn_valid(dice, dice.randrange(12 if version == "iso4" else 13, 20))
    pin = "".join(str(dice.randrange(10)) for _ in range(dice.randrange(4, 13)))
    other = pin[:-1] + str((int(pin[-1]) + 1) % 10)
    word, *block = tool.ask("pin-encrypt", version, key, pan, pin)
    if word != "ok":
        return f"not encrypted: {block}"
    if psec_decoded(psec, version, key, block[0], pan) != pin:
        return "psec reads another PIN"
    theirs = psec_encoded(psec, version, key, pin, pan)
    if tool.ask("pin-check", version, key, pan, pin, theirs) != ["ok", "true"]:
        return "we do not find the PIN that psec encrypted"
    if tool.ask("pin-check", version, key, pan, other, theirs) != ["ok", "false"]:
        return "we find a PIN that psec did not encrypt"
    return None


def check(psec, tool, dice):
    """Every case by its name and what is wrong with it, if anything."""
    cases = [(f"version {v}, {way.__name__}", way, v, KEY_BLOCKS)
             for v in "BD" for way in [ours_to_psec, psec_to_ours]]
    cases += [(f"PIN block {v}", pin_both_ways, v, PIN_BLOCKS) for v in ["iso0", "iso3", "iso4"]]
    for name, way, version, rounds in cases:
        for _ in range(rounds):
            try:
                yield name, way(psec, tool, dice, version)
            except ValueError as fault:
                yield name, f"psec refuses: {fault}"


def main(binary, seed="4711"):
    # Its laments over TDES are known.
    warnings.simplefilter("ignore")
    import psec

    tool = Tool(binary)
    results = list(check(psec, tool, random.Random(int(seed))))
    tool.end()
    faults = [f"{name}: {fault}" for name, fault in results if fault]
    expected = 4 * KEY_BLOCKS + 3 * PIN_BLOCKS
    if faults or len(results) != expected:
        print("\n".join(faults[:10]), file=sys.stderr)
        sys.exit(f"seed {seed}: {len(faults)} of {len(results)} cases failed, {expected} were due")
    print(f"{len(results)} key blocks and PIN blocks agree with psec, both ways")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    own_environment.run(__file__, PACKAGES, main)
