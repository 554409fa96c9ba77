"""Numbers from the files that a run left in its working directory.

In: an entry of `model.outputs` of the study. Out: a `Parser`, which takes the files of a run and
returns one finite number, or a list of m numbers for an array, followed by the m numbers of its
axis if the axis is read too. A parser raises `OutputError` when a file is missing or a number is
not what the output declares; the sample then has the status `unparsable`.

- `parser`: choosing the parser of an output. Start here for a new kind of output.
- `files`: the files of a run, each read once; numbers as C and Fortran write them.
- `text`: regular expressions, words after a text, signs of success in logs.
- `tables`: columns of text tables, with or without a header.
- `structured`: JSON and XML.
- `arrays`: HDF5 and netCDF.
- `function`: a Python function of the user that reads the directory.
- `shapes`: sizes of arrays, and reductions to one number such as the mean.

>>> from ensnare.study.outputs import RegexOutput
>>> parser = compile_parser(RegexOutput(name="y", regex="y = (.*)"), "stdout.txt")
>>> parser(RunFiles("."))  # stdout.txt has the line `y = 0.25`
0.25
"""
