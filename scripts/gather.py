import gc

gc.set_threshold(100_000)  # next to nothing of what imports make is garbage

from pathlib import Path

from ensnare.archive.archive import pickle_tree, write_archive
from ensnare.archive.gather import gather
from ensnare.commands.job import logged
from ensnare.plan.batches import plan_batches
from ensnare.plan.rounds import as_it_stands
from ensnare.store.paths import StudyPaths
from ensnare.store.pickles import write_pickle
from ensnare.study.loading import read_resolved

with logged(snakemake.log[0]):
    paths = StudyPaths(Path(snakemake.input.study).parent)
    study = as_it_stands(read_resolved(paths.study), paths)
    arrays = gather(study, plan_batches(study), paths)
    write_pickle(Path(snakemake.output.pickle), pickle_tree(arrays))
    write_archive(Path(snakemake.output.archive), study, arrays)
