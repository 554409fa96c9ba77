import gc

gc.set_threshold(100_000)  # next to nothing of what imports make is garbage

from ensnare.archive.results import open_study
from ensnare.commands.gather import write_tables
from ensnare.commands.job import logged

with logged(snakemake.log[0]):
    write_tables(open_study(snakemake.input[0]), snakemake.params.tables)
