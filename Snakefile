# The top level: `snakemake --profile local` and `snakemake --profile slurm` work in a clone.
include: "workflow/Snakefile"


# an include alone sets no default target
rule default:
    input:
        rules.all.input,
    localrule: True
