"""Files and records, for packages that know what they mean: this one knows no study.

In: names, bytes, arrays. Out: files under `results/<study>/`, and what is read back from them.
Everything that has to survive a killed process or a full disk is here: a file is written under a
temporary name and renamed, so a file that exists is whole; the journal of a batch keeps every
finished sample when the job dies; locks keep two runs of a study apart.

`paths`
    which file of a study lies where (`StudyPaths`), and `write_whole`, which all writers use
`journal`
    the append-only record of the finished samples of a batch, and the type of its rows
`shared_rows`
    the same rows in memory that workers share with their job, for functions called with arrays
`outcome`
    how a sample ended (`Status`, `Outcome`), and its message cut to one line
`ids`
    sample ids as hashes of content, the search for ids, the seed of a sample
`hdf5`
    new HDF5 files, without the crash of HDF5 on a full disk
`pickles`
    pickles of plain arrays: written for exchange, read without running code that is in them
`derived`
    checksums of the tables and figures that Ensnare wrote, for `ensnare clean`
`locks`
    one run of a study at a time on this machine; which machine and process made a file
`signals`
    SIGTERM, SIGINT and SIGHUP as an exception, and blocks of code in which they wait
`provenance`
    versions of packages, host and git commit, for the archive

>>> paths = StudyPaths.of("beam")
>>> finished = read_journal(paths.journal("5ad1c9f0e2b47d83"), outputs=2)
>>> finished.rows["status"], finished.messages
"""
