"""Write the XML dictionaries beside this file from avps.tsv: `python3 dictionaries/diameter/generate.py`.

avps.tsv is the table to edit: one AVP per line with code, vendor, name, type, M rule, members of a group,
values of an enumeration and the standard it belongs to. Run with --check to learn whether the XML files are
up to date.
"""

import argparse
import csv
import sys
from pathlib import Path
from xml.sax.saxutils import quoteattr

FOLDER = Path(__file__).parent
NAMES = {0: "Base", 4: "Charging Control"}  # of applications
VENDORS = {10415: "3GPP", 13019: "ETSI", 5535: "3GPP2", 45687: "oneM2M"}
STANDARDS = {
    "rfc6733": (0, "Diameter base protocol (RFC 6733)"),
    "rfc8506": (4, "Credit control (RFC 8506) and what it uses of RFC 5777, RFC 7683 and RADIUS"),
    "ts32299": (
        4,
        "Charging applications of 3GPP (TS 32.299) and the AVPs they take from other 3GPP documents",
    ),
}
COMMANDS = {
    "rfc6733": (
        (257, "CE", "Capabilities-Exchange"),
        (258, "RA", "Re-Auth"),
        (271, "AC", "Accounting"),
        (274, "AS", "Abort-Session"),
        (275, "ST", "Session-Termination"),
        (280, "DW", "Device-Watchdog"),
        (282, "DP", "Disconnect-Peer"),
    ),
    "rfc8506": ((272, "CC", "Credit-Control"),),
    "ts32299": (),
}


def rows() -> list[dict[str, str]]:
    """The lines of avps.tsv."""
    with (FOLDER / "avps.tsv").open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table, delimiter="\t"))


def avp(row: dict[str, str]) -> list[str]:
    """XML lines of one AVP."""
    vendor = f" vendor-id={quoteattr(row['vendor'])}" if row["vendor"] != "0" else ""
    flags = "".join(flag for flag, wanted in (("V", vendor), ("M", row["mandatory"] == "M")) if wanted)
    must = ",".join(flags) or "-"
    head = f'    <avp name={quoteattr(row["name"])} code="{row["code"]}"{vendor} must="{must}">'
    members = [f"        <rule avp={quoteattr(name)}/>" for name in row["members"].split(",") if name]
    items = [item.split("=", 1) for item in row["values"].split("; ") if item]
    values = [f'        <item code="{code}" name={quoteattr(name)}/>' for code, name in items]
    if not members and not values:
        return [head, f'      <data type="{row["type"]}"/>', "    </avp>"]
    return [head, f'      <data type="{row["type"]}">', *members, *values, "      </data>", "    </avp>"]


def xml(standard: str, table: list[dict[str, str]]) -> str:
    """One dictionary file."""
    application, title = STANDARDS[standard]
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<!-- {title}. Generated from avps.tsv. -->",
        "<diameter>",
    ]
    lines.append(f'  <application id="{application}" type="auth" name={quoteattr(NAMES[application])}>')
    used = {int(row["vendor"]) for row in table} - {0}
    lines += [f'    <vendor id="{vendor}" name={quoteattr(VENDORS[vendor])}/>' for vendor in sorted(used)]
    lines += [f'    <command code="{c}" short="{s}" name="{n}"/>' for c, s, n in COMMANDS[standard]]
    for row in table:
        lines += avp(row)
    return "\n".join([*lines, "  </application>", "</diameter>", ""])


def main() -> int:
    """Write the files, or compare them with --check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is out of date")
    check = parser.parse_args().check
    table = rows()
    stale = 0
    for standard in STANDARDS:
        path = FOLDER / f"{standard}.xml"
        text = xml(standard, [row for row in table if row["standard"] == standard])
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        if not check:
            path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.name}: {'out of date' if check else 'written'}\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
