import gc

gc.set_threshold(100_000)  # next to nothing of what imports make is garbage

import sys
from pathlib import Path

from ensnare.analysis import measure_round
from ensnare.gather import gather
from ensnare.paths import StudyPaths
from ensnare.resolved import read_resolved
from ensnare.rounds import round_of, write_round
from ensnare.scripting import logged
from ensnare.verdicts import round_report

with logged(snakemake.log[0]):
    paths = StudyPaths(Path(snakemake.input.study).parent)
    study = read_resolved(paths.study)
    found = round_of(study, snakemake.wildcards.key)
    measured = measure_round(found.study, gather(found.study, found.batches, paths))
    write_round(Path(snakemake.output[0]), measured)
    said = round_report(study.config, found.number, measured)
    print(said)
print(said, file=sys.stderr)
