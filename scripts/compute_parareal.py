from pathlib import Path

from ensnare.analysis import write_table
from ensnare.parareal.archive import open_parareal
from ensnare.scripting import logged

with logged(snakemake.log[0]):
    write_table(open_parareal(snakemake.input[0]).table(), Path(snakemake.output[0]))
