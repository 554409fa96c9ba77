from pathlib import Path

from ensnare.analysis import statistics_table, write_table
from ensnare.results import open_study
from ensnare.scripting import logged

with logged(snakemake.log[0]):
    table = statistics_table(open_study(snakemake.input[0]), snakemake.params.confidence)
    write_table(table, Path(snakemake.output[0]))
