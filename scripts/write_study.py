import gc

gc.set_threshold(100_000)  # next to nothing of what imports make is garbage

from pathlib import Path

from ensnare.commands.job import logged
from ensnare.plan.defaults import record_defaults
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import read_resolved, write_resolved

with logged(snakemake.log[0]):
    path = Path(snakemake.output[0])
    write_resolved(snakemake.params.study, path)
    record_defaults(read_resolved(path), StudyPaths(path.parent))
