import gc

gc.set_threshold(100_000)  # next to nothing of what imports make is garbage

import sys
from pathlib import Path

from ensnare.analyses.rounds import measure_round
from ensnare.archive.gather import gather
from ensnare.commands.job import logged
from ensnare.plan.criteria import round_report
from ensnare.plan.rounds import round_of, write_round
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import read_resolved

with logged(snakemake.log[0]):
    paths = StudyPaths(Path(snakemake.input.study).parent)
    study = read_resolved(paths.study)
    found = round_of(study, snakemake.wildcards.key)
    measured = measure_round(found.study, gather(found.study, found.batches, paths))
    write_round(Path(snakemake.output[0]), measured)
    said = round_report(study.config, found.number, measured)
    print(said)
print(said, file=sys.stderr)
