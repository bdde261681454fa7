"""visualize: show what a network looks at, in pictures and as a number for each particle, beside what physics says of it."""

import re

import numpy as np

from glassliquid.commands.jobs import VisualizeJob
from glassliquid.datasets.description import CLASSES, Label
from glassliquid.datasets.make import require_dataset
from glassliquid.evaluation import explanation
from glassliquid.evaluation.scores import GLASS
from glassliquid.evaluation.spread import spread
from glassliquid.evaluation.unseen import check_fits
from glassliquid.files import csv_text, remove_abandoned
from glassliquid.inputs.images import Images
from glassliquid.layout import Layout
from glassliquid.plots.evidence import evidence_figure
from glassliquid.plots.explanation import extremes_figure
from glassliquid.progress_bar import progress_bar
from glassliquid.sessions.explained import Explained, PictureFolder, explain_test_split, particle_numbers
from glassliquid.sessions.explained_images import draw_attribution, draw_first_layer
from glassliquid.sessions.explained_particles import (
    correlate_with_physics,
    draw_fields,
    draw_particles,
    write_particles,
)
from glassliquid.tracking.find_model import find_model
from glassliquid.tracking.run import tracked_run
from glassliquid.upkeep.housekeeping import housekeeping

EXTREMES = 6
"""Images in a row of the most certain and the most wrong."""
PARTS = 3
"""What is the network's own, extremes, and what is known of particles."""


def run(job: VisualizeJob) -> None:
    """Draw everything into the run and into a folder under data_dir, and print where it is."""
    with (
        tracked_run("visualize", job.called("visualize")) as tracked,
        housekeeping(tracked, Layout(job.data_dir).runs),
    ):
        dataset = require_dataset(job.dataset, job.data_dir, make_default=False)
        found = find_model(job.model_address, Layout(job.data_dir).runs)
        check_fits(found, dataset)
        is_of_images = isinstance(found.model.reads, Images)
        if is_of_images:
            explanation.convolutions(found.model)
        explained = explain_test_split(found, dataset, job.samples)
        tracked.dataset(dataset, context="explanation")
        tracked.tags({"model": job.model_address, "model_label": found.label, "trained_on": found.state.data["name"]})
        slug = re.sub(r"[^A-Za-z0-9]+", "-", found.label).strip("-")
        target = PictureFolder(tracked, Layout(job.data_dir).pictures(f"{dataset.name}-{slug}"))
        remove_abandoned(target.folder)
        numbers, lacking = particle_numbers(explained)
        with progress_bar("Explaining", "parts") as show:
            show(0, PARTS)
            said = [f"{found.label}, trained on {found.state.data['name']}, on {dataset.name}."]
            if is_of_images:
                said.append(draw_attribution(explained, numbers, target))
                draw_first_layer(explained, target)
            said.append(_draw_evidence(explained, target))
            show(1, PARTS, "network")
            said.append(_draw_extremes(explained, target))
            show(2, PARTS, "extremes")
            table = ""
            if numbers is not None:
                said.append(write_particles(explained, numbers, target))
                if numbers.values and not is_of_images:
                    draw_particles(explained, numbers, target)
                if numbers.fields is not None:
                    draw_fields(explained, numbers, target)
                if numbers.fields is not None and numbers.values:
                    sentence, table = correlate_with_physics(explained, numbers, target)
                    said.append(sentence)
            show(3, PARTS, "physics")
        headline = " ".join(filter(None, [*said, lacking]))
        tracked.describe(f"{headline}\n\n{table}".rstrip())
        # On a screen what matters most comes last.
        print("\n".join(filter(None, [table, f"The pictures are in {target.folder}.\n", headline])))


def _draw_evidence(explained: Explained, target: PictureFolder) -> str:
    """The weights of a network of named numbers; returns a sentence, empty for another network."""
    evidence = explained.found.model.evidence()
    if not evidence:
        return ""
    target.text(csv_text(("name", "weight"), evidence.items()), "evidence.csv")
    caption = f"{explained.found.label}, trained on {explained.found.state.data['name']}"
    target.figure(evidence_figure({name: spread([each]) for name, each in evidence.items()}, caption), "evidence.png")
    name, weight = max(evidence.items(), key=lambda pair: abs(pair[1]))
    return (
        f"It has weights for features of a whole configuration, not for particles. The largest is that of {name}: {weight:+.2f} logits per standard "
        "deviation (evidence.png)."
    )


def _draw_extremes(explained: Explained, target: PictureFolder) -> str:
    """The test images that the network is surest of and most wrong about; returns a sentence on them."""
    test, p_glass = explained.test, explained.p_glass
    worst = explanation.most_wrong(p_glass, test.labels, EXTREMES)
    wrong = int(np.count_nonzero((p_glass > 0.5) != (test.labels == GLASS)))
    heading = (
        f"Most wrong\n({wrong} of {len(test)} are wrong)" if wrong else f"Least certain\n(none of {len(test)} is wrong)"
    )
    rows = [
        (f"Most certain, {label}", explanation.most_certain(p_glass, test.labels, CLASSES.index(label), EXTREMES))
        for label in Label
    ]
    pictures = [
        (text, [(explained.pixels[index], explained.title(index, "\n")) for index in indices])
        for text, indices in [*rows, (heading, worst)]
    ]
    caption = f"{explained.found.label} on the test images of {explained.dataset.name}"
    target.figure(extremes_figure(pictures, caption), "certain_and_wrong.png")
    return f"Of {len(test)} test images {wrong} are misclassified; the most certain and the most wrong are in certain_and_wrong.png."
