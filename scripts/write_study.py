import gc

gc.set_threshold(100_000)  # next to nothing of what imports make is garbage

from pathlib import Path

from ensnare.pastlevels import record_defaults
from ensnare.paths import StudyPaths
from ensnare.resolved import read_resolved, write_resolved
from ensnare.scripting import logged

with logged(snakemake.log[0]):
    path = Path(snakemake.output[0])
    write_resolved(snakemake.params.study, path)
    record_defaults(read_resolved(path), StudyPaths(path.parent))
