import gc

gc.set_threshold(100_000)  # next to nothing of what imports make is garbage

from pathlib import Path

from ensnare.commands.job import logged
from ensnare.parareal.archive import parareal_tree, write_parareal_archive
from ensnare.parareal.problem import components
from ensnare.parareal.results import collect_cases
from ensnare.store.paths import StudyPaths
from ensnare.store.pickles import write_pickle
from ensnare.study.loading import read_resolved

with logged(snakemake.log[0]):
    paths = StudyPaths(Path(snakemake.input.study).parent)
    study = read_resolved(paths.study)
    cases, names = collect_cases(study, paths), components(study.config.parareal)
    write_pickle(Path(snakemake.output.pickle), parareal_tree(names, cases))
    write_parareal_archive(Path(snakemake.output.archive), study, names, cases)
