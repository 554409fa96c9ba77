import gc

gc.set_threshold(100_000)  # next to nothing of what imports make is garbage

from pathlib import Path

from ensnare.commands.job import logged
from ensnare.design.table import make_design
from ensnare.plan.defaults import record_defaults
from ensnare.plan.rounds import largest
from ensnare.plan.samples import write_design
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import read_resolved, write_resolved

with logged(snakemake.log[0]):
    write_resolved(snakemake.params.study, Path(snakemake.output.study))
    study = read_resolved(Path(snakemake.output.study))
    record_defaults(study, StudyPaths(Path(snakemake.output.study).parent))
    write_design(Path(snakemake.output.design), study, make_design(largest(study)))
