import gc

gc.set_threshold(100_000)  # next to nothing of what imports make is garbage

from pathlib import Path

from ensnare.design import make_design
from ensnare.designfile import write_design
from ensnare.pastlevels import record_defaults
from ensnare.paths import StudyPaths
from ensnare.resolved import read_resolved, write_resolved
from ensnare.rounds import largest
from ensnare.scripting import logged

with logged(snakemake.log[0]):
    write_resolved(snakemake.params.study, Path(snakemake.output.study))
    study = read_resolved(Path(snakemake.output.study))
    record_defaults(study, StudyPaths(Path(snakemake.output.study).parent))
    write_design(Path(snakemake.output.design), study, make_design(largest(study)))
