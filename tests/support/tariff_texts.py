"""Small tariffs for tests of versions and commands."""

from pathlib import Path

from ocs.charging.tariff.import_cgrates.folder import ImportOptions
from ocs.charging.tariff.model import Tariff
from ocs.charging.tariff.sources import YAML, Source, read_source
from ocs.tariff_versions import Version, Versions

ROWS = {
    "Destinations.csv": "D,49\nD,33\n",
    "Rates.csv": "R,0.05,0.12,60s,30s,0s\nR,0,0.06,60s,1s,60s\n",
    "DestinationRates.csv": "DR,D,R,*up,4,0,\n",
    "RatingPlans.csv": "RP,DR,*any,10\n",
    "RatingProfiles.csv": "t,call,*any,2026-01-01T00:00:00Z,RP,\n",
}


def yaml_text(price: str = "0.10", currency: str = "EUR", plan: str = "standard") -> str:
    """A tariff with one price for voice."""
    rate = f'{{price: "{price}", per: 1m, increment: 1s}}'
    return f"currency: {currency}\nplans: {{{plan}: {{voice: {{name: call, rate: {rate}}}}}}}\n"


def yaml_source(price: str = "0.10", currency: str = "EUR", plan: str = "standard") -> Source:
    """The same as a source."""
    return Source(YAML, (("t.yaml", yaml_text(price, currency, plan)),), ImportOptions())


def keep(versions: Versions, source: Source, at_ns: int = 1, note: str = "") -> Version:
    """Import a source as the next version."""
    tariff, findings = read_source(source)
    return versions.add(source, tariff or Tariff("EUR", ()), findings, note, "test", at_ns)


def write_folder(folder: Path, **changed: str) -> Path:
    """A CGRateS folder, with some of its files another text."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in ROWS.items():
        (folder / name).write_text(changed.get(name.removesuffix(".csv"), text), encoding="utf-8")
    return folder
