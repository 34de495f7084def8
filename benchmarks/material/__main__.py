"""Makes docs/material.md, and on demand measures again what it tells.

    python -m benchmarks.material [--redo CASE ...] [--draw]

Without options the page is written anew from record.json. `--redo` trains a case again (all of them: `--redo all`, a
quarter of an hour on one core), records it and draws its picture. `--draw` draws all pictures from the record. What a
case was found to be and what the text goes by must agree, or there will be no page: it names the cases that do not.
"""

import argparse
import sys

from benchmarks.material import lab, page, pictures, record
from benchmarks.material.cases import EXPERIMENTS, PASSAGES


def main() -> None:
    """Do what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--redo", nargs="+", default=[], metavar="CASE", choices=[*EXPERIMENTS, "all"])
    parser.add_argument("--draw", action="store_true", help="draw all pictures anew")
    asked = parser.parse_args()
    redone = list(EXPERIMENTS) if "all" in asked.redo else asked.redo
    for slug in redone:
        _redo(slug)
    measured = record.read()
    for slug in EXPERIMENTS if asked.draw else redone:
        pictures.draw(EXPERIMENTS[slug], measured[slug])
    if odd := list(page.surprises(EXPERIMENTS.values(), measured)):
        sys.exit("\n".join(odd))
    page.PATH.write_text(page.page(PASSAGES, measured), "utf-8")


def _redo(slug: str) -> None:
    """Measure one case; what is recorded of the others stays."""
    print(f"{slug} …", end=" ", flush=True)
    measured = lab.measure(EXPERIMENTS[slug])
    known = {**record.read(), slug: measured}
    record.write({name: known[name] for name in EXPERIMENTS if name in known})
    print(", ".join(f"{claim}: {verdict.outcome}" for claim, verdict in measured.verdicts.items()), flush=True)


if __name__ == "__main__":
    main()
