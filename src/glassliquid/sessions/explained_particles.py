"""What a network makes of particles, beside what physics says of them: pictures, a table of particles, and correlations."""

from collections.abc import Iterator, Mapping

import numpy as np

from glassliquid.datasets.description import CLASSES, Label
from glassliquid.ensembles.split import Split
from glassliquid.evaluation.correlation import ParticleSamples, correlate
from glassliquid.evaluation.correlation_summary import csv_table, markdown_table, sentence
from glassliquid.evaluation.particle_values import ATTRIBUTION
from glassliquid.files import csv_text
from glassliquid.physics.fields import FIELDS, INHERENT, MOVED, SNAPSHOT
from glassliquid.physics.potential import SPECIES
from glassliquid.plots.explanation import EVIDENCE_COLOURS
from glassliquid.plots.particles import Panel, Scale, correlations_figure, panels_figure
from glassliquid.sessions.explained import Explained, ParticleNumbers, PictureFolder

PARTICLES, CORRELATIONS = "particles.csv", "correlations.csv"
COLUMNS = ("simulation", "snapshot", "label", "p_glass", "particle", "species", "x", "y")
"""`particle` counts from 0 as in the trajectory's frame, x and y are in the box [sigma_AA]; the network's numbers and FIELDS follow."""
SEED = 0
"""Of the bootstrap."""
SMALL_DPI = 80
"""Of the figure of the fields, whose panels are many and small."""


def write_particles(explained: Explained, numbers: ParticleNumbers, target: PictureFolder) -> str:
    """The numbers of each particle of the chosen samples, as a table; returns a sentence."""
    fields = () if numbers.fields is None else FIELDS
    head = (*COLUMNS, *numbers.values, *(field.column for field in fields))
    target.text(csv_text(head, _rows(explained, numbers)), PARTICLES)
    known = [*numbers.values, *(["physical fields"] if fields else [])]
    return f"The values for each particle ({', '.join(known)}) are in {PARTICLES}." if known else ""


def draw_particles(explained: Explained, numbers: ParticleNumbers, target: PictureFolder) -> None:
    """The species and the network's numbers of each chosen sample."""
    chosen = explained.chosen
    scales = {
        name: Scale.around_zero(
            [values[chosen]], "evidence: liquid < 0 < glass\n[logits], dot: below 0", EVIDENCE_COLOURS
        )
        if name == ATTRIBUTION
        else Scale.over([values[chosen]], f"{name} (its sum over a sample is 1)")
        for name, values in numbers.values.items()
    }
    rows = [
        [
            _species(explained.title(index, "\n"), numbers, index),
            *(
                Panel(f"{name} of\nthe particles", numbers.configurations[index], numbers.values[name][index], scale)
                for name, scale in scales.items()
            ),
        ]
        for index in chosen
    ]
    target.figure(panels_figure(rows, explained.caption.replace(", looks", "\nlooks")), "particles.png")


def draw_fields(explained: Explained, numbers: ParticleNumbers, target: PictureFolder) -> None:
    """The physical fields of the first sample of each class, in the snapshot and in its inherent structure, on one scale for both."""
    assert numbers.fields is not None
    labels = explained.test.labels[explained.chosen]
    first = {label: explained.chosen[int(np.argmax(labels == CLASSES.index(label)))] for label in Label}
    scales = {}
    for field in FIELDS:
        places = [place for place, other in enumerate(FIELDS) if other.name == field.name]
        unit = f" [{field.unit}]" if field.unit != "1" else ""
        scales[field.name] = Scale.over([numbers.fields[list(first.values())][..., places]], field.name + unit)
    for label, index in first.items():
        rows = [
            [_species("species", numbers, index), *_panels_of(numbers, index, SNAPSHOT, scales)],
            [
                _panel(numbers, index, FIELDS.index(MOVED), "distance moved", scales[MOVED.name]),
                *_panels_of(numbers, index, INHERENT, scales),
            ],
        ]
        caption = (
            f"{explained.dataset.name}, {label} of simulation {explained.test.simulations[index]}: physical fields of the snapshot "
            "(above) and of its inherent structure (below)"
        )
        target.figure(panels_figure(rows, caption), f"fields_{label}.png", SMALL_DPI)


def correlate_with_physics(explained: Explained, numbers: ParticleNumbers, target: PictureFolder) -> tuple[str, str]:
    """Rank correlations of the network's numbers with the fields over all test samples; returns a sentence and a table."""
    assert numbers.fields is not None
    samples = ParticleSamples(
        values=numbers.values,
        fields=numbers.fields,
        types=numbers.configurations[..., 2].astype(np.int64),
        labels=explained.test.labels,
        simulations=explained.test.simulations,
    )
    found = correlate(samples, np.random.default_rng(SEED))
    target.text(csv_table(found), CORRELATIONS)
    caption = (
        f"{explained.found.label} on {explained.dataset.name}: within a species and a configuration,\n"
        f"mean over {len(np.unique(explained.test.simulations))} test simulations"
    )
    target.figure(correlations_figure(found, caption), "correlations.png")
    return sentence(found), markdown_table(found)


def _species(title: str, numbers: ParticleNumbers, index: int) -> Panel:
    return Panel(title, numbers.configurations[index], numbers.configurations[index, :, 2], None)


def _panels_of(numbers: ParticleNumbers, index: int, state: str, scales: Mapping[str, Scale]) -> list[Panel]:
    """A panel of each field of one state."""
    return [
        _panel(numbers, index, place, f"{state}:\n{field.name}", scales[field.name])
        for place, field in enumerate(FIELDS)
        if field.state == state
    ]


def _panel(numbers: ParticleNumbers, index: int, place: int, title: str, scale: Scale) -> Panel:
    assert numbers.fields is not None
    return Panel(title, numbers.configurations[index], numbers.fields[index, :, place], scale)


def _rows(explained: Explained, numbers: ParticleNumbers) -> Iterator[tuple[object, ...]]:
    dataset = explained.dataset
    first = dataset.split_range(Split.TEST).start
    for index in explained.chosen:
        record = dataset.records[first + index]
        sample = (record.simulation, record.snapshot, record.label.value, f"{explained.p_glass[index]:.6g}")
        columns = [values[index] for values in numbers.values.values()]
        if numbers.fields is not None:
            columns += list(numbers.fields[index].T)
        shown = np.isfinite(columns).all(axis=0) if columns else np.ones(len(numbers.configurations[index]), dtype=bool)
        for number in np.flatnonzero(shown):
            x, y, kind, _ = numbers.configurations[index, number]
            place = (number, SPECIES[int(kind)], f"{x:.6f}", f"{y:.6f}")
            yield (*sample, *place, *(f"{column[number]:.6g}" for column in columns))
