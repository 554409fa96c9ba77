from pathlib import Path

from ensnare.analysis import ANALYSES, write_table
from ensnare.results import open_study
from ensnare.scripting import logged

with logged(snakemake.log[0]):
    make = ANALYSES[snakemake.params.table]
    table = make(open_study(snakemake.input[0]), **snakemake.params.options)
    write_table(table, Path(snakemake.output[0]))
