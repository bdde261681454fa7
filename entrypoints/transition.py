"""transition: find where an ensemble becomes a glass, from its energies, from learning by confusion and from a network's P(glass)."""

from entrypoints import shell
from glassliquid.sessions.transition_job import TransitionJob


@shell.entry_point(TransitionJob, __doc__)
def main(job: TransitionJob) -> None:
    from glassliquid.commands import transition

    transition.run(job)


if __name__ == "__main__":
    shell.run(main)
