from pathlib import Path

from ensnare.analysis import sobol_table, write_table
from ensnare.results import open_study
from ensnare.scripting import logged

with logged(snakemake.log[0]):
    results = open_study(snakemake.input[0])
    table = sobol_table(results, snakemake.params.estimator, snakemake.params.confidence)
    write_table(table, Path(snakemake.output[0]))
