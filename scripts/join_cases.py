import gc

gc.set_threshold(100_000)  # next to nothing of what imports make is garbage

from pathlib import Path

from ensnare.commands.job import logged
from ensnare.parareal.ruled import join_ends

with logged(snakemake.log[0]):
    join_ends([Path(path) for path in snakemake.input], Path(snakemake.output[0]))
