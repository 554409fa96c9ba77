import gc

gc.set_threshold(100_000)  # next to nothing of what imports make is garbage

from pathlib import Path

from ensnare.archive.gather import gather
from ensnare.archive.samples_csv import write_samples
from ensnare.commands.job import logged
from ensnare.plan.batches import plan_batches
from ensnare.plan.rounds import as_it_stands
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import read_resolved

with logged(snakemake.log[0]):
    paths = StudyPaths(Path(snakemake.input.study).parent)
    study = as_it_stands(read_resolved(paths.study), paths)
    write_samples(Path(snakemake.output[0]), gather(study, plan_batches(study), paths), paths)
