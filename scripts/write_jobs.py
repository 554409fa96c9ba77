import gc

gc.set_threshold(100_000)  # next to nothing of what imports make is garbage

from pathlib import Path

from ensnare.archive.jobs_csv import write_jobs
from ensnare.commands.job import logged
from ensnare.store.paths import StudyPaths

with logged(snakemake.log[0]):
    write_jobs(Path(snakemake.output[0]), StudyPaths(Path(snakemake.input.study).parent))
