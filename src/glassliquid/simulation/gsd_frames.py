"""GSD files of other programs (schema hoomd), frame by frame."""

from collections.abc import Iterator

from glassliquid.simulation.frames import Frame, Place, Wanted, arrange, check_flat, check_next, square_side


def read(place: Place, wanted: Wanted) -> Iterator[Frame]:
    """The wanted frames of a GSD file; see `readers.read_frames`."""
    import gsd.hoomd
    import numpy as np

    try:
        file = gsd.hoomd.open(str(place.path), "r")
    except RuntimeError as error:
        place.refuse(f"is no GSD file ({error})", error)
    with file:
        last = particles = None
        for number in range(len(file)):
            place.frame = number + 1
            try:
                frame = file[number]
                box, positions = frame.configuration.box, frame.particles.position
                step, names = int(frame.configuration.step), np.array(frame.particles.types)[frame.particles.typeid]
            except (RuntimeError, KeyError, ValueError, TypeError, IndexError) as error:
                place.refuse(f"cannot be read ({error})", error)
            check_next(place, step, last, len(positions), particles)
            last, particles = step, len(positions)
            if not wanted(step):
                continue
            if np.any(box[3:]):
                place.refuse("has a triclinic box, and only square ones can be drawn")
            length = square_side(place, (float(box[0]), float(box[1])))
            check_flat(place, positions[:, 2], length)
            yield arrange(place, step, names, None, positions[:, :2].astype(np.float64), length)
