"""Plants 500 mismatches between two settlement files and sees whether `tillgate reconcile` finds
them, all of them and nothing else: python3 reconcile.py PATH-OF-TILLGATE

It shares no code with the program: it makes both files itself, and writes down what it spoilt.
"""
import csv
import datetime
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

KINDS = ["missing", "extra", "amount", "currency", "duplicate", "date"]
PLANTED = 500
LINES = 20_000
COLUMNS = ["reference", "movement", "amount", "currency", "date"]


def line(dice, number):
    day = datetime.date(2026, 11, 1) + datetime.timedelta(days=dice.randrange(20))
    return {
        "reference": f"P{number:011}",
        "movement": dice.choice(["sale", "capture", "reversal", "void", "refund"]),
        "amount": f"{dice.randrange(1, 10_000)}.{dice.randrange(100):02}",
        "currency": dice.choice(["RUB", "EUR", "USD"]),
        "date": day.isoformat(),
    }


def spoil(dice, kind, own, theirs, fresh):
    """Changes the acquirer's list; answers which reference and movement it is about."""
    if kind == "extra":
        theirs.append(line(dice, fresh))
        return theirs[-1]["reference"], theirs[-1]["movement"]
    victim = next(one for one in theirs if one["reference"] == own["reference"])
    if kind == "missing":
        theirs.remove(victim)
    elif kind == "amount":
        victim["amount"] = f"{float(victim['amount']) + dice.choice([0.01, 1, 100]):.2f}"
    elif kind == "currency":
        victim["currency"] = dice.choice([c for c in ["RUB", "EUR", "USD"] if c != victim["currency"]])
    elif kind == "duplicate":
        theirs.append(dict(victim))
    elif kind == "date":
        moved = datetime.date.fromisoformat(victim["date"]) + datetime.timedelta(days=1)
        victim["date"] = moved.isoformat()
    return own["reference"], own["movement"]


def write(path, rows, columns):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def reconcile(binary, folder):
    command = [binary, "reconcile", "--ours", "ours.csv", "--theirs", "theirs.csv", "--json"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    found = [json.loads(text) for text in run.stdout.splitlines()]
    return run.returncode, {(one["reference"], one["movement"], one["kind"]) for one in found}, len(found)


def main(binary, seed):
    dice = random.Random(seed)
    ours = [line(dice, number) for number in range(LINES)]
    theirs = [dict(one) for one in ours]
    dice.shuffle(theirs)
    with tempfile.TemporaryDirectory() as folder:
        # What only we have is no mismatch: fees and the settlement itself.
        own_rows = ours + [{**ours[0], "movement": "fee"}, {**ours[0], "movement": "settlement"}]
        write(Path(folder, "ours.csv"), own_rows, COLUMNS + ["order"])
        write(Path(folder, "theirs.csv"), theirs, list(reversed(COLUMNS)))
        code, found, _ = reconcile(binary, folder)
        if code != 0 or found:
            sys.exit(f"equal files differ: {sorted(found)[:5]}")
        victims = dice.sample(ours, PLANTED)
        planted = set()
        for number, own in enumerate(victims):
            kind = KINDS[number % len(KINDS)]
            planted.add((*spoil(dice, kind, own, theirs, LINES + number), kind))
        dice.shuffle(theirs)
        write(Path(folder, "theirs.csv"), theirs, list(reversed(COLUMNS)))
        code, found, told = reconcile(binary, folder)
    missed, false = planted - found, found - planted
    print(f"{len(planted & found)} of {len(planted)} planted mismatches found, {len(false)} false alarms")
    if missed or false or told != PLANTED or code == 0:
        sys.exit(f"missed {sorted(missed)[:5]}, false {sorted(false)[:5]}, told {told}, exit {code}")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).resolve()), int(sys.argv[2]) if len(sys.argv) > 2 else 4711)
