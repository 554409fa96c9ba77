from pathlib import Path

from ensnare.resolved import write_resolved
from ensnare.scripting import logged

with logged(snakemake.log[0]):
    write_resolved(snakemake.params.study, Path(snakemake.output[0]))
