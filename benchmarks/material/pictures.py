"""The pictures of the page: those that `archlint verify --plot` draws, in fewer colours."""

from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec.structs import replace
from PIL import Image

from archlint.lab.events import Level, TrialInfo
from archlint.reports import curves
from archlint.reports.verdicts import Attempt
from benchmarks.material.case import Experiment
from benchmarks.material.lab import TRAINED, Measured

FOLDER = Path(__file__).parents[2] / "docs/assets/material"
WIDTH, COLOURS = 1000, 64
"""Pixels, for a page that is half as wide; enough for two hues, greys and their blends with white."""


def draw(experiment: Experiment, measured: Measured) -> None:
    """The curves of both arms, and their difference."""
    claim, verdict = [(name, one) for name, one in measured.verdicts.items() if name in TRAINED][-1]
    info = TrialInfo(
        number=0,
        code=experiment.rule or "",
        rule=experiment.title,
        claim=claim,
        layer=None,
        remedy=experiment.arms[1],
        level=Level.train,
        arms=experiment.arms,
        seeds=verdict.seeds,
    )
    trial = Attempt(info=info, verdict=replace(verdict, layer=None), runs=measured.runs)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        (drawn,) = curves.draw(Path(folder), [trial])
        with Image.open(drawn) as picture:
            small = picture.convert("RGB").resize(
                (WIDTH, WIDTH * picture.height // picture.width), Image.Resampling.LANCZOS
            )
            few = small.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
            few.save(FOLDER / f"{experiment.slug}.png", optimize=True)
