"""Holds the messages of the nexo door against an XML schema, with another implementation of XML:
python3 nexo_schema.py PATH-OF-EXAMPLE-nexo_tool

The schema is ours: the tool writes it from the program's own table of fields, so that it cannot find
what is wrong in that table, but only what breaks it. Every example in XML must be valid, and so must
be what the program writes of each example, whether that came in XML or in JSON; spoilt ones must not.
"""
import subprocess
from pathlib import Path

import own_environment

PACKAGES = ["xmlschema==4.3.2"]
NEXO = Path(__file__).parent.parent / "nexo"
SPOILT = [
    ('Currency="SEK"', 'Currency="sek"'),
    ('Currency="SEK"', 'Currency="SEK" Colour="red"'),
    ('RequestedAmount="149.50"', 'RequestedAmount="1,50"'),
    ("<PaymentTransaction>", "<PaymentData/><PaymentTransaction>"),
    ("</PaymentRequest>", "</PaymentRequest><PaymentRequest/>"),
    ('ServiceID="112959"', 'ServiceID="12345678901"'),
    ('PaymentType="Normal"', 'PaymentType="Abnormal"'),
    ('POIID="SIM-0417"', ""),
]


def main(tool):
    import xmlschema

    def run(command, message=b""):
        return subprocess.run([tool, command], input=message, capture_output=True, check=True).stdout

    kept = (NEXO / "sale_to_poi.xsd").read_bytes()
    assert run("schema") == kept, "tests/nexo/sale_to_poi.xsd is out of date: nexo_tool schema"
    schema = xmlschema.XMLSchema(kept.decode())

    examples = sorted((NEXO / "examples").glob("*.xml"))
    assert len(examples) == 51, len(examples)
    for example in examples:
        schema.validate(example.read_text())
    sources = sorted((NEXO / "examples").rglob("*.xml")) + sorted((NEXO / "examples").rglob("*.json"))
    assert len(sources) == 51 + 51 + 18, len(sources)
    for source in sources:
        written = run("xml", source.read_bytes())
        schema.validate(written.decode().split("?>", 1)[1])
        assert run("json", written) == run("json", source.read_bytes()), source

    payment = (NEXO / "examples" / "payment-request.xml").read_text()
    for found, spoilt in SPOILT:
        assert found in payment, found
        assert not schema.is_valid(payment.replace(found, spoilt, 1)), spoilt
    assert schema.is_valid(payment.replace('PaymentType="Normal"', 'PaymentType="Own:Kind"'))
    print(f"{len(examples)} examples and {len(sources)} written messages are valid, "
          f"{len(SPOILT)} spoilt ones are not")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    own_environment.run(__file__, PACKAGES, main)
