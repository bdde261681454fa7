"""export: write an ensemble as LAMMPS dumps."""

from entrypoints import shell
from glassliquid.commands.jobs import ExportJob


@shell.entry_point(ExportJob, __doc__)
def main(job: ExportJob) -> None:
    from glassliquid.commands import export

    export.run(job)


if __name__ == "__main__":
    shell.run(main)
