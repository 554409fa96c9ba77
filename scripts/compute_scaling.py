from pathlib import Path

from ensnare.analysis import scaling_tables, write_table
from ensnare.results import open_study
from ensnare.scripting import logged

with logged(snakemake.log[0]):
    tables = scaling_tables(open_study(snakemake.input[0]), snakemake.params.lacks)
    for path, table in zip(snakemake.output, tables.values(), strict=True):
        write_table(table, Path(path))
