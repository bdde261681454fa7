"""What two descriptions of an ensemble differ in, in words."""

from dataclasses import asdict

from glassliquid.ensembles.ensemble import Ensemble, Origin
from glassliquid.errors import listed

MOST_DIFFERENCES = 5
"""So many are named."""

LONG_LIST = 100


def ensemble_differences(present: Ensemble, wanted: Ensemble) -> list[str]:
    """The first few differences between the ensemble that is there and the one that is wanted; empty if they are the same."""
    values = asdict(wanted.protocol)
    both = zip(present.simulations, wanted.simulations, strict=False)
    differences = []
    for what, here, asked in (
        *((name, value, values[name]) for name, value in asdict(present.protocol).items()),
        ("simulations", len(present.simulations), len(wanted.simulations)),
        ("seed", present.seed, wanted.seed),
        ("engine", present.engine, wanted.engine),
        ("what its files say", _described(present.origin), _described(wanted.origin)),
        *((f"the file of simulation {one.number}", one.file, other.file) for one, other in both),
    ):
        if here != asked:
            differences.append(f"{what} is {_brief(here)} there and {_brief(asked)} here")
    return differences[:MOST_DIFFERENCES]


def _brief(value: object) -> str:
    """A value for a message; of a long list only where it ends."""
    if not isinstance(value, tuple):
        return str(value)
    return listed(value) if len(value) < LONG_LIST else listed([*value[:3], "...", value[-1]])


def _described(origin: Origin | None) -> str:
    if origin is None:
        return "nothing (it is simulated)"
    return (
        f"{origin.particles_a} of {listed(origin.species)} in a box of {origin.length:g} from step {origin.first_step}"
    )
