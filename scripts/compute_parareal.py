import gc

gc.set_threshold(100_000)  # next to nothing of what imports make is garbage

from pathlib import Path

from ensnare.analyses.tables import write_table
from ensnare.commands.job import logged
from ensnare.parareal.archive import open_parareal
from ensnare.store.derived import note_derived

with logged(snakemake.log[0]):
    results, table = open_parareal(snakemake.input[0]), Path(snakemake.output[0])
    write_table(results.table(), table)
    note_derived(results.paths, [table])
