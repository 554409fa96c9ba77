import gc

gc.set_threshold(100_000)  # next to nothing of what imports make is garbage

from pathlib import Path

from ensnare.batches import plan_batches
from ensnare.gather import gather
from ensnare.paths import StudyPaths
from ensnare.resolved import read_resolved
from ensnare.rounds import as_it_stands
from ensnare.samplestable import write_samples
from ensnare.scripting import logged

with logged(snakemake.log[0]):
    paths = StudyPaths(Path(snakemake.input.study).parent)
    study = as_it_stands(read_resolved(paths.study), paths)
    write_samples(Path(snakemake.output[0]), gather(study, plan_batches(study), paths), paths)
